//! WGSL for one shape: constants, then the parts that a kernel is made of.

use std::fmt::Write;

use crate::gpu::Precision;

/// What goes through layers in time.
pub const RECURRENCE: &str =
    concat!(include_str!("shape.wgsl"), include_str!("activation.wgsl"), include_str!("recurrence.wgsl"));
/// Rows times a matrix.
pub const PRODUCT: &str = concat!(include_str!("shape.wgsl"), include_str!("product.wgsl"));
/// The elementwise half of a step.
pub const LSTM_CELL: &str =
    concat!(include_str!("shape.wgsl"), include_str!("activation.wgsl"), include_str!("lstm_cell.wgsl"));
/// The head.
pub const DENSE: &str = concat!(include_str!("shape.wgsl"), include_str!("dense.wgsl"));

/// The elementwise half of a step that keeps what the way back needs.
pub const CELL_FORWARD: &str =
    concat!(include_str!("shape.wgsl"), include_str!("activation.wgsl"), include_str!("cell_forward.wgsl"));
/// The elementwise half of a step on the way back.
pub const CELL_BACK: &str =
    concat!(include_str!("shape.wgsl"), include_str!("activation.wgsl"), include_str!("cell_back.wgsl"));
/// Rows times a matrix, one number a column.
pub const MATRIX: &str = concat!(include_str!("shape.wgsl"), include_str!("matrix.wgsl"));
/// A weight's gradient in parts.
pub const OUTER: &str = include_str!("outer.wgsl");
/// The sum of the parts.
pub const TOTAL: &str = include_str!("total.wgsl");

/// A constant of the shape.
#[derive(Clone, Copy, Debug)]
pub enum Constant {
    /// A size.
    Size(usize),
    /// A choice.
    Choice(bool),
}

/// The text of `kernel` for these constants and weights of `precision`.
pub fn specialised(kernel: &str, precision: Precision, constants: &[(&str, Constant)]) -> String {
    let mut text = String::new();
    // Bf16 is no type of WGSL; an adapter does not offer it.
    let weight = match precision {
        Precision::F16 => {
            text.push_str("enable f16;\n");
            "f16"
        }
        Precision::F32 | Precision::Bf16 => "f32",
    };
    let _ = writeln!(text, "alias Weight = {weight};");
    for (name, constant) in constants {
        let _ = match constant {
            Constant::Size(value) => writeln!(text, "const {name}: u32 = {value}u;"),
            Constant::Choice(value) => writeln!(text, "const {name}: bool = {value};"),
        };
    }
    text + kernel
}
