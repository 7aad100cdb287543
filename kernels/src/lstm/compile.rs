//! From a model to something that runs: instruction set, packed weights, threads.

use std::fmt::Write;
use std::sync::Arc;

use diapason_buffer::buffer::OutOfMemory;
use rayon_core::{ThreadPool, ThreadPoolBuildError};
use thiserror::Error;

use super::block::Workspace;
use super::cut::Tuning;
use super::matrix::{Matrix, Precision};
use super::model::{Lstm, ModelError};
use super::non_finite::NonFinite;
use super::packed::{Packed, PackedLayer};
use super::threads::{THREADS_MAX, pool, threads};
use crate::cpu::Kernels;
use crate::isa::{Isa, IsaError};
use crate::op::activation::Activations;
use crate::op::gemm::{GROUP, PANEL};
use crate::op::int8::DEPTH_MAX;

/// How to compile a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// The instruction set; `None` takes `KERNELS_ISA`, else the best that this processor has. Any gives the same
    /// bits.
    pub isa: Option<Isa>,
    /// Threads of [`Executable::predict`]; 0 is one for each core that this process may use. Any number gives the
    /// same bits.
    pub threads: usize,
    /// In what the matrix products are computed. How far that takes the predictions from an exact computation is for
    /// [`Lstm::deviation`] to say, on data of the caller's own.
    pub precision: Precision,
    /// How exactly gates and states are computed. Any instruction set gives the same bits.
    pub activations: Activations,
    /// How `predict` cuts a batch, where [`Lstm::tune`] found it; `None` is what suits most. Any gives the same bits.
    pub tuning: Option<Tuning>,
    /// What to do with features and weights that are NaN or infinite.
    pub non_finite: NonFinite,
}

/// A model that cannot be compiled here.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The instruction set is not to be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// A weight is NaN or infinite.
    #[error("{source}; mend the model{}", remedy(*precision))]
    Weight {
        /// Which one.
        source: ModelError,
        /// What was asked for.
        precision: Precision,
    },
    /// Not enough memory for the packed weights.
    #[error("no memory for the packed weights of {spec}: {source}")]
    Memory {
        /// The shape of the model.
        spec: crate::op::network::Spec,
        /// What was refused.
        source: OutOfMemory,
    },
    /// A sum of this many products of 8-bit integers would overflow.
    #[error("int8 takes at most {DEPTH_MAX} inputs and units, not {depth}; compile for bf16 instead")]
    Depth {
        /// Inputs or units, whichever are more.
        depth: usize,
    },
    /// A tuning out of its range.
    #[error("the tuning's {name} is {value}, not {range}")]
    Tuning {
        /// The field.
        name: &'static str,
        /// Its value.
        value: usize,
        /// What it may be.
        range: String,
    },
    /// More threads than any machine is worth.
    #[error("threads is {threads}; it must be at most {THREADS_MAX}, or 0 for one for each core")]
    ThreadCount {
        /// How many.
        threads: usize,
    },
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        source: ThreadPoolBuildError,
    },
}

/// What else would help against a weight that is not finite.
const fn remedy(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 | Precision::Bf16 => ", or compile it to propagate what is not finite",
        Precision::Int8 => ", since 8-bit integers have no NaN",
    }
}

/// A model made ready for this processor.
#[derive(Debug)]
pub struct Executable {
    pub(super) kernels: Kernels,
    pub(super) precision: Precision,
    activations: Activations,
    pub(super) tuning: Tuning,
    pub(super) non_finite: NonFinite,
    pub(super) packed: Arc<Packed<Matrix>>,
    /// Hash of the model, for the snapshots of streams.
    pub(super) model: Arc<str>,
    pub(super) pool: Option<ThreadPool>,
    pub(super) workspaces: Vec<std::sync::Mutex<Workspace>>,
}

impl Lstm {
    /// Packs the weights for this processor and starts the threads.
    ///
    /// # Errors
    /// [`CompileError`] when the instruction set, the memory or the threads are not to be had.
    pub fn compile(&self, options: &CompileOptions) -> Result<Executable, CompileError> {
        if options.threads > THREADS_MAX {
            return Err(CompileError::ThreadCount { threads: options.threads });
        }
        let tuning = options.tuning.unwrap_or_default();
        if let Some((name, value, range)) = tuning.fault() {
            return Err(CompileError::Tuning { name, value, range });
        }
        let (spec, precision) = (self.spec(), options.precision);
        let depth = spec.input.max(spec.hidden);
        if precision == Precision::Int8 && depth > DEPTH_MAX {
            return Err(CompileError::Depth { depth });
        }
        if precision == Precision::Int8 || options.non_finite == NonFinite::Error {
            self.check_finite().map_err(|source| CompileError::Weight { source, precision })?;
        }
        let kernels = Kernels::with(options.isa, options.activations)?;
        let memory = |source| CompileError::Memory { spec, source };
        let packed = Packed::new(self.weights()).and_then(|packed| packed.narrowed(precision));
        let packed = Arc::new(packed.map_err(memory)?);
        let threads = threads(if options.threads == 0 { tuning.threads } else { options.threads });
        let pool = pool(threads).map_err(|source| CompileError::Threads { threads, source })?;
        let workspaces = (0..threads).map(|_| std::sync::Mutex::default()).collect();
        let CompileOptions { activations, non_finite, .. } = *options;
        let model = self.hash().into();
        Ok(Executable {
            kernels,
            precision,
            activations,
            tuning,
            non_finite,
            packed,
            model,
            pool,
            workspaces,
        })
    }
}

impl Executable {
    /// The instruction set that was chosen.
    #[must_use]
    pub const fn isa(&self) -> Isa {
        self.kernels.isa()
    }

