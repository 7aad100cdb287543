//! Training in bf16 beside f32 on real bars: the loss on windows that were not trained on is as good.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use std::fs;
use std::ops::Range;

use diapason_kernels::lstm::{Head, Lstm, Precision, Spec, TrainOptions, Trainer};
use diapason_kernels::random;
use diapason_tests::{need, require};
use ndarray::{Array2, Array3};

const TIME: usize = 32;
/// Bars ahead over which the movement is predicted.
const AHEAD: usize = 5;
const SEEDS: Range<u64> = 1..5;

/// Return, range and volume of each bar, and the logarithm of the mean size of the next returns; each with mean 0 and
/// deviation 1.
fn bars() -> (Vec<[f32; 3]>, Vec<f32>) {
    let text = fs::read_to_string(need::shared("btc-perp-1m-2022-01.csv")).unwrap();
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(1).map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let returns: Vec<f64> = rows.windows(2).map(|two| 1e4 * (two[1][3] / two[0][3]).ln()).collect();
    let range = rows[1..].iter().map(|row| 1e4 * (row[1] / row[2]).ln()).collect();
    let volume = rows[1..].iter().map(|row| (1.0 + row[4]).ln()).collect();
    let [a, b, c] = [returns.clone(), range, volume].map(standard);
    let features = a.into_iter().zip(b).zip(c).map(|((a, b), c)| [a, b, c]).collect();
    let size = |next: &[f64]| (0.1 + next.iter().map(|x| x.abs()).sum::<f64>() / AHEAD as f64).ln();
    (features, standard(returns[1..].windows(AHEAD).map(size).collect()))
}

fn standard(values: Vec<f64>) -> Vec<f32> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    values.into_iter().map(|x| ((x - mean) / deviation) as f32).collect()
}

/// Windows that end with the bars `ends`.
fn windows(
    (features, targets): &(Vec<[f32; 3]>, Vec<f32>),
    ends: impl ExactSizeIterator<Item = usize> + Clone,
) -> (Array3<f32>, Array2<f32>) {
    let rows = ends.clone().flat_map(|end| &features[end + 1 - TIME..=end]).flatten().copied().collect();
    let count = ends.len();
    let y = ends.map(|end| targets[end]).collect();
    (Array3::from_shape_vec((count, TIME, 3), rows).unwrap(), Array2::from_shape_vec((count, 1), y).unwrap())
}

/// The mean squared error on the last fifth of the bars, after training on the rest.
fn validated(bars: &(Vec<[f32; 3]>, Vec<f32>), precision: Precision, seed: u64) -> f64 {
    let spec = Spec { input: 3, hidden: 24, layers: 1, output: 1, head: Head::Linear };
    let options = TrainOptions {
        learning_rate: 4e-3,
        clip_norm: Some(1.0),
        precision,
        seed,
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(Lstm::new(spec, seed).unwrap(), options).unwrap();
    let border = bars.1.len() * 4 / 5;
    for step in 0..150 {
        let draw =
            |k: u64| TIME + (random::bits(seed, step * 128 + k) % (border - TIME - AHEAD) as u64) as usize;
        let ends: Vec<usize> = (0..128).map(draw).collect();
        let (x, y) = windows(bars, ends.into_iter());
        trainer.step(x.view(), y.view()).unwrap();
    }
    let (x, y) = windows(bars, (border + TIME..bars.1.len()).step_by(7).collect::<Vec<_>>().into_iter());
    // Both are judged in f32: what differs is what they learned.
    let judge = TrainOptions::default();
    Trainer::new(trainer.into_model(), judge).unwrap().evaluate(x.view(), y.view()).unwrap()
}

/// The difference of the mean losses is within the standard error of a mean over the seeds, the noise of the start; and
/// no seed is off by more than half a percent of its loss.
#[test]
fn bf16_learns_as_well_as_f32() {
    require!(Shared);
    let bars = bars();
    let losses = Precision::TRAINING
        .map(|precision| SEEDS.map(|seed| validated(&bars, precision, seed)).collect::<Vec<_>>());
    let count = losses[0].len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let [full, narrow] = [mean(&losses[0]), mean(&losses[1])];
    let noise = (losses[0].iter().map(|x| (x - full).powi(2)).sum::<f64>() / (count - 1.0) / count).sqrt();
    println!("{losses:?}: {full} {narrow}, standard error {noise}");
    assert!(full < 0.8, "there is something to learn: {full}");
    assert!((narrow - full).abs() <= noise, "{narrow} beside {full}, standard error {noise}");
    for (full, narrow) in losses[0].iter().zip(&losses[1]) {
        assert!((narrow / full - 1.0).abs() < 0.005, "{losses:?}");
    }
}
