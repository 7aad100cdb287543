#![no_main]

use diapason_daemon::fuzz::profile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| profile(bytes));
