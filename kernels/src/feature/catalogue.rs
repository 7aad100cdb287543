//! The list of all features. A feature that is not listed here does not exist.

use crate::feature::entry::Entry;
use crate::feature::{
    average, bar, book, channel, clock, direction, dispersion, distribution, estimator, flow, momentum,
    oscillator, quote, regression, scale, trade, transform, volume,
};

/// Every feature a plan can call, by family.
pub static CATALOGUE: &[&Entry] = &[
    &average::SMA,
    &average::EMA,
    &average::RMA,
    &average::WMA,
    &average::TRIMA,
    &average::HMA,
    &average::DEMA,
    &average::TEMA,
    &average::T3,
    &average::KAMA,
    &momentum::MOM,
    &momentum::ROC,
    &momentum::ROCP,
    &momentum::ROCR,
    &momentum::LOG_RETURN,
    &momentum::RSI,
    &momentum::MACD,
    &oscillator::STOCHF,
    &oscillator::STOCH,
    &oscillator::WILLR,
    &oscillator::CCI,
    &oscillator::CMO,
    &oscillator::APO,
    &oscillator::PPO,
    &oscillator::TRIX,
    &oscillator::ULTOSC,
    &oscillator::BOP,
    &oscillator::AROON,
    &oscillator::AROONOSC,
    &oscillator::ER,
    &oscillator::CHOP,
    &direction::PLUS_DM,
    &direction::MINUS_DM,
    &direction::PLUS_DI,
    &direction::MINUS_DI,
    &direction::DX,
    &direction::ADX,
    &direction::ADXR,
    &dispersion::VAR,
    &dispersion::STDDEV,
    &dispersion::VOLATILITY,
    &dispersion::ZSCORE,
    &dispersion::BBANDS,
    &dispersion::PERCENTB,
    &dispersion::BBW,
    &estimator::PARKINSON,
    &estimator::GARMAN_KLASS,
    &estimator::ROGERSSATCHELL,
    &estimator::YANG_ZHANG,
    &estimator::REALISED_VARIANCE,
    &estimator::BIPOWER_VARIATION,
    &regression::LINEARREG,
    &regression::LINEARREG_SLOPE,
    &regression::LINEARREG_INTERCEPT,
    &regression::LINEARREG_ANGLE,
    &regression::TSF,
    &regression::RSQUARE,
    &regression::RESIDUAL,
    &regression::COV,
    &regression::CORREL,
    &regression::BETA,
    &distribution::SUM,
    &distribution::AVGDEV,
    &distribution::MEDIAN,
    &distribution::QUANTILE,
    &distribution::PERCENTILE,
    &distribution::RANK,
    &distribution::MAD,
    &distribution::SKEW,
    &distribution::KURTOSIS,
    &bar::TRANGE,
    &bar::ATR,
    &bar::NATR,
    &bar::TYPPRICE,
    &bar::HL_RANGE,
    &bar::IBS,
    &bar::MEDPRICE,
    &bar::WCLPRICE,
    &bar::AVGPRICE,
    &bar::MIN,
    &bar::MAX,
    &channel::DONCHIAN,
    &channel::KC,
    &channel::MIDPOINT,
    &channel::MIDPRICE,
    &channel::SINCE_MIN,
    &channel::SINCE_MAX,
    &channel::ARGMIN,
    &channel::ARGMAX,
    &volume::VWAP,
    &volume::VWAP_ROLLING,
    &volume::VWAP_SESSION,
    &flow::OBV,
    &flow::AD,
    &flow::ADOSC,
    &flow::CMF,
    &flow::MFI,
    &flow::EFI,
    &flow::VWMA,
    &quote::MID,
    &quote::SPREAD,
    &quote::RELATIVE_SPREAD,
    &quote::MICROPRICE,
    &quote::QUEUE_IMBALANCE,
    &book::DEPTH_IMBALANCE5,
    &book::MLOFI5,
    &book::BOOK_SLOPE5,
    &book::DEPTH_IMBALANCE10,
    &book::MLOFI10,
    &book::BOOK_SLOPE10,
    &book::OFI,
    &trade::TRADE_SIGN,
    &trade::LEE_READY,
    &trade::SIGNED_VOLUME,
    &trade::TRADE_IMBALANCE,
    &trade::CANCEL_RATE,
    &trade::SINCE_CHANGE,
    &trade::SINCE_TRADE,
    &clock::TIME_OF_DAY,
    &clock::TIME_OF_WEEK,
    &clock::SESSION,
    &scale::ROBUST_ZSCORE,
    &scale::WINSORISE,
    &scale::EWM_VAR,
    &scale::EWM_ZSCORE,
    &scale::FILL,
    &transform::LN,
    &transform::SQRT,
    &transform::ABS,
    &transform::LAG,
    &transform::CLIP,
    &transform::LOG1P,
    &transform::POSITIVE,
    &transform::GREATER,
    &transform::LESSER,
    &transform::ABOVE,
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
