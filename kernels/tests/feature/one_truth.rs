//! One meaning: batch, stream, any chunking and a restored snapshot give the same bits, for every feature of
//! the catalogue and every shape of data; and the future never changes the past.

use diapason_kernels::feature::{CATALOGUE, Fit, Normaliser, Plan, ShapeError};
use ndarray::{Array2, s};

use crate::series::{COLUMNS, Random, SHAPES, Series, assert_same, series};

/// Every feature of the catalogue with its defaults, with short periods, and some compositions.
pub fn everything() -> Plan {
    let mut items: Vec<String> = CATALOGUE.iter().map(|entry| entry.call()).collect();
    for entry in CATALOGUE.iter().filter(|entry| entry.parameters.iter().any(|parameter| parameter.whole)) {
        let inputs = entry.inputs.iter().map(|input| input.column.to_owned());
        let short = entry.parameters.iter().enumerate().map(|(place, parameter)| {
            let least = parameter.minimum.max(1.0) + place as f64;
            if parameter.whole { least.to_string() } else { parameter.default.to_string() }
        });
        items.push(format!("{}({})", entry.name, inputs.chain(short).collect::<Vec<_>>().join(",")));
    }
    items.retain({
        let mut seen = Vec::new();
        move |item| {
            let new = !seen.contains(item);
            seen.push(item.clone());
            new
        }
    });
    items.push("ema(rsi(close,3),5) - 50".to_owned());
    items.push("zscore(ema(volume,4)/sma(volume,9),7)".to_owned());
    items.push("-(close-open)/(high-low)*2".to_owned());
    Plan::parse(&items.join(", "), &COLUMNS).unwrap()
}

fn streamed(plan: &Plan, data: &Series) -> Array2<f64> {
    let mut stream = plan.stream();
    let mut out = Array2::zeros((data.rows(), plan.names().len()));
    for row in 0..data.rows() {
        stream.push(&data.row(plan, row), out.row_mut(row).as_slice_mut().unwrap());
    }
    assert_eq!(stream.rows(), data.rows() as u64);
    out
}

#[test]
fn batch_and_stream_give_the_same_bits() {
    let plan = everything();
    for (seed, shape) in SHAPES.iter().enumerate() {
        let data = series(shape, 700, seed as u64);
        assert_same(&data.batch(&plan), &streamed(&plan, &data), plan.names(), shape);
    }
}

#[test]
fn any_chunking_gives_the_same_bits_also_through_snapshots() {
    let plan = everything();
    for (seed, shape) in SHAPES.iter().enumerate() {
        let data = series(shape, 500, seed as u64);
        let whole = data.batch(&plan);
        for trial in 0..4 {
            let mut random = Random(trial);
            let mut stream = plan.stream();
            let mut out = Array2::zeros(whole.dim());
            let mut at = 0;
            while at < data.rows() {
                let rows = (random.below(150) + 1).min(data.rows() - at);
                if random.below(2) == 0 {
                    let inputs = data.inputs(&plan);
                    let columns: Vec<&[f64]> = inputs.iter().map(|column| &column[at..at + rows]).collect();
                    stream.extend(&columns, out.slice_mut(s![at..at + rows, ..])).unwrap();
                } else {
                    for row in at..at + rows {
                        stream.push(&data.row(&plan, row), out.row_mut(row).as_slice_mut().unwrap());
                    }
                }
                at += rows;
                match random.below(3) {
                    0 => stream = plan.restore(&stream.snapshot()).unwrap(),
                    1 => {
                        // A clone that goes its own way must not disturb the original.
                        let mut other = stream.clone();
                        other.push(&vec![1.0; plan.inputs().len()], &mut vec![0.0; plan.names().len()]);
                    }
                    _ => {}
                }
            }
            assert_same(&whole, &out, plan.names(), shape);
        }
    }
}

#[test]
fn the_tile_in_f32_is_the_normalised_batch() {
    let plan = everything();
    let data = series("gaps", 300, 6);
    let batch = data.batch(&plan);
    let mut fit = Fit::new(plan.names().len());
    fit.extend(&batch.slice(s![..200, ..]));
    let normaliser = fit.finish();
    let mut tile = Array2::zeros(batch.dim());
    plan.batch_into_f32(&data.inputs(&plan), &normaliser, tile.view_mut()).unwrap();
    for ((row, output), value) in batch.indexed_iter() {
        let expected = normaliser.apply(output, *value);
        assert!(tile[(row, output)] == expected || (tile[(row, output)].is_nan() && value.is_nan()));
    }
    let (mut stream, mut row_of_model) = (plan.stream(), vec![0.0; plan.names().len()]);
    for row in 0..data.rows() {
        stream.push_into_f32(&data.row(&plan, row), &normaliser, &mut row_of_model);
        let bits = |x: f32| x.to_bits();
        assert!(
            row_of_model.iter().zip(tile.row(row)).all(|(ours, tile)| bits(*ours) == bits(*tile)),
            "{row}"
        );
    }
    let one = Normaliser::identity(1);
    let error = plan.batch_into_f32(&data.inputs(&plan), &one, tile.view_mut()).unwrap_err();
    assert!(error.to_string().starts_with("the normaliser is for 1 outputs"));
}

