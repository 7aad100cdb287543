//! Adam (Kingma and Ba 2015), its weight decay added to the gradient or decoupled (Loshchilov and Hutter 2019), in
//! PyTorch's order of operations.
//!
//! ```text
//! g += decay w  or  w *= 1 - rate decay
//! m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g g
//! w -= rate / (1 - b1^n) m / (sqrt(v) / sqrt(1 - b2^n) + epsilon)
//! ```

/// The numbers of one step; `steps` were taken before it.
#[derive(Clone, Copy)]
pub(super) struct Adam {
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    pub decay: f32,
    pub decoupled: bool,
    pub rate: f64,
    pub steps: u64,
}

impl Adam {
    /// One step along `gradient`, or nothing and the place of a value that would not be finite. Scalars are rounded
    /// to f32 once; the loop is element by element, so the result does not depend on how it is vectorised.
    pub fn update(
        self,
        gradient: &[f32],
        weights: &mut [f32],
        moments: &mut [Vec<f32>],
    ) -> Result<(), usize> {
        let decay = self.decay;
        if self.decoupled || decay == 0.0 {
            self.along(|_, g| g, gradient, weights, moments)
        } else {
            self.along(|w, g| g + decay * w, gradient, weights, moments)
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the scalars are rounded to f32 once, on purpose")]
    fn along(
        self,
        direction: impl Fn(f32, f32) -> f32,
        gradient: &[f32],
        weights: &mut [f32],
        moments: &mut [Vec<f32>],
    ) -> Result<(), usize> {
        let [mean, square] = moments else { return Ok(()) };
        let Self { beta1: b1, beta2: b2, epsilon, decay, decoupled, rate, steps } = self;
        let power = i32::try_from(steps.saturating_add(1)).unwrap_or(i32::MAX);
        let (beta1, beta2) = (f64::from(b1), f64::from(b2));
        let keep = if decoupled { (1.0 - rate * f64::from(decay)) as f32 } else { 1.0 };
        let size = (rate / (1.0 - beta1.powi(power))) as f32;
        let root = (1.0 - beta2.powi(power)).sqrt() as f32;
        let (a1, a2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let next = |w: f32, g: f32, m: f32, v: f32| {
            let g = direction(w, g);
            let m = b1 * m + a1 * g;
            let v = b2 * v + a2 * g * g;
            (keep * w - size * (m / (v.sqrt() / root + epsilon)), m, v)
        };
        let all = || weights.iter().zip(gradient).zip(mean.iter()).zip(square.iter());
        let finite = |(((&w, &g), &m), &v): (((&f32, &f32), &f32), &f32)| {
            let (w, m, v) = next(w, g, m, v);
            w.is_finite() & m.is_finite() & v.is_finite()
        };
        // First all, then the place if there is one: the usual case has no branch in its loop.
        if !all().fold(true, |fine, element| fine & finite(element)) {
            return Err(all().position(|element| !finite(element)).unwrap_or(0));
        }
        for (((w, &g), m), v) in weights.iter_mut().zip(gradient).zip(mean).zip(square) {
            (*w, *m, *v) = next(*w, g, *m, *v);
        }
        Ok(())
    }
}
