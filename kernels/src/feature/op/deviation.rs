//! Mean absolute distance of the values of a window from a given value, such as their mean.
//!
//! The distances change with the value that they are measured from, so each row looks at its whole window
//! ([`super::history`]).

use num_traits::Zero;

use super::history::History;
use crate::feature::value::{Number, Value};

#[inline(always)]
pub(super) fn advance<V: Value>(n: usize, state: &mut [V], x: &[V], centre: &[V], out: &mut [V]) {
    let inverse = V::all_of(V::Number::of(1.0 / n as f64));
    let mut history = History::new(n, state, x);
    while let Some((windows, first, rows)) = history.next() {
        let (centres, target) = (&centre[first..first + rows], &mut out[first..first + rows]);
        let mut at = 0;
        while rows - at >= 16 {
            together::<V, 16>(n, &windows[at..], &centres[at..], &mut target[at..], inverse);
            at += 16;
        }
        while rows - at >= 4 {
            together::<V, 4>(n, &windows[at..], &centres[at..], &mut target[at..], inverse);
            at += 4;
        }
        for at in at..rows {
            together::<V, 1>(n, &windows[at..], &centres[at..], &mut target[at..], inverse);
        }
    }
}

/// `R` rows whose windows begin at the first values of `windows`.
#[inline(always)]
fn together<V: Value, const R: usize>(n: usize, windows: &[V], centre: &[V], out: &mut [V], inverse: V) {
    let Some(centre) = centre.first_chunk::<R>() else { return };
    let Some(out) = out.first_chunk_mut::<R>() else { return };
    let mut sums = [V::all_of(V::Number::zero()); R];
    for values in windows[..n + R - 1].windows(R) {
        for ((sum, value), centre) in sums.iter_mut().zip(values).zip(centre) {
            *sum = *sum + (*value - *centre).magnitude();
        }
    }
    for (out, sum) in out.iter_mut().zip(&sums) {
        *out = super::known(*sum * inverse);
    }
}
