//! From the tree of a plan to its graph: names are looked up, arguments checked, defaults filled in.

mod call;

use std::ops::Range;

use crate::feature::across::Across;
use crate::feature::catalogue::{self, CATALOGUE};
use crate::feature::error::{Hint, Place, PlanError};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::syntax::{Form, Tree};

/// Columns that market data usually has; when one is missing, the remedy is other than for a slip of the pen.
pub(crate) const USUAL_COLUMNS: &[&str] =
    &["timestamp", "open", "high", "low", "close", "volume", "bid", "ask", "bid_size", "ask_size"];

/// An expression in the graph, with its text in full.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    /// One register for each output.
    pub registers: Vec<Register>,
    /// The text with every default written out.
    pub text: String,
    /// The feature called and its outputs, where they are several and none was chosen.
    pub choices: Option<(&'static str, &'static [&'static str])>,
    /// How strongly the text holds together: 0 sum, 1 product, 2 negation, 3 unit.
    rank: u8,
}

/// The graph under construction.
pub(crate) struct Lowering<'a> {
    pub text: &'a str,
    pub columns: &'a [&'a str],
    pub graph: Graph,
}

impl Lowering<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        Place::new(self.text, span)
    }

    /// Lowers an item of the plan, which may have several outputs.
    pub(crate) fn tree(&mut self, tree: &Tree) -> Result<Lowered, PlanError> {
        match &tree.form {
            Form::Number(value) => {
                let register = self.graph.add(Op::Constant(*value), &[]);
                Ok(unit(register, value.to_string()))
            }
            Form::Column(name) => self.column(name, &tree.span),
            Form::Negate(operand) => {
                let operand = self.single(operand)?;
                let register = self.graph.add(Op::Negate, &operand.registers);
                let text = format!("-{}", held(&operand, 2));
                Ok(Lowered { registers: vec![register], text, choices: None, rank: 2 })
            }
            Form::Binary(operator, left, right) => self.binary(*operator, left, right),
            Form::Call { name, name_span, arguments, output } => {
                if let Some(across) = Across::find(name) {
                    return Err(PlanError::Across { feature: across.name(), place: self.place(name_span) });
                }
                let Some(entry) = catalogue::find(name) else {
                    let hint = Hint::new(name, CATALOGUE.iter().map(|entry| entry.name));
                    return Err(PlanError::UnknownFeature {
                        name: name.clone(),
                        hint,
                        place: self.place(name_span),
                    });
                };
                self.call(entry, arguments, output.as_ref(), tree)
            }
        }
    }

    /// Lowers an expression of which one value is needed.
    pub(crate) fn single(&mut self, tree: &Tree) -> Result<Lowered, PlanError> {
        let lowered = self.tree(tree)?;
        if let Some((feature, outputs)) = lowered.choices {
            let (count, choices) = (outputs.len(), call::choices(outputs));
            return Err(PlanError::ManyOutputs { feature, count, choices, place: self.place(&tree.span) });
        }
        Ok(lowered)
    }

    fn binary(&mut self, operator: char, left: &Tree, right: &Tree) -> Result<Lowered, PlanError> {
        let (left, right) = (self.single(left)?, self.single(right)?);
        let (op, rank) = match operator {
            '+' => (Op::Add, 0),
            '-' => (Op::Subtract, 0),
            '*' => (Op::Multiply, 1),
            _ => (Op::Divide, 1),
        };
        let register = self.graph.add(op, &[left.registers[0], right.registers[0]]);
        let text = format!("{}{operator}{}", held(&left, rank), held(&right, rank + 1));
        Ok(Lowered { registers: vec![register], text, choices: None, rank })
    }

    fn column(&mut self, name: &str, span: &Range<usize>) -> Result<Lowered, PlanError> {
        if let Some(place) = self.columns.iter().position(|column| *column == name) {
            return Ok(unit(self.graph.add(Op::Column(place), &[]), name.to_owned()));
        }
        let place = self.place(span);
        if catalogue::find(name).is_some() {
            return Err(PlanError::NotCalled { name: name.to_owned(), place });
        }
        if USUAL_COLUMNS.contains(&name) {
            return Err(self.missing("the plan".to_owned(), name, String::new(), place));
        }
        let hint = Hint::new(name, self.columns.iter().copied());
        Err(PlanError::UnknownColumn { name: name.to_owned(), hint, place })
    }

    /// The error of a usual column that this data lacks; an empty remedy is filled in for the plan as a whole.
    fn missing(&self, feature: String, column: &str, remedy: String, place: Place) -> PlanError {
        let columns = if self.columns.is_empty() { "none".to_owned() } else { self.columns.join(", ") };
        PlanError::MissingColumn { feature, column: column.to_owned(), columns, remedy, place }
    }
}

fn unit(register: Register, text: String) -> Lowered {
    Lowered { registers: vec![register], text, choices: None, rank: 3 }
}

/// The text of `operand`, in parentheses where it holds together less than `rank`.
fn held(operand: &Lowered, rank: u8) -> String {
    if operand.rank < rank { format!("({})", operand.text) } else { operand.text.clone() }
}
