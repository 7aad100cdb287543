//! The logistic sigmoid and the hyperbolic tangent.
//!
//! Shapes: any number of f32, in place. Every instruction set evaluates the same formula with the same fused
//! multiply-adds, so a value has the same bits in every lane, in a tail, and on every processor:
//!
//! ```text
//! e^y = 2^n e^r,  n = round(y / ln 2),  r = y - n ln 2,  e^r - 1 = r + r^2 q(r)     |r| <= ln 2 / 2
//! sigmoid(x) = 1 / (1 + e^-x),          -x held within ±87 so that no result is subnormal
//! tanh(x)    = ±m / (m + 2),            m = e^(2|x|) - 1, which loses nothing near zero
//! ```
//!
//! `q` has degree 4 and was fitted to |r| <= 0.347 with relative error 1.3e-8 in e^r - 1 (weighted least squares
//! iterated to a minimax; a degree less costs 4.5e-7). NaN stays NaN. Tried and refused: XNNPACK-style rational
//! tanh (as fast, 4.9 ulp, and it shares nothing with the sigmoid); the reciprocal estimate with a Newton step
//! (`vdivps` hides behind the multiply-adds on Zen 4, and the estimate differs between processors).

/// Which function, in which class.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "models apply both inside the cell; alone they sit the exam")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `tanh(x)`.
    Tanh,
    /// The sigmoid in the fast class.
    FastSigmoid,
    /// The tangent in the fast class.
    FastTanh,
}

/// How exactly gates and states are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activations {
    /// Within 1e-7 of the exact functions: below what rounding a sum to f32 does.
    #[default]
    Accurate,
    /// Within 2e-6, with about half of the operations.
    Fast,
}

impl Activations {
    /// Both, the more exact first.
    pub const ALL: [Self; 2] = [Self::Accurate, Self::Fast];

    /// What a cell may be off by, relative to its states: a few units may have states near zero.
    #[cfg(test)]
    pub const fn tolerance(self) -> f64 {
        match self {
            Self::Accurate => 1e-6,
            Self::Fast => 2e-5,
        }
    }

    /// The name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accurate => "accurate",
            Self::Fast => "fast",
        }
    }
}

impl std::fmt::Display for Activations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Applies the function in place.
///
/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type Run = unsafe fn(Activation, &mut [f32]);

/// 1 / ln 2.
pub const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// Minus ln 2; the f32 nearest to it is 1.9e-9 off, which a fused multiply-add by |n| <= 126 turns into 2.4e-7.
pub const MINUS_LN_2: f32 = -std::f32::consts::LN_2;
/// 1.5 x 2^23: adding it leaves the nearest integer in the low bits.
pub const ROUND: f32 = 12_582_912.0;
/// The bits of 1.0: an exponent of zero.
pub const ONE_BITS: i32 = 0x3f80_0000;
/// Coefficients of q, constant first.
pub const Q: [f32; 5] = [0.499_999_97, 0.166_665_43, 0.041_667_2, 0.008_366_58, 0.001_388_251];
/// Where the sigmoid's argument is held: e^87 is the last power before 2^126.
pub const SIGMOID_MAX: f32 = 87.0;
/// Where twice the tangent's argument is held: tanh(10) rounds to 1.
pub const TANH_MAX: f32 = 20.0;

/// Where a cell holds the arguments of its sigmoids: three denominators multiply, each below 2^44, without overflow. A gate
/// that should be below 1e-13 is 1e-13, next to states of about 1.
pub const GATE_MAX: f32 = 30.0;
/// The fast class: one power of two, whose polynomial is exact at zero, so that zero stays zero.
///
/// ```text
/// 2^t = 2^n p(r),   n = round(t),   r = t - n                                       |r| <= 1/2
/// sigmoid(x) = 1 / (1 + 2^t),          t = -x / ln 2, held within ±43
/// tanh(x)    = (2^t - 1) / (2^t + 1),  t = 2x / ln 2, held within ±29
/// ```
///
/// `p` has degree 4 and a relative error of 2.8e-6. A degree less costs 1e-4.
pub mod fast {
    /// Coefficients of the polynomial for `2^r`, constant first.
    pub const P: [f32; 5] = [1.0, 0.693_124_2, 0.240_241, 0.055_906_426, 0.009_582_844];
    /// Where the exponent of a sigmoid is held.
    pub const GATE_MAX: f32 = 43.0;
    /// Where the exponent of a tangent is held.
    pub const TANH_MAX: f32 = 29.0;
}

