//! The elementwise half of an LSTM step: from pre-activations to gates, cell and hidden state, and back.
//!
//! Shapes: `rows` cells of `units` units (a multiple of 16). Gates lie interleaved by groups of 16 units: in a row of
//! `4 units` values, group by group, 16 input gates, then as many forget gates, cell candidates and output gates, so
//! that one pass over a row meets whole cells. States are `[rows, units]`.
//!
//! Padding units have zero weights: their candidate is 0, so their states stay 0 and so do their gradients.
//!
//! Order of operations (the same in every instruction set, hence the same bits). With the denominators
//! `a = 1 + e^-z` of a sigmoid and `b = m + 2` of a tangent, `m = e^2|z| - 1` with the sign of z, one division serves
//! three gates, and one the output gate and the tangent of the state:
//!
//! ```text
//! q = a_i b   r = 1 / (q a_f)   f = r q   i g = r (m a_f)   i = r (a_f b)   g = r (m (a_i a_f))
//! c' = fma(f, c, i g)
//! s = 1 / (a_o b_c)   o = s b_c   tanh(c') = s (m_c a_o)   h = s m_c
//! t = tanh(c')   dzo = (dh t) (o (1 - o))   dc' = fma(dh o, fma(-t, t, 1), dc)
//! dzi = (dc' g) (i (1 - i))   dzf = (dc' c) (f (1 - f))   dzg = (dc' i) fma(-g, g, 1)   dc = dc' f
//! ```

use super::gemm::{GROUP, PANEL};
use super::holds;

/// One step forward. With `tanh_c` empty, only the states are written and `gates` keeps the pre-activations.
#[derive(Debug)]
pub struct Forward<'a> {
    /// Cells.
    pub rows: usize,
    /// Units of a cell, padded.
    pub units: usize,
    /// `[rows, 4 units]`: pre-activations in, gates out.
    pub gates: &'a mut [f32],
    /// Cell states before the step.
    pub c_before: &'a [f32],
    /// Cell states after it.
    pub c: &'a mut [f32],
    /// `tanh(c)`, kept for the way back; or empty.
    pub tanh_c: &'a mut [f32],
    /// Hidden states after the step.
    pub h: &'a mut [f32],
}

/// One step back.
#[derive(Debug)]
pub struct Backward<'a> {
    /// Cells.
    pub rows: usize,
    /// Units of a cell, padded.
    pub units: usize,
    /// `[rows, 4 units]`: gates in, gradient by the pre-activations out.
    pub gates: &'a mut [f32],
    /// Cell states before the step.
    pub c_before: &'a [f32],
    /// `tanh(c)` of the step.
    pub tanh_c: &'a [f32],
    /// Gradient by the hidden states after the step.
    pub d_h: &'a [f32],
    /// Gradient by the cell states: after the step in, before it out.
    pub d_c: &'a mut [f32],
}

/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type RunForward = unsafe fn(&mut Forward);

/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type RunBackward = unsafe fn(&mut Backward);

impl Forward<'_> {
    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        assert!(self.units.is_multiple_of(GROUP), "{} units are no multiple of {GROUP}", self.units);
        let state = state(self.rows, self.units, self.gates);
        assert!(
            self.c_before.len() >= state && self.c.len() >= state && self.h.len() >= state,
            "states are short"
        );
        assert!(self.tanh_c.is_empty() || self.tanh_c.len() >= state, "tanh_c is too short");
    }
}

impl Backward<'_> {
    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        assert!(self.units.is_multiple_of(GROUP), "{} units are no multiple of {GROUP}", self.units);
        let state = state(self.rows, self.units, self.gates);
        assert!(self.c_before.len() >= state && self.tanh_c.len() >= state, "states are too short");
        assert!(self.d_h.len() >= state && self.d_c.len() >= state, "gradients are too short");
    }
}

/// Values of all states, when the gates, of which each has four, are all there.
fn state(rows: usize, units: usize, gates: &[f32]) -> usize {
    let state = rows.checked_mul(units).filter(|&state| holds(gates, PANEL, state));
    assert!(state.is_some(), "gates are too short");
    state.unwrap_or(0)
}

/// Where gate `gate` (0 to 3 for i, f, g, o) of `unit` lies in a row.
#[must_use]
pub const fn gate_index(gate: usize, unit: usize) -> usize {
    (unit / GROUP * PANEL + gate) * GROUP + unit % GROUP
}

