//! Every exam and every measurement of every device that this build knows, as one JSON on standard output.
//!
//! `cargo build --release -p diapason-kernels --features wgpu,cuda --example gpu_selftest` makes one binary that needs no
//! toolchain where it runs: NVIDIA's driver and NVRTC for CUDA (or the machine code of an earlier run in
//! `~/.cache/diapason/cuda`), a Vulkan driver for wgpu. Arguments name the kinds of device; without any, all are tried. The exit
//! code is 0 when every exam that could be sat was passed.

#![expect(clippy::print_stdout, reason = "the report is what the program is for")]
#![expect(clippy::print_stderr, reason = "what is being done, for who waits")]

use std::process::ExitCode;

use diapason_kernels::device::{Kind, selftest};

fn main() -> ExitCode {
    let mut kinds = Vec::new();
    for name in std::env::args().skip(1) {
        match name.parse::<Kind>() {
            Ok(kind) => kinds.push(kind),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(2);
            }
        }
    }
    let kinds = if kinds.is_empty() { Kind::ALL.to_vec() } else { kinds };
    let report = selftest::run(&kinds, |what| eprintln!("{what}"));
    match serde_json::to_string_pretty(&report) {
        Ok(text) => println!("{text}"),
        Err(error) => {
            eprintln!("the report cannot be written: {error}");
            return ExitCode::FAILURE;
        }
    }
    if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