#[cfg(test)]
/// Largest error in units of the last place, over all floats for tanh and over x >= -87 for the sigmoid, below which
/// the sigmoid stays at 1.65e-38. `exhaustive` in the tests holds the formula to it.
pub const ULP_MAX: [(Activation, f64); 2] = [(Activation::Sigmoid, 5.4), (Activation::Tanh, 2.6)];
#[cfg(test)]
/// Largest absolute error over all floats.
pub const ABSOLUTE_MAX: [(Activation, f64); 4] = [
    (Activation::Sigmoid, 1e-7),
    (Activation::Tanh, 1e-7),
    (Activation::FastSigmoid, 9e-7),
    (Activation::FastTanh, 1.6e-6),
];

#[cfg(test)]
impl Activation {
    /// The function in f64.
    #[must_use]
    pub fn reference(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid | Self::FastSigmoid => super::sigmoid(x),
            Self::Tanh | Self::FastTanh => x.tanh(),
        }
    }
}

#[cfg(test)]
pub(crate) mod exam {
    use super::*;

    /// The error in units of the last place of the exact value, and the absolute error.
    pub fn error(function: Activation, x: f32, y: f32) -> (f64, f64) {
        let exact = function.reference(f64::from(x));
        let nearest = (exact as f32).abs().max(f32::MIN_POSITIVE);
        let ulp = f64::from(f32::from_bits(nearest.to_bits() + 1) - nearest);
        let off = (f64::from(y) - exact).abs();
        (off / ulp, off)
    }

    /// Checks `function` at every `stride`-th float against f64.
    pub fn sweep(apply: &dyn Fn(Activation, &mut [f32]), stride: usize) {
        for (function, absolute_max) in ABSOLUTE_MAX {
            let ulp_max =
                ULP_MAX.into_iter().find(|(of, _)| *of == function).map_or(f64::INFINITY, |(_, max)| max);
            let (mut worst, mut worst_absolute) = ((0.0, 0.0), (0.0, 0.0));
            let mut block = Vec::with_capacity(4096);
            let mut check = |block: &mut Vec<f32>| {
                let x = block.clone();
                apply(function, block);
                for (&x, &y) in x.iter().zip(block.iter()) {
                    if x.is_nan() {
                        assert!(y.is_nan());
                        continue;
                    }
                    // Comparisons with NaN are false: it would pass for exact below.
                    assert!(y.is_finite(), "{function:?} of {x:e} is {y}");
                    let (ulps, off) = error(function, x, y);
                    if (function != Activation::Sigmoid || x >= -SIGMOID_MAX) && ulps > worst.0 {
                        worst = (ulps, x);
                    }
                    if off > worst_absolute.0 {
                        worst_absolute = (off, x);
                    }
                }
                block.clear();
            };
            for bits in (0..=u32::MAX).step_by(stride) {
                block.push(f32::from_bits(bits));
                if block.len() == 4096 {
                    check(&mut block);
                }
            }
            block.extend([
                f32::INFINITY,
                f32::NEG_INFINITY,
                0.0,
                -0.0,
                f32::MAX,
                f32::MIN,
                f32::NAN,
                87.0,
                -87.0,
            ]);
            check(&mut block);
            println!(
                "{function:?}: {:.3} ulp at {:e}, {:.3e} absolute at {:e}",
                worst.0, worst.1, worst_absolute.0, worst_absolute.1
            );
            assert!(worst.0 <= ulp_max && worst_absolute.0 <= absolute_max);
        }
    }

    #[test]
    #[should_panic(expected = "is NaN")]
    fn a_kernel_that_gives_nan_fails() {
        sweep(&|_, values| values.fill(f32::NAN), 1 << 20);
    }

    /// Lengths from 0 past two registers of the widest kind, in every lane: the bits of the scalar kernel.
    pub fn sit(run: &dyn Fn(Activation, &mut [f32]), scalar: &dyn Fn(Activation, &mut [f32])) {
        sweep(run, 65_537);
        for (function, _) in ABSOLUTE_MAX {
            let far: Vec<f32> = (0..=u32::MAX).step_by(65_521).map(f32::from_bits).collect();
            let (mut values, mut wanted) = (far.clone(), far.clone());
            run(function, &mut values);
            scalar(function, &mut wanted);
            for ((x, y), wanted) in far.iter().zip(values).zip(wanted) {
                let same = y.to_bits() == wanted.to_bits() || y.is_nan() && wanted.is_nan();
                assert!(same, "{function:?} of {x:e}: {y:e}, in the scalar kernel {wanted:e}");
            }
            for len in 0..=3 * 16 + 1 {
                let mut values: Vec<f32> = (0..len).map(|k| (k as f32 - 20.0) * 0.37).collect();
                let mut wanted = values.clone();
                run(function, &mut values);
                scalar(function, &mut wanted);
                assert_eq!(bits(&values), bits(&wanted), "{function:?}, {len}");
            }
        }
    }

    pub fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|x| x.to_bits()).collect()
    }
}
