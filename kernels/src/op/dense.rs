//! The dense head: a few inner products with the last hidden state.
//!
//! ```text
//! out[row][output] = bias[output] + sum_k h[row][k] weight[output][k]
//! ```
//!
//! Shapes: `h` is `[rows, units]`, `weight` is `[outputs, units]`, `bias` is `[outputs]`, `out` is
//! `[rows, outputs]`; `units` is padded with zeros to a multiple of 16. A trading model has one output or three, so the
//! sum runs along the lanes, not across outputs: sixteen partial sums (element k goes to sum k mod 16), then
//! halves are added, 8 + 8, 4 + 4, 2 + 2, 1 + 1, then the bias. Every instruction set keeps to that order.

use super::gemm::GROUP;
use super::holds;

/// One head applied to some rows.
#[derive(Debug)]
pub struct Dense<'a> {
    /// Rows of `h`.
    pub rows: usize,
    /// Length of a row, padded.
    pub units: usize,
    /// Values given for each row.
    pub outputs: usize,
    /// `[rows, units]`.
    pub h: &'a [f32],
    /// `[outputs, units]`.
    pub weight: &'a [f32],
    /// `[outputs]`.
    pub bias: &'a [f32],
    /// `[rows, outputs]`.
    pub out: &'a mut [f32],
}

/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type Run = unsafe fn(&mut Dense);

impl Dense<'_> {
    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        assert!(self.units.is_multiple_of(GROUP), "{} units are no multiple of {GROUP}", self.units);
        assert!(holds(self.h, self.rows, self.units), "h is too short");
        assert!(holds(self.weight, self.outputs, self.units), "weight is too short");
        assert!(self.bias.len() >= self.outputs, "bias is too short");
        assert!(holds(self.out, self.rows, self.outputs), "out is too short");
    }
}

#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::op::activation::exam::bits;

    pub fn sit(run: &dyn Fn(&mut Dense), scalar: &dyn Fn(&mut Dense)) {
        for rows in [0, 1, 3] {
            for outputs in [0, 1, 2, 5] {
                for units in [0, 1, 2, 3, 4, 7].map(|groups| groups * GROUP) {
                    let (h, weight, bias) =
                        (random(1, rows * units), random(2, outputs * units), random(3, outputs));
                    let mut got = vec![7.0; rows * outputs];
                    let mut chain = got.clone();
                    let dense =
                        |out| Dense { rows, units, outputs, h: &h, weight: &weight, bias: &bias, out };
                    run(&mut dense(got.as_mut_slice()));
                    scalar(&mut dense(chain.as_mut_slice()));
                    assert_eq!(bits(&got), bits(&chain), "{rows} rows, {units} units, {outputs} outputs");
                    let mut wanted = Vec::new();
                    for row in 0..rows {
                        for output in 0..outputs {
                            let terms =
                                h[row * units..][..units].iter().zip(&weight[output * units..][..units]);
                            let sum = terms.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
                            wanted.push(sum + f64::from(bias[output]));
                        }
                    }
                    assert_close(&got, &wanted, 1e-6, &format!("{rows} rows, {units} units"));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "h is too short")]
    fn a_shape_whose_products_wrap_is_refused() {
        let (rows, units, outputs) = (1 << 60, 16, 1 << 60);
        Dense { rows, units, outputs, h: &[], weight: &[], bias: &[], out: &mut [] }.check();
    }
}
