//! Places in a period of the calendar, from nanoseconds since the Unix epoch.
//!
//! A timestamp as `f64` is exact for whole seconds until the year 2116, and otherwise within 128 ns.

use std::f64::consts::TAU;

#[inline(always)]
pub(super) fn phase(period_ns: f64, offset_ns: f64, time: &[f64], sine: &mut [f64], cosine: &mut [f64]) {
    for ((time, sine), cosine) in time.iter().zip(sine).zip(cosine) {
        let angle = (time + offset_ns).rem_euclid(period_ns) / period_ns * TAU;
        *sine = super::known(angle.sin());
        *cosine = super::known(angle.cos());
    }
}

#[inline(always)]
pub(super) fn epoch(period_ns: f64, offset_ns: f64, time: &[f64], out: &mut [f64]) {
    super::rowwise::unary(time, out, |time| (time + offset_ns).div_euclid(period_ns));
}