#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::op::activation::exam::bits;
    use crate::op::sigmoid;

    /// rows x units of each array, and the f64 reference's results in the same order.
    struct Case {
        rows: usize,
        units: usize,
        z: Vec<f32>,
        c: Vec<f32>,
        d_h: Vec<f32>,
        d_c: Vec<f32>,
    }

    struct Result<T> {
        gates: Vec<T>,
        c: Vec<T>,
        tanh_c: Vec<T>,
        h: Vec<T>,
        d_z: Vec<T>,
        d_c: Vec<T>,
    }

    fn reference(case: &Case) -> Result<f64> {
        let state = case.rows * case.units;
        let zeros = || vec![0.0; state];
        let mut r = Result {
            gates: vec![0.0; 4 * state],
            c: zeros(),
            tanh_c: zeros(),
            h: zeros(),
            d_z: vec![0.0; 4 * state],
            d_c: zeros(),
        };
        for row in 0..case.rows {
            for unit in 0..case.units {
                let at = row * case.units + unit;
                let gate = |gate| 4 * row * case.units + gate_index(gate, unit);
                let z = [0, 1, 2, 3].map(|k| f64::from(case.z[gate(k)]));
                let (i, f, g, o) = (sigmoid(z[0]), sigmoid(z[1]), z[2].tanh(), sigmoid(z[3]));
                let before = f64::from(case.c[at]);
                let c = f * before + i * g;
                let (t, d_h) = (c.tanh(), f64::from(case.d_h[at]));
                let d_c = f64::from(case.d_c[at]) + d_h * o * (1.0 - t * t);
                let d_z = [
                    d_c * g * i * (1.0 - i),
                    d_c * before * f * (1.0 - f),
                    d_c * i * (1.0 - g * g),
                    d_h * t * o * (1.0 - o),
                ];
                for (k, value) in [i, f, g, o].into_iter().enumerate() {
                    r.gates[gate(k)] = value;
                    r.d_z[gate(k)] = d_z[k];
                }
                (r.c[at], r.tanh_c[at], r.h[at], r.d_c[at]) = (c, t, o * t, d_c * f);
            }
        }
        r
    }

    fn run(case: &Case, forward: &dyn Fn(&mut Forward), backward: &dyn Fn(&mut Backward)) -> Result<f32> {
        let state = case.rows * case.units;
        let (mut gates, zeros) = (case.z.clone(), vec![0.0; state]);
        let (mut c, mut tanh_c, mut h) = (zeros.clone(), zeros.clone(), zeros);
        forward(&mut Forward {
            rows: case.rows,
            units: case.units,
            gates: &mut gates,
            c_before: &case.c,
            c: &mut c,
            tanh_c: &mut tanh_c,
            h: &mut h,
        });
        let (mut c_lean, mut h_lean, mut z) = (c.clone(), h.clone(), case.z.clone());
        forward(&mut Forward {
            rows: case.rows,
            units: case.units,
            gates: &mut z,
            c_before: &case.c,
            c: &mut c_lean,
            tanh_c: &mut [],
            h: &mut h_lean,
        });
        assert_eq!(
            (bits(&c_lean), bits(&h_lean), &z),
            (bits(&c), bits(&h), &case.z),
            "keeping changes no state"
        );
        let (mut d_z, mut d_c) = (gates.clone(), case.d_c.clone());
        backward(&mut Backward {
            rows: case.rows,
            units: case.units,
            gates: &mut d_z,
            c_before: &case.c,
            tanh_c: &tanh_c,
            d_h: &case.d_h,
            d_c: &mut d_c,
        });
        Result { gates, c, tanh_c, h, d_z, d_c }
    }

    /// A pair of kernels, forward and backward.
    pub type Pair<'a> = (&'a dyn Fn(&mut Forward), &'a dyn Fn(&mut Backward));

    pub fn sit((forward, backward): Pair, scalar: Pair, tolerance: f64) {
        for rows in [0, 1, 2, 7] {
            for units in [0, 1, 2, 3, 5].map(|groups| groups * GROUP) {
                let state = rows * units;
                let z = random(1, 4 * state).iter().map(|x| 8.0 * x).collect();
                let (c, d_h, d_c) = (random(2, state), random(3, state), random(4, state));
                let case = Case { rows, units, z, c, d_h, d_c };
                let (got, wanted) = (run(&case, forward, backward), reference(&case));
                let chain = run(&case, scalar.0, scalar.1);
                let place = format!("{rows} rows, {units} units");
                // The way back subtracts gates from 1: a saturated gate has lost digits there, as in any f32.
                for (name, got, wanted, tolerance) in [
                    ("gates", &got.gates, &wanted.gates, tolerance),
                    ("c", &got.c, &wanted.c, tolerance),
                    ("tanh c", &got.tanh_c, &wanted.tanh_c, tolerance),
                    ("h", &got.h, &wanted.h, tolerance),
                    ("dz", &got.d_z, &wanted.d_z, 10.0 * tolerance),
                    ("dc", &got.d_c, &wanted.d_c, 10.0 * tolerance),
                ] {
                    assert_close(got, wanted, tolerance, &format!("{name}, {place}"));
                }
                for (got, chain) in [(&got.h, &chain.h), (&got.d_z, &chain.d_z), (&got.d_c, &chain.d_c)] {
                    assert_eq!(bits(got), bits(chain), "{place}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "gates are too short")]
    fn a_shape_whose_states_wrap_forward_is_refused() {
        let (rows, units) = (1 << 60, 16);
        let (gates, c_before) = (&mut [], &[]);
        Forward { rows, units, gates, c_before, c: &mut [], tanh_c: &mut [], h: &mut [] }.check();
    }

    #[test]
    #[should_panic(expected = "gates are too short")]
    fn a_shape_whose_states_wrap_backward_is_refused() {
        let (rows, units) = (1 << 58, 16);
        let (gates, c_before) = (&mut [], &[]);
        Backward { rows, units, gates, c_before, tanh_c: &[], d_h: &[], d_c: &mut [] }.check();
    }
}
