//! Operators on constants: what a graph computes before it meets a series.

use super::error::NodeError;
use super::node::{Node, Value, axis, range};
use super::proto::element;
use super::tensor::{
    Constant, Dim, Elements, Floats, Ints, broadcast, concat, elements, gather, misfit, slice, transpose,
};
use crate::op::lstm_function::Function;

/// How many elements a graph may still make.
pub struct Budget(pub usize);

impl Budget {
    pub fn spend(&mut self, elements: usize) -> Result<(), NodeError> {
        self.0 = self.0.checked_sub(elements).ok_or(NodeError::Budget { elements })?;
        Ok(())
    }
}

fn product(extents: &[usize]) -> usize {
    extents.iter().fold(1_usize, |product, &size| product.saturating_mul(size))
}

fn extents(dims: &[Dim]) -> Vec<usize> {
    dims.iter().map(|dim| dim.extent()).collect()
}

impl Constant {
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(floats) => floats.values.len(),
            Self::Ints(ints) => ints.values.len(),
        }
    }

    pub fn shape(&self) -> Vec<Dim> {
        match self {
            Self::Floats(floats) => floats.shape.clone(),
            Self::Ints(ints) => ints.shape.iter().map(|&size| Dim::Known(size as i64)).collect(),
        }
    }

    fn transpose(&self, order: &[usize]) -> Self {
        match self {
            Self::Floats(floats) => Self::Floats(transpose(floats, order)),
            Self::Ints(ints) => Self::Ints(transpose(ints, order)),
        }
    }

    fn slice(&self, axis: usize, (start, step, count): (usize, isize, usize)) -> Self {
        match self {
            Self::Floats(floats) => Self::Floats(slice(floats, axis, start, step, count)),
            Self::Ints(ints) => Self::Ints(slice(ints, axis, start, step, count)),
        }
    }

    fn gather(&self, axis: usize, places: &[usize], scalar: bool) -> Self {
        match self {
            Self::Floats(floats) => Self::Floats(gather(floats, axis, places, scalar)),
            Self::Ints(ints) => Self::Ints(gather(ints, axis, places, scalar)),
        }
    }

    /// The same elements in another shape, which has as many.
    fn with_shape(&self, shape: Vec<Dim>) -> Result<Self, NodeError> {
        if product(&extents(&shape)) != self.len() {
            return Err(misfit("a constant", &self.shape(), &shape));
        }
        match self {
            Self::Floats(floats) => Ok(Self::Floats(Floats { shape, values: floats.values.clone() })),
            Self::Ints(ints) => Ok(Self::Ints(Ints { shape: extents(&shape), values: ints.values.clone() })),
        }
    }
}

/// The shape that Reshape asks for, for a constant of `shape`.
fn reshaped(target: &[Dim], shape: &[Dim], len: usize) -> Option<Vec<Dim>> {
    let mut dims: Vec<Dim> = (target.iter().enumerate())
        .map(|(place, &dim)| if dim == Dim::Known(0) { shape.get(place).copied() } else { Some(dim) })
        .collect::<Option<_>>()?;
    if let Some(rest) = dims.iter().position(|&dim| dim == Dim::Known(-1)) {
        dims[rest] = Dim::Known(1);
        let others = product(&extents(&dims));
        let size = len.checked_div(others).filter(|size| size * others == len)?;
        dims[rest] = Dim::Known(size as i64);
    }
    Some(dims)
}

/// The order of Transpose.
pub fn order(node: &Node, rank: usize) -> Result<Vec<usize>, NodeError> {
    let Some(perm) = node.ints_attribute("perm")? else { return Ok((0..rank).rev().collect()) };
    let order: Vec<usize> = perm.iter().map(|&place| axis(place, rank)).collect::<Result<_, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted == (0..rank).collect::<Vec<_>>() {
        return Ok(order);
    }
    let value = format!("{perm:?}");
    Err(NodeError::Attribute { name: "perm", value, wanted: "each axis once" })
}

