//! One layer's step of a stream, one unit at a time.

use super::lstm_cell::gate;
use crate::op::gemm::{GROUP, PANEL};
use crate::op::lstm_cell::gate_index;
use crate::op::lstm_step::{LstmStep, State};

const WIDTH: usize = PANEL * GROUP;

/// See [`crate::op::lstm_step::Run`].
pub fn run<const FAST: bool>(step: &mut LstmStep) {
    step.check();
    for unit in 0..step.units {
        let (group, lane) = (unit / GROUP, unit % GROUP);
        let mut z = [0, 1, 2, 3].map(|gate| step.bias[gate_index(gate, unit)]);
        add(&mut z, &step.weight_x[group * WIDTH * step.inputs..], lane, &step.x[..step.inputs]);
        let mut ahead = [0.0; PANEL];
        match step.state {
            State::Now { weight, h } => {
                add(&mut ahead, &weight[group * WIDTH * step.hidden..], lane, &h[..step.hidden]);
            }
            State::Ahead(sums) => ahead = [0, 1, 2, 3].map(|gate| sums[gate_index(gate, unit)]),
        }
        z.iter_mut().zip(ahead).for_each(|(z, ahead)| *z += ahead);
        let gated = gate::<FAST>(z, step.c[unit]);
        step.c[unit] = gated.c;
        step.h[unit] = gated.h;
    }
}

fn add(z: &mut [f32; PANEL], panel: &[f32], lane: usize, x: &[f32]) {
    for (weights, &x) in panel.chunks_exact(WIDTH).zip(x) {
        for (gate, sum) in z.iter_mut().enumerate() {
            *sum = x.mul_add(weights[gate * GROUP + lane], *sum);
        }
    }
}
