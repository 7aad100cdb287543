//! The instruction sets that kernels are written for, and which of them this processor has.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// An instruction set, best first. Closed: a kernel table has one row for each that its architecture knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// x86-64 with AVX-512 F: 16 lanes of f32, 32 registers.
    Avx512,
    /// x86-64 with AVX2 and FMA: 8 lanes of f32, 16 registers.
    Avx2Fma,
    /// Portable Rust, one lane; correct everywhere, fast nowhere.
    Scalar,
}

/// The environment variable that forces an [`Isa`] where the caller chose none.
pub const VARIABLE: &str = "KERNELS_ISA";

/// A name that is no instruction set, or one that this processor lacks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IsaError {
    /// The name is not in the list.
    #[error("unknown instruction set {name:?}; this processor has: {available}")]
    Unknown {
        /// The name as given.
        name: String,
        /// The names that would work here.
        available: String,
    },
    /// The instruction set exists, but not here.
    #[error("this processor lacks {isa}; it has: {available}")]
    Unavailable {
        /// What was asked for.
        isa: Isa,
        /// The names that would work here.
        available: String,
    },
}

impl Isa {
    /// Every instruction set, best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2Fma, Self::Scalar];

    /// The name used in `KERNELS_ISA` and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2Fma => "avx2",
            Self::Scalar => "scalar",
        }
    }

    /// Floats in one register.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2Fma => 8,
            Self::Scalar => 1,
        }
    }

    /// Whether this processor, and the operating system's saved state, have it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Fma => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2Fma => false,
            Self::Scalar => true,
        }
    }

    /// The instruction sets of this processor, best first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The one to use: `wanted`, else the one that `KERNELS_ISA` names, else the best that is here.
    ///
    /// # Errors
    /// [`IsaError`] when the name is unknown or this processor lacks it.
    pub fn choose(wanted: Option<Self>) -> Result<Self, IsaError> {
        Self::choose_from(wanted, std::env::var(VARIABLE).ok().as_deref())
    }

    fn choose_from(wanted: Option<Self>, named: Option<&str>) -> Result<Self, IsaError> {
        let chosen = match (wanted, named.map(str::trim).filter(|name| !name.is_empty())) {
            (Some(isa), _) => isa,
            (None, Some(name)) => name.parse()?,
            (None, None) => return Ok(Self::available().next().unwrap_or(Self::Scalar)),
        };
        if chosen.is_available() {
            Ok(chosen)
        } else {
            Err(IsaError::Unavailable { isa: chosen, available: names() })
        }
    }
}

/// Whether AVX-512 here has products in bfloat16.
#[must_use]
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether AVX-512 here has products in 8-bit integers.
#[must_use]
pub fn has_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn names() -> String {
    Isa::available().map(Isa::name).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        let known = Self::ALL.into_iter().find(|isa| isa.name() == name);
        known.ok_or_else(|| IsaError::Unknown { name: name.to_owned(), available: names() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_is_everywhere_and_last() {
        assert_eq!(Isa::available().last(), Some(Isa::Scalar));
        assert_eq!(Isa::choose_from(None, Some("scalar")), Ok(Isa::Scalar));
        assert_eq!(Isa::choose_from(Some(Isa::Scalar), Some("nonsense")), Ok(Isa::Scalar));
        assert_eq!(Isa::choose_from(None, Some("")), Isa::choose_from(None, None));
    }

    #[test]
    fn an_unknown_name_lists_what_is_here() {
        let message = Isa::choose_from(None, Some("sse9")).unwrap_err().to_string();
        assert!(message.contains("\"sse9\"") && message.contains("scalar"), "{message}");
    }

    #[test]
    fn a_lacking_instruction_set_is_refused() {
        for isa in Isa::ALL {
            assert_eq!(Isa::choose_from(Some(isa), None).is_ok(), isa.is_available());
            assert_eq!(Isa::choose_from(None, Some(isa.name())).is_ok(), isa.is_available());
        }
    }
}
