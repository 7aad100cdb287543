//! A plan: a list of features made for data of given columns, ready to run.

mod alpha158;
mod check;
mod cross;
mod default;
mod explanation;

use std::num::NonZero;
use std::sync::Arc;

use ndarray::ArrayViewMut2;

use crate::feature::error::{Place, PlanError};
use crate::feature::graph::{Graph, Register};
use crate::feature::loops::Loops;
use crate::feature::lower::Lowering;
use crate::feature::normaliser::Normaliser;
use crate::feature::panel::{Panel, PanelError};
use crate::feature::program::Program;
use crate::feature::snapshot::{self, SnapshotError};
use crate::feature::stream::{ShapeError, Stream};
use crate::feature::syntax::{self, TEXT_BYTES_MAX, Tree};
use crate::feature::value::Number;

use check::Written;

pub use check::{DataError, Rows};
pub use cross::{CrossPanel, CrossPlan};
pub use explanation::{Explanation, NodeLine, OutputLine};

/// Version of the meaning of features: raised when any feature gives other bits than before, so that models and
/// caches made with the old meaning are recognised.
pub const SEMANTIC_VERSION: u32 = 2;

/// Nodes of a plan; far above any sensible plan, low enough to keep a mistake from taking the machine.
const NODES_MAX: usize = 4096;
/// Bytes of state of a stream.
const STATE_BYTES_MAX: usize = 256 << 20;

/// A list of features made for data of given columns.
#[derive(Clone, Debug)]
pub struct Plan {
    program: Arc<Program>,
    loops: Loops,
    threads: NonZero<usize>,
    names: Vec<String>,
    lookbacks: Vec<usize>,
    inputs: Vec<String>,
    canonical: String,
    written: Written,
    hash: [u8; 32],
}

impl Plan {
    /// Reads a plan, such as `rsi(14), ema(close,20)/close-1, macd(12,26,9).hist`, for data with these columns.
    ///
    /// Arguments that depend on data are inputs, constants are parameters; inputs may be left out where the
    /// feature has natural ones (`rsi(14)` reads close), parameters where their defaults serve, and parameters
    /// can be named (`bbands(period=20).upper`). A feature of several outputs stands for all of them at the top
    /// level, and needs a choice (`.hist`) in arithmetic.
    ///
    /// It runs on the instruction set that `KERNELS_ISA` names, else on the best that is here; any gives the same
    /// bits.
    ///
    /// # Errors
    /// [`PlanError`], with the place in the text and the remedy.
    pub fn parse(text: &str, columns: &[&str]) -> Result<Self, PlanError> {
        let items = syntax::parse(text)?;
        let mut lowering = Lowering { text, columns, graph: Graph::default() };
        let (mut names, mut registers, mut canonical) = (Vec::new(), Vec::new(), Vec::new());
        let mut spans = Vec::new();
        for item in &items {
            let lowered = lowering.tree(item).map_err(|error| without(error, text, columns, &items))?;
            let place = || Place::new(text, &item.span);
            if lowered.registers.iter().any(|register| lowering.graph.constant(*register).is_some()) {
                return Err(PlanError::Constant { place: place() });
            }
            let outputs = lowered.choices.map_or(&[""][..], |(_, outputs)| outputs);
            for (register, output) in lowered.registers.iter().zip(outputs) {
                let dot = if output.is_empty() { "" } else { "." };
                let name = format!("{}{dot}{output}", lowered.text);
                if names.contains(&name) {
                    return Err(PlanError::Repeated { name, place: place() });
                }
                names.push(name);
                registers.push(*register);
                spans.push(item.span.clone());
            }
            canonical.push(lowered.text);
            limits(&lowering.graph)?;
        }
        let canonical = canonical.join(", ");
        if canonical.len() > TEXT_BYTES_MAX {
            let (needs, limit) = (canonical.len(), TEXT_BYTES_MAX);
            return Err(PlanError::TooLarge { what: "bytes with all defaults written out", needs, limit });
        }
        let loops = Loops::new(None)?;
        let written = Written { text: text.to_owned(), spans };
        Ok(Self::build(&lowering.graph, columns, (names, &registers), canonical, written, loops))
    }

    fn build(
        graph: &Graph,
        columns: &[&str],
        (names, registers): (Vec<String>, &[Register]),
        canonical: String,
        written: Written,
        loops: Loops,
    ) -> Self {
        let program = Program::new(graph, registers);
        let inputs = program.columns.iter().map(|place| columns[*place].to_owned()).collect();
        let lookbacks = registers.iter().map(|register| graph.lookback(*register)).collect();
        let identity = format!("diapason feature plan {SEMANTIC_VERSION}\n{}", names.join("\n"));
        let hash = *blake3::hash(identity.as_bytes()).as_bytes();
        let (program, threads) = (Arc::new(program), NonZero::<usize>::MIN);
        Self { program, loops, threads, names, lookbacks, inputs, canonical, written, hash }
    }

    /// The plan with that many threads for one long series, the caller's own among them; one unless said. The others
    /// live as long as a call of [`Plan::batch`] or [`Stream::extend`] whose rows are worth dividing. The bits are the same.
    #[must_use]
    pub fn with_threads(self, threads: NonZero<usize>) -> Self {
        Self { threads, ..self }
    }

