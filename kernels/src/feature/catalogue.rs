//! The list of all features. A feature that is not listed here does not exist.

use crate::feature::entry::Entry;
use crate::feature::{average, bar, clock, dispersion, momentum, quote, transform, volume};

/// Every feature a plan can call, by family.
pub static CATALOGUE: &[&Entry] = &[
    &average::SMA,
    &average::EMA,
    &average::RMA,
    &momentum::MOM,
    &momentum::ROC,
    &momentum::ROCP,
    &momentum::ROCR,
    &momentum::LOG_RETURN,
    &momentum::RSI,
    &momentum::MACD,
    &dispersion::VAR,
    &dispersion::STDDEV,
    &dispersion::VOLATILITY,
    &dispersion::ZSCORE,
    &dispersion::BBANDS,
    &dispersion::PERCENTB,
    &dispersion::BBW,
    &bar::TRANGE,
    &bar::ATR,
    &bar::NATR,
    &bar::TYPPRICE,
    &bar::HL_RANGE,
    &bar::IBS,
    &bar::MIN,
    &bar::MAX,
    &volume::VWAP,
    &volume::VWAP_ROLLING,
    &volume::VWAP_SESSION,
    &quote::MID,
    &quote::SPREAD,
    &quote::RELATIVE_SPREAD,
    &quote::MICROPRICE,
    &quote::QUEUE_IMBALANCE,
    &clock::TIME_OF_DAY,
    &clock::TIME_OF_WEEK,
    &transform::LN,
    &transform::SQRT,
    &transform::ABS,
    &transform::LAG,
    &transform::CLIP,
];

/// The feature of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().copied().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parameters_lie_in_their_bounds() {
        for (place, entry) in CATALOGUE.iter().enumerate() {
            assert!(CATALOGUE[..place].iter().all(|other| other.name != entry.name), "{} twice", entry.name);
            for parameter in entry.parameters {
                assert!(parameter.minimum <= parameter.default && parameter.default <= parameter.maximum);
                assert!(!parameter.whole || parameter.default.fract() == 0.0);
            }
            assert!(entry.ta_lib.is_none_or(|name| name.to_lowercase() == entry.name));
        }
    }

    #[test]
    fn each_entry_builds_as_many_registers_as_it_names_outputs() {
        use crate::feature::graph::Graph;
        use crate::feature::op::Op;
        for entry in CATALOGUE {
            let mut graph = Graph::default();
            let inputs: Vec<usize> =
                (0..entry.inputs.len()).map(|place| graph.add(Op::Column(place), &[])).collect();
            let defaults: Vec<f64> = entry.parameters.iter().map(|parameter| parameter.default).collect();
            let outputs = (entry.lower)(&mut graph, &inputs, &defaults);
            assert_eq!(outputs.len(), entry.outputs.len(), "{}", entry.name);
        }
    }
}
