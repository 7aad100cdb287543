//! Places in a period of the calendar, from nanoseconds since the Unix epoch.
//!
//! A timestamp as `f64` is exact for whole seconds until the year 2116, and otherwise within 128 ns.

use std::f64::consts::TAU;

use super::rowwise::Formula;
use crate::feature::value::{Number, Value};

#[inline(always)]
pub(super) fn phase<V: Value>(period_ns: f64, offset_ns: f64, time: &[V], sine: &mut [V], cosine: &mut [V]) {
    for ((time, sine), cosine) in time.iter().zip(sine).zip(cosine) {
        [*sine, *cosine] = V::map([time], |[time]| {
            let angle = (time.wide() + offset_ns).rem_euclid(period_ns) / period_ns * TAU;
            [angle.sin(), angle.cos()].map(|x| V::Number::of(super::known(x)))
        });
    }
}

/// The number of whole periods since the epoch.
#[derive(Clone, Copy)]
pub(super) struct Epoch {
    pub period_ns: f64,
    pub offset_ns: f64,
}

impl<V: Value> Formula<V, 1> for Epoch {
    #[inline(always)]
    fn of(self, [time]: [V; 1]) -> V {
        let Self { period_ns, offset_ns } = self;
        V::map([&time], |[time]| [V::Number::of((time.wide() + offset_ns).div_euclid(period_ns))])[0]
    }
}
