//! The exam that every kernel of every instruction set takes, in one line where the kernels are listed:
//! `conformance!(Avx2Fma; activation, gemm, lstm_cell, lstm_step, dense)`.
//!
//! An operation's exam lives with its specification, in `op/<name>.rs`. Values are compared with a f64 reference by
//! norm: `|got - wanted| <= tolerance |wanted|` in the Euclidean norm over the whole array, since a single element
//! near zero may have lost all its digits to cancellation without harm. Where all wanted values are zero, so must all
//! values be. Where an operation fixes its order of sums, the bits are compared with the scalar kernel's as well.
//!
//! An instruction set that the processor lacks is skipped as `diapason_tests` skips, or fails where `REQUIRE` names it.

#[cfg(test)]
use crate::isa::Isa;
#[cfg(test)]
use crate::random;

#[cfg(test)]
/// `len` values in -1..1.
pub fn random(key: u64, len: usize) -> Vec<f32> {
    (0..len as u64).map(|index| 2.0 * random::unit(key, index) - 1.0).collect()
}

#[cfg(test)]
/// `|got - wanted| / |wanted|` in the Euclidean norm; 0 for arrays that are equal, which may then be zero.
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
/// Whether the exam can be sat here; says so when not, and fails when it is required.
pub fn available(isa: Isa) -> bool {
    use diapason_tests::{Need, need};
    let need = match isa {
        Isa::Avx512 => Need::Avx512,
        Isa::Avx2Fma => Need::Avx2,
        Isa::Scalar => return true,
    };
    need::met(need, (!isa.is_available()).then(|| format!("this processor lacks {isa}")))
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
