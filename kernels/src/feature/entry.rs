//! What the catalogue says about a feature: enough to list it, explain it, check a call of it and build it.

use serde::Serialize;

use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;

/// Builds a feature: from the registers of its inputs and its parameters to the registers of its outputs.
pub(crate) type Lower = fn(&mut Graph, &[Register], &[f64]) -> Vec<Register>;

/// One feature of the catalogue.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The name a plan calls it by; TA-Lib's in lower case where TA-Lib has the function.
    pub name: &'static str,
    /// Which of the catalogue's families it belongs to.
    pub family: Family,
    /// One line that says what it measures.
    pub summary: &'static str,
    /// The formula, with the names of `inputs` and `parameters`.
    pub formula: &'static str,
    /// Where the definition comes from.
    pub source: &'static str,
    /// The data it reads, in order.
    pub inputs: &'static [Input],
    /// The numbers it takes after the inputs, in order.
    pub parameters: &'static [Parameter],
    /// Its outputs; a plan chooses one with `name(...).output`. A single output needs no choice.
    pub outputs: &'static [&'static str],
    /// Rows before the first output, in terms of `parameters`.
    pub lookback: &'static str,
    /// When a value is NaN beyond the warm-up, and the values defined for limiting cases.
    pub nan: &'static str,
    /// What an output is measured in.
    pub unit: Unit,
    /// How an output depends on the row at which the series begins.
    pub stability: Stability,
    /// The function of TA-Lib whose values and lookback it has.
    pub ta_lib: Option<&'static str>,
    #[serde(skip)]
    pub(crate) lower: Lower,
}

/// An input of a feature.
#[derive(Debug, Serialize)]
pub struct Input {
    /// What the formula calls it.
    pub name: &'static str,
    /// The column read where a plan names no input.
    pub column: &'static str,
}

/// A numeric parameter of a feature.
#[derive(Debug, Serialize)]
pub struct Parameter {
    /// What the formula calls it, and a plan that passes it by name.
    pub name: &'static str,
    /// Its value where a plan gives none.
    pub default: f64,
    /// The least value allowed.
    pub minimum: f64,
    /// The greatest value allowed.
    pub maximum: f64,
    /// Whether it counts rows and so must be a whole number.
    pub whole: bool,
    /// Whether it must be greater than the parameter before it.
    pub rising: bool,
}

/// The families of features; each is one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Moving averages.
    Average,
    /// Rates of change.
    Momentum,
    /// Places in a range, and averages beside each other.
    Oscillator,
    /// Directional movement.
    Direction,
    /// Standard deviations, bands and scores.
    Dispersion,
    /// Estimators of volatility.
    Estimator,
    /// Lines through a window, and two values together.
    Regression,
    /// Sums, moments, quantiles and ranks of a window.
    Distribution,
    /// Shape and range of bars.
    Bar,
    /// Channels and extrema.
    Channel,
    /// Prices weighted by volume.
    Volume,
    /// Volume by the direction of the price.
    Flow,
    /// Best bid and ask.
    Quote,
    /// The order book beyond the best level, and the flow of orders.
    Book,
    /// Trades: direction and time.
    Trade,
    /// Time of day and of week.
    Clock,
    /// Values brought to a common scale.
    Scale,
    /// Functions of one value or two.
    Transform,
}

/// What an output is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// The unit of the first input.
    Input,
    /// The square of the unit of the first input.
    InputSquared,
    /// The unit of prices.
    Price,
    /// A pure number around zero or one.
    Ratio,
    /// A pure number where 100 is the whole.
    Percent,
    /// Standard deviations.
    Deviations,
    /// The product of the units of the first two inputs.
    Product,
    /// Degrees of an angle.
    Degrees,
    /// A number of rows.
    Rows,
    /// The unit of volumes.
    Volume,
    /// The unit of prices times that of volumes.
    Value,
    /// Seconds.
    Seconds,
}

/// How an output depends on the row at which the series begins; TA-Lib's four classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stability {
    /// Not at all: the same bits from any start.
    Exact,
    /// Only by rounding.
    Epsilon,
    /// It forgets the start exponentially.
    Converging,
    /// It remembers the start for ever.
    PathDependent,
}

