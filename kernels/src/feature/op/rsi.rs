//! Wilder's relative strength index, in TA-Lib's order of operations (equal bits).
//!
//! Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; value 50 where neither a gain nor
//! a loss has been seen, as TA-Lib 0.8.3.

/// Values seen (up to rows + 1), the value before, average gain, average loss.
pub(super) const STATE_LEN: usize = 4;

#[inline(always)]
pub(super) fn advance(rows: usize, state: &mut [f64], x: &[f64], out: &mut [f64]) {
    let full = (rows + 1) as f64;
    let inverse = 1.0 / rows as f64;
    let older = (rows - 1) as f64;
    let (mut seen, mut before, mut gain, mut loss) = (state[0], state[1], state[2], state[3]);
    for (x, out) in x.iter().zip(out) {
        let change = x - before;
        if seen != full || !change.is_finite() {
            ([seen, before, gain, loss], *out) = warm_up(rows, [seen, before, gain, loss], *x);
            continue;
        }
        // The gain or zero, without a branch: which way a price goes cannot be predicted. Both steps are exact.
        let risen = (change + change.abs()) * 0.5;
        before = *x;
        gain = (gain * older + risen) * inverse;
        loss = (loss * older + (risen - change)) * inverse;
        *out = index(gain, loss);
    }
    (state[0], state[1], state[2], state[3]) = (seen, before, gain, loss);
}

#[inline(always)]
fn index(gain: f64, loss: f64) -> f64 {
    let total = gain + loss;
    let share = super::known(100.0 * (gain / total));
    if total == 0.0 { 50.0 } else { share }
}

/// A row that is not an ordinary one: a gap, the warm-up, or a change too large for a number, which would
/// poison every later value and starts the warm-up over instead.
#[cold]
#[inline(never)]
fn warm_up(rows: usize, state: [f64; 4], x: f64) -> ([f64; 4], f64) {
    let [seen, before, gain, loss] = state;
    if x.is_nan() {
        return (state, f64::NAN);
    }
    let change = if seen == 0.0 { 0.0 } else { x - before };
    let risen = (change + change.abs()) * 0.5;
    let (gain, loss) = (gain + risen, loss + (risen - change));
    if !(gain + loss).is_finite() || seen > rows as f64 {
        return ([1.0, x, 0.0, 0.0], f64::NAN);
    }
    if seen < rows as f64 {
        return ([seen + 1.0, x, gain, loss], f64::NAN);
    }
    let inverse = 1.0 / rows as f64;
    let (gain, loss) = (gain * inverse, loss * inverse);
    ([seen + 1.0, x, gain, loss], index(gain, loss))
}
