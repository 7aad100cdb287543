//! A tuning changes no bit, is found, saved and taken up again, and is refused where it does not belong.

use std::fs;

use diapason_kernels::Isa;
use diapason_kernels::lstm::{
    CompileError, CompileOptions, Head, Lstm, Precision, Spec, Tuned, Tuning, TuningError,
};
use diapason_kernels::random;
use ndarray::{Array2, Array3};

const SPEC: Spec = Spec { input: 5, hidden: 20, layers: 2, output: 2, head: Head::Linear };

fn options() -> CompileOptions {
    CompileOptions { threads: 2, ..CompileOptions::default() }
}

#[test]
fn any_tuning_gives_the_same_bits() {
    let model = Lstm::new(SPEC, 1).unwrap();
    let mut index = 0;
    let x = Array3::from_shape_simple_fn((131, 37, SPEC.input), || {
        index += 1;
        random::unit(1, index) - 0.5
    });
    for precision in Precision::ALL {
        let predict = |tuning| {
            let mut executable = model.compile(&CompileOptions { tuning, precision, ..options() }).unwrap();
            let mut out = Array2::zeros((131, 2));
            executable.predict(x.view(), out.view_mut()).unwrap();
            out.iter().map(|x: &f32| x.to_bits()).collect::<Vec<_>>()
        };
        let wanted = predict(None);
        for block in [1, 7, 12, 96] {
            for chunk_bytes in [16 << 10, 64 << 10, 4 << 20] {
                let tuning = Tuning { block, chunk_bytes, threads: 1 };
                assert_eq!(predict(Some(tuning)), wanted, "{precision}, {tuning:?}");
            }
        }
    }
}

#[test]
fn a_tuning_is_found_saved_and_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuning.json");
    let model = Lstm::new(SPEC, 1).unwrap();
    let tuned = model.tune(&options(), 40, 9).unwrap();
    assert_eq!(tuned.tuning.fault(), None);
    assert_eq!(tuned.tuning.threads, 2, "a number that was given stays");
    assert!(tuned.seconds[0] <= tuned.seconds[1]);
    tuned.save(&path).unwrap();
    let loaded = Tuned::load(&path, &model, &options()).unwrap();
    assert_eq!(loaded, tuned);
    let executable = model.compile(&CompileOptions { tuning: Some(loaded.tuning), ..options() }).unwrap();
    assert!(executable.explain().contains(&format!("up to {} windows a block", loaded.tuning.block)));
    assert!(matches!(model.tune(&options(), 0, 9), Err(TuningError::Empty { batch: 0, time: 9 })));
}

#[test]
fn a_tuning_from_elsewhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuning.json");
    let model = Lstm::new(SPEC, 1).unwrap();
    let tuned = model.tune(&options(), 3, 2).unwrap();
    let refused = |tuned: &Tuned, model: &Lstm, options: &CompileOptions| {
        tuned.save(&path).unwrap();
        Tuned::load(&path, model, options).unwrap_err().to_string()
    };
    let elsewhere = Tuned { host: "Another processor, 64 cores".to_owned(), ..tuned.clone() };
    let message = refused(&elsewhere, &model, &options());
    assert!(message.contains("was tuned for host \"Another processor, 64 cores\", not"), "{message}");
    let larger = Lstm::new(Spec { hidden: 21, ..SPEC }, 1).unwrap();
    let message = refused(&tuned, &larger, &options());
    assert!(message.contains("was tuned for model \"5 inputs, 2 x 20 units"), "{message}");
    let message = refused(&tuned, &model, &CompileOptions { precision: Precision::Int8, ..options() });
    assert!(message.contains("was tuned for precision \"f32\", not \"int8\"; tune again"), "{message}");
    if Isa::choose(None).unwrap() != Isa::Scalar {
        let message = refused(&tuned, &model, &CompileOptions { isa: Some(Isa::Scalar), ..options() });
        assert!(message.contains("was tuned for instruction set"), "{message}");
    }
    let zero = Tuned { tuning: Tuning { block: 0, ..tuned.tuning }, ..tuned.clone() };
    let message = refused(&zero, &model, &options());
    assert!(message.ends_with("block is 0, not 1 to 96; tune again"), "{message}");
    let error = model.compile(&CompileOptions { tuning: Some(zero.tuning), ..options() }).unwrap_err();
    assert!(matches!(error, CompileError::Tuning { name: "block", value: 0, .. }), "{error}");

    tuned.save(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for broken in ["", "{}", &text[..text.len() / 2], &text.replace("\"block\"", "\"blocks\"")] {
        fs::write(&path, broken).unwrap();
        let error = Tuned::load(&path, &model, &options()).unwrap_err();
        assert!(matches!(error, TuningError::Format { .. }), "{error}");
    }
    fs::write(&path, " ".repeat(1 << 17)).unwrap();
    let error = Tuned::load(&path, &model, &options()).unwrap_err();
    assert!(error.to_string().contains("131072 bytes are more than"), "{error}");
    let error = Tuned::load(&folder.path().join("none"), &model, &options()).unwrap_err();
    assert!(matches!(error, TuningError::Read { .. }), "{error}");
}
