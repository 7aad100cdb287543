//! Reading memory and doing nothing with it: what the floor of a step is measured with.
//!
//! Shapes: any number of f32. The result is the sum of all values, in no promised order, so that no compiler leaves the
//! reads out; an exam with small integers, whose sums are exact in any order, holds that every value is read.

/// Adds up all values.
///
/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type Run = unsafe fn(&[f32]) -> f32;

#[cfg(test)]
pub(crate) mod exam {
    pub fn sit(run: &dyn Fn(&[f32]) -> f32) {
        for len in (0..600).chain([4096, 5003]) {
            let values: Vec<f32> = (0..len).map(|at| (at % 17 + 1) as f32).collect();
            assert_eq!(run(&values), values.iter().sum::<f32>(), "{len} values");
        }
    }
}
