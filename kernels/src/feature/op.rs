//! The primitive operations that every feature is made of, and how each advances over rows.
//!
//! One operation has one meaning, written once: [`Op::advance`] takes `rows` values of each input and its own
//! state, and both ways of running a plan call it, batches with a block of rows and streams with one row. So
//! equal bits are a matter of construction, and `B`, the capacity of a block, lets the compiler unroll the
//! streaming case to straight code.
//!
//! Two rules hold for every operation and make the rest simple:
//! - A value is finite or it is NaN, "not known". What would be infinite or undefined (x/0, ln 0, an
//!   overflow) is NaN, and every NaN that leaves a plan has the same bits.
//! - NaN means the same everywhere. An operation on single rows gives NaN. An operation on a window gives NaN
//!   exactly while the NaN is in the window. A recursive operation gives NaN for that row and keeps its state.

mod accumulate;
mod adapt;
mod age;
mod balance;
pub(crate) mod bands;
pub(crate) mod chain;
mod choice;
mod clock;
mod covariance;
mod deviation;
mod directional;
mod extremum;
mod fill;
mod history;
mod lag;
mod order;
mod power;
mod rowwise;
mod rsi;
mod since;
pub(crate) mod sink;
pub(crate) mod smooth;
mod tick;
mod trend;
mod window;

mod forget;

pub(crate) mod run;

use num_traits::{Float, Zero};

use crate::feature::value::Value;
pub(crate) use run::Step;

/// `x` where it is finite and NaN elsewhere: the only form in which a number passes between operations. Zero times
/// an infinity is NaN, and a zero added changes nothing.
#[inline(always)]
pub(crate) fn known<V: Value>(x: V) -> V {
    x.known()
}

/// The one NaN that leaves a plan, whichever came up in it.
#[inline(always)]
pub(crate) fn shown<V: Value>(x: V) -> V {
    V::select(x.unknown(), V::all_of(V::Number::nan()), x)
}

/// One primitive operation with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// The values of an input column, by its place in the row.
    Column(usize),
    /// The same value on every row.
    Constant(f64),
    /// a + b
    Add,
    /// a - b
    Subtract,
    /// a * b
    Multiply,
    /// a / b, NaN where b is zero
    Divide,
    /// Range of a bar, extended to the close before; inputs high, low, close before
    TrueRange,
    /// -a
    Negate,
    /// |a|
    Absolute,
    /// sqrt(a), NaN below zero
    SquareRoot,
    /// ln(a), NaN at and below zero
    Logarithm,
    /// a, at least `low` and at most `high`
    Clip { low: f64, high: f64 },
    /// a on the rows where b is known
    Where,
    /// (a - low) / (high - low), one half where high is not above low; inputs a, low, high
    Position,
    /// (a - mean) / sqrt(variance), zero where the variance is zero; inputs a, mean, variance
    Standardise,
    /// sin and cos of the phase of a timestamp within a period
    Phase { period_ns: f64, offset_ns: f64 },
    /// Number of whole periods since the epoch
    Epoch { period_ns: f64, offset_ns: f64 },
    /// a as it was `rows` rows ago
    Lag { rows: usize },
    /// Sum over the last `rows` rows
    Sum { rows: usize },
    /// Mean over the last `rows` rows
    Mean { rows: usize },
    /// Mean and population variance over the last `rows` rows
    Moments { rows: usize },
    /// Least value of the last `rows` rows
    Minimum { rows: usize },
    /// Greatest value of the last `rows` rows
    Maximum { rows: usize },
    /// value = keep * value + (1 - keep) * a, seeded with the mean of `rows` values after the first `skip`
    Smooth { rows: usize, skip: usize, keep: f64, take: f64 },
    /// Wilder's relative strength index of a
    Rsi { rows: usize },
    /// Sum of a since b last changed
    Accumulate,
    /// a / b, `otherwise` where b is zero
    Quotient { otherwise: f64 },
    /// The lesser of a and b
    Lesser,
    /// The greater of a and b
    Greater,
    /// 1 where a > b, else 0
    Above,
    /// a - b, zero where they differ by no more than rounding
    Departure,
    /// atan(a)
    Arctangent,
    /// ln(1 + a), NaN at and below -1
    LogarithmOfOneMore,
    /// b where a > 0, and b where a < 0; zero elsewhere
    Split,
    /// What an event adds to a queue; inputs change of its price towards the other side, size, size before
    QueueChange,
    /// Mean and slope of the least-squares line through the last `rows` rows
    Trend { rows: usize },
    /// Population covariance of a and b over the last `rows` rows
    Covariance { rows: usize },
    /// Third and fourth central moment of the last `rows` rows
    HigherMoments { rows: usize },
    /// Mean distance of the last `rows` rows of a from b
    Deviation { rows: usize },
    /// Rows since the extremum of the last `rows` rows; of equal values, the oldest or the newest
    Age { rows: usize, greatest: bool, oldest: bool },
    /// Quantile of the last `rows` rows
    Quantile { rows: usize, share: f64 },
    /// Rank of a among its last `rows` rows, as a share of them
    Rank { rows: usize },
    /// Median distance of the last `rows` rows from their median
    MedianDeviation { rows: usize },
    /// Wilder's sums of movement up, movement down and true range from the `first` change on; inputs high, low, close
    Directional { rows: usize, first: usize },
    /// Average of a that follows at the speed b
    Adapt,
    /// Sum of b where a rises, less b where it falls
    Balance,
    /// Sign of the last change of a
    Tick,
    /// Seconds since a was last not zero, by the clock b
    Since,
    /// The last known value of a, at most `rows` rows old
    Fill { rows: usize },
}

