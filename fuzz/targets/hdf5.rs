#![no_main]

use diapason_loader::fuzz::hdf5;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hdf5(bytes));
