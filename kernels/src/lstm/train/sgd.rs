//! Gradient descent with momentum, as `torch.optim.SGD` has it.
//!
//! ```text
//! g += decay w      b = momentum b + (1 - dampening) g, at first b = g
//! w -= rate b       or with Nesterov's momentum  w -= rate (g + momentum b)
//! ```

/// The numbers of one step.
#[derive(Clone, Copy)]
pub(super) struct Sgd {
    pub momentum: f32,
    pub dampening: f32,
    pub nesterov: bool,
    pub decay: f32,
    pub rate: f64,
    /// Whether no step was taken before.
    pub first: bool,
}

impl Sgd {
    /// One step along `gradient`, or nothing and the place of a value that would not be finite.
    #[expect(clippy::cast_possible_truncation, reason = "the step size is rounded to f32 once, on purpose")]
    pub fn update(
        self,
        gradient: &[f32],
        weights: &mut [f32],
        moments: &mut [Vec<f32>],
    ) -> Result<(), usize> {
        let Self { momentum, dampening, nesterov, decay, rate, first } = self;
        let (rate, fresh) = (rate as f32, 1.0 - dampening);
        let Some(buffer) = moments.first_mut() else {
            let next = |w: f32, g: f32| w - rate * (g + decay * w);
            if let Some(place) = weights.iter().zip(gradient).position(|(&w, &g)| !next(w, g).is_finite()) {
                return Err(place);
            }
            weights.iter_mut().zip(gradient).for_each(|(w, &g)| *w = next(*w, g));
            return Ok(());
        };
        let next = |w: f32, g: f32, b: f32| {
            let g = g + decay * w;
            let b = if first { g } else { momentum * b + fresh * g };
            (w - rate * if nesterov { g + momentum * b } else { b }, b)
        };
        let bad = |((&w, &g), &b): ((&f32, &f32), &f32)| {
            let (w, b) = next(w, g, b);
            !(w.is_finite() && b.is_finite())
        };
        if let Some(place) = weights.iter().zip(gradient).zip(buffer.iter()).position(bad) {
            return Err(place);
        }
        for ((w, &g), b) in weights.iter_mut().zip(gradient).zip(buffer) {
            (*w, *b) = next(*w, g, *b);
        }
        Ok(())
    }
}
