//! The kernel of a stream.

use super::{Kernel, whole};
use crate::cuda::shape::Resident;
use crate::gpu::Precision;
use crate::lstm::Spec;

/// A model that stays on its multiprocessor.
pub fn stream(spec: &Spec, cut: &Resident, precision: Precision) -> Kernel {
    let weight = match precision {
        Precision::F32 => 0,
        Precision::F16 => 1,
        Precision::Bf16 => 2,
    };
    Kernel {
        file: "lstm_stream.cu",
        text: whole(include_str!("../lstm_stream.cu")),
        function: "lstm_stream",
        defines: vec![
            ("INPUTS", spec.input),
            ("UNITS", spec.hidden),
            ("LAYERS", spec.layers),
            ("OUTPUTS", spec.output),
            ("SPLITS", cut.splits),
            ("RESIDENT", cut.rows),
            ("WEIGHT", weight),
        ],
        fused: true,
    }
}
