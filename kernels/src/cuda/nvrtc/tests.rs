use diapason_tests::{Need, need};

use super::*;
use crate::cuda::shape::{self, Layer, Machine};
use crate::cuda::source;
use crate::cuda::train::kernels_of_training;
use crate::gpu::Precision;
use crate::lstm::{Head, Loss, Optimizer, Spec, TrainOptions};

/// Each architecture that is promised, with the shared memory of a block and the multiprocessors of one of its devices.
const ARCHITECTURES: [(&str, Machine); 5] = [
    ("sm_75", Machine { capability: 75, shared_bytes: 65_536, processors: 40 }),
    ("sm_80", Machine { capability: 80, shared_bytes: 166_912, processors: 108 }),
    ("sm_89", Machine { capability: 89, shared_bytes: 101_376, processors: 142 }),
    ("sm_90a", Machine { capability: 90, shared_bytes: 232_448, processors: 132 }),
    ("sm_100", Machine { capability: 100, shared_bytes: 232_448, processors: 148 }),
];

/// Windows in flight.
const ROWS: usize = 10_000;
/// Cuts that may be tried, each a few seconds of the compiler's; a device tries until one fits.
const TRIES: usize = 8;

fn nvrtc() -> Option<Nvrtc> {
    let nvrtc = Nvrtc::open();
    let lack = nvrtc.as_ref().err().map(ToString::to_string);
    need::met(Need::Nvrtc, lack).then(|| nvrtc.unwrap())
}

/// The kernel that a device of this kind would be given: fewer weights in registers until nothing spills.
fn half(
    nvrtc: &Nvrtc,
    (architecture, machine): (&str, Machine),
    layer: Layer,
    (precision, last): (Precision, bool),
) -> Kernel {
    let mut cut = shape::half(layer, machine, ROWS, precision).unwrap();
    for _ in 0..TRIES {
        let kernel = source::half(layer, &cut, precision, last);
        let compiled = nvrtc.compile(&kernel, architecture).unwrap();
        if Report::parse(&compiled.log).is_some_and(|report| report.stack_bytes == 0) {
            return kernel;
        }
        cut = cut.relaxed(layer, machine).unwrap();
    }
    panic!("{layer:?} spills on {architecture} after {TRIES} tries: {cut:?}");
}

fn kernels(nvrtc: &Nvrtc, architecture: &str, machine: Machine) -> Vec<Kernel> {
    let layer = |inputs, units| Layer { inputs, units };
    let half = |layer, precision, last| half(nvrtc, (architecture, machine), layer, (precision, last));
    let mut kernels = vec![
        half(layer(32, 128), Precision::F16, false),
        half(layer(128, 128), Precision::F16, true),
        half(layer(12, 33), Precision::F16, true),
        half(layer(256, 256), Precision::F16, true),
        source::dense(128, 1),
    ];
    if machine.capability >= 80 {
        kernels.push(half(layer(128, 128), Precision::Bf16, true));
    }
    kernels.extend(training(machine));
    for layer in [layer(32, 128), layer(5, 33), layer(300, 300)] {
        kernels.push(source::single(layer, &shape::single(layer, machine, ROWS).unwrap(), true));
    }
    kernels
}

/// The kernels of training: batches of a few windows for each multiprocessor, and of many.
fn training(machine: Machine) -> Vec<Kernel> {
    let spec = |input, hidden, layers, head| Spec { input, hidden, layers, output: 3, head };
    let cases = [
        (spec(32, 128, 2, Head::Linear), TrainOptions::default(), 128),
        (
            spec(20, 256, 2, Head::Softmax),
            TrainOptions { loss: Loss::CrossEntropy, optimizer: Optimizer::ADAM, ..TrainOptions::default() },
            100_000,
        ),
        (
            spec(5, 33, 1, Head::Sigmoid),
            TrainOptions { optimizer: Optimizer::SGD, ..TrainOptions::default() },
            1_000,
        ),
    ];
    let mut all: Vec<Kernel> = Vec::new();
    for (spec, options, rows) in cases {
        let (kernels, _) = kernels_of_training(&spec, &options, machine, rows).unwrap();
        let new = kernels.list.into_iter().map(|(kernel, _)| kernel);
        all.extend(new.filter(|kernel| !all.contains(kernel)).collect::<Vec<_>>());
    }
    all
}

#[test]
fn every_kernel_is_compiled_for_every_architecture_without_spills() {
    let Some(nvrtc) = nvrtc() else { return };
    println!("NVRTC {}", nvrtc.version());
    for (architecture, machine) in ARCHITECTURES {
        for kernel in kernels(&nvrtc, architecture, machine) {
            let place = format!("{} for {architecture} with {:?}", kernel.file, kernel.defines);
            let compiled = nvrtc.compile(&kernel, architecture).unwrap();
            let report = Report::parse(&compiled.log).unwrap_or_else(|| panic!("{place}: {}", compiled.log));
            println!("{place}: {report:?}, {} bytes of machine code", compiled.cubin.len());
            assert_eq!((report.spill_store_bytes, report.spill_load_bytes), (0, 0), "{place}");
            assert_eq!(report.stack_bytes, 0, "{place}");
            assert_eq!(&compiled.cubin[..4], b"\x7fELF", "{place}");
            let depth = if architecture == "sm_75" { "m16n8k8" } else { "m16n8k16" };
            let number = if kernel.defines.contains(&("BF16", 1)) { "bf16" } else { "f16" };
            let product = format!("mma.sync.aligned.{depth}.row.col.f32.{number}");
            assert_eq!(compiled.ptx.contains(&product), kernel.file == "lstm_layer_half.cu", "{place}");
            if kernel.file == "lstm_layer_f32.cu" {
                assert!(compiled.ptx.contains("fma.rn.f32"), "{place}");
            }
        }
    }
}

#[test]
fn a_kernel_that_is_wrong_is_refused_with_the_compilers_words() {
    let Some(nvrtc) = nvrtc() else { return };
    let text = "extern \"C\" __global__ void wrong() { nothing(); }".to_owned();
    let kernel = Kernel { file: "wrong.cu", text, function: "wrong", defines: vec![], fused: true };
    let error = nvrtc.compile(&kernel, "sm_80").unwrap_err().to_string();
    assert!(error.contains("refused wrong.cu for sm_80") && error.contains("nothing"), "{error}");
}
