//! How a batch is cut so that its intermediate values fit a device: so many windows in flight, so many steps at a time.
//!
//! States stay on the device from one chunk of steps to the next, so that neither the length of a window nor the size of
//! a batch has a bound.

use super::packed::GATES;
use crate::op::network::Spec;

/// What is in flight at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Windows.
    pub rows: usize,
    /// Steps of a chunk.
    pub steps: usize,
}

/// Steps of a chunk at most, each with a slot for its place.
pub const STEPS_MAX: usize = 256;

/// The greatest cut of at most `rows_max` windows whose largest buffer takes at most `bytes_max`; `None` where one step of one
/// window takes more.
pub fn cut(spec: &Spec, (batch, time): (usize, usize), (rows_max, bytes_max): (usize, usize)) -> Option<Cut> {
    let step = step_bytes(spec);
    let output = size_of::<f32>() * spec.output;
    let rows = (bytes_max / step.max(output)).min(rows_max).min(batch.max(1));
    if rows == 0 {
        return None;
    }
    // Batches in pieces of equal height: the last would else be a small one that leaves most of a device idle.
    let rows = batch.max(1).div_ceil(batch.max(1).div_ceil(rows));
    let steps = (bytes_max / (step * rows)).min(STEPS_MAX).min(time.max(1));
    // As with rows, and no chunk of a single step at the end.
    Some(Cut { rows, steps: time.max(1).div_ceil(time.max(1).div_ceil(steps)) })
}

/// Bytes of the largest intermediate value of one step of one window: what the layer reads or its pre-activations.
pub fn step_bytes(spec: &Spec) -> usize {
    size_of::<f32>() * (GATES * spec.hidden).max(spec.input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::Head;

    const ROWS_MAX: usize = 4096;
    const SPEC: Spec = Spec { input: 32, hidden: 128, layers: 2, output: 1, head: Head::Linear };

    #[test]
    fn every_cut_fits_and_covers() {
        for bytes in [1 << 11, 1 << 16, 1 << 20, 1 << 27] {
            for batch in [0, 1, 7, 100, 10_000, 1_000_000] {
                for time in [1, 2, 60, 500, 100_000] {
                    let Cut { rows, steps } = cut(&SPEC, (batch, time), (ROWS_MAX, bytes)).unwrap();
                    assert!(rows * steps * step_bytes(&SPEC) <= bytes, "{rows} x {steps} in {bytes}");
                    assert!((1..=ROWS_MAX).contains(&rows) && (1..=STEPS_MAX).contains(&steps));
                }
            }
        }
        assert_eq!(cut(&SPEC, (10_000, 60), (ROWS_MAX, 1 << 27)), Some(Cut { rows: 3334, steps: 15 }));
        assert_eq!(cut(&SPEC, (1, 1), (ROWS_MAX, 2047)), None);
    }
}
