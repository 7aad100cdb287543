//! The elementwise functions that an LSTM cell or a dense layer may have.
//!
//! ```text
//! Sigmoid 1 / (1 + e^-x)          Tanh tanh x                Relu max(0, x)
//! Affine a x + b                  LeakyRelu x < 0: a x       ThresholdedRelu x > a: x, else 0
//! ScaledTanh a tanh(b x)          HardSigmoid 0..1 of a x + b
//! Elu x < 0: a (e^x - 1)          Softsign x / (1 + |x|)     Softplus ln(1 + e^x)
//! ```
//!
//! Source: the list of activation functions in the ONNX operator LSTM, version 14.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Real, sigmoid};

/// One of the functions above.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `tanh x`.
    Tanh,
    /// `max(0, x)`.
    Relu,
    /// `alpha x + beta`.
    Affine {
        /// The slope.
        alpha: f32,
        /// The value at zero.
        beta: f32,
    },
    /// `x`, below zero `alpha x`.
    LeakyRelu {
        /// The slope below zero.
        alpha: f32,
    },
    /// `x` above `alpha`, else zero.
    ThresholdedRelu {
        /// The threshold.
        alpha: f32,
    },
    /// `alpha tanh(beta x)`.
    ScaledTanh {
        /// The factor outside.
        alpha: f32,
        /// The factor inside.
        beta: f32,
    },
    /// `alpha x + beta`, held within 0..1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at zero.
        beta: f32,
    },
    /// `x`, below zero `alpha (e^x - 1)`.
    Elu {
        /// The limit below, negated.
        alpha: f32,
    },
    /// `x / (1 + |x|)`.
    Softsign,
    /// `ln(1 + e^x)`.
    Softplus,
}

impl Function {
    /// The function of one value.
    #[must_use]
    pub fn apply<R: Real>(self, x: R) -> R {
        let of = |x: f32| R::of(f64::from(x));
        let (zero, one) = (R::zero(), R::one());
        match self {
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Relu => keep(x, x < zero, zero),
            Self::Affine { alpha, beta } => of(alpha) * x + of(beta),
            Self::LeakyRelu { alpha } => keep(x, x < zero, of(alpha) * x),
            Self::ThresholdedRelu { alpha } => keep(x, x <= of(alpha), zero),
            Self::ScaledTanh { alpha, beta } => of(alpha) * (of(beta) * x).tanh(),
            Self::HardSigmoid { alpha, beta } => {
                let line = of(alpha) * x + of(beta);
                keep(keep(line, line < zero, zero), line > one, one)
            }
            Self::Elu { alpha } => keep(x, x < zero, of(alpha) * x.exp_m1()),
            Self::Softsign => x / (one + x.abs()),
            // Above 0 the exponential would overflow: ln(1 + e^x) = x + ln(1 + e^-x).
            Self::Softplus => keep(x, x < zero, zero) + (-x.abs()).exp().ln_1p(),
        }
    }

    /// Its derivative; at a corner that from the left, as in PyTorch.
    #[must_use]
    pub fn slope<R: Real>(self, x: R) -> R {
        let of = |x: f32| R::of(f64::from(x));
        let (zero, one) = (R::zero(), R::one());
        let step = |above: bool| if above { one } else { zero };
        match self {
            Self::Sigmoid => sigmoid(x) * (one - sigmoid(x)),
            Self::Tanh => one - x.tanh() * x.tanh(),
            Self::Relu => step(x > zero),
            Self::Affine { alpha, .. } => of(alpha),
            Self::LeakyRelu { alpha } => {
                if x > zero {
                    one
                } else {
                    of(alpha)
                }
            }
            Self::ThresholdedRelu { alpha } => step(x > of(alpha)),
            Self::ScaledTanh { alpha, beta } => {
                let tanh = (of(beta) * x).tanh();
                of(alpha) * of(beta) * (one - tanh * tanh)
            }
            Self::HardSigmoid { alpha, beta } => {
                let line = of(alpha) * x + of(beta);
                if line > zero && line < one { of(alpha) } else { zero }
            }
            Self::Elu { alpha } => {
                if x > zero {
                    one
                } else {
                    of(alpha) * x.exp()
                }
            }
            Self::Softsign => one / ((one + x.abs()) * (one + x.abs())),
            Self::Softplus => sigmoid(x),
        }
    }

