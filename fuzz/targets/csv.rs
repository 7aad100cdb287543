#![no_main]

use diapason_loader::fuzz::csv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| csv(bytes));
