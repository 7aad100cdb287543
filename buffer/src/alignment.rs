//! How a block of memory must be placed.

use std::fmt;

/// A power of two of bytes at which a block of memory starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alignment(usize);

impl Alignment {
    /// 64 bytes: one cache line, and one AVX-512 register.
    pub const CACHE_LINE: Self = Self(64);
    /// 256 bytes: what a CUDA allocation guarantees, so that a host block uploads without re-alignment.
    pub const DEVICE: Self = Self(256);
    /// 4096 bytes: one page, and what `O_DIRECT` needs on every block device in use.
    pub const PAGE: Self = Self(4096);
    /// 2 MiB: one huge page on x86-64 and on aarch64 with 4 KiB base pages.
    pub const HUGE_PAGE: Self = Self(2 << 20);

    /// An alignment of `bytes`, or `None` when that is not a power of two.
    #[must_use]
    pub const fn new(bytes: usize) -> Option<Self> {
        if bytes.is_power_of_two() { Some(Self(bytes)) } else { None }
    }

    /// The alignment in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl fmt::Display for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_powers_of_two() {
        assert_eq!(Alignment::new(0), None);
        assert_eq!(Alignment::new(48), None);
        assert_eq!(Alignment::new(64), Some(Alignment::CACHE_LINE));
    }
}
