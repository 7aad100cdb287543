//! Gates and states, one unit at a time; the order of operations is in `op/lstm_cell.rs`.

use super::activation::{denominator, fraction};
use crate::op::gemm::PANEL;
use crate::op::lstm_cell::{Backward, Forward, gate_index};

/// See [`crate::op::lstm_cell::RunForward`].
pub fn forward<const FAST: bool>(cell: &mut Forward) {
    cell.check();
    let keep = !cell.tanh_c.is_empty();
    for at in 0..cell.rows * cell.units {
        let place = [0, 1, 2, 3].map(|gate| gate_index(gate, at));
        let z = place.map(|place| cell.gates[place]);
        let step = gate::<FAST>(z, cell.c_before[at]);
        cell.c[at] = step.c;
        cell.h[at] = step.h;
        if keep {
            for (place, value) in place.into_iter().zip(step.gates) {
                cell.gates[place] = value;
            }
            cell.tanh_c[at] = step.tanh_c;
        }
    }
}

/// What one unit computes.
pub struct Gated {
    /// i, f, g, o.
    pub gates: [f32; PANEL],
    /// The cell state after the step.
    pub c: f32,
    /// Its tanh.
    pub tanh_c: f32,
    /// The hidden state after the step.
    pub h: f32,
}

/// One unit's step from its pre-activations.
pub fn gate<const FAST: bool>(z: [f32; PANEL], c_before: f32) -> Gated {
    let [a_i, a_f, a_o] = [z[0], z[1], z[3]].map(denominator::<FAST>);
    let (m, b) = fraction::<FAST>(z[2]);
    let q = a_i * b;
    let r = 1.0 / (q * a_f);
    let f = r * q;
    let c = f.mul_add(c_before, r * (m * a_f));
    let (m_c, b_c) = fraction::<FAST>(c);
    let s = 1.0 / (a_o * b_c);
    Gated {
        gates: [r * (a_f * b), f, r * (m * (a_i * a_f)), s * b_c],
        c,
        tanh_c: s * (m_c * a_o),
        h: s * m_c,
    }
}

/// See [`crate::op::lstm_cell::RunBackward`].
pub fn backward(cell: &mut Backward) {
    cell.check();
    for at in 0..cell.rows * cell.units {
        let place = [0, 1, 2, 3].map(|gate| gate_index(gate, at));
        let [i, f, g, o] = place.map(|place| cell.gates[place]);
        let (t, d_h) = (cell.tanh_c[at], cell.d_h[at]);
        let d_c = (d_h * o).mul_add((-t).mul_add(t, 1.0), cell.d_c[at]);
        cell.gates[place[0]] = (d_c * g) * (i * (1.0 - i));
        cell.gates[place[1]] = (d_c * cell.c_before[at]) * (f * (1.0 - f));
        cell.gates[place[2]] = (d_c * i) * (-g).mul_add(g, 1.0);
        cell.gates[place[3]] = (d_h * t) * (o * (1.0 - o));
        cell.d_c[at] = d_c * f;
    }
}