/// What Slice does along each axis: the axis, start, end, step.
pub fn slices(node: &Node, rank: usize) -> Result<Vec<(usize, [i64; 3])>, NodeError> {
    let (starts, ends) = (node.numbers(1)?, node.numbers(2)?);
    let axes = match node.input(3) {
        Some(_) => node.numbers(3)?,
        None => (0..starts.len() as i64).collect(),
    };
    let steps = match node.input(4) {
        Some(_) => node.numbers(4)?,
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(NodeError::Refused("its starts, ends, axes and steps have different lengths"));
    }
    let one = |place: usize| Ok((axis(axes[place], rank)?, [starts[place], ends[place], steps[place]]));
    (0..starts.len()).map(one).collect()
}

/// The places that Gather takes from an axis of `size`, and whether there is one without a dimension.
pub fn places(node: &Node, size: usize) -> Result<(Vec<usize>, bool), NodeError> {
    let indices = node.ints(1)?;
    if indices.shape.len() > 1 {
        return Err(NodeError::Refused("it gathers with indices of more than one dimension"));
    }
    let places = node.numbers(1)?.into_iter().map(|index| axis(index, size)).collect::<Result<_, _>>()?;
    Ok((places, indices.shape.is_empty()))
}

/// The function of an elementwise activation, if the operator is one.
pub fn function(node: &Node) -> Result<Option<Function>, NodeError> {
    let alpha = |absent| Ok(node.float("alpha")?.unwrap_or(absent));
    Ok(Some(match node.proto.op_type.as_str() {
        "Sigmoid" => Function::Sigmoid,
        "Tanh" => Function::Tanh,
        "Relu" => Function::Relu,
        "LeakyRelu" => Function::LeakyRelu { alpha: alpha(0.01)? },
        "ThresholdedRelu" => Function::ThresholdedRelu { alpha: alpha(1.0)? },
        "Elu" => Function::Elu { alpha: alpha(1.0)? },
        "HardSigmoid" => {
            Function::HardSigmoid { alpha: alpha(0.2)?, beta: node.float("beta")?.unwrap_or(0.5) }
        }
        "Softsign" => Function::Softsign,
        "Softplus" => Function::Softplus,
        _ => return Ok(None),
    }))
}

/// Axes that Squeeze takes away, by place.
pub fn squeezed(node: &Node, ones: &[bool]) -> Result<Vec<usize>, NodeError> {
    let Some(axes) = node.axes()? else {
        return Ok((0..ones.len()).filter(|&place| ones[place]).collect());
    };
    let places: Vec<usize> = axes.iter().map(|&a| axis(a, ones.len())).collect::<Result<_, _>>()?;
    match places.iter().all(|&place| ones[place]) {
        true => Ok(places),
        false => Err(NodeError::Refused("it squeezes an axis that is not of size 1")),
    }
}

/// Axes that Unsqueeze adds, by place in the result, ascending.
pub fn unsqueezed(node: &Node, rank: usize) -> Result<Vec<usize>, NodeError> {
    let axes = node.axes()?.ok_or(NodeError::Absent { place: 1 })?;
    if axes.len() > 8 {
        return Err(NodeError::Refused("it adds more than 8 axes"));
    }
    let mut places: Vec<usize> =
        axes.iter().map(|&a| axis(a, rank + axes.len())).collect::<Result<_, _>>()?;
    places.sort_unstable();
    places.dedup();
    if places.len() == axes.len() { Ok(places) } else { Err(NodeError::Refused("it adds an axis twice")) }
}