    /// The text of a sensible plan for data with these columns: returns, oscillators, bands and scores without
    /// unit, so that they mean the same at any price level, and what volume, quotes and time allow.
    ///
    /// # Errors
    /// [`PlanError::NoDefault`] when the columns contain neither close nor bid and ask.
    pub fn default_for(columns: &[&str]) -> Result<String, PlanError> {
        default::text(columns)
    }

    /// The 158 features of Qlib's Alpha158, each its name there and its expression in a plan. They read open, high, low,
    /// close, volume and vwap; without a column vwap, leave out VWAP0.
    #[must_use]
    pub fn alpha158() -> Vec<(String, String)> {
        alpha158::features()
    }

    /// The columns that a row must give, in order: those of the data that the plan reads.
    #[must_use]
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The outputs, in order; each name is the text of the feature in full.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Rows before every output is known, where the data has no gaps.
    #[must_use]
    pub fn lookback(&self) -> usize {
        self.lookbacks.iter().copied().max().unwrap_or(0)
    }

    /// Rows before each output is known, in the order of [`Plan::names`].
    #[must_use]
    pub fn lookbacks(&self) -> &[usize] {
        &self.lookbacks
    }

    /// The plan in one agreed spelling, with every default written out. It reads back as the same plan.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// A hash, in hexadecimal, of what the outputs mean: equal for equal outputs in equal order, whatever the
    /// spelling and the order of the data's columns; different when [`SEMANTIC_VERSION`] is.
    #[must_use]
    pub fn hash(&self) -> String {
        blake3::Hash::from_bytes(self.hash).to_hex().to_string()
    }

    /// Bytes of state that a stream keeps.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.program.state_len * size_of::<f64>()
    }

    /// What runs.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// What will run: nodes, sharing, memory, warm-up.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        Explanation::new(self)
    }

    /// A stream before its first row.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(Arc::clone(&self.program), self.hash, self.loops, self.threads)
    }

    /// The plan over `symbols` series at once, before their first row, in `f32` or `f64`.
    ///
    /// # Errors
    /// [`PanelError::Time`] when the plan reads the time of the rows, which `f32` cannot hold.
    pub fn panel<T: Number>(&self, symbols: usize) -> Result<Panel<T>, PanelError> {
        Panel::new(Arc::clone(&self.program), &self.inputs, self.loops, symbols)
    }

    /// A stream as it was when [`Stream::snapshot`] wrote `bytes`.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are damaged, of another version or of another plan.
    pub fn restore(&self, bytes: &[u8]) -> Result<Stream, SnapshotError> {
        snapshot::restore(self.stream(), bytes)
    }

    /// Computes whole columns, in the order of [`Plan::inputs`], into `out[row, output]`. The first rows of each
    /// output, as many as its lookback, are NaN.
    ///
    /// # Errors
    /// [`ShapeError`] when the columns or the output array do not fit; nothing is then written.
    pub fn batch(&self, columns: &[&[f64]], out: ArrayViewMut2<'_, f64>) -> Result<(), ShapeError> {
        self.stream().extend(columns, out)
    }

    /// [`Plan::batch`], normalised and rounded to `f32`: what a model reads.
    ///
    /// # Errors
    /// [`ShapeError`] when the columns, the output array or the normaliser do not fit; nothing is then written.
    pub fn batch_into_f32(
        &self,
        columns: &[&[f64]],
        normaliser: &Normaliser,
        out: ArrayViewMut2<'_, f32>,
    ) -> Result<(), ShapeError> {
        self.stream().extend_into_f32(columns, normaliser, out)
    }
}

fn limits(graph: &Graph) -> Result<(), PlanError> {
    let bytes = graph.state_len.saturating_mul(size_of::<f64>());
    if graph.nodes.len() > NODES_MAX {
        let needs = graph.nodes.len();
        return Err(PlanError::TooLarge { what: "operations", needs, limit: NODES_MAX });
    }
    if bytes > STATE_BYTES_MAX {
        return Err(PlanError::TooLarge { what: "bytes of state", needs: bytes, limit: STATE_BYTES_MAX });
    }
    Ok(())
}

/// Completes the remedy for a missing column: the plan without the features that cannot be computed.
fn without(error: PlanError, text: &str, columns: &[&str], items: &[Tree]) -> PlanError {
    match error {
        PlanError::MissingColumn { feature, column, columns: has, remedy, place } if remedy.is_empty() => {
            let works = |item: &&Tree| {
                Lowering { text, columns, graph: Graph::default() }
                    .tree(item)
                    .is_ok_and(|item| !item.text.is_empty())
            };
            let rest: Vec<&str> =
                items.iter().filter(works).map(|item| text[item.span.clone()].trim()).collect();
            let remedy = match (rest.is_empty(), default::text(columns)) {
                (false, _) => format!("without it the plan is: {}", rest.join(", ")),
                (true, Ok(default)) => format!("the default plan for this data is: {default}"),
                (true, Err(_)) => "choose features that read other columns".to_owned(),
            };
            PlanError::MissingColumn { feature, column, columns: has, remedy, place }
        }
        other => other,
    }
}
