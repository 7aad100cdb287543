//! Rows that change after they came: whatever was replaced, everything is as if the rows had come so.

use diapason_kernels::feature::{Plan, Revisable, RevisionError};
use ndarray::Array2;

use crate::one_truth::everything;
use crate::series::{COLUMNS, Random, Series, assert_same, series};

/// `data` with the values of `other` in a row.
fn correct(data: &mut Series, other: &Series, row: usize) {
    for (name, values) in &mut data.0 {
        values[row] = other.column(name)[row];
    }
}

#[test]
fn a_replaced_row_leaves_what_its_right_values_would_have_left() {
    let plan = everything();
    let outputs = plan.names().len();
    for depth in [1, 2, 3, 7, 40] {
        let mut random = Random(depth as u64);
        // Times stay as they are: the corrections are another walk over the same minutes.
        let (mut data, other) = (series("gaps", 150, 1), series("jumps", 150, 2));
        let mut revisable = Revisable::new(plan.stream(), depth).unwrap();
        let mut out = Array2::zeros((data.rows(), outputs));
        for row in 0..data.rows() {
            revisable.push(&data.row(&plan, row), out.row_mut(row).as_slice_mut().unwrap());
            for _ in 0..random.below(3) {
                let age = random.below(revisable.kept());
                correct(&mut data, &other, row - age);
                let mut again = vec![0.0; (age + 1) * outputs];
                revisable.replace(age, &data.row(&plan, row - age), &mut again).unwrap();
                for (place, values) in again.chunks(outputs).enumerate() {
                    out.row_mut(row - age + place).as_slice_mut().unwrap().copy_from_slice(values);
                }
            }
        }
        assert_same(&data.batch(&plan), &out, plan.names(), &format!("depth {depth}"));
        let mut straight = plan.stream();
        straight.warm_up(&data.inputs(&plan)).unwrap();
        let mut replaced = revisable.stream().clone();
        let (mut straight_on, mut on) = (out.clone(), out);
        for row in 0..other.rows() {
            let further = other.row(&plan, row);
            straight.push(&further, straight_on.row_mut(row).as_slice_mut().unwrap());
            replaced.push(&further, on.row_mut(row).as_slice_mut().unwrap());
        }
        assert_same(&straight_on, &on, plan.names(), &format!("after it, depth {depth}"));
    }
}

#[test]
fn what_cannot_be_replaced_is_refused_and_changes_nothing() {
    let plan = Plan::parse("ema(close,3)", &COLUMNS).unwrap();
    assert_eq!(Revisable::new(plan.stream(), 0).unwrap_err(), RevisionError::Depth { depth: 0 });
    assert!(Revisable::new(plan.stream(), usize::MAX).is_err());
    let mut revisable = Revisable::new(plan.stream(), 2).unwrap();
    let mut out = [0.0; 3];
    let none = revisable.replace(0, &[1.0], &mut out[..1]).unwrap_err();
    assert_eq!(none, RevisionError::TooOld { age: 0, kept: 0 });
    for row in 0..5 {
        revisable.push(&[f64::from(row)], &mut out[..1]);
    }
    let before = revisable.stream().snapshot();
    assert_eq!(
        revisable.replace(2, &[1.0], &mut out).unwrap_err(),
        RevisionError::TooOld { age: 2, kept: 2 }
    );
    assert!(matches!(revisable.replace(1, &[1.0, 2.0], &mut out[..2]), Err(RevisionError::Length { .. })));
    assert!(matches!(revisable.replace(1, &[1.0], &mut out), Err(RevisionError::Length { .. })));
    assert!(revisable.stream().snapshot() == before);
}