/// Runs a node all of whose inputs are constants; `None` for an operator that is not among these.
pub fn fold(node: &Node, budget: &mut Budget) -> Result<Option<Constant>, NodeError> {
    let operator = node.proto.op_type.as_str();
    if let Some(function) = function(node)? {
        let Floats { shape, values } = node.floats(0)?;
        budget.spend(values.len())?;
        let values = values.iter().map(|&x| function.apply(x)).collect();
        return Ok(Some(Constant::Floats(Floats { shape: shape.clone(), values })));
    }
    match operator {
        "Identity" | "Cast" | "Transpose" | "Squeeze" | "Unsqueeze" | "Reshape" | "Slice" | "Gather"
        | "Shape" => moved(node, budget).map(Some),
        "Concat" => join(node, budget).map(Some),
        "ConstantOfShape" => filled(node, budget).map(Some),
        "Expand" => {
            let (source, target) = (node.constant(0)?, node.ints(1)?.values.clone());
            let shape = broadcast(&source.shape(), &target)
                .ok_or_else(|| misfit("a constant", &source.shape(), &target))?;
            let count = elements(&extents(&shape));
            let count = count.ok_or(NodeError::Budget { elements: product(&extents(&shape)) })?;
            budget.spend(count)?;
            if let Constant::Ints(Ints { values, .. }) = source {
                // The length of every series of a batch, as ReverseSequence wants it.
                let &[value] = &values[..] else {
                    return Err(NodeError::Refused("it expands more than one integer"));
                };
                return Ok(Some(Constant::Ints(Ints { shape: extents(&shape), values: vec![value; count] })));
            }
            let source = node.floats(0)?;
            Ok(Some(Constant::Floats(source.expand(&shape))))
        }
        "Add" | "Sub" | "Mul" | "Div" => arithmetic(node, budget).map(Some),
        "Equal" | "Where" => choose(node, budget).map(Some),
        _ => Ok(None),
    }
}

fn moved(node: &Node, budget: &mut Budget) -> Result<Constant, NodeError> {
    let source = node.constant(0)?;
    let shape = source.shape();
    let rank = shape.len();
    budget.spend(source.len())?;
    match node.proto.op_type.as_str() {
        "Transpose" => Ok(source.transpose(&order(node, rank)?)),
        "Squeeze" => {
            let ones: Vec<bool> = shape.iter().map(|&dim| dim == Dim::Known(1)).collect();
            let gone = squeezed(node, &ones)?;
            let left = (0..rank).filter(|place| !gone.contains(place)).map(|place| shape[place]).collect();
            source.with_shape(left)
        }
        "Unsqueeze" => {
            let mut shape = shape;
            for place in unsqueezed(node, rank)? {
                shape.insert(place, Dim::Known(1));
            }
            source.with_shape(shape)
        }
        "Reshape" => {
            let target = &node.ints(1)?.values;
            let dims =
                reshaped(target, &shape, source.len()).ok_or_else(|| misfit("a constant", &shape, target))?;
            source.with_shape(dims)
        }
        "Slice" => {
            let mut part = source.clone();
            for (axis, [start, end, step]) in slices(node, rank)? {
                let size = extents(&part.shape())[axis];
                part = part.slice(axis, range(start, end, step, size)?);
            }
            Ok(part)
        }
        "Gather" => {
            let axis = axis(node.int("axis", 0)?, rank)?;
            let (places, scalar) = places(node, extents(&shape)[axis])?;
            budget.spend((source.len() / extents(&shape)[axis].max(1)).saturating_mul(places.len()))?;
            Ok(source.gather(axis, &places, scalar))
        }
        "Shape" => sizes(node, &shape),
        "Cast" => cast(node, source),
        _ => Ok(source.clone()),
    }
}

/// What Shape gives for a value of this shape.
pub fn sizes(node: &Node, shape: &[Dim]) -> Result<Constant, NodeError> {
    let (start, end) = (node.int("start", 0)?, node.int("end", i64::MAX)?);
    let (first, _, count) = range(start, end, 1, shape.len())?;
    Ok(Constant::Ints(Ints { shape: vec![count], values: shape[first..first + count].to_vec() }))
}

