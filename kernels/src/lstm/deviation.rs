//! How far a compiled model's predictions lie from those of the reference in f64.

use ndarray::{Array2, ArrayView3, Axis};

use super::block::PredictError;
use super::compile::Executable;
use super::model::Lstm;
use crate::op::network::{Weights, forward};

/// The distance on some windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// The greatest difference of an output.
    pub max: f64,
    /// The root of the mean squared difference.
    pub rms: f64,
    /// The root of the mean squared output of the reference, to compare with.
    pub scale: f64,
}

impl Lstm {
    /// Predicts `windows`, `[batch, time, input]`, with `executable` and with the reference in f64, which is slow: a few
    /// hundred windows tell enough. `executable` is this model compiled; of another one of the same shape the distance
    /// is that of two models.
    ///
    /// # Errors
    /// [`PredictError`] as [`Executable::predict`], also where there is no window, and for an executable of other shapes.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 outputs")]
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn deviation(
        &self,
        executable: &mut Executable,
        windows: ArrayView3<f32>,
    ) -> Result<Deviation, PredictError> {
        let (spec, (batch, time, input)) = (self.spec(), windows.dim());
        if batch == 0 || executable.packed.spec != spec {
            return Err(PredictError::Windows { found: [batch, time, input], input: spec.input });
        }
        let mut out = Array2::zeros((batch, spec.output));
        executable.predict(windows, out.view_mut())?;
        let values = self.weights().values.iter().copied().map(f64::from).collect();
        let exact = Weights { spec, values };
        let (mut max, mut squares, mut size) = (0.0f64, 0.0, 0.0);
        for (window, out) in windows.axis_iter(Axis(0)).zip(out.axis_iter(Axis(0))) {
            let window: Vec<f64> = window.iter().copied().map(f64::from).collect();
            for (&got, wanted) in out.iter().zip(forward::forward(&exact, &window).output) {
                let off = f64::from(got) - wanted;
                max = max.max(off.abs());
                squares += off * off;
                size += wanted * wanted;
            }
        }
        let number = out.len() as f64;
        Ok(Deviation { max, rms: (squares / number).sqrt(), scale: (size / number).sqrt() })
    }
}
