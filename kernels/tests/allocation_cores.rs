//! A stream on several cores allocates nothing in any of its threads.
//!
//! The allocator counts for the whole process, so this test is alone in its program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use diapason_kernels::lstm::{CompileOptions, Head, Lstm, Precision, Spec, StreamOptions, Wait};
use diapason_tests::Need;
use diapason_tests::need::met;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_stream_on_several_cores_never_allocates() {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let second = (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap()).nth(1);
    if !met(Need::Cores, second.is_none().then(|| "there is one".to_owned())) {
        return;
    }
    let cores = vec![second.unwrap()];
    let before = COUNT.load(Ordering::Relaxed);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 2, "the counter counts");
    let spec = Spec { input: 12, hidden: 40, layers: 2, output: 3, head: Head::Softmax };
    for precision in Precision::ALL {
        let options = CompileOptions { threads: 1, precision, ..CompileOptions::default() };
        let executable = Lstm::new(spec, 0).unwrap().compile(&options).unwrap();
        for (window, wait) in [(None, Wait::Spin), (Some(9), Wait::Park)] {
            let options = StreamOptions { instances: 3, window, ahead: true, cores: cores.clone(), wait };
            let mut stream = executable.stream(&options).unwrap();
            let mut ticks = |from: usize| {
                for tick in from..from + 60 {
                    let row = [tick as f32 * 0.01; 12];
                    stream.push(tick % 3, &row).unwrap();
                    stream.push(tick % 3, &[f32::NAN; 12]).unwrap_err();
                    stream.prepare((tick + tick / 20) % 3).unwrap();
                }
                stream.reset(1).unwrap();
            };
            // A thread that sleeps for the first time may be given its place to sleep at.
            ticks(0);
            let before = COUNT.load(Ordering::Relaxed);
            ticks(60);
            let count = COUNT.load(Ordering::Relaxed) - before;
            assert_eq!(count, 0, "{precision}, window {window:?}, {wait:?}");
        }
    }
}
