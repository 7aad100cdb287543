//! The threads among which a batch is divided.
//!
//! They are started once and wait between calls; a call costs a few microseconds and two small allocations. Where one
//! thread is asked for, the caller's own does the work and neither is spent.

use rayon_core::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// The number of threads meant by an option: 0 is one for each core that this process may use.
pub(super) fn threads(option: usize) -> usize {
    match option {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// A pool of `threads` threads, or none where the caller's own thread is enough.
pub(super) fn pool(threads: usize) -> Result<Option<ThreadPool>, ThreadPoolBuildError> {
    if threads == 1 {
        return Ok(None);
    }
    let name = |index| format!("diapason-{index}");
    ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().map(Some)
}

/// Runs `work(thread)` on every thread of the pool, or once on the caller's.
pub(super) fn on_each(pool: Option<&ThreadPool>, work: impl Fn(usize) + Sync) {
    match pool {
        None => work(0),
        Some(pool) => {
            pool.broadcast(|context| work(context.index()));
        }
    }
}
