//! The kernels of training.

use super::{Kernel, whole};
use crate::cuda::shape::{Layer, Single};
use crate::lstm::{Head, Loss, Optimizer};

/// Sums of squares for each model, see `norm.cu`.
pub const NORM_BLOCKS: usize = 64;
/// Numbers of the optimiser for each model, see `descent.cu`.
pub const NUMBERS: usize = 12;

/// A layer forward, with what the way back needs.
pub fn forward(layer: Layer, cut: &Single) -> Kernel {
    Kernel {
        file: "lstm_forward_f32.cu",
        text: whole(include_str!("../lstm_forward_f32.cu")),
        function: "lstm_forward",
        defines: cut_of(layer, cut),
        fused: true,
    }
}

/// A layer back through time; `below`: something wants the gradient by its inputs; `top`: only its last step counts.
pub fn backward(layer: Layer, cut: &Single, (below, top): (bool, bool)) -> Kernel {
    let mut defines = cut_of(layer, cut);
    // Of the inputs it knows nothing, so that layers of other inputs may share it.
    defines.retain(|(name, _)| *name != "INPUTS");
    defines.extend([("BELOW", usize::from(below)), ("TOP", usize::from(top))]);
    Kernel {
        file: "lstm_backward_f32.cu",
        text: whole(include_str!("../lstm_backward_f32.cu")),
        function: "lstm_backward",
        defines,
        fused: true,
    }
}

fn cut_of(layer: Layer, cut: &Single) -> Vec<(&'static str, usize)> {
    vec![
        ("UNITS", layer.units),
        ("INPUTS", layer.inputs),
        ("LANES", cut.lanes),
        ("LANE_UNITS", cut.lane_units),
        ("ROWS", cut.rows),
        ("ROW_GROUPS", cut.row_groups),
    ]
}

/// The product of `left` columns with those of a layer's inputs and units, and a column of ones.
pub fn outer(left: usize, layer: Layer) -> Kernel {
    let defines = vec![("LEFT", left), ("INPUTS", layer.inputs), ("UNITS", layer.units)];
    Kernel {
        file: "outer.cu",
        text: include_str!("../outer.cu").to_owned(),
        function: "outer",
        defines,
        fused: true,
    }
}

/// The sum of its slices, into the flat gradient; `gates` of a unit stand side by side, and so many biases get it.
pub fn gather(left: usize, layer: Layer, (gates, biases): (usize, usize)) -> Kernel {
    Kernel {
        file: "gather.cu",
        text: include_str!("../gather.cu").to_owned(),
        function: "gather",
        defines: vec![
            ("LEFT", left),
            ("INPUTS", layer.inputs),
            ("UNITS", layer.units),
            ("GATES", gates),
            ("BIASES", biases),
        ],
        fused: true,
    }
}

/// A layer's weights from the flat vector.
pub fn pack(layer: Layer, below: bool) -> Kernel {
    Kernel {
        file: "pack.cu",
        text: include_str!("../pack.cu").to_owned(),
        function: "pack",
        defines: vec![("INPUTS", layer.inputs), ("UNITS", layer.units), ("BELOW", usize::from(below))],
        fused: true,
    }
}

/// The loss and its gradient by the logits.
pub fn loss(outputs: usize, head: Head, loss: Loss) -> Kernel {
    let head = match head {
        Head::Linear => 0,
        Head::Sigmoid => 1,
        Head::Softmax => 2,
    };
    let loss = match loss {
        Loss::Mse => 0,
        Loss::Mae => 1,
        Loss::Huber { .. } => 2,
        Loss::BinaryCrossEntropy => 3,
        Loss::CrossEntropy => 4,
    };
    Kernel {
        file: "loss.cu",
        text: include_str!("../loss.cu").to_owned(),
        function: "loss",
        defines: vec![("OUTPUTS", outputs), ("HEAD", head), ("LOSS", loss)],
        fused: true,
    }
}

/// The gradient by the last hidden state.
pub fn spread(units: usize, outputs: usize) -> Kernel {
    Kernel {
        file: "spread.cu",
        text: include_str!("../spread.cu").to_owned(),
        function: "spread",
        defines: vec![("UNITS", units), ("OUTPUTS", outputs)],
        fused: true,
    }
}

/// Dropout between layers.
pub fn dropout(units: usize) -> Kernel {
    Kernel {
        file: "dropout.cu",
        text: include_str!("../dropout.cu").to_owned(),
        function: "dropout",
        defines: vec![("UNITS", units)],
        fused: true,
    }
}

/// Sums of squares of the gradient.
pub fn norm() -> Kernel {
    Kernel {
        file: "norm.cu",
        text: include_str!("../norm.cu").to_owned(),
        function: "norm",
        defines: vec![("BLOCKS", NORM_BLOCKS)],
        fused: false,
    }
}

/// A step of the optimiser: what would come of it, or the step itself.
pub fn descent(optimizer: Optimizer, apply: bool) -> Kernel {
    let rule = match optimizer {
        Optimizer::Adam { .. } => 0,
        Optimizer::AdamW { .. } => 1,
        Optimizer::Sgd { momentum, .. } if momentum > 0.0 => 3,
        Optimizer::Sgd { .. } => 2,
    };
    Kernel {
        file: "descent.cu",
        text: include_str!("../descent.cu").to_owned(),
        function: "descent",
        defines: vec![("RULE", rule), ("BLOCKS", NORM_BLOCKS), ("APPLY", usize::from(apply))],
        fused: false,
    }
}
