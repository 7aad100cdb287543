//! Time of day and of week, as points on a circle, so that midnight is next to midnight.

use crate::feature::entry::{Entry, Family, SINGLE, Stability, TIME, Unit, real};
use crate::feature::op::Op;
use crate::feature::parts::{scaled, shifted};

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

pub(crate) static SESSION: Entry = Entry {
    name: "session",
    family: Family::Clock,
    summary: "1 within a session of each day, else 0",
    formula: "1 where begin <= hour of the day < end, UTC plus offset_hours",
    source: "the usual definition",
    inputs: &[TIME],
    parameters: &[
        real("begin", 8.0, 0.0, 24.0),
        real("end", 16.5, 0.0, 24.0).rising(),
        real("offset_hours", 0.0, -24.0, 24.0),
    ],
    outputs: SINGLE,
    lookback: "0",
    nan: "where the timestamp is NaN",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, time, p| {
        let day = Op::Epoch { period_ns: 24.0 * HOUR_NS, offset_ns: p[2] * HOUR_NS };
        let day = graph.add(day, time);
        let midnight = scaled(graph, day, 24.0 * HOUR_NS);
        let passed = graph.add(Op::Subtract, &[time[0], midnight]);
        let passed = shifted(graph, passed, p[2] * HOUR_NS);
        let bounds = [p[0], p[1]].map(|hours| graph.add(Op::Constant(hours * HOUR_NS), &[]));
        let [before, within] = bounds.map(|bound| graph.add(Op::Above, &[bound, passed]));
        vec![graph.add(Op::Subtract, &[within, before])]
    },
};
