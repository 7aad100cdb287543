//! The threads among which a batch is divided.
//!
//! They are started once and wait between calls; a call costs a few microseconds and some small allocations. The
//! caller's own thread is one of them: where one is asked for, nothing is started, woken or allocated.
//!
//! The threads of a stream are its own, and pinned; here is how.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
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

/// The calling thread, to the calls below.
const SELF: Pid = Pid::from_raw(0);

/// Binds the calling thread to one core.
pub(super) fn pin(core: usize) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(SELF, &set)
}

/// The core to which the calling thread is bound, where it is one.
pub(super) fn pinned_to() -> Option<usize> {
    let set = sched_getaffinity(SELF).ok()?;
    let mut cores = (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false));
    let core = cores.next()?;
    cores.next().is_none().then_some(core)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_thread_is_pinned_where_it_asks_to_be() {
        let first = (0..CpuSet::count()).find(|&core| sched_getaffinity(SELF).unwrap().is_set(core).unwrap());
        let core = first.unwrap();
        std::thread::spawn(move || {
            pin(core).unwrap();
            assert_eq!(pinned_to(), Some(core));
            for nowhere in [CpuSet::count() - 1, CpuSet::count()] {
                assert_eq!(pin(nowhere), Err(Errno::EINVAL));
            }
        })
        .join()
        .unwrap();
    }

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
