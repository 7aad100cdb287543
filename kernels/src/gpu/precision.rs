//! In what a GPU multiplies.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use thiserror::Error;

/// In what a GPU keeps weights and multiplies. Sums, gates and cell states are f32 in each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 24 bits of significand: the numbers of the processor's f32, but for the order of the sums.
    #[default]
    F32,
    /// 11 bits and a range up to 65,504.
    F16,
    /// 8 bits and the range of f32.
    Bf16,
}

impl Precision {
    /// Every precision, the most exact first.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// The name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of a weight.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// How far predictions may lie from the reference in f64, `|got - wanted| / |wanted|` in the Euclidean norm over all
    /// predictions of a case.
    ///
    /// A weight rounded to `p` bits is off by up to 2^-p of itself, by 0.4 of that on average, and the state that multiplies
    /// it may be rounded once more. The errors of a sum are independent, so relative to the sum they do not grow with its
    /// length; through time a gate near 1 carries them on, which the gates' slopes of at most 1/4 (sigmoid) and 1 (tangent)
    /// damp. Four times the bound of one rounding, 4 x 2^-p, holds for trained and for random models. In f32 what is
    /// off are sums of a few hundred terms in another order and a division of up to 2.5 units in the last place: 5e-6.
    #[must_use]
    pub const fn tolerance(self) -> f64 {
        match self {
            Self::F32 => 5e-6,
            Self::F16 => 4.0 / 2048.0,
            Self::Bf16 => 4.0 / 256.0,
        }
    }

    /// `values` in this precision, as the bytes that a device reads.
    pub(crate) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
            Self::Bf16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        }
    }

    /// The first weight that this precision would turn into an infinity.
    pub(crate) fn too_large(self, values: &[f32]) -> Option<usize> {
        match self {
            Self::F32 => None,
            Self::F16 => values.iter().position(|&x| x.is_finite() && f16::from_f32(x).is_infinite()),
            Self::Bf16 => values.iter().position(|&x| x.is_finite() && bf16::from_f32(x).is_infinite()),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no precision of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown precision {name:?} for a GPU; there are f32, f16 and bf16")]
pub struct PrecisionError {
    /// The name as given.
    pub name: String,
}

impl FromStr for Precision {
    type Err = PrecisionError;

    fn from_str(name: &str) -> Result<Self, PrecisionError> {
        let known = Self::ALL.into_iter().find(|precision| precision.name() == name);
        known.ok_or_else(|| PrecisionError { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for precision in Precision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        let message = "int8".parse::<Precision>().unwrap_err().to_string();
        assert_eq!(message, "unknown precision \"int8\" for a GPU; there are f32, f16 and bf16");
    }

    #[test]
    fn what_does_not_fit_is_found() {
        let values = [1.0, -65_504.0, 65_520.0, f32::MAX];
        assert_eq!(Precision::ALL.map(|precision| precision.too_large(&values)), [None, Some(2), Some(3)]);
        assert_eq!(Precision::F16.encode(&values[..2]), [0x00, 0x3c, 0xff, 0xfb]);
        assert_eq!(Precision::Bf16.encode(&values[..1]), [0x80, 0x3f]);
        assert_eq!(Precision::F32.encode(&values[..1]), 1.0f32.to_le_bytes());
    }
}
