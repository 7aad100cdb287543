//! Training: the same bits on any thread count and instruction set, resumed or not; dropout; bad input.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use std::fs;

use diapason_kernels::Isa;
use diapason_kernels::lstm::{
    CheckpointError, Head, Loss, Lstm, Optimizer, Precision, Schedule, Spec, States, TrainError,
    TrainOptions, Trainer, Weights,
};
use diapason_kernels::random;
use ndarray::{Array2, Array3, s};

const SPEC: Spec = Spec { input: 5, hidden: 20, layers: 2, output: 2, head: Head::Linear };

fn batch(rows: usize, time: usize, key: u64) -> (Array3<f32>, Array2<f32>) {
    let mut index = 0;
    let mut next = || {
        index += 1;
        2.0 * random::unit(key, index) - 1.0
    };
    let x = Array3::from_shape_simple_fn((rows, time, SPEC.input), &mut next);
    // Something to learn: the first output is the mean of the first feature, the second the last value of another.
    let mut y = Array2::zeros((rows, SPEC.output));
    for (x, mut y) in x.outer_iter().zip(y.outer_iter_mut()) {
        y[0] = x.column(0).mean().unwrap();
        y[1] = x[[time - 1, 1]];
    }
    (x, y)
}

fn options() -> TrainOptions {
    TrainOptions {
        learning_rate: 5e-3,
        clip_norm: Some(1.0),
        weight_decay: 1e-4,
        dropout: 0.2,
        seed: 3,
        schedule: Schedule::Cosine { warmup_steps: 2, total_steps: 20, floor: 0.1 },
        ..TrainOptions::default()
    }
}

fn train(trainer: &mut Trainer, steps: std::ops::Range<u64>) -> Vec<u64> {
    let step = |step| {
        let (x, y) = batch(70, 9, step);
        let report = trainer.step(x.view(), y.view()).unwrap();
        [report.loss.to_bits(), report.grad_norm.to_bits(), report.learning_rate.to_bits()]
    };
    steps.flat_map(step).collect()
}

fn bits(model: &Lstm) -> Vec<u32> {
    model.weights().values.iter().map(|w| w.to_bits()).collect()
}

#[test]
fn any_thread_count_and_instruction_set_gives_the_same_bits() {
    for precision in Precision::TRAINING {
        let mut runs = Vec::new();
        for isa in Isa::available() {
            for threads in [1, 2, 3, 4] {
                if isa == Isa::Scalar && threads > 2 {
                    continue;
                }
                let options = TrainOptions { threads, isa: Some(isa), precision, ..options() };
                let mut trainer = Trainer::new(Lstm::new(SPEC, 1).unwrap(), options).unwrap();
                let reports = train(&mut trainer, 0..6);
                runs.push((isa, threads, reports, bits(trainer.model())));
            }
        }
        for (isa, threads, reports, weights) in &runs {
            assert_eq!((reports, weights), (&runs[0].2, &runs[0].3), "{precision}, {isa}, {threads} threads");
        }
    }
}

/// Over 200 steps with a forget gate near a quarter gradients fall far below the least f32 and past what bf16 counts as zero.
#[test]
fn gradients_that_vanish_have_the_same_bits_on_every_instruction_set() {
    let mut weights = Lstm::new(SPEC, 1).unwrap().weights().clone();
    for tensor in SPEC.tensors().into_iter().filter(|tensor| tensor.name.starts_with("bias_ih")) {
        weights.values[tensor.range][SPEC.hidden..2 * SPEC.hidden].fill(-1.2);
    }
    let (x, y) = batch(9, 200, 4);
    for precision in Precision::TRAINING {
        let run = |isa| {
            let model = Lstm::from_weights(weights.clone()).unwrap();
            let options = TrainOptions { isa: Some(isa), precision, ..TrainOptions::default() };
            let mut trainer = Trainer::new(model, options).unwrap();
            let (loss, gradient) = trainer.gradients(x.view(), y.view()).unwrap();
            (loss.to_bits(), gradient.values.iter().map(|g| g.to_bits()).collect::<Vec<_>>())
        };
        let wanted = run(Isa::Scalar);
        for isa in Isa::available() {
            assert!(run(isa) == wanted, "{precision}, {isa}");
        }
    }
}

