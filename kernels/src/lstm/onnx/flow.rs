//! Values that depend on the series: where they come from, and what their axes mean.
//!
//! A flow is a list of features side by side, each taken from something that was computed before. Axes that ONNX has no
//! names for get them here: the features of one step, groups of them (an LSTM's directions, or layers joined), batch and
//! time. Transposing, reshaping and slicing then change names and nothing else.

use std::ops::Range;

use super::error::NodeError;
use super::tensor::{Dim, show};

/// What an axis of a flow means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The series of a batch.
    Batch,
    /// The steps of a series.
    Time,
    /// Both in one, in this order of the two.
    Rows {
        /// Whether time goes slower.
        time_first: bool,
    },
    /// Groups of features, such as one for each direction; never one alone.
    Group(usize),
    /// Features, of each group where there are any.
    Feature(usize),
    /// A dimension of one.
    One,
}

/// Which values of something computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Those of all steps.
    Sequence,
    /// Those of one step.
    Step(isize),
    /// Of something that has one row for a series.
    Row,
    /// The hidden state at the end.
    Hidden,
    /// The cell state at the end.
    Cell,
}

/// Some features of something computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its place in the list of everything computed.
    pub op: usize,
    pub take: Take,
    pub features: Range<usize>,
}

/// A value that depends on the series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub axes: Vec<Axis>,
    /// Whether the first step comes last.
    pub reversed: bool,
    /// In order: groups go slower than the features of each.
    pub pieces: Vec<Piece>,
}

/// The sizes that the graph fixes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed {
    pub batch: Option<i64>,
    pub time: Option<i64>,
}

impl Fixed {
    /// The size of an axis.
    pub fn dim(self, axis: Axis) -> Option<Dim> {
        let size = |size: usize| Dim::Known(i64::try_from(size).unwrap_or(i64::MAX));
        Some(match axis {
            Axis::Batch => self.batch.map_or(Dim::Batch, Dim::Known),
            Axis::Time => self.time.map_or(Dim::Time, Dim::Known),
            Axis::Rows { .. } => Dim::Known(self.batch?.checked_mul(self.time?)?),
            Axis::Group(n) | Axis::Feature(n) => size(n),
            Axis::One => Dim::Known(1),
        })
    }
}

/// A group of one is a dimension of one.
pub const fn group(n: usize) -> Axis {
    if n == 1 { Axis::One } else { Axis::Group(n) }
}

/// Joins pieces that follow each other.
pub fn coalesce(pieces: impl IntoIterator<Item = Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match joined.last_mut() {
            Some(last)
                if (last.op, last.take) == (piece.op, piece.take)
                    && last.features.end == piece.features.start =>
            {
                last.features.end = piece.features.end;
            }
            _ => joined.push(piece),
        }
    }
    joined
}