fn cast(node: &Node, source: &Constant) -> Result<Constant, NodeError> {
    let to = node.int("to", 0)?;
    let wanted = "FLOAT (1), INT32 (6), INT64 (7) or BOOL (9)";
    let refused = || NodeError::Attribute { name: "to", value: to.to_string(), wanted };
    let to_float = to == i64::from(element::FLOAT);
    let to_int = [element::INT32, element::INT64, element::BOOL].contains(&i32::try_from(to).unwrap_or(0));
    match source {
        Constant::Floats(_) if to_float => Ok(source.clone()),
        Constant::Ints(_) if to_int => Ok(source.clone()),
        Constant::Ints(ints) if to_float => {
            let number = |dim: &Dim| match dim {
                Dim::Known(number) => Ok(*number as f32),
                _ => Err(NodeError::Refused("it makes a float of the size of a batch or a series")),
            };
            let values = ints.values.iter().map(number).collect::<Result<_, _>>()?;
            Ok(Constant::Floats(Floats { shape: source.shape(), values }))
        }
        Constant::Floats(floats) if to_int => {
            let values = floats.values.iter().map(|&x| Dim::Known(x as i64)).collect();
            Ok(Constant::Ints(Ints { shape: floats.extents(), values }))
        }
        _ => Err(refused()),
    }
}

fn join(node: &Node, budget: &mut Budget) -> Result<Constant, NodeError> {
    let parts: Vec<&Constant> =
        (0..node.inputs.len()).map(|at| node.constant(at)).collect::<Result<_, _>>()?;
    let total = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    let first = parts.first().ok_or(NodeError::Absent { place: 0 })?;
    let axis = axis(node.int("axis", 0)?, first.shape().len())?;
    budget.spend(total)?;
    if let Constant::Floats(_) = first {
        let parts: Vec<&Floats> = (0..parts.len()).map(|at| node.floats(at)).collect::<Result<_, _>>()?;
        return Ok(Constant::Floats(concat(&parts, axis)?));
    }
    let mut values = Vec::with_capacity(total);
    for place in 0..parts.len() {
        let part = node.ints(place)?;
        if part.shape.len() != 1 {
            return Err(NodeError::Refused("it joins integers of more than one dimension"));
        }
        values.extend_from_slice(&part.values);
    }
    Ok(Constant::Ints(Ints { shape: vec![values.len()], values }))
}

fn filled(node: &Node, budget: &mut Budget) -> Result<Constant, NodeError> {
    let shape = node.ints(0)?.values.clone();
    let extents = extents(&shape);
    let count = elements(&extents).ok_or(NodeError::Budget { elements: product(&extents) })?;
    budget.spend(count)?;
    let value = match node.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
        None => Constant::Floats(Floats { shape: vec![], values: vec![0.0] }),
        Some(tensor) => Constant::read(tensor, None)
            .map_err(|_| NodeError::Refused("its attribute \"value\" is no tensor that can be read"))?,
    };
    match value {
        Constant::Floats(floats) if floats.values.len() == 1 => {
            Ok(Constant::Floats(Floats { shape, values: vec![floats.values[0]; count] }))
        }
        Constant::Ints(ints) if ints.values.len() == 1 => {
            Ok(Constant::Ints(Ints { shape: extents, values: vec![ints.values[0]; count] }))
        }
        _ => Err(NodeError::Refused("its attribute \"value\" has not one element")),
    }
}