#[test]
fn a_batch_of_many_waves_has_the_same_bits_on_any_thread_count() {
    // 20 shards: five waves on one thread, two on three, one on five.
    let (x, y) = batch(640, 2, 7);
    let run = |threads| {
        let options = TrainOptions { threads, ..options() };
        let mut trainer = Trainer::new(Lstm::new(SPEC, 1).unwrap(), options).unwrap();
        let (loss, gradient) = trainer.gradients(x.view(), y.view()).unwrap();
        (loss.to_bits(), gradient.values.iter().map(|g| g.to_bits()).collect::<Vec<_>>())
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_resumed_training_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut model = Lstm::new(SPEC, 1).unwrap();
    model.metadata_mut().insert("features".to_owned(), "rsi(14)".to_owned());
    let resume = |precision| {
        let mut whole = Trainer::new(model.clone(), TrainOptions { precision, ..options() }).unwrap();
        train(&mut whole, 0..5);
        whole.save(&path).unwrap();
        let mut resumed = Trainer::resume(&path, 3, None).unwrap();
        assert_eq!((resumed.steps(), resumed.options().precision), (5, precision));
        assert_eq!(resumed.model(), whole.model());
        assert_eq!(train(&mut resumed, 5..10), train(&mut whole, 5..10));
        assert_eq!(bits(resumed.model()), bits(whole.model()));
        whole
    };
    let narrow = resume(Precision::Bf16);
    let whole = resume(Precision::F32);
    assert_ne!(bits(narrow.model()), bits(whole.model()));

    // A checkpoint from before there was a choice is one in f32.
    let bytes = fs::read(&path).unwrap();
    let key = b",\\\"precision\\\":\\\"f32\\\"";
    let place = bytes.windows(key.len()).position(|part| part == key).unwrap();
    let mut old = bytes.clone();
    old.splice(place..place + key.len(), []);
    // The header keeps its length: spaces behind it are allowed.
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    old.splice(header - key.len()..header - key.len(), vec![b' '; key.len()]);
    fs::write(&path, &old).unwrap();
    assert_eq!(Trainer::resume(&path, 1, None).unwrap().options().precision, Precision::F32);

    for len in (0..bytes.len()).step_by(97) {
        fs::write(&path, &bytes[..len]).unwrap();
        assert!(matches!(Trainer::resume(&path, 1, None), Err(CheckpointError::File(_))), "{len}");
    }
    let mut broken = bytes.clone();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &broken).unwrap();
    let message = Trainer::resume(&path, 1, None).unwrap_err().to_string();
    assert!(message.contains("\"adam.square\" holds NaN"), "{message}");
    whole.model().save(&path).unwrap();
    let message = Trainer::resume(&path, 1, None).unwrap_err().to_string();
    assert!(message.contains("is a model, not a checkpoint"), "{message}");
    fs::write(&path, &bytes).unwrap();
    let message = Lstm::load(&path).unwrap_err().to_string();
    assert!(message.contains("\"adam."), "{message}");
}

/// The file of a training with these words for its JSON, whatever the length.
fn with_training(bytes: &[u8], change: &dyn Fn(&mut serde_json::Value)) -> Vec<u8> {
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let place = &mut json["__metadata__"]["diapason.training"];
    let mut training = serde_json::from_str(place.as_str().unwrap()).unwrap();
    change(&mut training);
    *place = training.to_string().into();
    let json = json.to_string().into_bytes();
    [&(json.len() as u64).to_le_bytes()[..], &json, &bytes[header..]].concat()
}