    /// In what the matrix products are computed.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// The instruction set of the matrix products: the chosen one, or the next one down where that has no instruction for
    /// this precision.
    #[must_use]
    pub const fn product_isa(&self) -> Isa {
        match self.precision {
            Precision::F32 => self.kernels.isa(),
            Precision::Bf16 => self.kernels.bf16_isa(),
            Precision::Int8 => self.kernels.int8_isa(),
        }
    }

    /// Bytes that a step of one series reads, and its operations, padding not counted.
    pub(super) fn step_cost(&self) -> (usize, usize) {
        let spec = self.packed.spec;
        let layers = self.packed.layers.iter().map(|layer| layer_cost(spec.hidden, layer));
        layers.fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1))
    }

    /// What was chosen and what one step costs, as text for a person. What the processor could do at best is for
    /// [`floor`](Self::floor) to measure.
    #[must_use]
    pub fn explain(&self) -> String {
        let packed = &self.packed;
        let (spec, units, isa) = (packed.spec, packed.units, self.isa());
        let mut text = String::new();
        let _ = writeln!(text, "model        {spec}, {} parameters", spec.parameters());
        let _ = writeln!(text, "instructions {isa}, {} lanes of f32", isa.lanes());
        let _ = writeln!(text, "precision    {} by {}, sums in f32", self.precision, self.product_isa());
        let _ = writeln!(
            text,
            "threads      {} for batches; 1 for a stream, and those of its cores",
            self.workspaces.len()
        );
        let _ = writeln!(
            text,
            "packing      gates interleaved by {GROUP} units, {} units padded to {units}, {} bytes in all",
            spec.hidden,
            packed.bytes()
        );
        let huge = packed.bytes_huge();
        if huge > 0 {
            let _ = writeln!(
                text,
                "huge pages   asked for {huge} bytes, where matrices fill one; the kernel may refuse"
            );
        }
        if packed.has_tail() && self.product_isa() == Isa::Avx512 {
            let _ = writeln!(
                text,
                "tail         a stream reads the last group of {GROUP} without most of its padding"
            );
        }
        let (rows, sums) = tile(self.product_isa(), self.precision);
        let _ = writeln!(
            text,
            "tiles        {rows} rows by {} columns, {sums} sums in registers, which leave no other choice; one row in a stream",
            self.product_isa().lanes() * sums / rows
        );
        let _ = writeln!(text, "activations  {}", self.activations);
        let _ = writeln!(text, "batches      {}", self.tuning);
        for (index, layer) in packed.layers.iter().enumerate() {
            let (bytes, flop) = layer_cost(spec.hidden, layer);
            let _ = writeln!(text, "layer {index:<6} {bytes} bytes read and {flop} FLOP in a step");
        }
        let (bytes, flop) = self.step_cost();
        let _ = writeln!(text, "step         {bytes} bytes read and {flop} FLOP in a step of one series");
        let _ = write!(
            text,
            "window       {flop} FLOP for each of its steps, the weights read once for a block of them"
        );
        text
    }
}

/// Rows of a full tile of a product, and the sums that it keeps in registers.
const fn tile(isa: Isa, precision: Precision) -> (usize, usize) {
    match (isa, precision) {
        (Isa::Avx512, _) => (6, 24),
        (Isa::Avx2Fma, Precision::F32) => (3, 12),
        (Isa::Avx2Fma, Precision::Bf16 | Precision::Int8) => (2, 8),
        (Isa::Scalar, _) => (1, 1),
    }
}

/// Bytes that a step of one layer reads, and its operations.
fn layer_cost(hidden: usize, layer: &PackedLayer<Matrix>) -> (usize, usize) {
    (layer.bytes(), 2 * PANEL * hidden * (layer.inputs + hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::{Head, Spec};

    #[test]
    fn too_many_threads_are_refused() {
        let model =
            Lstm::new(Spec { input: 1, hidden: 1, layers: 1, output: 1, head: Head::Linear }, 0).unwrap();
        let options = CompileOptions { threads: 1025, ..CompileOptions::default() };
        let message = model.compile(&options).unwrap_err().to_string();
        assert!(message.starts_with("threads is 1025; it must be at most 1024"), "{message}");
    }

    #[test]
    fn explains_what_was_chosen() {
        let model =
            Lstm::new(Spec { input: 12, hidden: 33, layers: 2, output: 1, head: Head::Linear }, 0).unwrap();
        let compiled = |isa, precision| {
            let options =
                CompileOptions { isa: Some(isa), threads: 1, precision, ..CompileOptions::default() };
            model.compile(&options).unwrap()
        };
        let bytes = Precision::ALL.map(|precision| compiled(Isa::Scalar, precision).packed.bytes());
        assert!(bytes[1] < bytes[0] * 11 / 20 && bytes[2] < bytes[1], "{bytes:?}");
        let large =
            Lstm::new(Spec { input: 600, hidden: 300, layers: 1, output: 1, head: Head::Linear }, 0).unwrap();
        let text = large.compile(&CompileOptions::default()).unwrap().explain();
        // 600 x 1,216 weights; the 300 x 1,216 of the hidden states do not fill a huge page.
        assert!(text.contains("huge pages   asked for 2918400 bytes"), "{text}");
        for isa in Isa::available() {
            let text = compiled(isa, Precision::F32).explain();
            assert!(text.contains("33 units padded to 48") && !text.contains("huge pages"), "{text}");
            assert!(
                text.contains(isa.name()) && text.contains("29304 FLOP in a step of one series"),
                "{text}"
            );
        }
    }
}
