//! Time of day and of week, as points on a circle, so that midnight is next to midnight.

use crate::feature::entry::{Entry, Family, Input, Stability, Unit, real};
use crate::feature::op::Op;

const TIME: Input = Input { name: "timestamp", column: "timestamp" };
const HOUR_NS: f64 = 3_600e9;

pub(crate) static TIME_OF_DAY: Entry = Entry {
    name: "time_of_day",
    family: Family::Clock,
    summary: "sine and cosine of the time of day",
    formula: "sin and cos of 2 pi t, t = fraction of the day passed, UTC plus offset_hours",
    source: "cyclical encoding; timestamp in nanoseconds since 1970-01-01 UTC, whole seconds exact until 2116",
    inputs: &[TIME],
    parameters: &[real("offset_hours", 0.0, -24.0, 24.0)],
    outputs: &["sin", "cos"],
    lookback: "0",
    nan: "where the timestamp is NaN",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, time, p| {
        let phase = Op::Phase { period_ns: 24.0 * HOUR_NS, offset_ns: p[0] * HOUR_NS };
        let sine = graph.add(phase, time);
        vec![sine, sine + 1]
    },
};

pub(crate) static TIME_OF_WEEK: Entry = Entry {
    name: "time_of_week",
    family: Family::Clock,
    summary: "sine and cosine of the time of week",
    formula: "sin and cos of 2 pi t, t = fraction of the week passed since Monday 00:00, UTC plus offset_hours",
    source: "cyclical encoding; timestamp in nanoseconds since 1970-01-01 UTC, whole seconds exact until 2116",
    inputs: &[TIME],
    parameters: &[real("offset_hours", 0.0, -24.0, 24.0)],
    outputs: &["sin", "cos"],
    lookback: "0",
    nan: "where the timestamp is NaN",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, time, p| {
        // The epoch was a Thursday: Monday lies three days before it.
        let phase = Op::Phase { period_ns: 168.0 * HOUR_NS, offset_ns: (72.0 + p[0]) * HOUR_NS };
        let sine = graph.add(phase, time);
        vec![sine, sine + 1]
    },
};
