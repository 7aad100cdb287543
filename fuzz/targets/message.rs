#![no_main]

use diapason_daemon::fuzz::message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| message(bytes));
