//! Sixteen numbers in the registers of AVX-512.
//!
//! Everything here is inlined into `run_avx512` of [`crate::feature::loops`], which is entered only where the
//! processor has AVX-512; nothing else names these types.

mod turn;

use std::arch::x86_64::{
    __m512, __m512d, __mmask8, __mmask16, _CMP_LT_OQ, _CMP_UNORD_Q, _MM_HINT_T1, _mm_prefetch, _mm_sfence,
    _mm512_abs_pd, _mm512_abs_ps, _mm512_add_pd, _mm512_add_ps, _mm512_cmp_pd_mask, _mm512_cmp_ps_mask,
    _mm512_div_pd, _mm512_div_ps, _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_mask_blend_pd,
    _mm512_mask_blend_ps, _mm512_max_pd, _mm512_max_ps, _mm512_min_pd, _mm512_min_ps, _mm512_mul_pd,
    _mm512_mul_ps, _mm512_set1_pd, _mm512_set1_ps, _mm512_sqrt_pd, _mm512_sqrt_ps, _mm512_stream_pd,
    _mm512_stream_ps, _mm512_sub_pd, _mm512_sub_ps,
};
use std::mem::transmute;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Sub};

use super::{Group, Grouped, Lanes, Value, WIDTH};

/// Sixteen `f32` in one register.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Single(__m512);

/// Sixteen `f64` in two registers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Double(__m512d, __m512d);

/// Yes or no for each place of a [`Double`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halves(__mmask8, __mmask8);

impl Grouped for f32 {
    type Registers = Single;
}

impl Grouped for f64 {
    type Registers = Double;
}

/// An operator of both types by its instructions.
macro_rules! operator {
    ($trait:ident, $method:ident, $single:ident, $double:ident) => {
        impl $trait for Single {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: `Loops::new` found avx512f before anything made a `Single`.
                Self(unsafe { $single(self.0, other.0) })
            }
        }

        impl $trait for Double {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: `Loops::new` found avx512f before anything made a `Double`.
                let low = unsafe { $double(self.0, other.0) };
                // SAFETY: as above.
                Self(low, unsafe { $double(self.1, other.1) })
            }
        }
    };
}

operator!(Add, add, _mm512_add_ps, _mm512_add_pd);
operator!(Sub, sub, _mm512_sub_ps, _mm512_sub_pd);
operator!(Mul, mul, _mm512_mul_ps, _mm512_mul_pd);
operator!(Div, div, _mm512_div_ps, _mm512_div_pd);

impl BitAnd for Halves {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0, self.1 & other.1)
    }
}

impl BitOr for Halves {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0, self.1 | other.1)
    }
}

impl Single {
    #[inline(always)]
    fn array(self) -> [f32; WIDTH] {
        // SAFETY: registers of sixteen numbers, any bits of which are numbers.
        unsafe { transmute(self) }
    }
}

impl Value for Single {
    type Number = f32;
    type Mask = __mmask16;

    #[inline(always)]
    fn all_of(x: f32) -> Self {
        // SAFETY: `Loops::new` found avx512f before this code is entered.
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    fn at(&self, place: usize) -> f32 {
        self.array()[place]
    }

    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `all_of`.
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: as in `all_of`.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        // SAFETY: as in `all_of`.
        Self(unsafe { _mm512_abs_ps(self.0) })
    }

    #[inline(always)]
    fn known(self) -> Self {
        self.fused(Self::all_of(0.0), self)
    }

    #[inline(always)]
    fn less(self, other: Self) -> __mmask16 {
        // SAFETY: as in `all_of`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn unknown(self) -> __mmask16 {
        // SAFETY: as in `all_of`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) }
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        // SAFETY: as in `all_of`.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        // SAFETY: as in `all_of`.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn unknown_beside(self, other: Self) -> __mmask16 {
        // SAFETY: as in `all_of`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, other.0) }
    }

    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        // SAFETY: as in `all_of`.
        Self(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }

    #[inline(always)]
    fn any(mask: __mmask16) -> bool {
        mask != 0
    }

    #[inline(always)]
    fn map<const N: usize, const M: usize>(
        values: [&Self; N],
        f: impl Fn([f32; N]) -> [f32; M],
    ) -> [Self; M] {
        let groups = values.map(|value| Group(value.array()));
        Group::map(groups.each_ref(), f).map(|group| Self::load(&group.0))
    }
}

impl Lanes for Single {
    #[inline(always)]
    fn load(from: &[f32; WIDTH]) -> Self {
        // SAFETY: a register is sixteen numbers, any bits of which are numbers.
        unsafe { transmute(*from) }
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; WIDTH]) {
        *to = self.array();
    }

    #[inline(always)]
    fn stream(self, to: &mut [f32; WIDTH]) {
        if to.as_ptr().align_offset(64) == 0 {
            // SAFETY: `to` is a whole line, and `settle` follows before anybody else may read it.
            unsafe { _mm512_stream_ps(to.as_mut_ptr(), self.0) };
        } else {
            self.store(to);
        }
    }

    #[inline(always)]
    fn settle() {
        // SAFETY: every processor with avx512f has this fence.
        unsafe { _mm_sfence() };
    }

    #[inline(always)]
    fn of_groups(groups: &mut [Group<f32>]) -> &mut [Self] {
        let (start, len) = (groups.as_mut_ptr(), groups.len());
        // SAFETY: a `Group` is sixteen numbers on a boundary of 64 bytes, as a register is.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), len) }
    }

    #[inline(always)]
    fn fetch(number: &f32) {
        // SAFETY: every processor with avx512f has this instruction, which changes nothing but the caches.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(number).cast()) };
    }

    #[inline(always)]
    fn turn(rows: &mut [Self; WIDTH]) {
        let mut square = [rows[0].0; WIDTH];
        for (row, own) in square.iter_mut().zip(&*rows) {
            *row = own.0;
        }
        turn::singles_square(&mut square);
        for (row, own) in square.iter().zip(rows) {
            own.0 = *row;
        }
    }
}

