//! The kernels and what is compiled into them.

use super::shape::{Half, Layer, Single};
use crate::gpu::Precision;

pub mod train;

/// A kernel: one file, its name in the module, and the sizes that are compiled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The file, for messages.
    pub file: &'static str,
    /// Its whole text.
    pub text: String,
    /// The function.
    pub function: &'static str,
    /// Macros and their values.
    pub defines: Vec<(&'static str, usize)>,
    /// Whether a product and a sum may be rounded once instead of twice. Where a kernel has the processor's bits they may not.
    pub fused: bool,
}

const ACTIVATION: &str = include_str!("activation.cuh");
const MMA: &str = include_str!("mma.cuh");
const ROWS_F32: &str = include_str!("rows_f32.cuh");

/// The text with its includes in their place, so that the compiler opens no file.
fn whole(text: &str) -> String {
    let includes = [("mma.cuh", MMA), ("activation.cuh", ACTIVATION), ("rows_f32.cuh", ROWS_F32)];
    includes
        .iter()
        .fold(text.to_owned(), |text, (name, part)| text.replace(&format!("#include \"{name}\"\n"), part))
}

/// A layer in f16 or bf16.
pub fn half(layer: Layer, cut: &Half, precision: Precision, last: bool) -> Kernel {
    Kernel {
        file: "lstm_layer_half.cu",
        text: whole(include_str!("lstm_layer_half.cu")),
        function: "lstm_layer",
        defines: vec![
            ("UNITS", layer.units),
            ("INPUTS", layer.stored_inputs()),
            ("COLUMNS", cut.columns),
            ("WARPS", cut.warps),
            ("REGISTER_TILES", cut.register_tiles),
            ("SHARED_TILES", cut.shared_tiles),
            ("BF16", usize::from(precision == Precision::Bf16)),
            ("LAST", usize::from(last)),
        ],
        fused: true,
    }
}

/// A layer in f32.
pub fn single(layer: Layer, cut: &Single, last: bool) -> Kernel {
    Kernel {
        file: "lstm_layer_f32.cu",
        text: whole(include_str!("lstm_layer_f32.cu")),
        function: "lstm_layer",
        defines: vec![
            ("UNITS", layer.units),
            ("INPUTS", layer.inputs),
            ("LANES", cut.lanes),
            ("LANE_UNITS", cut.lane_units),
            ("ROWS", cut.rows),
            ("ROW_GROUPS", cut.row_groups),
            ("LAST", usize::from(last)),
        ],
        fused: true,
    }
}

/// The head.
pub fn dense(units: usize, outputs: usize) -> Kernel {
    Kernel {
        file: "dense.cu",
        text: include_str!("dense.cu").to_owned(),
        function: "dense",
        defines: vec![("UNITS", units), ("OUTPUTS", outputs)],
        fused: true,
    }
}