#[test]
fn every_optimiser_resumes_to_the_bit_and_old_checkpoints_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let sgd = |momentum, dampening, nesterov| Optimizer::Sgd { momentum, dampening, nesterov };
    let all = [Optimizer::ADAM, Optimizer::SGD, sgd(0.9, 0.5, false), sgd(0.9, 0.0, true), Optimizer::ADAM_W];
    for optimizer in all {
        let options = TrainOptions { optimizer, ..options() };
        let mut whole = Trainer::new(Lstm::new(SPEC, 1).unwrap(), options).unwrap();
        train(&mut whole, 0..3);
        whole.save(&path).unwrap();
        let mut resumed = Trainer::resume(&path, 1, None).unwrap();
        assert_eq!((resumed.steps(), resumed.options().optimizer), (3, optimizer));
        assert_eq!(train(&mut resumed, 3..6), train(&mut whole, 3..6), "{optimizer:?}");
        assert_eq!(bits(resumed.model()), bits(whole.model()), "{optimizer:?}");
    }
    // What the first version wrote, of the training that is in the file now.
    let bytes = fs::read(&path).unwrap();
    let old = with_training(&bytes, &|training| {
        *training = serde_json::from_str(
            r#"{"options":{"learning_rate":0.005,"beta1":0.9,"beta2":0.999,"epsilon":1e-8,"weight_decay":0.0001,
            "clip_norm":1.0,"loss":"mse","dropout":0.2,"seed":3,
            "schedule":{"cosine":{"warmup_steps":2,"total_steps":20,"floor":0.1}},"precision":"f32"},"steps":3}"#,
        )
        .unwrap();
    });
    let whole = Trainer::resume(&path, 1, None).unwrap();
    fs::write(&path, &old).unwrap();
    let resumed = Trainer::resume(&path, 1, None).unwrap();
    assert_eq!((resumed.options(), resumed.steps()), (whole.options(), 3));
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        fs::write(&path, with_training(&bytes, change)).unwrap();
        Trainer::resume(&path, 1, None).unwrap_err().to_string()
    };
    let message = refused(&|training| training["version"] = 3.into());
    assert!(
        message.contains("is a checkpoint of version 3; this program reads versions 1 to 2"),
        "{message}"
    );
    let message = refused(&|training| training["options"]["optimizer"] = "lion".into());
    assert!(message.contains("unknown variant `lion`"), "{message}");
    let message = refused(&|training| training["options"]["optimizer"] = serde_json::json!(Optimizer::SGD));
    assert!(message.contains("has a tensor \"adam."), "{message}");
}

/// A long series in segments of any length, and with its early steps only carried on.
#[test]
fn a_series_in_segments_has_the_bits_of_the_whole_and_its_gradient_ends_at_the_border() {
    let (x, y) = batch(41, 23, 6);
    for precision in Precision::TRAINING {
        for threads in [1, 3] {
            let trainer = |truncation| {
                let options = TrainOptions { truncation, precision, threads, ..options() };
                Trainer::new(Lstm::new(SPEC, 2).unwrap(), options).unwrap()
            };
            let whole = trainer(None).evaluate(x.view(), y.view()).unwrap();
            for steps in [1, 4, 22, 23, 100] {
                let mut cut = trainer(Some(steps));
                assert_eq!(cut.evaluate(x.view(), y.view()).unwrap(), whole, "{precision}, {steps}");
                let gradient = bits_of(cut.gradients(x.view(), y.view()).unwrap().1);
                // Without dropout the same as a segment of that length after all others.
                let plain = TrainOptions { dropout: 0.0, ..cut.options().clone() };
                let mut cut = Trainer::new(Lstm::new(SPEC, 2).unwrap(), plain.clone()).unwrap();
                let wanted = bits_of(cut.gradients(x.view(), y.view()).unwrap().1);
                let border = 23 - steps.min(23);
                let mut parts =
                    Trainer::new(Lstm::new(SPEC, 2).unwrap(), TrainOptions { truncation: None, ..plain })
                        .unwrap();
                let got = if border > 0 {
                    let mut states = States::zeros(SPEC, 41);
                    parts.evaluate_from(x.slice(s![.., ..border, ..]), y.view(), &mut states).unwrap();
                    parts.gradients_from(x.slice(s![.., border.., ..]), y.view(), &mut states)
                } else {
                    parts.gradients(x.view(), y.view())
                };
                let got = bits_of(got.unwrap().1);
                assert!(got == wanted, "{precision}, {steps}, {threads} threads");
                // Dropout knows a value by its place in the window, not in the segment.
                if steps >= 23 {
                    assert!(gradient == bits_of(trainer(None).gradients(x.view(), y.view()).unwrap().1));
                }
            }
        }
    }
}

