//! Reading memory, one value at a time; what for is in `op/sweep.rs`.

/// See [`crate::op::sweep::Run`].
pub fn run(values: &[f32]) -> f32 {
    const CHAINS: usize = 16;
    let mut sums = [0.0; CHAINS];
    let (whole, rest) = values.as_chunks::<CHAINS>();
    for part in whole {
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += x;
        }
    }
    sums.iter().chain(rest).sum()
}
