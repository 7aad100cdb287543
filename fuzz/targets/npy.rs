#![no_main]

use diapason_loader::fuzz::npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| npy(bytes));