fn arithmetic(node: &Node, budget: &mut Budget) -> Result<Constant, NodeError> {
    let operator = node.proto.op_type.as_str();
    if let Constant::Floats(a) = node.constant(0)? {
        let b = node.floats(1)?;
        let shape = broadcast(&a.shape, &b.shape).ok_or_else(|| misfit("a constant", &b.shape, &a.shape))?;
        let count = product(&extents(&shape));
        budget.spend(count.saturating_mul(3))?;
        let (a, b) = (a.expand(&shape), b.expand(&shape));
        let of = |(&a, &b): (&f32, &f32)| match operator {
            "Add" => a + b,
            "Sub" => a - b,
            "Mul" => a * b,
            _ => a / b,
        };
        let values: Vec<f32> = a.values.iter().zip(&b.values).map(of).collect();
        if !values.iter().all(|x| x.is_finite()) {
            return Err(NodeError::Refused("its result is not finite"));
        }
        return Ok(Constant::Floats(Floats { shape, values }));
    }
    let of = |(a, b): (Dim, Dim)| match (operator, a, b) {
        ("Mul", Dim::Known(1), x) | ("Mul" | "Div", x, Dim::Known(1)) => Some(x),
        ("Add", Dim::Known(0), x) | ("Add" | "Sub", x, Dim::Known(0)) => Some(x),
        ("Add", Dim::Known(a), Dim::Known(b)) => a.checked_add(b).map(Dim::Known),
        ("Sub", Dim::Known(a), Dim::Known(b)) => a.checked_sub(b).map(Dim::Known),
        ("Mul", Dim::Known(a), Dim::Known(b)) => a.checked_mul(b).map(Dim::Known),
        ("Div", Dim::Known(a), Dim::Known(b)) => a.checked_div(b).map(Dim::Known),
        _ => None,
    };
    let unknown = NodeError::Refused("it calculates with the size of a batch or a series");
    pairwise(node, 0, budget, |a, b| of((a, b))).and_then(|ints| ints.ok_or(unknown)).map(Constant::Ints)
}

/// A function of two integer tensors of equal length, or one of which has one element.
fn pairwise(
    node: &Node,
    first: usize,
    budget: &mut Budget,
    of: impl Fn(Dim, Dim) -> Option<Dim>,
) -> Result<Option<Ints>, NodeError> {
    let (a, b) = (node.ints(first)?, node.ints(first + 1)?);
    let longer = if a.values.len() >= b.values.len() { a } else { b };
    let count = longer.values.len();
    if ![1, count].contains(&a.values.len()) || ![1, count].contains(&b.values.len()) {
        return Err(NodeError::Refused("its integers have different lengths"));
    }
    budget.spend(count)?;
    let at = |ints: &Ints, place: usize| ints.values[place % ints.values.len()];
    let values: Option<Vec<Dim>> = (0..count).map(|place| of(at(a, place), at(b, place))).collect();
    Ok(values.map(|values| Ints { shape: longer.shape.clone(), values }))
}

/// Equal and Where on integers: `-1` in the shape of an expansion stands for the size that is there.
fn choose(node: &Node, budget: &mut Budget) -> Result<Constant, NodeError> {
    if node.proto.op_type == "Equal" {
        let equal = |a: Dim, b: Dim| match (a, b) {
            (Dim::Known(a), Dim::Known(b)) => Some(a == b),
            // No size is negative.
            (Dim::Known(known), _) | (_, Dim::Known(known)) if known < 0 => Some(false),
            (a, b) => (a == b).then_some(true),
        };
        let unknown = NodeError::Refused("it compares the size of a batch or a series");
        let bits = pairwise(node, 0, budget, |a, b| equal(a, b).map(|equal| Dim::Known(i64::from(equal))))?;
        return bits.ok_or(unknown).map(Constant::Ints);
    }
    let (condition, a, b) = (node.ints(0)?, node.ints(1)?, node.ints(2)?);
    let count = condition.values.len();
    if ![1, count].contains(&a.values.len()) || ![1, count].contains(&b.values.len()) || count == 0 {
        return Err(NodeError::Refused("its integers have different lengths"));
    }
    budget.spend(count)?;
    let at = |ints: &Ints, place: usize| ints.values[place % ints.values.len()];
    let values = (0..count)
        .map(|place| if at(condition, place) == Dim::Known(0) { at(b, place) } else { at(a, place) })
        .collect();
    Ok(Constant::Ints(Ints { shape: condition.shape.clone(), values }))
}

/// Whether all inputs are constants.
pub fn is_constant(node: &Node) -> bool {
    node.inputs.iter().flatten().all(|value| matches!(value, Value::Constant(_)))
}
