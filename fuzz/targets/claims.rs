#![no_main]

use diapason_daemon::fuzz::claims;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| claims(bytes));
