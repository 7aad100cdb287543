#![no_main]

use diapason_daemon::fuzz::cpus;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cpus(bytes));
