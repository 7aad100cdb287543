//! The threads among which a batch is divided.
//!
//! They are started once and wait between calls; a call costs a few microseconds and some small allocations. The
//! caller's own thread is one of them: where one is asked for, nothing is started, woken or allocated.

use rayon_core::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Most threads that an option may ask for: several for each core of any machine, few enough that a slip of the
/// keyboard takes no memory.
pub(super) const THREADS_MAX: usize = 1024;

/// The number of threads meant by an option, which was checked: 0 is one for each core that this process may use.
pub(super) fn threads(option: usize) -> usize {
    match option {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX),
        threads => threads,
    }
}

/// The threads beside the caller's own, where more than one is asked for.
pub(super) fn pool(threads: usize) -> Result<Option<ThreadPool>, ThreadPoolBuildError> {
    let Some(others) = threads.checked_sub(1).filter(|&others| others > 0) else { return Ok(None) };
    let name = |index| format!("diapason-{}", index + 1);
    ThreadPoolBuilder::new().num_threads(others).thread_name(name).build().map(Some)
}

/// Runs `work(thread)` on the caller's thread, which is number 0, and on every thread of the pool.
pub(super) fn on_each(pool: Option<&ThreadPool>, work: impl Fn(usize) + Sync) {
    let Some(pool) = pool else { return work(0) };
    pool.in_place_scope(|scope| {
        scope.spawn_broadcast(|_, context| work(context.index() + 1));
        work(0);
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_thread_works_once() {
        for count in [1, 2, 5] {
            let pool = pool(count).unwrap();
            for _ in 0..50 {
                let seen = Mutex::new(vec![0; threads(count)]);
                on_each(pool.as_ref(), |thread| seen.lock().unwrap()[thread] += 1);
                assert_eq!(seen.into_inner().unwrap(), vec![1; count]);
            }
        }
    }
}
