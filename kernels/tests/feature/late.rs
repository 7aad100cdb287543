//! A symbol that begins later than others: rows of NaN before its first leave it what it would be alone. So symbols of
//! unequal length stand in one panel.

use crate::one_truth::everything;
use crate::series::{Series, series};

#[test]
fn a_symbol_that_begins_later_is_what_it_is_alone() {
    let plan = everything();
    let alone = series("walk", 500, 9);
    let late = 137;
    let shifted = Series(
        alone
            .0
            .iter()
            .map(|(name, values)| {
                let mut all = vec![f64::NAN; late];
                if name == "timestamp" {
                    all = (0..late).map(|row| values[0] - 60e9 * (late - row) as f64).collect();
                }
                all.extend(values);
                (name.clone(), all)
            })
            .collect(),
    );
    let (a, b) = (alone.batch(&plan), shifted.batch(&plan));
    for (output, name) in plan.names().iter().enumerate() {
        for row in 0..alone.rows() {
            let (x, y) = (a[[row, output]], b[[row + late, output]]);
            let same = x.is_nan() && y.is_nan() || (x - y).abs() <= 1e-9 * x.abs().max(1.0);
            assert!(same, "{name}, row {row}: {x} alone, {y} after {late} rows of nothing");
        }
    }
}
