#![no_main]

use diapason_loader::fuzz::codecs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| codecs(bytes));
