//! Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019), in PyTorch's order of
//! operations.
//!
//! ```text
//! w *= 1 - rate decay
//! m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g g
//! w -= rate / (1 - b1^n) m / (sqrt(v) / sqrt(1 - b2^n) + epsilon)
//! ```

use super::options::TrainOptions;

/// The optimiser's memory.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lstm) struct Adam {
    pub mean: Vec<f32>,
    pub square: Vec<f32>,
    pub steps: u64,
}

impl Adam {
    pub fn new(parameters: usize) -> Self {
        Self { mean: vec![0.0; parameters], square: vec![0.0; parameters], steps: 0 }
    }

    /// One step along `gradient`, or nothing and the place of a value that would not be finite. Scalars are rounded
    /// to f32 once; the loop is element by element, so the result does not depend on how it is vectorised.
    #[expect(clippy::cast_possible_truncation, reason = "the scalars are rounded to f32 once, on purpose")]
    pub fn update(
        &mut self,
        options: &TrainOptions,
        rate: f64,
        gradient: &[f32],
        weights: &mut [f32],
    ) -> Result<(), usize> {
        let power = i32::try_from(self.steps.saturating_add(1)).unwrap_or(i32::MAX);
        let (beta1, beta2) = (f64::from(options.beta1), f64::from(options.beta2));
        let keep = (1.0 - rate * f64::from(options.weight_decay)) as f32;
        let size = (rate / (1.0 - beta1.powi(power))) as f32;
        let root = (1.0 - beta2.powi(power)).sqrt() as f32;
        let (b1, b2, epsilon) = (options.beta1, options.beta2, options.epsilon);
        let (a1, a2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let next = |w: f32, g: f32, m: f32, v: f32| {
            let m = b1 * m + a1 * g;
            let v = b2 * v + a2 * g * g;
            (keep * w - size * (m / (v.sqrt() / root + epsilon)), m, v)
        };
        let all = || weights.iter().zip(gradient).zip(&self.mean).zip(&self.square);
        let finite = |(((&w, &g), &m), &v): (((&f32, &f32), &f32), &f32)| {
            let (w, m, v) = next(w, g, m, v);
            w.is_finite() & m.is_finite() & v.is_finite()
        };
        // First all, then the place if there is one: the usual case has no branch in its loop.
        if !all().fold(true, |fine, element| fine & finite(element)) {
            return Err(all().position(|element| !finite(element)).unwrap_or(0));
        }
        self.steps += 1;
        for (((w, &g), m), v) in weights.iter_mut().zip(gradient).zip(&mut self.mean).zip(&mut self.square) {
            (*w, *m, *v) = next(*w, g, *m, *v);
        }
        Ok(())
    }
}
