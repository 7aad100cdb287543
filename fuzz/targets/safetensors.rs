#![no_main]

use diapason_kernels::fuzz::safetensors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| safetensors(bytes));