impl Op {
    /// Number of values an operation gives for each row.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Self::Directional { .. } => 3,
            Self::Moments { .. }
            | Self::Phase { .. }
            | Self::Split
            | Self::Trend { .. }
            | Self::HigherMoments { .. } => 2,
            _ => 1,
        }
    }

    /// Rows of known input that pass before the first output.
    pub(crate) fn lookback(self) -> usize {
        match self {
            Self::Lag { rows } | Self::Rsi { rows } => rows,
            Self::Sum { rows }
            | Self::Mean { rows }
            | Self::Moments { rows }
            | Self::Minimum { rows }
            | Self::Maximum { rows }
            | Self::Trend { rows }
            | Self::Covariance { rows }
            | Self::HigherMoments { rows }
            | Self::Age { rows, .. }
            | Self::Quantile { rows, .. }
            | Self::Rank { rows }
            | Self::MedianDeviation { rows } => rows - 1,
            // What it measures from comes out of the same window.
            Self::Deviation { .. } => 0,
            Self::Directional { first, .. } => first,
            Self::Tick => 1,
            Self::Smooth { rows, skip, .. } => skip + rows - 1,
            _ => 0,
        }
    }

    /// Which input is a time in nanoseconds, too long a number for `f32`.
    pub(crate) fn clock_input(self) -> Option<usize> {
        match self {
            Self::Phase { .. } | Self::Epoch { .. } => Some(0),
            Self::Since => Some(1),
            _ => None,
        }
    }

    /// Numbers of state kept from row to row.
    pub(crate) fn state_len(self) -> usize {
        match self {
            Self::Lag { rows } => lag::state_len(rows),
            Self::Sum { rows } => window::sum_state_len(rows),
            Self::Mean { rows } => window::mean_state_len(rows),
            Self::Moments { rows } => window::moments_state_len(rows),
            Self::Minimum { rows } | Self::Maximum { rows } => extremum::state_len(rows),
            Self::Smooth { .. } => smooth::STATE_LEN,
            Self::Rsi { .. } => rsi::STATE_LEN,
            Self::Accumulate => accumulate::STATE_LEN,
            Self::Trend { rows } => trend::state_len(rows),
            Self::Covariance { rows } => covariance::state_len(rows),
            Self::HigherMoments { rows } => power::state_len(rows),
            Self::Deviation { rows } => history::state_len(rows),
            Self::Age { rows, .. } => age::state_len(rows),
            Self::Quantile { rows, .. } | Self::Rank { rows } | Self::MedianDeviation { rows } => {
                order::state_len(rows)
            }
            Self::Directional { .. } => directional::STATE_LEN,
            Self::Adapt => adapt::STATE_LEN,
            Self::Balance => balance::STATE_LEN,
            Self::Tick => tick::STATE_LEN,
            Self::Since => since::STATE_LEN,
            Self::Fill { .. } => fill::STATE_LEN,
            _ => 0,
        }
    }

    /// Writes the state before the first row.
    pub(crate) fn reset<V: Value>(self, state: &mut [V]) {
        match self {
            Self::Lag { .. }
            | Self::Sum { .. }
            | Self::Mean { .. }
            | Self::Moments { .. }
            | Self::Minimum { .. }
            | Self::Maximum { .. }
            | Self::Trend { .. } => {
                // A window that reaches back before the first row holds NaN there, so warming up needs no
                // branch; the head, place and partial sums, starts at zero.
                state.fill(V::all_of(V::Number::nan()));
                state[..window::HEAD].fill(V::all_of(V::Number::zero()));
            }
            Self::Covariance { .. } | Self::HigherMoments { .. } => {
                state.fill(V::all_of(V::Number::nan()));
                state[..covariance::HEAD.max(power::HEAD)].fill(V::all_of(V::Number::zero()));
            }
            Self::Deviation { rows } => history::reset(rows, state),
            Self::Age { rows, .. } => age::reset(rows, state),
            Self::Quantile { .. } | Self::Rank { .. } | Self::MedianDeviation { .. } => order::reset(state),
            Self::Directional { .. } => directional::reset(state),
            Self::Adapt | Self::Tick | Self::Since => state.fill(V::all_of(V::Number::nan())),
            Self::Balance => balance::reset(state),
            Self::Fill { .. } => fill::reset(state),
            Self::Accumulate => accumulate::reset(state),
            _ => state.fill(V::all_of(V::Number::zero())),
        }
    }

    /// Whether restored numbers can be a state of this operation; indices outside a window cannot.
    pub(crate) fn accepts(self, state: &[f64]) -> bool {
        let counts_to = |limit: usize| state[0] >= 0.0 && state[0] <= limit as f64 && state[0].fract() == 0.0;
        match self {
            Self::Lag { rows }
            | Self::Sum { rows }
            | Self::Mean { rows }
            | Self::Moments { rows }
            | Self::Minimum { rows }
            | Self::Maximum { rows }
            | Self::Trend { rows }
            | Self::Covariance { rows }
            | Self::HigherMoments { rows }
            | Self::Quantile { rows, .. }
            | Self::Rank { rows }
            | Self::MedianDeviation { rows } => counts_to(rows - 1),
            Self::Deviation { rows } => history::accepts(rows, state),
            Self::Age { rows, .. } => age::accepts(rows, state),
            Self::Directional { rows, .. } => counts_to(rows),
            Self::Smooth { rows, skip, .. } => counts_to(skip + rows),
            Self::Rsi { rows } => counts_to(rows + 1),
            _ => true,
        }
    }

    /// Advances over `rows` rows: reads the lanes `inputs`, of which the operation has as many as it needs, and writes
    /// those of `write`, one for each output.
    #[inline(always)]
    pub(crate) fn advance<V: Value, const B: usize>(
        self,
        state: &mut [V],
        inputs: [&[V; B]; 3],
        write: &mut [[V; B]],
        rows: usize,
    ) {
        // For a block of one row the count is known to the compiler.
        let rows = if B == 1 { 1 } else { rows };
        let [a, b, c] = [&inputs[0][..rows], &inputs[1][..rows], &inputs[2][..rows]];
        let (first, others) = match write.split_first_mut() {
            Some((first, others)) => (&mut first[..rows], others),
            None => return,
        };
        match self {
            Self::Column(_) | Self::Constant(_) => {}
            Self::Add => rowwise::binary(a, b, first, rowwise::Plus),
            Self::Subtract => rowwise::binary(a, b, first, rowwise::Minus),
            Self::Multiply => rowwise::binary(a, b, first, rowwise::Times),
            Self::Divide => rowwise::binary(a, b, first, rowwise::Over),
            Self::TrueRange => rowwise::ternary(a, b, c, first, rowwise::TrueRange),
            Self::Where => rowwise::binary(a, b, first, rowwise::KeptWhere),
            Self::Negate => rowwise::unary(a, first, rowwise::Negated),
            Self::Absolute => rowwise::unary(a, first, rowwise::Magnitude),
            Self::SquareRoot => rowwise::unary(a, first, rowwise::Root),
            Self::Logarithm => rowwise::unary(a, first, rowwise::Logarithm),
            Self::Clip { low, high } => rowwise::unary(a, first, rowwise::Clipped { low, high }),
            Self::Position => rowwise::ternary(a, b, c, first, rowwise::Position),
            Self::Standardise => rowwise::ternary(a, b, c, first, rowwise::Standardised),
            Self::Phase { period_ns, offset_ns } => {
                clock::phase(period_ns, offset_ns, a, first, &mut others[0][..rows]);
            }
            Self::Epoch { period_ns, offset_ns } => {
                rowwise::unary(a, first, clock::Epoch { period_ns, offset_ns });
            }
            Self::Lag { .. } => lag::advance(state, a, first),
            Self::Sum { rows: n } => window::sum(n, state, a, first),
            Self::Mean { rows: n } => window::mean(n, state, a, first),
            Self::Moments { rows: n } => {
                let out = &mut window::MeanAndVariance(first, &mut others[0][..rows]);
                window::moments(n, state, a, out);
            }
            Self::Minimum { rows: n } => extremum::advance::<V, false>(n, state, a, first),
            Self::Maximum { rows: n } => extremum::advance::<V, true>(n, state, a, first),
            Self::Smooth { rows: n, skip, keep, take } => {
                let weights = smooth::Weights { rows: n, skip, keep, take };
                smooth::advance(weights, state, a, first);
            }
            Self::Rsi { rows: n } => rsi::advance(n, state, a, first),
            Self::Accumulate => accumulate::advance(state, a, b, first),
            Self::Quotient { otherwise } => rowwise::binary(a, b, first, choice::Quotient { otherwise }),
            Self::Lesser => rowwise::binary(a, b, first, choice::Lesser),
            Self::Greater => rowwise::binary(a, b, first, choice::Greater),
            Self::Above => rowwise::binary(a, b, first, choice::Above),
            Self::Departure => rowwise::binary(a, b, first, choice::Departure),
            Self::Arctangent => rowwise::unary(a, first, rowwise::Arctangent),
            Self::LogarithmOfOneMore => rowwise::unary(a, first, rowwise::LogarithmOfOneMore),
            Self::Split => choice::split(a, b, first, &mut others[0][..rows]),
            Self::QueueChange => rowwise::ternary(a, b, c, first, choice::QueueChange),
            Self::Trend { rows: n } => trend::advance(n, state, a, first, &mut others[0][..rows]),
            Self::Covariance { rows: n } => covariance::advance(n, state, a, b, first),
            Self::HigherMoments { rows: n } => {
                power::advance(n, state, a, first, &mut others[0][..rows]);
            }
            Self::Deviation { rows: n } => deviation::advance(n, state, a, b, first),
            Self::Age { rows: n, greatest: true, oldest } => {
                age::advance::<V, true>(n, oldest, state, a, first);
            }
            Self::Age { rows: n, greatest: false, oldest } => {
                age::advance::<V, false>(n, oldest, state, a, first);
            }
            Self::Quantile { rows: n, share } => {
                order::advance(n, state, a, first, order::Reading::Quantile(share));
            }
            Self::Rank { rows: n } => order::advance(n, state, a, first, order::Reading::Rank),
            Self::MedianDeviation { rows: n } => {
                order::advance(n, state, a, first, order::Reading::MedianDeviation);
            }
            Self::Directional { rows: n, first: shown } => {
                let [minus, range, ..] = others else { return };
                let out = [first, &mut minus[..rows], &mut range[..rows]];
                directional::advance((n, shown), state, [a, b, c], out);
            }
            Self::Adapt => adapt::advance(state, a, b, first),
            Self::Balance => balance::advance(state, a, b, first),
            Self::Tick => tick::advance(state, a, first),
            Self::Since => since::advance(state, a, b, first),
            Self::Fill { rows: n } => fill::advance(n, state, a, first),
        }
    }
}
