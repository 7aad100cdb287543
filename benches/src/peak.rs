//! The most that one core can multiply and add: chains that touch no memory, in each of the units that LSTM products use.
//!
//! Twenty-four independent sums, as in a product's largest tile, hide the latency of an instruction. A machine without AVX-512 has
//! an f32 peak alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// What is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// f32 by fused multiply-adds.
    F32,
    /// bfloat16 by dot products of two.
    Bf16,
    /// 8-bit integers by dot products of four.
    Int8,
}

const SUMS: usize = 24;
const STEPS: usize = 2048;
/// How long a measurement takes.
const EFFORT: Duration = Duration::from_millis(10);

impl Unit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// The name, as that of a precision.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Operations a second of one core, a multiplication and an addition being two: the best of some milliseconds. `None` where
    /// this processor has no such unit.
    #[must_use]
    pub fn rate(self) -> Option<f64> {
        let (operations, run) = self.chains()?;
        let (begun, mut best) = (Instant::now(), Duration::MAX);
        while begun.elapsed() < EFFORT {
            let start = Instant::now();
            run();
            best = best.min(start.elapsed());
        }
        Some((2 * operations * SUMS * STEPS) as f64 / best.as_secs_f64())
    }

    /// Multiplications of an instruction, and a run of the chains.
    #[cfg(target_arch = "x86_64")]
    fn chains(self) -> Option<(usize, fn())> {
        let avx512 = is_x86_feature_detected!("avx512f");
        let (bf16, int8) = (is_x86_feature_detected!("avx512bf16"), is_x86_feature_detected!("avx512vnni"));
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        match self {
            // SAFETY: the features of each were found on the lines above.
            Self::F32 if avx512 => Some((16, || unsafe { x86::f32_avx512() })),
            // SAFETY: as above.
            Self::F32 if avx2 => Some((8, || unsafe { x86::f32_avx2() })),
            // SAFETY: as above.
            Self::Bf16 if avx512 && bf16 => Some((32, || unsafe { x86::bf16() })),
            // SAFETY: as above.
            Self::Int8 if avx512 && int8 => Some((64, || unsafe { x86::int8() })),
            _ => None,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn chains(self) -> Option<(usize, fn())> {
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512bh, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps,
        _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps,
    };

    use super::{STEPS, SUMS, black_box};

    #[target_feature(enable = "avx512f")]
    pub fn f32_avx512() {
        let mut sums = [_mm512_set1_ps(0.5); SUMS];
        let (a, b) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(0.001));
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    /// Twelve sums: sixteen registers hold no more.
    #[target_feature(enable = "avx2,fma")]
    pub fn f32_avx2() {
        let mut sums = [_mm256_set1_ps(0.5); SUMS / 2];
        let (a, b) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(0.001));
        for _ in 0..2 * STEPS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn bf16() {
        let mut sums = [_mm512_set1_ps(0.5); SUMS];
        let small = _mm512_set1_ps(black_box(0.01));
        let x: __m512bh = _mm512_cvtne2ps_pbh(small, small);
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, x, x);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn int8() {
        let mut sums = [_mm512_set1_epi32(1); SUMS];
        let x = _mm512_set1_epi8(black_box(3));
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, x, x);
            }
        }
        black_box(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number() {
        for unit in Unit::ALL {
            assert!(unit.rate().is_none_or(|rate| rate > 0.0 && rate.is_finite()), "{}", unit.name());
        }
    }
}
