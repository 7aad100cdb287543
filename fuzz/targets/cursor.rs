#![no_main]

use diapason_loader::fuzz::cursor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cursor(bytes));
