//! Plans for panels whose features may compare symbols: `cs_rank(rsi(14)), cs_zscore(log_return(5)), atr(14)/close`.
//!
//! A plan of what stands inside the comparisons runs over the panel, and the rows of its output are then compared. The
//! comparison is outermost, so what it looks at is a row that has been computed for every symbol.

use std::ops::Range;

use ndarray::{Array3, ArrayView2, ArrayViewMut3, Axis};

use super::Plan;
use crate::feature::across::Across;
use crate::feature::error::{Place, PlanError};
use crate::feature::panel::{Panel, PanelError};
use crate::feature::syntax::{self, Form, Tree};
use crate::feature::value::Number;

/// A list of features for panels, which may compare symbols.
#[derive(Clone, Debug)]
pub struct CrossPlan {
    plan: Plan,
    names: Vec<String>,
    outputs: Vec<Output>,
}

/// The output of the plan inside, and what is done across its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Output {
    inner: usize,
    across: Option<Across>,
}

/// A [`CrossPlan`] in the middle of many series. A clone is a snapshot: both go on independently.
#[derive(Clone, Debug)]
pub struct CrossPanel<T> {
    panel: Panel<T>,
    outputs: Vec<Output>,
    inner: usize,
}

impl CrossPlan {
    /// Reads a plan as [`Plan::parse`] does, in which the outermost call of a feature may be one of [`Across`].
    ///
    /// # Errors
    /// [`PlanError`], with the place in the text and the remedy.
    pub fn parse(text: &str, columns: &[&str]) -> Result<Self, PlanError> {
        let items = syntax::parse(text)?;
        // What stands outside of the comparisons, blanked so that every place stays where it is.
        let mut inside = text.to_owned();
        let mut features = Vec::with_capacity(items.len());
        for item in &items {
            let (across, span) = comparison(item, text)?;
            inside = blanked(&blanked(&inside, item.span.start..span.start), span.end..item.span.end);
            features.push((across, span));
        }
        let mut seen: Vec<String> = Vec::new();
        let (mut names, mut wanted) = (Vec::new(), Vec::new());
        for ((across, span), item) in features.iter().zip(&items) {
            let alone = blanked(&blanked(text, 0..span.start), span.end..text.len());
            let plan = Plan::parse(&alone, columns)?;
            for inner in plan.names() {
                let name =
                    across.map_or_else(|| inner.clone(), |across| format!("{}({inner})", across.name()));
                if names.contains(&name) {
                    return Err(PlanError::Repeated { name, place: Place::new(text, &item.span) });
                }
                names.push(name);
                wanted.push((inner.clone(), *across));
            }
            if plan.names().iter().all(|name| seen.contains(name)) {
                // Computed already for another feature: it goes, with the comma after it.
                let comma =
                    text[item.span.end..].find(',').map_or(item.span.end, |at| item.span.end + at + 1);
                inside = blanked(&inside, item.span.start..comma);
            }
            seen.extend(plan.names().iter().cloned());
        }
        let plan = Plan::parse(&inside, columns)?;
        let place = |name: &String| plan.names().iter().position(|other| other == name).unwrap_or_default();
        let outputs =
            wanted.iter().map(|(name, across)| Output { inner: place(name), across: *across }).collect();
        Ok(Self { plan, names, outputs })
    }

    /// The columns that are read, in order.
    #[must_use]
    pub fn inputs(&self) -> &[String] {
        self.plan.inputs()
    }

    /// The outputs, in order; each name is the text of the feature in full.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Rows before every output is known, where the data has no gaps.
    #[must_use]
    pub fn lookback(&self) -> usize {
        self.plan.lookback()
    }

    /// A hash, in hexadecimal, of what the outputs mean, as [`Plan::hash`].
    #[must_use]
    pub fn hash(&self) -> String {
        let identity = format!("across {}\n{}", self.plan.hash(), self.names.join("\n"));
        blake3::hash(identity.as_bytes()).to_hex().to_string()
    }

    /// The plan over `symbols` series at once, before their first row.
    ///
    /// # Errors
    /// [`PanelError`] when the format of the numbers cannot hold what the plan reads.
    pub fn panel<T: Number>(&self, symbols: usize) -> Result<CrossPanel<T>, PanelError> {
        let (panel, inner) = (self.plan.panel(symbols)?, self.plan.names().len());
        Ok(CrossPanel { panel, outputs: self.outputs.clone(), inner })
    }
}

impl<T: Number> CrossPanel<T> {
    /// Takes the next rows: `columns[input][row, symbol]`, in the order of [`CrossPlan::inputs`], and writes
    /// `out[output, row, symbol]` in the order of [`CrossPlan::names`].
    ///
    /// # Errors
    /// [`PanelError`] when the columns or the output array do not fit; nothing is then written or changed.
    pub fn extend(
        &mut self,
        columns: &[ArrayView2<'_, T>],
        mut out: ArrayViewMut3<'_, T>,
    ) -> Result<(), PanelError> {
        let rows = columns.first().map_or(0, |column| column.dim().0);
        let expected = (self.outputs.len(), rows, self.panel.symbols());
        if out.dim() != expected {
            return Err(PanelError::Output { given: out.dim(), expected });
        }
        let mut inner = Array3::from_elem((self.inner, rows, self.panel.symbols()), T::zero());
        self.panel.extend(columns, inner.view_mut())?;
        let mut sorted = Vec::with_capacity(self.panel.symbols());
        for (output, mut target) in self.outputs.iter().zip(out.outer_iter_mut()) {
            target.assign(&inner.index_axis(Axis(0), output.inner));
            if let Some(across) = output.across {
                target.outer_iter_mut().for_each(|row| across.apply(row, &mut sorted));
            }
        }
        Ok(())
    }
}

/// The comparison that an item is, if it is one, and the place of what stands inside.
fn comparison(item: &Tree, text: &str) -> Result<(Option<Across>, Range<usize>), PlanError> {
    let Form::Call { name, arguments, output, .. } = &item.form else { return Ok((None, item.span.clone())) };
    let Some(across) = Across::find(name) else { return Ok((None, item.span.clone())) };
    match (&arguments[..], output) {
        ([only], None) if only.name.is_none() => Ok((Some(across), only.value.span.clone())),
        _ => Err(PlanError::Inputs {
            feature: across.name(),
            takes: "1 input (x)".to_owned(),
            given: arguments.len(),
            remedy: format!("{}(rsi(14))", across.name()),
            place: Place::new(text, &item.span),
        }),
    }
}

/// The text with spaces in place of a part; lines stay lines.
fn blanked(text: &str, part: Range<usize>) -> String {
    let blank: String = text[part.clone()]
        .chars()
        .map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) })
        .collect();
    format!("{}{blank}{}", &text[..part.start], &text[part.end..])
}
