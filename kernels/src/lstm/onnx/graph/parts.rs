//! Nodes that take parts of a value or join several: one step, a direction, some features.

use super::super::error::NodeError;
use super::super::flow::{Axis, Flow, coalesce, group};
use super::super::fold;
use super::super::node::{Node, axis, range};
use super::super::tensor::Dim;
use super::Walk;
use crate::op::network::DIMENSION_MAX;

/// Values that may be told apart at once: more is no LSTM model, and would take quadratic time.
const PIECES_MAX: usize = 1024;
const PICKS_MAX: usize = 1 << 16;

impl Walk<'_> {
    pub(super) fn slice(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let mut flow = node.flow(0)?.clone();
        for (place, [start, end, step]) in fold::slices(node, flow.axes.len())? {
            let whole_end = i64::from(i32::MAX);
            match (flow.axes[place], self.fixed.dim(flow.axes[place])) {
                (Axis::Time | Axis::Batch | Axis::Rows { .. }, size) => {
                    let size = match size {
                        Some(Dim::Known(size)) => Some(size),
                        _ => None,
                    };
                    let to_end = end >= whole_end || size.is_some_and(|size| end >= size);
                    let from_end =
                        start == -1 || start >= whole_end || size.is_some_and(|size| start >= size - 1);
                    let to_start = end <= -whole_end || size.is_some_and(|size| end < -size);
                    let time = flow.axes[place] == Axis::Time;
                    match step {
                        1 if to_end && start == 0 => {}
                        -1 if time && from_end && to_start => flow.reversed = !flow.reversed,
                        1 if time && to_end && start == -1 => {
                            flow = flow.step(place, -1, false);
                        }
                        1 if time && start.checked_add(1) == Some(end) && end != 0 => {
                            flow = flow.step(place, isize::try_from(start).unwrap_or(isize::MAX), false);
                        }
                        1 if time && to_end && size.is_some_and(|size| start == size - 1) => {
                            flow = flow.step(place, -1, false);
                        }
                        _ => {
                            return Err(NodeError::Refused(
                                "it takes some series of a batch, or several steps; only one step or all can be taken",
                            ));
                        }
                    }
                }
                (_, Some(Dim::Known(size))) => {
                    let size = usize::try_from(size).unwrap_or(0);
                    let (first, step, count) = range(start, end, step, size)?;
                    let picked: Vec<usize> =
                        (0..count).filter_map(|at| first.checked_add_signed(at as isize * step)).collect();
                    flow = self.picked(&flow, place, &picked, false)?;
                }
                _ => return Err(NodeError::Refused("it slices an axis of unknown size")),
            }
        }
        Ok(flow)
    }

    /// ReverseSequence where every series is as long as its window: time runs the other way.
    pub(super) fn reverse(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let flow = node.flow(0)?;
        let rank = flow.axes.len();
        let (time, batch) = (node.int("time_axis", 0)?, node.int("batch_axis", 1)?);
        if (flow.axes[axis(time, rank)?], flow.axes[axis(batch, rank)?]) != (Axis::Time, Axis::Batch) {
            return Err(NodeError::Refused("it reverses something else than the steps of each series"));
        }
        let (lengths, whole) = (&node.ints(1)?.values, self.fixed.dim(Axis::Time));
        if lengths.is_empty() || !lengths.iter().all(|&length| Some(length) == whole) {
            return Err(NodeError::Refused("it reverses series that are shorter than the window"));
        }
        Ok(Flow { reversed: !flow.reversed, ..flow.clone() })
    }

    fn picked(&self, flow: &Flow, place: usize, picked: &[usize], scalar: bool) -> Result<Flow, NodeError> {
        if picked.is_empty() || picked.len() * flow.pieces.len() > PICKS_MAX {
            return Err(NodeError::Refused("it takes nothing, or too many values one by one"));
        }
        let size = match self.fixed.dim(flow.axes[place]) {
            Some(Dim::Known(size)) => usize::try_from(size).unwrap_or(0),
            _ => 0,
        };
        if picked.iter().copied().eq(0..size) && !scalar {
            return Ok(flow.clone());
        }
        let flow = flow.pick(place, picked, scalar)?;
        if flow.pieces.len() > PIECES_MAX {
            return Err(NodeError::Refused("it takes too many values one by one"));
        }
        Ok(flow)
    }

    pub(super) fn gather(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let flow = node.flow(0)?;
        let place = axis(node.int("axis", 0)?, flow.axes.len())?;
        if flow.axes[place] == Axis::Time {
            let indices = node.ints(1)?;
            return match (&node.numbers(1)?[..], indices.shape.len()) {
                (&[index], rank @ (0 | 1)) => {
                    Ok(flow.step(place, isize::try_from(index).unwrap_or(isize::MAX), rank == 0))
                }
                _ => Err(NodeError::Refused("it takes several steps; only one step or all can be taken")),
            };
        }
        let Some(Dim::Known(size)) = self.fixed.dim(flow.axes[place]) else {
            return Err(NodeError::Refused("it takes some series of a batch"));
        };
        let (places, scalar) = fold::places(node, usize::try_from(size).unwrap_or(0))?;
        self.picked(flow, place, &places, scalar)
    }
}

pub(super) fn squeeze(node: &Node) -> Result<Flow, NodeError> {
    let flow = node.flow(0)?;
    let ones: Vec<bool> = flow.axes.iter().map(|axis| matches!(axis, Axis::One | Axis::Feature(1))).collect();
    let gone = fold::squeezed(node, &ones)?;
    let kept = flow.axes.iter().enumerate().filter(|(place, _)| !gone.contains(place));
    Ok(Flow { axes: kept.map(|(_, &axis)| axis).collect(), ..flow.clone() })
}

pub(super) fn concat(node: &Node) -> Result<Flow, NodeError> {
    let parts: Vec<&Flow> = (0..node.inputs.len()).map(|at| node.flow(at)).collect::<Result<_, _>>()?;
    let first = *parts.first().ok_or(NodeError::Absent { place: 0 })?;
    let place = axis(node.int("axis", 0)?, first.axes.len())?;
    let refused =
        NodeError::Refused("it joins values that are not of the same steps and series, feature by feature");
    let grouped = first.axes.iter().any(|axis| matches!(axis, Axis::Group(_)));
    let mut total = 0;
    for part in &parts {
        let mut same = part.axes.clone();
        if same.len() != first.axes.len() {
            return Err(refused);
        }
        total += match (first.axes[place], same[place]) {
            (Axis::Feature(_), Axis::Feature(n)) if !grouped => n,
            (Axis::Group(_) | Axis::One, Axis::Group(n)) => n,
            (Axis::Group(_) | Axis::One, Axis::One) => 1,
            _ => return Err(refused),
        };
        same[place] = first.axes[place];
        if same != first.axes || part.reversed != first.reversed || part.is_sequence() != first.is_sequence()
        {
            return Err(refused);
        }
    }
    if parts.iter().map(|part| part.pieces.len()).sum::<usize>() > PIECES_MAX || total > DIMENSION_MAX {
        return Err(NodeError::Refused("it joins more values than a model can have"));
    }
    let mut axes = first.axes.clone();
    axes[place] = if matches!(axes[place], Axis::Feature(_)) { Axis::Feature(total) } else { group(total) };
    let pieces = coalesce(parts.iter().flat_map(|part| part.pieces.clone()));
    Ok(Flow { axes, reversed: first.reversed, pieces })
}