impl Double {
    #[inline(always)]
    fn array(self) -> [f64; WIDTH] {
        // SAFETY: registers of sixteen numbers, any bits of which are numbers.
        unsafe { transmute(self) }
    }
}

impl Value for Double {
    type Number = f64;
    type Mask = Halves;

    #[inline(always)]
    fn all_of(x: f64) -> Self {
        // SAFETY: `Loops::new` found avx512f before this code is entered.
        let half = unsafe { _mm512_set1_pd(x) };
        Self(half, half)
    }

    #[inline(always)]
    fn at(&self, place: usize) -> f64 {
        self.array()[place]
    }

    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_fmadd_pd(self.0, b.0, c.0) };
        // SAFETY: as in `all_of`.
        Self(low, unsafe { _mm512_fmadd_pd(self.1, b.1, c.1) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_sqrt_pd(self.0) };
        // SAFETY: as in `all_of`.
        Self(low, unsafe { _mm512_sqrt_pd(self.1) })
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_abs_pd(self.0) };
        // SAFETY: as in `all_of`.
        Self(low, unsafe { _mm512_abs_pd(self.1) })
    }

    #[inline(always)]
    fn known(self) -> Self {
        self.fused(Self::all_of(0.0), self)
    }

    #[inline(always)]
    fn less(self, other: Self) -> Halves {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, other.0) };
        // SAFETY: as in `all_of`.
        Halves(low, unsafe { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.1, other.1) })
    }

    #[inline(always)]
    fn unknown(self) -> Halves {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.0, self.0) };
        // SAFETY: as in `all_of`.
        Halves(low, unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.1, self.1) })
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_max_pd(self.0, other.0) };
        // SAFETY: as in `all_of`.
        Self(low, unsafe { _mm512_max_pd(self.1, other.1) })
    }

    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_min_pd(self.0, other.0) };
        // SAFETY: as in `all_of`.
        Self(low, unsafe { _mm512_min_pd(self.1, other.1) })
    }

    #[inline(always)]
    fn unknown_beside(self, other: Self) -> Halves {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.0, other.0) };
        // SAFETY: as in `all_of`.
        Halves(low, unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.1, other.1) })
    }

    #[inline(always)]
    fn select(mask: Halves, yes: Self, no: Self) -> Self {
        // SAFETY: as in `all_of`.
        let low = unsafe { _mm512_mask_blend_pd(mask.0, no.0, yes.0) };
        // SAFETY: as in `all_of`.
        Self(low, unsafe { _mm512_mask_blend_pd(mask.1, no.1, yes.1) })
    }

    #[inline(always)]
    fn any(mask: Halves) -> bool {
        mask.0 | mask.1 != 0
    }

    #[inline(always)]
    fn map<const N: usize, const M: usize>(
        values: [&Self; N],
        f: impl Fn([f64; N]) -> [f64; M],
    ) -> [Self; M] {
        let groups = values.map(|value| Group(value.array()));
        Group::map(groups.each_ref(), f).map(|group| Self::load(&group.0))
    }
}

impl Lanes for Double {
    #[inline(always)]
    fn load(from: &[f64; WIDTH]) -> Self {
        // SAFETY: two registers are sixteen numbers, any bits of which are numbers.
        unsafe { transmute(*from) }
    }

    #[inline(always)]
    fn store(self, to: &mut [f64; WIDTH]) {
        *to = self.array();
    }

    #[inline(always)]
    fn stream(self, to: &mut [f64; WIDTH]) {
        if to.as_ptr().align_offset(64) == 0 {
            let (low, high) = to.split_at_mut(8);
            // SAFETY: `low` is a whole line, and `settle` follows before anybody else may read it.
            unsafe { _mm512_stream_pd(low.as_mut_ptr(), self.0) };
            // SAFETY: as above, of `high`.
            unsafe { _mm512_stream_pd(high.as_mut_ptr(), self.1) };
        } else {
            self.store(to);
        }
    }

    #[inline(always)]
    fn settle() {
        // SAFETY: every processor with avx512f has this fence.
        unsafe { _mm_sfence() };
    }

    #[inline(always)]
    fn of_groups(groups: &mut [Group<f64>]) -> &mut [Self] {
        let (start, len) = (groups.as_mut_ptr(), groups.len());
        // SAFETY: a `Group` is sixteen numbers on a boundary of 64 bytes, as two registers are.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), len) }
    }

    #[inline(always)]
    fn fetch(number: &f64) {
        // SAFETY: every processor with avx512f has this instruction, which changes nothing but the caches.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(number).cast()) };
    }

    #[inline(always)]
    fn turn(rows: &mut [Self; WIDTH]) {
        let [mut low, mut high] = [[rows[0].0; 8]; 2];
        let [mut low_below, mut high_below] = [[rows[0].0; 8]; 2];
        for row in 0..8 {
            (low[row], high[row]) = (rows[row].0, rows[row].1);
            (low_below[row], high_below[row]) = (rows[row + 8].0, rows[row + 8].1);
        }
        let (low, low_below) = (turn::doubles(low), turn::doubles(low_below));
        let (high, high_below) = (turn::doubles(high), turn::doubles(high_below));
        for row in 0..8 {
            rows[row] = Self(low[row], low_below[row]);
            rows[row + 8] = Self(high[row], high_below[row]);
        }
    }
}