impl Flow {
    /// All features, groups and all.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|piece| piece.features.len()).sum()
    }

    /// Whether it has a value for each step.
    pub fn is_sequence(&self) -> bool {
        self.pieces.iter().any(|piece| piece.take == Take::Sequence)
    }

    /// The features of one group.
    fn feature(&self) -> usize {
        self.axes
            .iter()
            .find_map(|axis| match axis {
                Axis::Feature(n) => Some(*n),
                _ => None,
            })
            .unwrap_or(1)
    }

    /// The features at `range`, counted over groups.
    pub fn cut(&self, range: Range<usize>) -> Vec<Piece> {
        let mut start = 0;
        let mut pieces = Vec::new();
        for piece in &self.pieces {
            let end = start + piece.features.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let first = piece.features.start;
                let features = first + from - start..first + to - start;
                pieces.push(Piece { features, ..piece.clone() });
            }
            start = end;
        }
        pieces
    }

    /// The places `picked` of the axis at `place`; `axis` is what becomes of it, or `None` when it goes.
    pub fn pick(&self, place: usize, picked: &[usize], scalar: bool) -> Result<Self, NodeError> {
        let feature = self.feature();
        let groups = self.width() / feature;
        let (pieces, axis) = match self.axes[place] {
            Axis::Group(_) => {
                let cut = picked.iter().flat_map(|&at| self.cut(at * feature..(at + 1) * feature));
                (coalesce(cut), group(picked.len()))
            }
            Axis::Feature(_) => {
                let each = |g| picked.iter().map(move |&at| g * feature + at);
                let cut = (0..groups).flat_map(each).flat_map(|at| self.cut(at..at + 1));
                (coalesce(cut), Axis::Feature(picked.len()))
            }
            Axis::One => (self.pieces.clone(), Axis::One),
            Axis::Batch | Axis::Time | Axis::Rows { .. } => {
                return Err(NodeError::Refused(
                    "it takes some series of a batch, or several steps; only one step or all can be taken",
                ));
            }
        };
        let mut axes = self.axes.clone();
        if scalar {
            axes.remove(place);
        } else {
            axes[place] = axis;
        }
        Ok(Self { axes, reversed: self.reversed, pieces })
    }

    /// One step; `place` is the time axis.
    pub fn step(&self, place: usize, step: isize, scalar: bool) -> Self {
        // Counted from the other end of what runs backwards: !step is -step - 1.
        let step = if self.reversed { !step } else { step };
        let take = |piece: &Piece| Piece { take: Take::Step(step), ..piece.clone() };
        let mut axes = self.axes.clone();
        if scalar {
            axes.remove(place);
        } else {
            axes[place] = Axis::One;
        }
        Self { axes, reversed: false, pieces: self.pieces.iter().map(take).collect() }
    }

    /// The shape, as far as it is known.
    pub fn shape(&self, fixed: Fixed) -> Option<Vec<Dim>> {
        self.axes.iter().map(|&axis| fixed.dim(axis)).collect()
    }

    /// The same values in another shape, in which 0 keeps a size and -1 stands for the rest.
    pub fn reshape(&self, target: &[Dim], fixed: Fixed) -> Result<Self, NodeError> {
        let refused = || NodeError::Shape {
            what: "a value",
            found: self.shape(fixed).map_or_else(|| "[rows, ...]".to_owned(), |shape| show(&shape)),
            wanted: format!("what can become {} without mixing series, steps or features", show(target)),
        };
        let mut source: Vec<Axis> = Vec::new();
        for &axis in &self.axes {
            match axis {
                Axis::One => {}
                Axis::Rows { time_first: true } => source.extend([Axis::Time, Axis::Batch]),
                Axis::Rows { time_first: false } => source.extend([Axis::Batch, Axis::Time]),
                other => source.push(other),
            }
        }
        let keep = |(place, &dim): (usize, &Dim)| match dim {
            Dim::Known(0) => self.axes.get(place).and_then(|&axis| fixed.dim(axis)),
            dim => Some(dim),
        };
        let target: Vec<Dim> =
            target.iter().enumerate().map(keep).collect::<Option<_>>().ok_or_else(refused)?;
        let rest = target.iter().position(|&dim| dim == Dim::Known(-1));
        let mut axes = Vec::new();
        for &dim in &target[..rest.unwrap_or(target.len())] {
            axes.push(front(&mut source, dim, fixed).ok_or_else(refused)?);
        }
        if let Some(rest) = rest {
            let mut end = Vec::new();
            for &dim in target[rest + 1..].iter().rev() {
                end.push(back(&mut source, dim, fixed).ok_or_else(refused)?);
            }
            axes.push(merge(&source).ok_or_else(refused)?);
            axes.extend(end.into_iter().rev());
        } else if !source.iter().all(|&axis| axis == Axis::Feature(1)) {
            return Err(refused());
        }
        Ok(Self { axes, ..self.clone() })
    }
}