    /// The name that ONNX gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::Relu => "Relu",
            Self::Affine { .. } => "Affine",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::ThresholdedRelu { .. } => "ThresholdedRelu",
            Self::ScaledTanh { .. } => "ScaledTanh",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::Elu { .. } => "Elu",
            Self::Softsign => "Softsign",
            Self::Softplus => "Softplus",
        }
    }

    /// Its parameters: alpha and beta, where it has them.
    #[must_use]
    pub const fn parameters(self) -> (Option<f32>, Option<f32>) {
        match self {
            Self::Affine { alpha, beta }
            | Self::ScaledTanh { alpha, beta }
            | Self::HardSigmoid { alpha, beta } => (Some(alpha), Some(beta)),
            Self::LeakyRelu { alpha } | Self::ThresholdedRelu { alpha } | Self::Elu { alpha } => {
                (Some(alpha), None)
            }
            Self::Sigmoid | Self::Tanh | Self::Relu | Self::Softsign | Self::Softplus => (None, None),
        }
    }

    /// Whether its parameters are finite.
    #[must_use]
    pub fn is_finite(self) -> bool {
        let (alpha, beta) = self.parameters();
        alpha.into_iter().chain(beta).all(f32::is_finite)
    }
}

/// `x`, or `other` where the condition holds: a NaN, which makes every comparison false, stays one.
fn keep<R: Real>(x: R, condition: bool, other: R) -> R {
    if condition { other } else { x }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parameters() {
            (Some(alpha), Some(beta)) => write!(f, "{}({alpha}, {beta})", self.name()),
            (Some(alpha), None) => write!(f, "{}({alpha})", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_differences() {
        let functions = [
            Function::Sigmoid,
            Function::Tanh,
            Function::Relu,
            Function::Affine { alpha: 3.0, beta: 1.0 },
            Function::LeakyRelu { alpha: 0.3 },
            Function::ThresholdedRelu { alpha: 0.4 },
            Function::ScaledTanh { alpha: 1.5, beta: 0.7 },
            Function::HardSigmoid { alpha: 0.3, beta: 0.4 },
            Function::Elu { alpha: 0.8 },
            Function::Softsign,
            Function::Softplus,
        ];
        for function in functions {
            for x in [-3.1, -0.7, -0.01, 0.02, 0.39, 0.41, 2.7] {
                let wanted: f64 = (function.apply(x + 1e-5) - function.apply(x - 1e-5)) / 2e-5;
                assert!((function.slope(x) - wanted).abs() < 1e-8, "{function} at {x}");
            }
        }
    }

    #[test]
    fn known_values() {
        let cases = [
            (Function::Relu, [0.0, 0.0, 2.0]),
            (Function::Affine { alpha: 3.0, beta: 1.0 }, [-5.0, 1.0, 7.0]),
            (Function::LeakyRelu { alpha: 0.5 }, [-1.0, 0.0, 2.0]),
            (Function::ThresholdedRelu { alpha: 2.0 }, [0.0, 0.0, 0.0]),
            (Function::HardSigmoid { alpha: 0.25, beta: 0.5 }, [0.0, 0.5, 1.0]),
            (Function::Elu { alpha: 2.0 }, [2.0 * ((-2.0_f64).exp() - 1.0), 0.0, 2.0]),
            (Function::Softsign, [-2.0 / 3.0, 0.0, 2.0 / 3.0]),
            (
                Function::ScaledTanh { alpha: 2.0, beta: 0.5 },
                [2.0 * (-1.0_f64).tanh(), 0.0, 2.0 * 1.0_f64.tanh()],
            ),
            (Function::Softplus, [(-2.0_f64).exp().ln_1p(), 2.0_f64.ln(), 2.0_f64.exp().ln_1p()]),
        ];
        for (function, wanted) in cases {
            for (x, wanted) in [-2.0, 0.0, 2.0].into_iter().zip(wanted) {
                let got: f64 = function.apply(x);
                assert!((got - wanted).abs() < 1e-15, "{function} of {x}: {got}");
            }
            assert!(function.apply(f64::NAN).is_nan(), "{function}");
        }
        assert_eq!(Function::Softplus.apply(1000.0_f32), 1000.0);
    }
}