/// A single unnamed output.
pub(crate) const SINGLE: &[&str] = &["value"];

/// Close, unless the plan names another input.
pub(crate) const CLOSE: &[Input] = &[Input { name: "x", column: "close" }];

/// Open of a bar.
pub(crate) const OPEN: Input = Input { name: "open", column: "open" };
/// High of a bar.
pub(crate) const HIGH: Input = Input { name: "high", column: "high" };
/// Low of a bar.
pub(crate) const LOW: Input = Input { name: "low", column: "low" };
/// Close of a bar, where it is one of several inputs.
pub(crate) const LAST: Input = Input { name: "close", column: "close" };
/// Volume of a bar or a trade.
pub(crate) const VOLUME: Input = Input { name: "volume", column: "volume" };
/// Nanoseconds since 1970-01-01 UTC.
pub(crate) const TIME: Input = Input { name: "timestamp", column: "timestamp" };

/// A whole number of rows, at most TA-Lib's limit of 100,000.
pub(crate) const fn rows(name: &'static str, default: f64, minimum: f64) -> Parameter {
    Parameter { name, default, minimum, maximum: 100_000.0, whole: true, rising: false }
}

/// A real number.
pub(crate) const fn real(name: &'static str, default: f64, minimum: f64, maximum: f64) -> Parameter {
    Parameter { name, default, minimum, maximum, whole: false, rising: false }
}

impl Parameter {
    /// The same parameter, which must be greater than the one before it.
    pub(crate) const fn rising(mut self) -> Self {
        self.rising = true;
        self
    }
}

impl Entry {
    /// Rows before the first output when called with `parameters` (their defaults where left out). `None` when there
    /// are too many, or one is not what its [`Parameter`] allows.
    #[must_use]
    pub fn lookback_rows(&self, parameters: &[f64]) -> Option<usize> {
        let values: Vec<f64> = (self.parameters.iter().enumerate())
            .map(|(place, parameter)| parameters.get(place).copied().unwrap_or(parameter.default))
            .collect();
        let allowed = |(place, parameter): (usize, &Parameter)| {
            let value = values[place];
            (parameter.minimum..=parameter.maximum).contains(&value)
                && (!parameter.whole || value.fract() == 0.0)
                && (!parameter.rising || place.checked_sub(1).is_none_or(|before| value > values[before]))
        };
        if parameters.len() > values.len() || !self.parameters.iter().enumerate().all(allowed) {
            return None;
        }
        let mut graph = Graph::default();
        let inputs: Vec<Register> =
            (0..self.inputs.len()).map(|place| graph.add(Op::Column(place), &[])).collect();
        let outputs = (self.lower)(&mut graph, &inputs, &values);
        Some(outputs.iter().map(|output| graph.lookback(*output)).max().unwrap_or(0))
    }

    /// How a plan calls it with everything written out: `ema(close,30)`.
    #[must_use]
    pub fn call(&self) -> String {
        let inputs = self.inputs.iter().map(|input| input.column.to_owned());
        let parameters = self.parameters.iter().map(|parameter| parameter.default.to_string());
        format!("{}({})", self.name, inputs.chain(parameters).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use crate::feature::catalogue::CATALOGUE;

    #[test]
    fn a_lookback_needs_parameters_that_the_feature_takes() {
        for entry in CATALOGUE {
            let defaults: Vec<f64> = entry.parameters.iter().map(|parameter| parameter.default).collect();
            assert!(entry.lookback_rows(&defaults).is_some(), "{}", entry.name);
            assert_eq!(entry.lookback_rows(&[&defaults[..], &[1.0]].concat()), None, "{}", entry.name);
            for (place, parameter) in entry.parameters.iter().enumerate() {
                for bad in [parameter.minimum.next_down(), parameter.maximum.next_up(), f64::NAN] {
                    let mut values = defaults.clone();
                    values[place] = bad;
                    assert_eq!(entry.lookback_rows(&values), None, "{} with {bad:e}", entry.name);
                }
            }
        }
    }
}
