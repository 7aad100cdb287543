#![no_main]

use diapason_kernels::fuzz::onnx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| onnx(bytes));