fn bits_of(gradient: &Weights<f32>) -> Vec<u32> {
    gradient.values.iter().map(|g| g.to_bits()).collect()
}

#[test]
fn states_that_do_not_fit_are_named_and_stay_as_they_were() {
    let (x, y) = batch(3, 4, 0);
    let mut trainer = Trainer::new(Lstm::new(SPEC, 1).unwrap(), options()).unwrap();
    let mut states = States::zeros(SPEC, 2);
    let message = trainer.step_from(x.view(), y.view(), &mut states).unwrap_err().to_string();
    assert_eq!(
        message,
        "the hidden states have shape [2, 2, 20], not [2, 3, 20], which is [layers, batch, hidden]"
    );
    let mut states = States::zeros(SPEC, 3);
    states.c[[1, 2, 5]] = f32::INFINITY;
    let before = states.clone();
    let message = trainer.step_from(x.view(), y.view(), &mut states).unwrap_err().to_string();
    assert_eq!(message, "the cell state of layer 1, window 2, unit 5 is inf");
    states.c[[1, 2, 5]] = 0.0;
    let far = y.mapv(|_| 1e30);
    trainer.step_from(x.view(), far.view(), &mut states).unwrap_err();
    assert_eq!((states.c[[1, 2, 5]], &states.h, trainer.steps()), (0.0, &before.h, 0));
    trainer.step_from(x.view(), y.view(), &mut states).unwrap();
    assert_ne!(states.h, before.h);
}

