//! The torture set: series on which running sums drift, cancel or stay poisoned.

use diapason_kernels::feature::Plan;

use crate::series::{Random, Series};

/// Mean and variance of each window in two passes over its exact distances from its first value.
fn two_pass(x: &[f64], n: usize) -> Vec<(f64, f64)> {
    x.windows(n)
        .map(|window| {
            let distances: Vec<f64> = window.iter().map(|value| value - window[0]).collect();
            let mean = distances.iter().sum::<f64>() / n as f64;
            let square = distances.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
            let rest = distances.iter().map(|value| value - mean).sum::<f64>();
            (window[0] + mean, (square - rest * rest / n as f64) / n as f64)
        })
        .collect()
}

/// Greatest relative error of the variance and of the mean over all windows.
fn worst(x: &[f64], n: usize) -> (f64, f64) {
    let data = Series([("close".to_owned(), x.to_vec())].into());
    let plan = Plan::parse(&format!("sma({n}), var({n})"), &["close"]).unwrap();
    let out = data.batch(&plan);
    let mut worst: (f64, f64) = (0.0, 0.0);
    for (place, (mean, variance)) in two_pass(x, n).into_iter().enumerate() {
        let row = place + n - 1;
        let (our_mean, our_variance) = (out[(row, 0)], out[(row, 1)]);
        assert!(our_variance >= 0.0, "variance {our_variance} at row {row}");
        if variance == 0.0 {
            assert_eq!(our_variance, 0.0, "row {row} of a flat window");
            assert_eq!(our_mean, x[row], "row {row} of a flat window");
        } else {
            worst.0 = worst.0.max(((our_variance - variance) / variance).abs());
        }
        worst.1 = worst.1.max(((our_mean - mean) / mean).abs());
    }
    worst
}

fn noise(rows: usize, offset: f64, size: f64, seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    (0..rows).map(|_| offset + size * random.normal()).collect()
}

#[test]
fn a_constant_series_has_its_mean_and_no_variance() {
    for value in [0.1, 1e-300, 1e300, 46_377.3, -7.7] {
        for n in [2, 3, 20, 101] {
            assert_eq!(worst(&vec![value; 400], n), (0.0, 0.0), "{value} over {n}");
        }
    }
}

#[test]
fn small_noise_on_a_large_offset_keeps_its_variance() {
    // pandas issues 42064 and 53289, TA-Lib issue 118: E[x^2] - m^2 collapses here.
    for (offset, size) in [(1e8, 2.0), (1e9, 1e-3), (1e12, 1.0), (1e15, 10.0)] {
        for n in [5, 20, 100] {
            let (variance, mean) = worst(&noise(3000, offset, size, 1), n);
            assert!(variance < 1e-11, "offset {offset} size {size} over {n}: {variance:e}");
            assert!(mean < 1e-15, "offset {offset} size {size} over {n}: {mean:e}");
        }
    }
}

#[test]
fn a_spike_is_forgotten_when_it_leaves_the_window() {
    // TA-Lib issue 118, vectorbt issue 714: a running sum keeps the rounding of the spike for ever.
    for spike in [1e6, 1e12, 1e16, -1e12] {
        for place in [0, 199, 200, 207, 219, 220] {
            let mut x = noise(1000, 100.0, 1.0, 2);
            x[place] = spike;
            for n in [5, 20, 100] {
                let (variance, _) = worst(&x, n);
                assert!(variance < 1e-11, "spike {spike:e} at {place} over {n}: {variance:e}");
            }
        }
    }
}

#[test]
fn mixed_magnitudes_and_long_series_do_not_drift() {
    // pandas issues 48950 and 52407: growing and shrinking scales.
    let mut random = Random(3);
    let mixed: Vec<f64> =
        (0..4000).map(|row| 10_f64.powi((row / 100) % 16 - 8) * (1.0 + 0.1 * random.normal())).collect();
    let (variance, _) = worst(&mixed, 50);
    assert!(variance < 1e-10, "{variance:e}");
    let mut price = 100.0;
    let walk: Vec<f64> = (0..200_000)
        .map(|_| {
            price += 0.01 * random.normal();
            price
        })
        .collect();
    let (variance, mean) = worst(&walk, 20);
    assert!(variance < 1e-11 && mean < 1e-15, "{variance:e} {mean:e}");
}

#[test]
fn a_flat_stretch_after_movement_has_no_variance_and_no_score() {
    let mut x = noise(500, 50.0, 3.0, 4);
    x[200..400].fill(51.7);
    worst(&x, 30);
    let data = Series([("close".to_owned(), x)].into());
    let plan = Plan::parse("zscore(30), percentb(30), rsi(14), stddev(30)", &["close"]).unwrap();
    let out = data.batch(&plan);
    for row in 230..400 {
        assert_eq!((out[(row, 0)], out[(row, 1)], out[(row, 3)]), (0.0, 0.5, 0.0), "row {row}");
        assert!(out[(row, 2)] >= 0.0 && out[(row, 2)] <= 100.0);
    }
}