/// Takes from the front of `source` what has the size `dim`.
fn front(source: &mut Vec<Axis>, dim: Dim, fixed: Fixed) -> Option<Axis> {
    for count in 1..=source.len().min(2) {
        let Some(axis) = merge(&source[..count]) else { break };
        if fixed.dim(axis) == Some(dim) {
            source.drain(..count);
            return Some(axis);
        }
    }
    if dim == Dim::Known(1) {
        return Some(Axis::One);
    }
    // Features that were groups before: `[.., directions x hidden]` becomes `[.., directions, hidden]`.
    match (source.first().copied(), dim) {
        (Some(Axis::Feature(n)), Dim::Known(groups)) if source.len() == 1 => {
            let groups = usize::try_from(groups).ok().filter(|&g| g > 1 && n.is_multiple_of(g))?;
            source[0] = Axis::Feature(n / groups);
            Some(Axis::Group(groups))
        }
        _ => None,
    }
}

/// Takes from the end of `source` what has the size `dim`.
fn back(source: &mut Vec<Axis>, dim: Dim, fixed: Fixed) -> Option<Axis> {
    for count in 1..=source.len().min(2) {
        let Some(axis) = merge(&source[source.len() - count..]) else { break };
        if fixed.dim(axis) == Some(dim) {
            source.truncate(source.len() - count);
            return Some(axis);
        }
    }
    (dim == Dim::Known(1)).then_some(Axis::One)
}

/// Several axes as one.
fn merge(axes: &[Axis]) -> Option<Axis> {
    match *axes {
        [] => Some(Axis::One),
        [axis] => Some(axis),
        [Axis::Batch, Axis::Time] => Some(Axis::Rows { time_first: false }),
        [Axis::Time, Axis::Batch] => Some(Axis::Rows { time_first: true }),
        [Axis::Group(n), Axis::Feature(m)] => Some(Axis::Feature(n * m)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(axes: &[Axis], width: usize) -> Flow {
        let piece = Piece { op: 1, take: Take::Sequence, features: 0..width };
        Flow { axes: axes.to_vec(), reversed: false, pieces: vec![piece] }
    }

    const FREE: Fixed = Fixed { batch: None, time: None };

    #[test]
    fn an_lstms_directions_become_features() {
        let y = flow(&[Axis::Time, Axis::Batch, Axis::Group(2), Axis::Feature(4)], 8);
        let known = |dims: &[i64]| dims.iter().map(|&dim| Dim::Known(dim)).collect::<Vec<_>>();
        let merged = y.reshape(&known(&[0, 0, -1]), FREE).unwrap();
        assert_eq!(merged.axes, [Axis::Time, Axis::Batch, Axis::Feature(8)]);
        let back = merged.reshape(&known(&[0, 0, 2, 4]), FREE).unwrap();
        assert_eq!(back, y);
        let rows = merged.reshape(&known(&[-1, 8]), FREE).unwrap();
        assert_eq!(rows.axes, [Axis::Rows { time_first: true }, Axis::Feature(8)]);
        let again = rows.reshape(&[Dim::Time, Dim::Batch, Dim::Known(8)], FREE).unwrap();
        assert_eq!(again, merged);
        // Features before groups would have to be put in another order.
        let y = flow(&[Axis::Batch, Axis::Feature(4), Axis::Group(2)], 8);
        assert!(y.reshape(&known(&[0, -1]), FREE).is_err());
    }

    #[test]
    fn steps_and_directions_are_picked() {
        let y = flow(&[Axis::Time, Axis::Group(2), Axis::Batch, Axis::Feature(4)], 8);
        let last = y.step(0, -1, true);
        assert_eq!(last.axes, [Axis::Group(2), Axis::Batch, Axis::Feature(4)]);
        let reverse = last.pick(0, &[1], true).unwrap();
        assert_eq!(reverse.pieces, [Piece { op: 1, take: Take::Step(-1), features: 4..8 }]);
        let backwards = Flow { reversed: true, ..y.clone() };
        assert_eq!(backwards.step(0, -1, true).pieces[0].take, Take::Step(0));
        assert_eq!(backwards.step(0, 0, true).pieces[0].take, Take::Step(-1));
        let ends = y.pick(3, &[0, 3], false).unwrap();
        let features: Vec<_> = ends.pieces.into_iter().map(|piece| piece.features).collect();
        assert_eq!(features, [0..1, 3..5, 7..8]);
        assert!(y.pick(2, &[0], true).is_err());
    }
}