#[test]
fn columns_that_do_not_fit_are_refused_before_anything_is_written() {
    let plan = Plan::parse("close - open, volume / 2", &COLUMNS).unwrap();
    assert_eq!(plan.inputs(), ["open", "close", "volume"]);
    let (long, short) = ([1.0; 5], [1.0; 4]);
    let mut out = Array2::from_elem((5, 2), 8.0);
    let mut stream = plan.stream();
    assert!(matches!(stream.extend(&[&long, &long], out.view_mut()), Err(ShapeError::Columns { .. })));
    assert!(matches!(stream.extend(&[&long, &short, &long], out.view_mut()), Err(ShapeError::Rows { .. })));
    assert!(matches!(stream.extend(&[short.as_slice(); 3], out.view_mut()), Err(ShapeError::Output { .. })));
    assert!(stream.rows() == 0 && out.iter().all(|value| *value == 8.0));
    // Any layout of the output will do, and no rows are no error.
    let mut turned = Array2::zeros((2, 5));
    stream.extend(&[long.as_slice(); 3], turned.view_mut().reversed_axes()).unwrap();
    assert_eq!(turned.row(1).to_vec(), [0.5; 5]);
    stream.extend(&[&[][..]; 3], Array2::zeros((0, 2)).view_mut()).unwrap();
    assert_eq!(stream.rows(), 5);
}

#[test]
fn the_fused_plan_is_the_composition_of_its_features() {
    let plan = everything();
    let data = series("gaps", 400, 11);
    let fused = data.batch(&plan);
    for (output, name) in plan.names().iter().enumerate() {
        let alone = Plan::parse(name, &COLUMNS).unwrap();
        assert_eq!(alone.names(), std::slice::from_ref(name));
        let single = data.batch(&alone);
        let column = fused.slice(s![.., output..=output]).to_owned();
        assert_same(&column, &single, alone.names(), "alone");
    }
}

#[test]
fn the_future_never_changes_the_past() {
    let plan = everything();
    let mut random = Random(5);
    for shape in SHAPES {
        let data = series(shape, 400, 3);
        let whole = data.batch(&plan);
        for _ in 0..6 {
            let now = random.below(data.rows()) + 1;
            let past = whole.slice(s![..now, ..]).to_owned();
            assert_same(&past, &data.truncated(now).batch(&plan), plan.names(), "appended rows");
            let mut other = data.clone();
            for values in other.0.values_mut() {
                values[now..].iter_mut().for_each(|value| *value = *value * (0.5 + random.unit()) + 1.0);
            }
            let changed = other.batch(&plan).slice(s![..now, ..]).to_owned();
            assert_same(&past, &changed, plan.names(), "changed rows");
        }
    }
}

#[test]
fn every_output_is_finite_or_nan_and_warms_up_for_exactly_its_lookback() {
    let plan = everything();
    let data = series("walk", 700, 9);
    let out = data.batch(&plan);
    for (output, name) in plan.names().iter().enumerate() {
        let first = (0..data.rows()).find(|row| !out[(*row, output)].is_nan());
        assert_eq!(first, Some(plan.lookbacks()[output]), "{name}");
        assert!((0..data.rows()).all(|row| !out[(row, output)].is_infinite()), "{name}");
    }
    let mut wild = data.clone();
    let mut random = Random(1);
    let extremes = [f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, 0.0, -0.0, 5e-324, f64::NAN];
    for values in wild.0.values_mut() {
        for value in values.iter_mut() {
            if random.below(5) == 0 {
                *value = extremes[random.below(8)];
            }
        }
    }
    assert!(wild.batch(&plan).iter().all(|value| !value.is_infinite()));
}

#[test]
fn a_window_forgets_a_gap_completely_and_a_recursion_leaves_it_out() {
    let mut data = series("walk", 300, 2);
    let plan = Plan::parse("sma(10), stddev(10), max(10), rsi(5), ema(5)", &COLUMNS).unwrap();
    let before = data.batch(&plan);
    data.0.get_mut("close").unwrap()[100] = f64::NAN;
    let after = data.batch(&plan);
    for row in 0..300 {
        for output in 0..3 {
            let inside = (100..110).contains(&row);
            assert_eq!(
                after[(row, output)].is_nan(),
                inside || row < 9,
                "{} row {row}",
                plan.names()[output]
            );
        }
        for output in 3..5 {
            assert_eq!(
                after[(row, output)].is_nan(),
                row == 100 || row < plan.lookbacks()[output],
                "row {row}"
            );
        }
    }
    // Past the gap and its block, windows have the very bits they would have had.
    for row in 120..300 {
        for output in 0..3 {
            assert_eq!(before[(row, output)].to_bits(), after[(row, output)].to_bits());
        }
    }
}
