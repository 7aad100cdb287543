//! The sum of a value since another value last changed: volume since midnight, for one.
//!
//! The sum grows without end, so it carries Neumaier's compensation (A. Neumaier, ZAMM 54, 1974): its error is
//! one rounding, whatever the number of rows.

/// The value that marks the stretch, the sum, its compensation.
pub(super) const STATE_LEN: usize = 3;

pub(super) fn reset(state: &mut [f64]) {
    state.copy_from_slice(&[f64::NAN, 0.0, 0.0]);
}

#[inline(always)]
pub(super) fn advance(state: &mut [f64], x: &[f64], mark: &[f64], out: &mut [f64]) {
    let (mut current, mut sum, mut lost) = (state[0], state[1], state[2]);
    for ((x, mark), out) in x.iter().zip(mark).zip(out) {
        if x.is_nan() || mark.is_nan() {
            *out = f64::NAN;
            continue;
        }
        if *mark != current {
            (current, sum, lost) = (*mark, 0.0, 0.0);
        }
        let next = sum + x;
        lost += if sum.abs() >= x.abs() { (sum - next) + x } else { (x - next) + sum };
        sum = next;
        // A sum that overflows stays unknown until the next stretch.
        *out = super::known(sum + lost);
    }
    (state[0], state[1], state[2]) = (current, sum, lost);
}
