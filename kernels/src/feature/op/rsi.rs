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
        if x.is_nan() {
            *out = f64::NAN;
            continue;
        }
        let change = if seen == 0.0 { 0.0 } else { x - before };
        let risen = if change > 0.0 { change } else { 0.0 };
        before = *x;
        if seen == full {
            gain = (gain * older + risen) * inverse;
            loss = (loss * older + (risen - change)) * inverse;
        } else {
            seen += 1.0;
            gain += risen;
            loss += risen - change;
            if seen < full {
                *out = f64::NAN;
                continue;
            }
            gain *= inverse;
            loss *= inverse;
        }
        *out = index(gain, loss);
        if out.is_nan() {
            // An overflow would poison every later value; the warm-up starts over instead.
            (seen, gain, loss) = (0.0, 0.0, 0.0);
        }
    }
    (state[0], state[1], state[2], state[3]) = (seen, before, gain, loss);
}

#[inline(always)]
fn index(gain: f64, loss: f64) -> f64 {
    let total = gain + loss;
    if total > 0.0 { super::known(100.0 * (gain / total)) } else { super::known(50.0 + total) }
}