#[test]
fn a_batch_of_other_sizes_between_steps_changes_nothing() {
    let plain = TrainOptions { dropout: 0.0, ..options() };
    let run = |others: bool| {
        let mut trainer = Trainer::new(Lstm::new(SPEC, 2).unwrap(), plain.clone()).unwrap();
        for step in 0..4 {
            let (x, y) = batch(41, 6, step);
            trainer.step(x.view(), y.view()).unwrap();
            if others {
                for (rows, time) in [(1, 1), (300, 2), (9, 14)] {
                    let (x, y) = batch(rows, time, 99);
                    trainer.evaluate(x.view(), y.view()).unwrap();
                    trainer.gradients(x.view(), y.view()).unwrap();
                }
            }
        }
        bits(trainer.model())
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn it_learns() {
    for precision in Precision::TRAINING {
        let options = TrainOptions { learning_rate: 1e-2, precision, ..TrainOptions::default() };
        let mut trainer = Trainer::new(Lstm::new(SPEC, 1).unwrap(), options).unwrap();
        let (x, y) = batch(128, 6, 1000);
        let before = trainer.evaluate(x.view(), y.view()).unwrap();
        for step in 0..200 {
            let (x, y) = batch(128, 6, step);
            trainer.step(x.view(), y.view()).unwrap();
        }
        let after = trainer.evaluate(x.view(), y.view()).unwrap();
        assert!(after < 0.1 * before, "{precision}: {before} to {after}");
    }
}

/// The gradient with dropout, against differences of the loss along the gradient itself.
#[test]
fn the_gradient_with_dropout_is_the_slope_of_the_loss() {
    let options = TrainOptions { dropout: 0.4, seed: 8, ..TrainOptions::default() };
    let (x, y) = batch(33, 7, 5);
    let model = Lstm::new(SPEC, 4).unwrap();
    let mut trainer = Trainer::new(model.clone(), options.clone()).unwrap();
    let (_, gradient) = trainer.gradients(x.view(), y.view()).unwrap();
    let square: f64 = gradient.values.iter().map(|&g| f64::from(g).powi(2)).sum();
    let loss_at = |t: f32| {
        let values = model.weights().values.iter().zip(&gradient.values).map(|(w, g)| w + t * g).collect();
        let moved = Lstm::from_weights(Weights { spec: SPEC, values }).unwrap();
        Trainer::new(moved, options.clone()).unwrap().gradients(x.view(), y.view()).unwrap().0
    };
    let t = 0.02;
    let slope = (loss_at(t) - loss_at(-t)) / (2.0 * f64::from(t));
    assert!((slope / square - 1.0).abs() < 1e-3, "{slope} {square}");
    let plain = Trainer::new(model.clone(), options.clone()).unwrap().evaluate(x.view(), y.view()).unwrap();
    assert!((plain - loss_at(0.0)).abs() > 1e-6, "dropout does something");
}

#[test]
fn what_is_not_finite_is_named_and_changes_no_weight() {
    let (mut x, mut y) = batch(40, 5, 1);
    let model = Lstm::new(SPEC, 1).unwrap();
    let mut trainer = Trainer::new(model.clone(), options()).unwrap();
    y[[7, 1]] = f32::NAN;
    let message = trainer.step(x.view(), y.view()).unwrap_err().to_string();
    assert_eq!(message, "target 1 of window 7 is NaN");
    x[[39, 4, 3]] = f32::NEG_INFINITY;
    x[[6, 1, 2]] = f32::NAN;
    let message = trainer.step(x.view(), y.view()).unwrap_err().to_string();
    assert_eq!(message, "window 6, time 1, feature 2 is NaN");
    assert_eq!((trainer.steps(), trainer.model()), (0, &model));

    // Squares of targets beyond f32, then gradients whose squares are.
    let (x, y) = batch(1, 5, 1);
    let message = trainer.step(x.view(), y.mapv(|_| 1e30).view()).unwrap_err().to_string();
    assert!(message.starts_with("the loss is inf in step 0"), "{message}");
    let message = trainer.step(x.view(), y.mapv(|_| 1.3e19).view()).unwrap_err().to_string();
    assert!(message.contains("\"fc.bias\" reaches 1") && message.contains("in step 0"), "{message}");
    assert_eq!((trainer.steps(), trainer.model()), (0, &model));
}

#[test]
fn options_and_shapes_are_checked() {
    let model = || Lstm::new(SPEC, 1).unwrap();
    let refused = |options: TrainOptions| Trainer::new(model(), options).unwrap_err().to_string();
    assert_eq!(
        refused(TrainOptions { learning_rate: 0.0, ..options() }),
        "learning_rate is 0; it must be above 0 and at most 1"
    );
    assert_eq!(
        refused(TrainOptions {
            optimizer: Optimizer::Adam { beta1: 0.9, beta2: 1.0, epsilon: 1e-8 },
            ..options()
        }),
        "beta2 is 1; it must be at least 0 and below 1"
    );
    assert_eq!(
        refused(TrainOptions { threads: 1025, ..options() }),
        "threads is 1025; it must be at most 1024, or 0 for one for each core"
    );
    assert_eq!(
        refused(TrainOptions { precision: Precision::Int8, ..options() }),
        "there is no training in int8; train in f32 or bf16, and compile for int8"
    );
    assert_eq!(
        refused(TrainOptions { truncation: Some(0), ..options() }),
        "truncation is 0; it must be at least 1 step"
    );
    let sgd = |momentum, dampening, nesterov| {
        refused(TrainOptions { optimizer: Optimizer::Sgd { momentum, dampening, nesterov }, ..options() })
    };
    assert_eq!(sgd(1.0, 0.0, false), "momentum is 1; it must be at least 0 and below 1");
    assert_eq!(sgd(0.0, 0.0, true), "momentum is 0; it must be above 0 with nesterov");
    assert_eq!(sgd(0.9, 0.5, true), "dampening is 0.5; it must be 0 with nesterov");
    assert!(refused(TrainOptions { dropout: f32::NAN, ..options() }).starts_with("dropout is NaN"));
    assert!(refused(TrainOptions { clip_norm: Some(-1.0), ..options() }).starts_with("clip_norm is -1"));
    assert!(
        refused(TrainOptions { loss: Loss::Huber { delta: 0.0 }, ..options() }).starts_with("huber delta")
    );
    let message = refused(TrainOptions { loss: Loss::BinaryCrossEntropy, ..options() });
    assert_eq!(message, "the loss BinaryCrossEntropy does not fit a Linear head");
    let mut trainer = Trainer::new(model(), options()).unwrap();
    let (x, y) = batch(3, 4, 0);
    let error = trainer.step(x.view(), Array2::zeros((3, 1)).view()).unwrap_err();
    assert!(matches!(error, TrainError::Shape { windows: [3, 4, 5], targets: [3, 1], input: 5, output: 2 }));
    assert!(trainer.step(Array3::zeros((3, 0, 5)).view(), y.view()).is_err());
    assert!(trainer.step(Array3::zeros((0, 4, 5)).view(), Array2::zeros((0, 2)).view()).is_err());
    trainer.step(x.view(), y.view()).unwrap();
}

#[test]
fn a_step_that_would_leave_f32_is_refused_and_changes_nothing() {
    // Without memory of squares, a gradient of zero after a large one divides the mean by epsilon alone.
    let optimizer = Optimizer::AdamW { beta1: 0.9, beta2: 0.0, epsilon: 1e-40 };
    let options = TrainOptions { optimizer, learning_rate: 1.0, ..TrainOptions::default() };
    let spec = Spec { input: 1, hidden: 1, layers: 1, output: 1, head: Head::Linear };
    let mut trainer = Trainer::new(Lstm::new(spec, 1).unwrap(), options).unwrap();
    let x = Array3::from_elem((1, 1, 1), 0.5);
    trainer.step(x.view(), Array2::from_elem((1, 1), 3.0).view()).unwrap();
    let model = trainer.model().clone();
    let mut executable = model.compile(&Default::default()).unwrap();
    let mut exact = Array2::zeros((1, 1));
    executable.predict(x.view(), exact.view_mut()).unwrap();
    let error = trainer.step(x.view(), exact.view()).unwrap_err();
    assert!(matches!(error, TrainError::Weight { step: 1, .. }), "{error}");
    assert!(error.to_string().contains("raise epsilon"), "{error}");
    assert_eq!((trainer.steps(), trainer.model()), (1, &model));
}

#[test]
fn a_checkpoint_with_a_state_that_no_training_reaches_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut trainer = Trainer::new(Lstm::new(SPEC, 1).unwrap(), options()).unwrap();
    train(&mut trainer, 0..1);
    trainer.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut negative = bytes.clone();
    let end = negative.len();
    negative[end - 4..].copy_from_slice(&(-1.0f32).to_le_bytes());
    fs::write(&path, &negative).unwrap();
    let message = Trainer::resume(&path, 1, None).unwrap_err().to_string();
    assert!(message.contains("\"adam.square\" holds -1 at element"), "{message}");

    let mut header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let text = String::from_utf8(bytes[8..8 + header as usize].to_vec()).unwrap();
    let changed = text.replace("\\\"steps\\\":1", &format!("\\\"steps\\\":{}", u64::MAX));
    assert_ne!(text, changed);
    header = changed.len() as u64;
    let mut many = header.to_le_bytes().to_vec();
    many.extend(changed.as_bytes());
    many.extend(&bytes[8 + text.len()..]);
    fs::write(&path, &many).unwrap();
    let message = Trainer::resume(&path, 1, None).unwrap_err().to_string();
    assert!(message.contains("18446744073709551615 steps are more than"), "{message}");
}
