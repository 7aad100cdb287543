#![no_main]

use diapason_daemon::fuzz::uevent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| uevent(bytes));
