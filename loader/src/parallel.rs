//! Jobs on several threads: each is taken once, in order, and the outcome is that of one thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The threads that `asked` means: 0 is as many as there are processors.
pub(crate) fn threads(asked: usize) -> usize {
    match asked {
        0 => thread::available_parallelism().map_or(1, usize::from),
        asked => asked,
    }
}

/// Runs every job on up to `threads` threads, each with a state of its own, and returns the results in the order of the
/// jobs, or the error of the first job that has one.
///
/// Jobs are handed out in order, and none after an error; so every job before the first failing one has run.
pub(crate) fn run<J: Send, S, R: Send, E: Send>(
    threads: usize,
    jobs: impl Iterator<Item = J> + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let (queue, done) = (Mutex::new(jobs.enumerate()), Mutex::new(Vec::new()));
    let failed = AtomicBool::new(false);
    let one = || {
        let mut state = state();
        while !failed.load(Ordering::Relaxed) {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, job)) = next else { break };
            let outcome = work(&mut state, job);
            failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, outcome));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(one);
        }
        one();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_on_one_thread(threads in 1usize..6, jobs in proptest::collection::vec(0u32..50, 0..60)) {
            let work = |seen: &mut usize, job: u32| {
                *seen += 1;
                if job == 7 { Err(*seen) } else { Ok(job * 2) }
            };
            let found = run(threads, jobs.iter().copied().enumerate(), || 0, |seen, (at, job)| {
                work(seen, job).map_err(|_| at)
            });
            match jobs.iter().position(|&job| job == 7) {
                Some(first) => prop_assert_eq!(found, Err(first)),
                None => prop_assert_eq!(found, Ok(jobs.iter().map(|job| job * 2).collect::<Vec<_>>())),
            }
        }
    }
}
