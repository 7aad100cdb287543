//! Made-up bars, the same on every machine.

/// High, low and close of one series: a price that walks in steps of up to one, from 1000.
#[must_use]
pub fn bars(rows: usize, seed: u64) -> [Vec<f64>; 3] {
    let (mut state, mut price) = (seed, 1000.0);
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 40) as u32 % 2001) / 1000.0 - 1.0
    };
    let mut columns = [const { Vec::new() }; 3];
    for _ in 0..rows {
        price += unit();
        let row = [price + 1.0 + unit(), price - 1.0 + unit(), price];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    columns
}
