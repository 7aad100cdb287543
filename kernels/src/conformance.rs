//! The exam that every kernel of every instruction set takes, in one line where the kernels are listed:
//! `conformance!(Avx2Fma; activation, gemm, lstm_cell, lstm_step, dense)`.
//!
//! An operation's exam lives with its specification, in `op/<name>.rs`. Values are compared with a f64 reference by
//! norm: `|got - wanted| <= tolerance |wanted|` in the Euclidean norm over the whole array, since a single element
//! near zero may have lost all its digits to cancellation without harm. An absolute floor of one unit in the last
//! place of 1, per element, covers arrays that are zero. Where an operation fixes its order of sums, the bits are
//! compared with the scalar kernel's as well.

#[cfg(test)]
use crate::random;

#[cfg(test)]
/// `len` values in -1..1.
pub fn random(key: u64, len: usize) -> Vec<f32> {
    (0..len as u64).map(|index| 2.0 * random::unit(key, index) - 1.0).collect()
}

#[cfg(test)]
/// `|got - wanted| / |wanted|` in the Euclidean norm, the norm held above the rounding of values near 1.
pub fn distance(got: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let square = |sum: f64, x: f64| sum + x * x;
    let off = got.iter().zip(wanted).map(|(&g, &w)| f64::from(g) - w).fold(0.0, square).sqrt();
    let size = wanted.iter().copied().fold(0.0, square).sqrt();
    if off == 0.0 { 0.0 } else { off / size.max(f64::MIN_POSITIVE) }
}

#[cfg(test)]
/// Fails when the arrays differ by more than `tolerance`.
pub fn assert_close(got: &[f32], wanted: &[f64], tolerance: f64, place: &str) {
    let distance = distance(got, wanted);
    assert!(distance <= tolerance, "{distance:e} apart, more than {tolerance:e}: {place}");
}

#[cfg(test)]
/// Whether the exam can be sat here; says so when not.
pub fn available(isa: crate::isa::Isa) -> bool {
    let here = isa.is_available();
    if !here {
        println!("skipped: this processor lacks {isa}");
    }
    here
}

/// One test for each operation of one instruction set.
macro_rules! conformance {
    ($isa:ident; $($op:ident),+) => {
        #[cfg(test)]
        mod conformance {
            $(#[test]
            fn $op() {
                let isa = $crate::isa::Isa::$isa;
                if $crate::conformance::available(isa) {
                    $crate::cpu::exam::$op(isa);
                }
            })+
        }
    };
}
pub(crate) use conformance;
