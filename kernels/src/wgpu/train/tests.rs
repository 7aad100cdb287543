use diapason_tests::{Need, need};
use ndarray::{Array2, Array3};

use super::*;
use crate::gpu::Precision as GpuPrecision;
use crate::gpu::exam::training::{LESSONS, STEPS, short, sit_gradient, sit_training, targets};
use crate::gpu::exam::windows;
use crate::lstm::{Head, Loss};

/// The adapter of these tests: any, or none where the machine has none.
fn gpu() -> Option<Gpu> {
    let gpu = Gpu::open(None);
    let lack = gpu.as_ref().err().map(ToString::to_string);
    need::met(Need::Wgpu, lack).then(|| gpu.unwrap())
}

const SPEC: Spec = Spec { input: 7, hidden: 33, layers: 2, output: 2, head: Head::Linear };

fn batch(rows: usize, time: usize) -> (Array3<f32>, Array2<f32>) {
    (windows(rows, time, SPEC.input), targets(rows, &SPEC))
}

#[test]
fn every_gradient_is_the_references_and_has_the_same_bits_again() {
    let Some(gpu) = gpu() else { return };
    for lesson in LESSONS {
        let start = std::time::Instant::now();
        let mut kept = None;
        let mark = sit_gradient(lesson, GpuPrecision::F32, |model, x, y| {
            let options = TrainOptions { loss: lesson.loss, ..TrainOptions::default() };
            let trainer = match &mut kept {
                Some(trainer) => trainer,
                None => kept.insert(WgpuTrainer::new(&gpu, model.clone(), options)?),
            };
            let (loss, gradient) = trainer.gradients(x, y)?;
            Ok::<_, WgpuError>((loss, gradient.values.clone()))
        })
        .unwrap();
        println!("{mark:?} {:?}", start.elapsed());
        assert!(mark.passed, "{mark:?}");
    }
}

#[test]
fn a_training_goes_as_on_the_processor_and_has_the_same_bits_again() {
    let Some(gpu) = gpu() else { return };
    let train = || {
        let mut weights = Vec::new();
        let mark = sit_training(GpuPrecision::F32, |model, options, x, y| {
            let mut trainer = WgpuTrainer::new(&gpu, model, options)?;
            let losses = (0..STEPS).map(|_| Ok(trainer.step(x, y)?.loss)).collect::<Result<_, WgpuError>>();
            weights.clone_from(&trainer.model().weights().values);
            losses
        });
        (mark.unwrap(), weights)
    };
    let (mark, weights) = train();
    println!("{mark:?}");
    assert!(mark.passed, "{mark:?}");
    assert_eq!(train().1, weights);
    assert_eq!(short().0.dim().0, 96);
}

#[test]
fn shards_add_up() {
    let Some(gpu) = gpu() else { return };
    let (x, y) = batch(70, 9);
    let model = Lstm::new(SPEC, 5).unwrap();
    let mut trainer = WgpuTrainer::new(&gpu, model, TrainOptions::default()).unwrap();
    let (loss, whole) = trainer.gradients(x.view(), y.view()).unwrap();
    let whole = whole.values.clone();
    // Room for 20 windows: four shards of 18, 18, 18 and 16.
    trainer.shard_bytes = (20 * 9 * size_of::<f32>() * step_len(&SPEC).1) as u64;
    trainer.room = None;
    let (again, parts) = trainer.gradients(x.view(), y.view()).unwrap();
    assert!((again - loss).abs() <= 1e-6 * loss, "{again} and {loss}");
    let wanted: Vec<f64> = whole.iter().map(|&g| f64::from(g)).collect();
    assert!(crate::gpu::exam::distance(&parts.values, &wanted) < 1e-5);
    assert_eq!(trainer.room.as_ref().unwrap().rows, 18);
    assert!(trainer.explain().contains("18 windows at a time"), "{}", trainer.explain());
}

#[test]
fn what_cannot_be_learnt_is_named_and_changes_nothing() {
    let Some(gpu) = gpu() else { return };
    let model = Lstm::new(SPEC, 5).unwrap();
    let refused =
        |options: TrainOptions| WgpuTrainer::new(&gpu, model.clone(), options).unwrap_err().to_string();
    let message = refused(TrainOptions { dropout: 0.5, ..TrainOptions::default() });
    assert_eq!(message, "there is no training with dropout on wgpu; set it to 0, or train on the cpu");
    let message = refused(TrainOptions { truncation: Some(3), ..TrainOptions::default() });
    assert!(message.contains("truncated back-propagation"), "{message}");
    let message = refused(TrainOptions { loss: Loss::CrossEntropy, ..TrainOptions::default() });
    assert!(message.contains("does not fit a Linear head"), "{message}");

    let mut trainer = WgpuTrainer::new(&gpu, model.clone(), TrainOptions::default()).unwrap();
    let (mut x, mut y) = batch(5, 4);
    y[[3, 1]] = f32::NAN;
    assert!(
        trainer.step(x.view(), y.view()).unwrap_err().to_string().contains("target 1 of window 3 is NaN")
    );
    y[[3, 1]] = 3e38;
    assert!(
        trainer.step(x.view(), y.view()).unwrap_err().to_string().contains("too large; scale the targets")
    );
    y[[3, 1]] = 0.0;
    x[[4, 2, 6]] = f32::INFINITY;
    let message = trainer.step(x.view(), y.view()).unwrap_err().to_string();
    assert!(message.contains("window 4, time 2, feature 6 is inf"), "{message}");
    assert_eq!((trainer.steps(), trainer.model()), (0, &model));
    x[[4, 2, 6]] = 1.0;
    let report = trainer.step(x.view(), y.view()).unwrap();
    assert!(report.loss > 0.0 && report.grad_norm > 0.0 && trainer.steps() == 1);
    assert_ne!(trainer.model(), &model);
}
