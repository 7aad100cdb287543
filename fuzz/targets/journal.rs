#![no_main]

use diapason_daemon::fuzz::journal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| journal(bytes));
