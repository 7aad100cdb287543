//! Nodes that look at each step alone: matrices, sums, products and functions of its features.

use super::super::error::NodeError;
use super::super::flow::{Axis, Flow, Piece, Take};
use super::super::node::Node;
use super::super::tensor::{Dim, broadcast, misfit, transpose};
use super::{Computed, Walk};
use crate::op::lstm_stack::{Dense, Layer};
use crate::op::network::DIMENSION_MAX;

/// Features to which an elementwise constant is applied as a diagonal matrix.
const DIAGONAL_MAX: usize = 1024;

impl Walk<'_> {
    /// A layer on a flow; the axes stay.
    pub(super) fn pointwise(
        &mut self,
        node: &Node,
        from: Flow,
        layer: Layer<f32>,
    ) -> Result<Flow, NodeError> {
        let width = layer.output(from.width());
        let take = if from.is_sequence() { Take::Sequence } else { Take::Row };
        let what = Computed::Pointwise { from: from.pieces.clone(), layer };
        let op = self.op(Node::name(node.proto), what);
        Ok(Flow { pieces: vec![Piece { op, take, features: 0..width }], ..from })
    }

    /// A matrix on the features, which must be the last axis.
    pub(super) fn dense(
        &mut self,
        node: &Node,
        from: &Flow,
        (input, output): (i64, i64),
        weight: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> Result<Flow, NodeError> {
        let width = from.width();
        let size = |size: i64| usize::try_from(size).ok().filter(|size| (1..=DIMENSION_MAX).contains(size));
        let Some((input, output)) = size(input).zip(size(output)).filter(|&(input, _)| input == width) else {
            let (found, wanted) = (format!("[{input}, {output}]"), format!("[{width}, outputs]"));
            return Err(NodeError::Shape { what: "its matrix", found, wanted });
        };
        if from.axes.last() != Some(&Axis::Feature(width)) {
            return Err(NodeError::Refused("the last axis of its input is not all the features of a step"));
        }
        self.budget.spend(weight.len())?;
        let layer = Layer::Dense(Dense { input, output, weight, bias });
        let mut flow = self.pointwise(node, from.clone(), layer)?;
        flow.axes.pop();
        flow.axes.push(Axis::Feature(output));
        Ok(flow)
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let from = node.flow(0)?;
        let weight = node.floats(1)?;
        let [Dim::Known(rows), Dim::Known(cols)] = weight.shape[..] else {
            return Err(NodeError::Refused("its second input is no matrix"));
        };
        if node.int("transA", 0)? != 0 || from.axes.len() != 2 {
            return Err(NodeError::Refused("its first input is not [rows, features]"));
        }
        self.budget.spend(weight.values.len())?;
        let (shape, mut values) = match node.int("transB", 0)? {
            0 => ((rows, cols), transpose(weight, &[1, 0]).values),
            _ => ((cols, rows), weight.values.clone()),
        };
        let (alpha, beta) = (node.float("alpha")?.unwrap_or(1.0), node.float("beta")?.unwrap_or(1.0));
        values.iter_mut().for_each(|w| *w *= alpha);
        let bias = match node.input(2) {
            None => None,
            Some(_) => {
                let c = node.floats(2)?;
                let wide = [Dim::Known(1), Dim::Known(shape.1)];
                let fits = broadcast(&c.shape, &wide).is_some_and(|shape| shape == wide);
                if !fits || usize::try_from(shape.1).is_ok_and(|output| output > DIMENSION_MAX) {
                    return Err(misfit("C", &c.shape, &wide));
                }
                Some(c.expand(&wide).values.iter().map(|b| b * beta).collect())
            }
        };
        self.dense(node, from, shape, values, bias)
    }

    /// A constant added to or multiplied with each feature: the bias of a matrix, or a diagonal one.
    pub(super) fn elementwise(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let operator = node.proto.op_type.as_str();
        let (flow, constant) = match (node.flow(0), operator) {
            (Ok(flow), _) => (flow, node.floats(1)?),
            (Err(_), "Add" | "Mul") => (node.flow(1)?, node.floats(0)?),
            (Err(error), _) => return Err(error),
        };
        let width = flow.width();
        let refused = NodeError::Refused("its constant is not one number for each feature, or one for all");
        let features = flow.axes.iter().position(|&axis| axis == Axis::Feature(width));
        let single = constant.values.len() == 1 && constant.shape.len() <= flow.axes.len();
        let lead = flow.axes.len().checked_sub(constant.shape.len());
        let per_feature = features.zip(lead).is_some_and(|(place, lead)| {
            let reaches = lead <= place;
            reaches
                && constant.shape.iter().enumerate().all(|(at, dim)| match at + lead == place {
                    true => *dim == Dim::Known(width as i64),
                    false => *dim == Dim::Known(1),
                })
        });
        let values = match (single, per_feature) {
            (_, true) => constant.values.clone(),
            (true, _) if width <= DIAGONAL_MAX => vec![constant.values[0]; width],
            _ => return Err(refused),
        };
        if let ("Add" | "Sub", Some(dense)) = (operator, self.open_dense(flow)) {
            let sign = if operator == "Sub" { -1.0 } else { 1.0 };
            let mut dense = dense;
            self.budget.spend(dense.1.weight.len())?;
            dense.1.bias = Some(values.iter().map(|x| sign * x).collect());
            let what = Computed::Pointwise { from: dense.0, layer: Layer::Dense(dense.1) };
            let op = self.op(Node::name(node.proto), what);
            let pieces = flow.pieces.iter().map(|piece| Piece { op, ..piece.clone() }).collect();
            return Ok(Flow { pieces, ..flow.clone() });
        }
        if width > DIAGONAL_MAX {
            return Err(NodeError::Refused(
                "it changes each of more than 1024 features, which is read only after a MatMul",
            ));
        }
        self.budget.spend(width * width)?;
        let (factors, bias) = match operator {
            "Add" => (vec![1.0; width], Some(values)),
            "Sub" => (vec![1.0; width], Some(values.iter().map(|x| -x).collect())),
            "Mul" => (values, None),
            _ => (values.iter().map(|x| 1.0 / x).collect(), None),
        };
        let mut weight = vec![0.0; width * width];
        factors.into_iter().enumerate().for_each(|(at, factor)| weight[at * (width + 1)] = factor);
        self.pointwise(node, flow.clone(), Layer::Dense(Dense { input: width, output: width, weight, bias }))
    }

    /// The dense layer without a bias that a flow is all of.
    fn open_dense(&self, flow: &Flow) -> Option<(Vec<Piece>, Dense<f32>)> {
        let [Piece { op, take: Take::Sequence | Take::Row, features }] = &flow.pieces[..] else {
            return None;
        };
        match &self.ops[*op].what {
            Computed::Pointwise { from, layer: Layer::Dense(dense) }
                if dense.bias.is_none() && *features == (0..dense.output) =>
            {
                Some((from.clone(), dense.clone()))
            }
            _ => None,
        }
    }
}
