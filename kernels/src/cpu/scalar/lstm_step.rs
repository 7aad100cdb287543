//! One layer's step of a stream, one unit at a time.

use super::lstm_cell::gate;
use crate::op::gemm::PANEL;
use crate::op::lstm_step::LstmStep;

/// See [`crate::op::lstm_step::Run`].
pub fn run(step: &mut LstmStep) {
    step.check(1);
    for unit in 0..step.units {
        let mut z = [0.0; PANEL];
        z.copy_from_slice(&step.bias[PANEL * unit..][..PANEL]);
        add(&mut z, &step.weight_x[PANEL * unit * step.inputs..], &step.x[..step.inputs]);
        add(&mut z, &step.weight_h[PANEL * unit * step.hidden..], &step.h_before[..step.hidden]);
        let gated = gate(z, step.c[unit]);
        step.c[unit] = gated.c;
        step.h[unit] = gated.gates[3] * gated.tanh_c;
    }
}

fn add(z: &mut [f32; PANEL], panel: &[f32], x: &[f32]) {
    for (weights, &x) in panel.chunks_exact(PANEL).zip(x) {
        for (sum, &w) in z.iter_mut().zip(weights) {
            *sum = x.mul_add(w, *sum);
        }
    }
}
