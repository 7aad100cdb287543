//! What an operation remembers from row to row on a device: numbers that a thread keeps in registers, and an array.

use crate::feature::op::Op;

/// The memory of an operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keep {
    /// Whether the first is a count of rows or a place in a ring: a whole number, the same for every symbol.
    pub counts: bool,
    /// Numbers in registers after it, as before the first row.
    pub numbers: Vec<f64>,
    /// Length of the array.
    pub array: usize,
    /// What the array holds before the first row.
    pub fill: f64,
}

impl Keep {
    /// Numbers of state in all.
    pub fn len(&self) -> usize {
        usize::from(self.counts) + self.numbers.len() + self.array
    }

    /// All of them before the first row.
    pub fn initial(&self) -> impl Iterator<Item = f64> {
        let heads = std::iter::repeat_n(0.0, usize::from(self.counts)).chain(self.numbers.iter().copied());
        heads.chain(std::iter::repeat_n(self.fill, self.array))
    }
}

/// The memory of `op`.
pub fn keep(op: Op) -> Keep {
    const NAN: f64 = f64::NAN;
    let window =
        |numbers: usize, array: usize| Keep { counts: true, numbers: vec![0.0; numbers], array, fill: NAN };
    let numbers = |numbers: &[f64]| Keep { numbers: numbers.to_vec(), ..Keep::default() };
    match op {
        Op::Lag { rows } | Op::Deviation { rows } | Op::Age { rows, .. } => window(0, rows),
        Op::Sum { rows } | Op::Minimum { rows } | Op::Maximum { rows } => window(1, 2 * rows),
        Op::Mean { rows } => window(2, 2 * rows),
        Op::Moments { rows } | Op::Trend { rows } => window(3, 3 * rows),
        Op::Covariance { rows } | Op::HigherMoments { rows } => window(5, 5 * rows),
        // A gap is kept as infinity, and so is what was before the first row.
        Op::Quantile { rows, .. } | Op::Rank { rows } | Op::MedianDeviation { rows } => {
            Keep { fill: f64::INFINITY, ..window(0, 2 * rows) }
        }
        Op::Smooth { .. } => numbers(&[0.0; 2]),
        Op::Rsi { .. } => numbers(&[0.0; 4]),
        Op::Accumulate | Op::Balance => numbers(&[NAN, 0.0, 0.0]),
        Op::Directional { .. } => numbers(&[0.0, NAN, NAN, NAN, 0.0, 0.0, 0.0]),
        Op::Adapt | Op::Tick => numbers(&[NAN; 2]),
        Op::Since => numbers(&[NAN]),
        Op::Fill { .. } => numbers(&[NAN, 0.0]),
        _ => Keep::default(),
    }
}
