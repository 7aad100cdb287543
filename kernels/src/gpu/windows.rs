//! From the caller's windows to the order in which a device reads them, step by step, and what of them is not finite.

use ndarray::{ArrayView3, ArrayViewMut2, Axis, s};

use crate::lstm::{NonFinite, PredictError, bad, copy};
use crate::op::network::Spec;

/// Checks the shapes of a prediction.
pub fn check(spec: &Spec, windows: &ArrayView3<f32>, out: &ArrayViewMut2<f32>) -> Result<(), PredictError> {
    let (batch, time, input) = windows.dim();
    if input != spec.input || time == 0 {
        return Err(PredictError::Windows { found: [batch, time, input], input: spec.input });
    }
    if out.dim() != (batch, spec.output) {
        return Err(PredictError::Output { found: out.dim().into(), wanted: [batch, spec.output] });
    }
    Ok(())
}

/// Copies `steps` steps from `start` of `rows` windows from `first` to `[steps, rows, input]`, and marks the windows that
/// hold something that is not finite. Of them the values are zero, since a device need not know NaN.
pub fn read(
    windows: &ArrayView3<f32>,
    (first, rows): (usize, usize),
    (start, steps): (usize, usize),
    non_finite: NonFinite,
    (to, spoiled): (&mut Vec<f32>, &mut [bool]),
) -> Result<(), PredictError> {
    let input = windows.dim().2;
    to.clear();
    to.resize(steps * rows * input, 0.0);
    for row in 0..rows {
        let window = windows.index_axis(Axis(0), first + row);
        let window = window.slice(s![start..start + steps, ..]);
        let places = to[row * input..].chunks_mut(rows * input).map(|step| &mut step[..input]);
        if !copy(&window, places) {
            if non_finite == NonFinite::Error {
                return Err(bad(windows, first..first + rows));
            }
            spoiled[row] = true;
            let places = to[row * input..].chunks_mut(rows * input).map(|step| &mut step[..input]);
            places.for_each(|step| step.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0));
        }
    }
    Ok(())
}

/// Takes the logits `[rows, output]` of the windows from `first` over into `out`.
pub fn write(
    spec: &Spec,
    logits: &mut [f32],
    (first, spoiled): (usize, &[bool]),
    out: &mut ArrayViewMut2<f32>,
) {
    for (row, logits) in logits.chunks_exact_mut(spec.output).enumerate() {
        spec.head.apply_in_place(logits);
        for (output, &value) in logits.iter().enumerate() {
            out[[first + row, output]] = if spoiled[row] { f32::NAN } else { value };
        }
    }
}
