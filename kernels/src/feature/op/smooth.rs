//! Exponential smoothing with TA-Lib's seed, the mean of the first `rows` values, and its order of operations:
//! one fused multiplication and addition a row (equal bits, and half the latency on which the loop waits).
//!
//! The exponential moving average keeps (rows - 1)/(rows + 1), Wilder's average (rows - 1)/rows. `skip` delays
//! the seed: the fast average of MACD is seeded on the window that ends where the slow one's does.

/// Values seen (up to skip + rows), then the running seed sum or the average.
pub(super) const STATE_LEN: usize = 2;

#[inline(always)]
pub(super) fn advance(
    rows: usize,
    skip: usize,
    keep: f64,
    take: f64,
    state: &mut [f64],
    x: &[f64],
    out: &mut [f64],
) {
    let seeded = (skip + rows) as f64;
    let (mut seen, mut value) = (state[0], state[1]);
    let mut pairs = x.iter().zip(out);
    while seen != seeded {
        let Some((x, out)) = pairs.next() else { break };
        (seen, value, *out) = seed(rows, skip, seen, value, *x);
    }
    for (x, out) in pairs {
        if x.is_nan() {
            *out = f64::NAN;
        } else {
            value = keep.mul_add(value, take * *x);
            *out = value;
        }
    }
    (state[0], state[1]) = (seen, value);
}

/// One row of warming up: the new count and sum, and the output.
#[cold]
#[inline(never)]
fn seed(rows: usize, skip: usize, seen: f64, sum: f64, x: f64) -> (f64, f64, f64) {
    if x.is_nan() {
        return (seen, sum, f64::NAN);
    }
    let seen = seen + 1.0;
    if seen <= skip as f64 {
        return (seen, sum, f64::NAN);
    }
    let sum = sum + x;
    if seen < (skip + rows) as f64 {
        return (seen, sum, f64::NAN);
    }
    let mean = sum / rows as f64;
    // A seed that overflows would poison every later value; the warm-up starts over instead.
    if mean.is_finite() { (seen, mean, mean) } else { (0.0, 0.0, f64::NAN) }
}
