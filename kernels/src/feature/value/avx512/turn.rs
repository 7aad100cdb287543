//! Squares of numbers turned in registers: columns become rows.
//!
//! Eight by eight `f64` take 24 shuffles, sixteen by sixteen `f32` take 64: pairs of numbers, then (in `f32`) pairs of
//! pairs, then the quarters of a register. No closures: they would be compiled without the instructions.

use std::arch::x86_64::{
    __m512, __m512d, _mm512_castpd_ps, _mm512_castps_pd, _mm512_shuffle_f64x2, _mm512_unpackhi_pd,
    _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

/// The even and the odd numbers of both, in turns.
#[inline(always)]
fn pairs(a: __m512d, b: __m512d) -> [__m512d; 2] {
    // SAFETY: `Loops::new` found avx512f before this code is entered.
    let even = unsafe { _mm512_unpacklo_pd(a, b) };
    // SAFETY: as above.
    [even, unsafe { _mm512_unpackhi_pd(a, b) }]
}

/// The same of `f32`, within each quarter: numbers 0 and 1, then 2 and 3.
#[inline(always)]
fn singles(a: __m512, b: __m512) -> [__m512d; 2] {
    // SAFETY: `Loops::new` found avx512f before this code is entered.
    let low = unsafe { _mm512_unpacklo_ps(a, b) };
    // SAFETY: as above.
    let high = unsafe { _mm512_unpackhi_ps(a, b) };
    // SAFETY: as above.
    let low = unsafe { _mm512_castps_pd(low) };
    // SAFETY: as above.
    [low, unsafe { _mm512_castps_pd(high) }]
}

/// Quarters of `a`, then of `b`, chosen by the bits of `WHICH`.
#[inline(always)]
fn quarters<const WHICH: i32>(a: __m512d, b: __m512d) -> __m512d {
    // SAFETY: `Loops::new` found avx512f before this code is entered.
    unsafe { _mm512_shuffle_f64x2::<WHICH>(a, b) }
}

/// Four registers of four quarters turned.
#[inline(always)]
fn turn_quarters([a, b, c, d]: [__m512d; 4]) -> [__m512d; 4] {
    let (front, front_later) = (quarters::<0x44>(a, b), quarters::<0x44>(c, d));
    let (back, back_later) = (quarters::<0xEE>(a, b), quarters::<0xEE>(c, d));
    [
        quarters::<0x88>(front, front_later),
        quarters::<0xDD>(front, front_later),
        quarters::<0x88>(back, back_later),
        quarters::<0xDD>(back, back_later),
    ]
}

/// Eight rows of eight `f64`.
#[inline(always)]
pub(super) fn doubles(rows: [__m512d; 8]) -> [__m512d; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    let [[a, b], [c, d], [e, f], [g, h]] = [pairs(a, b), pairs(c, d), pairs(e, f), pairs(g, h)];
    let ([c0, c2, c4, c6], [c1, c3, c5, c7]) = (turn_quarters([a, c, e, g]), turn_quarters([b, d, f, h]));
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Four rows of sixteen `f32` from number `at` on as four rows of four quarters, each quarter a column of the four rows:
/// columns 0, 4, 8 and 12 in the first.
#[inline(always)]
fn four_singles(rows: &[__m512; 16], at: usize) -> [__m512d; 4] {
    let [ab_low, ab_high] = singles(rows[at], rows[at + 1]);
    let [cd_low, cd_high] = singles(rows[at + 2], rows[at + 3]);
    let ([first, second], [third, fourth]) = (pairs(ab_low, cd_low), pairs(ab_high, cd_high));
    [first, second, third, fourth]
}

/// Sixteen rows of sixteen `f32`.
#[inline(always)]
pub(super) fn singles_square(rows: &mut [__m512; 16]) {
    let (a, b) = (four_singles(rows, 0), four_singles(rows, 4));
    let (c, d) = (four_singles(rows, 8), four_singles(rows, 12));
    for at in 0..4 {
        let columns = turn_quarters([a[at], b[at], c[at], d[at]]);
        for (quarter, column) in columns.iter().enumerate() {
            // SAFETY: `Loops::new` found avx512f before this code is entered.
            rows[4 * quarter + at] = unsafe { _mm512_castpd_ps(*column) };
        }
    }
}
