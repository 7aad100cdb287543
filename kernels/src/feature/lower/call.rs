//! A call of a feature: which arguments are inputs, which are parameters, and whether they are in bounds.

use std::ops::Range;

use super::{Lowered, Lowering};
use crate::feature::entry::Entry;
use crate::feature::error::{Hint, PlanError};
use crate::feature::graph::Register;
use crate::feature::op::Op;
use crate::feature::syntax::{Argument, Tree};

/// `.a, .b or .c`
pub(super) fn choices(outputs: &[&str]) -> String {
    let names: Vec<String> = outputs.iter().map(|output| format!(".{output}")).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// The values of the parameters while they are being collected, each with its place in the text.
type Values = Vec<Option<(f64, Range<usize>)>>;

impl Lowering<'_> {
    pub(super) fn call(
        &mut self,
        entry: &'static Entry,
        arguments: &[Argument],
        output: Option<&(String, Range<usize>)>,
        tree: &Tree,
    ) -> Result<Lowered, PlanError> {
        let mut inputs: Vec<Lowered> = Vec::new();
        let mut values: Values = vec![None; entry.parameters.len()];
        let mut positional = 0;
        for argument in arguments {
            let lowered = self.single(&argument.value)?;
            let span = argument.value.span.clone();
            let value = self.graph.constant(lowered.registers[0]);
            match (&argument.name, value) {
                (Some((name, name_span)), _) => {
                    self.named(entry, name, name_span, value, span, &mut values)?;
                }
                (None, Some(value)) => {
                    self.positional(entry, positional, value, span, &mut values)?;
                    positional += 1;
                }
                (None, None) if values.iter().any(Option::is_some) => {
                    let place = self.place(&span);
                    return Err(PlanError::InputAfterParameter { remedy: entry.call(), place });
                }
                (None, None) => inputs.push(lowered),
            }
        }
        let inputs = self.inputs(entry, inputs, tree)?;
        let values = self.checked(entry, &values, tree)?;
        let registers: Vec<Register> = inputs.iter().map(|input| input.registers[0]).collect();
        let outputs = (entry.lower)(&mut self.graph, &registers, &values);

        let parts = inputs.iter().map(|input| input.text.clone()).chain(values.iter().map(f64::to_string));
        let mut text = format!("{}({})", entry.name, parts.collect::<Vec<_>>().join(","));
        let several = entry.outputs.len() > 1;
        if let Some((name, span)) = output {
            let Some(chosen) = entry.outputs.iter().position(|output| several && output == name) else {
                return Err(self.no_output(entry, name, span));
            };
            text = format!("{text}.{name}");
            return Ok(super::unit(outputs[chosen], text));
        }
        let choices = several.then_some((entry.name, entry.outputs));
        Ok(Lowered { registers: outputs, text, choices, rank: 3 })
    }

    fn no_output(&self, entry: &'static Entry, name: &str, span: &Range<usize>) -> PlanError {
        let remedy = match entry.outputs {
            [_] => "leave it out, there is only one".to_owned(),
            several => format!("choose {}", choices(several)),
        };
        PlanError::UnknownOutput {
            feature: entry.name,
            name: name.to_owned(),
            remedy,
            place: self.place(span),
        }
    }

    fn positional(
        &self,
        entry: &'static Entry,
        which: usize,
        value: f64,
        span: Range<usize>,
        values: &mut Values,
    ) -> Result<(), PlanError> {
        match values.get_mut(which) {
            None => {
                let names: Vec<&str> = entry.parameters.iter().map(|parameter| parameter.name).collect();
                let takes = match names.as_slice() {
                    [] => "no parameters".to_owned(),
                    [one] => format!("one parameter, {one}"),
                    several => format!("{} parameters, {}", several.len(), several.join(", ")),
                };
                Err(PlanError::TooManyParameters { feature: entry.name, takes, place: self.place(&span) })
            }
            Some(Some(_)) => {
                let name = entry.parameters[which].name;
                Err(PlanError::ParameterTwice { feature: entry.name, name, place: self.place(&span) })
            }
            Some(slot) => {
                *slot = Some((value, span));
                Ok(())
            }
        }
    }

    fn named(
        &self,
        entry: &'static Entry,
        name: &str,
        name_span: &Range<usize>,
        value: Option<f64>,
        span: Range<usize>,
        values: &mut Values,
    ) -> Result<(), PlanError> {
        let Some(which) = entry.parameters.iter().position(|parameter| parameter.name == name) else {
            let hint = Hint::new(name, entry.parameters.iter().map(|parameter| parameter.name));
            let place = self.place(name_span);
            return Err(PlanError::UnknownParameter {
                feature: entry.name,
                name: name.to_owned(),
                hint,
                place,
            });
        };
        let Some(value) = value else {
            let name = entry.parameters[which].name;
            return Err(PlanError::NotConstant { feature: entry.name, name, place: self.place(&span) });
        };
        self.positional(entry, which, value, span, values)
    }

    /// The inputs given, or the natural ones where none is.
    fn inputs(
        &mut self,
        entry: &'static Entry,
        given: Vec<Lowered>,
        tree: &Tree,
    ) -> Result<Vec<Lowered>, PlanError> {
        if given.len() == entry.inputs.len() {
            return Ok(given);
        }
        if !given.is_empty() {
            let names: Vec<&str> = entry.inputs.iter().map(|input| input.name).collect();
            let count = names.len();
            let takes =
                format!("{count} {} ({})", if count == 1 { "input" } else { "inputs" }, names.join(", "));
            let (given, place) = (given.len(), self.place(&tree.span));
            return Err(PlanError::Inputs { feature: entry.name, takes, given, remedy: entry.call(), place });
        }
        let mut natural = Vec::with_capacity(entry.inputs.len());
        for input in entry.inputs {
            let Some(at) = self.columns.iter().position(|column| *column == input.column) else {
                let feature = format!("{}()", entry.name);
                let remedy = self.other_input(entry).unwrap_or_default();
                return Err(self.missing(feature, input.column, remedy, self.place(&tree.span)));
            };
            natural.push(super::unit(self.graph.add(Op::Column(at), &[]), input.column.to_owned()));
        }
        Ok(natural)
    }

    /// For a feature of one input: how to give it one that this data has.
    fn other_input(&self, entry: &Entry) -> Option<String> {
        let has = |column: &str| self.columns.contains(&column);
        let price = if has("bid") && has("ask") { Some("mid()") } else { None };
        match entry.inputs {
            [only] if only.column == "close" => {
                let input =
                    price.or_else(|| self.columns.iter().copied().find(|column| *column != "timestamp"))?;
                let parameters = entry.parameters.iter().map(|parameter| parameter.default.to_string());
                let arguments: Vec<String> = std::iter::once(input.to_owned()).chain(parameters).collect();
                Some(format!("name another input, as in {}({})", entry.name, arguments.join(",")))
            }
            _ => None,
        }
    }

    /// The parameters with defaults filled in, each in its bounds.
    fn checked(&self, entry: &'static Entry, values: &Values, tree: &Tree) -> Result<Vec<f64>, PlanError> {
        let mut checked: Vec<f64> = Vec::with_capacity(values.len());
        for (which, parameter) in entry.parameters.iter().enumerate() {
            let (value, span) = values[which].clone().unwrap_or((parameter.default, tree.span.clone()));
            let (feature, name, place) = (entry.name, parameter.name, self.place(&span));
            if !(parameter.minimum..=parameter.maximum).contains(&value) {
                let (minimum, maximum) = (parameter.minimum, parameter.maximum);
                return Err(PlanError::OutOfBounds { feature, name, value, minimum, maximum, place });
            }
            if parameter.whole && value.fract() != 0.0 {
                return Err(PlanError::NotWhole { feature, name, value, place });
            }
            if parameter.rising && value <= checked[which - 1] {
                let (before, limit) = (entry.parameters[which - 1].name, checked[which - 1]);
                return Err(PlanError::NotRising { feature, name, value, before, limit, place });
            }
            // Minus zero would be another plan than zero with the same meaning.
            checked.push(value + 0.0);
        }
        Ok(checked)
    }
}
