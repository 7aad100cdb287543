//! What a fuzzer may throw at the kernels: the readers of model files.
//!
//! Only compiled for tests and under `cfg(fuzzing)`, which `make fuzz` sets; the targets in `fuzz/` are one call each.
//! A function here panics where a reader breaks a promise. The tests below throw damaged models at the same functions,
//! so that a machine without a fuzzer tries them too.

use std::path::Path;

use ndarray::Array3;

use crate::lstm::network::{self, Inputs};
use crate::lstm::onnx::{self, Given};
use crate::lstm::{CompileOptions, Network};

/// An ONNX model: what is read can be run, and written or refused.
pub fn onnx(bytes: &[u8]) {
    if let Ok(model) = onnx::decode(bytes, None, &Given::new()) {
        let again = onnx::encode(&model.stack, &model.metadata, onnx::OPSET);
        if let Ok(bytes) = again {
            onnx::decode(&bytes, None, &Given::new()).unwrap_or_else(|error| unreadable(&error));
        }
        run(&Network::from_onnx(model));
    }
}

/// A safetensors model.
pub fn safetensors(bytes: &[u8]) {
    if let Ok(network) = network::decode(Path::new("model"), bytes) {
        let again = network.encode().map(|bytes| network::decode(Path::new("again"), &bytes));
        match again {
            Ok(Ok(again)) => assert_eq!(again.stack(), network.stack()),
            Ok(Err(error)) => unreadable(&error),
            // Its strings may be reserved ones.
            Err(_) => {}
        }
        run(&network);
    }
}

#[expect(clippy::panic, reason = "a fuzzer looks for panics")]
fn unreadable(error: &dyn std::error::Error) -> ! {
    panic!("what was written cannot be read: {error}")
}

/// Three steps of a small model.
fn run(network: &Network) {
    let stack = network.stack();
    if stack.parameters() > 4096 || stack.widths().iter().any(|&width| width > 4096) {
        return;
    }
    if let Ok(executable) = network.compile(&CompileOptions { threads: 1, ..CompileOptions::default() }) {
        let windows = Array3::from_elem((2, 3, stack.input), 0.5);
        let _ = executable.run(windows.view(), Inputs { lengths: Some(&[3, 1]), states: None });
    }
}

/// What takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const ALL: &[(&str, Target)] = &[("onnx", onnx), ("safetensors", safetensors)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    /// The seeds, cut short, with flipped bits, and with parts of them elsewhere.
    #[test]
    fn damaged_seeds_break_no_promise() {
        for (name, target) in ALL {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
            let mut seeds = 0;
            for entry in std::fs::read_dir(&folder).unwrap() {
                let seed = std::fs::read(entry.unwrap().path()).unwrap();
                seeds += 1;
                target(&seed);
                for turn in 0..3000 {
                    let at = |k: u64, len: usize| (random::bits(turn, k) as usize) % len.max(1);
                    let mut bytes = seed.clone();
                    match turn % 4 {
                        0 => bytes.truncate(at(0, seed.len())),
                        1 => bytes[at(0, seed.len())] ^= 1 << at(1, 8),
                        2 => (0..4).for_each(|k| bytes[at(k, seed.len())] = at(k + 9, 256) as u8),
                        _ => {
                            let (from, to, len) = (at(0, seed.len()), at(1, seed.len()), at(2, 32));
                            let part = seed[from..(from + len).min(seed.len())].to_vec();
                            bytes.splice(to..to, part);
                        }
                    }
                    target(&bytes);
                }
            }
            assert!(seeds > 0, "no seeds in {}", folder.display());
        }
    }
}
