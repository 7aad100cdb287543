//! The last group of units without most of its padding, for products with one row.
//!
//! A group has 16 units, so the last panel of 100 units is three quarters zeros, and a stream, which reads each weight once
//! a tick, would spend a seventh of its time on the last four units. Where at most 8 units are left, the *tail* holds their
//! weights once more: for each word of the depth the gates i, f, g, o of 4 or of 8 units one after the other, 16 or 32
//! columns instead of 64. Every sum is the same chain as in the panel.
//!
//! A kernel may use the tail in the place of the panel, or not. What stands in the lanes of the padding is zero either
//! way, provided that bias and weights are zero there.

use super::gemm::{GROUP, PANEL};

/// Units that a tail of `hidden` units has: 4 or 8, or 0 where the last group is fuller.
#[must_use]
pub const fn units(hidden: usize) -> usize {
    match hidden % GROUP {
        1..=4 => 4,
        5..=8 => 8,
        _ => 0,
    }
}

/// The tail of a panel: its first `units` of every 16 columns.
pub fn fold<T: Copy>(panel: &[T], units: usize) -> Vec<T> {
    panel.chunks_exact(GROUP).flat_map(|gate| &gate[..units]).copied().collect()
}

/// Whether a product with so many words of depth and columns may have a tail of this length; none is one.
#[must_use]
pub fn fits(len: usize, words: usize, cols: usize) -> bool {
    let is = |units: usize| words.checked_mul(PANEL * units) == Some(len);
    len == 0 || cols >= PANEL * GROUP && (is(4) || is(8))
}

/// Some panels of one row, and the tail with the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The first panel.
    pub first: usize,
    /// Whole panels, at most 3.
    pub panels: usize,
    /// Registers of 16 columns of the tail: 0, 1 or 2.
    pub tails: usize,
}

/// How one row goes through a product.
#[derive(Clone, Copy, Debug)]
pub struct Passes {
    whole: usize,
    tails: usize,
    next: usize,
}

/// Passes of up to three panels, so that twelve sums hide the latency of an instruction while the loads run ahead; the tail
/// goes with the last.
#[must_use]
pub const fn passes_of(panels: usize, tails: usize) -> Passes {
    Passes { whole: if tails > 0 { panels - 1 } else { panels }, tails, next: 0 }
}

impl Iterator for Passes {
    type Item = Pass;

    fn next(&mut self) -> Option<Pass> {
        let first = self.next;
        if first > self.whole || first == self.whole && self.tails == 0 {
            return None;
        }
        let left = self.whole - first;
        // Four panels go two and two: three and one would leave the last with too few sums.
        let panels = if left == 4 { 2 } else { left.min(3) };
        let last = panels == left;
        self.next += panels + usize::from(last);
        Some(Pass { first, panels, tails: if last { self.tails } else { 0 } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_is_in_one_pass() {
        for panels in 0..12 {
            for tails in 0..if panels == 0 { 1 } else { 3 } {
                let passes: Vec<Pass> = passes_of(panels, tails).collect();
                let mut next = 0;
                for (place, pass) in passes.iter().enumerate() {
                    let last = place + 1 == passes.len();
                    assert_eq!((pass.first, pass.tails), (next, if last { tails } else { 0 }));
                    assert!(pass.panels <= 3 && pass.panels + pass.tails > 0);
                    next += pass.panels + usize::from(pass.tails > 0);
                }
                assert_eq!(next, panels);
            }
        }
    }

    #[test]
    fn a_tail_has_the_first_units_of_every_gate() {
        assert_eq!([16, 20, 21, 100, 200, 1000, 128, 9].map(units), [0, 4, 8, 4, 8, 8, 0, 0]);
        let panel: Vec<usize> = (0..2 * 64).collect();
        let tail = fold(&panel, 4);
        assert_eq!(tail[..8], [0, 1, 2, 3, 16, 17, 18, 19]);
        assert_eq!((tail.len(), tail[16]), (32, 64));
        assert!(fits(tail.len(), 2, 64) && fits(64, 2, 128) && fits(0, 2, 0) && fits(0, 0, 0));
        assert!(!fits(32, 2, 0) && !fits(33, 2, 64) && !fits(32, 3, 64));
    }
}
