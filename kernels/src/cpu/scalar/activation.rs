//! Sigmoid and tanh of one value; the formula is in `op/activation.rs`.

use crate::op::activation::{
    Activation, GATE_MAX, LOG2_E, MINUS_LN_2, ONE_BITS, Q, ROUND, SIGMOID_MAX, TANH_MAX, fast,
};

/// See [`crate::op::activation::Run`].
pub fn run(function: Activation, values: &mut [f32]) {
    match function {
        Activation::Sigmoid => values.iter_mut().for_each(|x| *x = sigmoid(*x)),
        Activation::Tanh => values.iter_mut().for_each(|x| *x = tanh(*x)),
        Activation::FastSigmoid => values.iter_mut().for_each(|x| *x = 1.0 / denominator::<true>(*x)),
        Activation::FastTanh => values.iter_mut().for_each(|x| {
            let (m, b) = fraction::<true>(*x);
            *x = m / b;
        }),
    }
}

/// `1 / (1 + e^-x)`.
fn sigmoid(x: f32) -> f32 {
    let (power, m) = exp(at_least(-SIGMOID_MAX, at_most(SIGMOID_MAX, -x)));
    1.0 / (1.0 + power.mul_add(m, power))
}

/// `m / (m + 2)` with `m = e^(2|x|) - 1`, and the sign of `x`.
fn tanh(x: f32) -> f32 {
    let y = x.abs();
    let (power, m) = exp(at_most(TANH_MAX, y + y));
    let m = power.mul_add(m, power - 1.0);
    f32::from_bits((m / (m + 2.0)).to_bits() | (x.to_bits() & 0x8000_0000))
}

/// The denominator of a cell's sigmoid, `1 + e^-x`.
pub fn denominator<const FAST: bool>(x: f32) -> f32 {
    if FAST {
        return 1.0 + power(x * -LOG2_E, fast::GATE_MAX);
    }
    let (power, m) = exp(at_least(-GATE_MAX, at_most(GATE_MAX, -x)));
    1.0 + power.mul_add(m, power)
}

/// Numerator and denominator of the tangent.
pub fn fraction<const FAST: bool>(x: f32) -> (f32, f32) {
    if FAST {
        let e = power(x * (2.0 * LOG2_E), fast::TANH_MAX);
        return (e - 1.0, e + 1.0);
    }
    let y = x.abs();
    let (power, m) = exp(at_most(TANH_MAX, y + y));
    let m = power.mul_add(m, power - 1.0);
    (f32::from_bits(m.to_bits() ^ (x.to_bits() & 0x8000_0000)), m + 2.0)
}

/// `2^t` of the fast class, `t` held within `max`.
fn power(t: f32, max: f32) -> f32 {
    let t = at_least(-max, at_most(max, t));
    let rounded = t + ROUND;
    let r = t - (rounded - ROUND);
    let [c0, c1, c2, c3, c4] = fast::P;
    let p = c4.mul_add(r, c3).mul_add(r, c2).mul_add(r, c1).mul_add(r, c0);
    f32::from_bits((rounded.to_bits() << 23).wrapping_add(ONE_BITS.cast_unsigned())) * p
}

/// `(2^n, e^r - 1)` with `e^y = 2^n e^r`.
fn exp(y: f32) -> (f32, f32) {
    let rounded = y.mul_add(LOG2_E, ROUND);
    let r = (rounded - ROUND).mul_add(MINUS_LN_2, y);
    let q = Q[4].mul_add(r, Q[3]).mul_add(r, Q[2]).mul_add(r, Q[1]).mul_add(r, Q[0]);
    let m = (r * r).mul_add(q, r);
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(ONE_BITS.cast_unsigned()));
    (power, m)
}

/// The smaller; NaN when `x` is, as `minps` with `x` second.
fn at_most(limit: f32, x: f32) -> f32 {
    if limit < x { limit } else { x }
}

fn at_least(limit: f32, x: f32) -> f32 {
    if limit > x { limit } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::activation::exam;

    #[test]
    fn held_to_its_error_at_a_dense_sweep() {
        exam::sweep(&run, 4099);
    }

    #[test]
    #[ignore = "walks all 2^32 floats twice; half an hour in the scalar kernel, two minutes in a vector one"]
    fn exhaustive() {
        let kernels = crate::cpu::Kernels::new(None).unwrap();
        exam::sweep(&|function, values| kernels.activation(function, values), 1);
    }
}
