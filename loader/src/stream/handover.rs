//! How the threads of a stream and its consumer share one schedule: a lock, and two conditions to wait for.
//!
//! Whoever changes the schedule wakes those who may have waited for that change: a worker that reports wakes workers and the
//! consumer, a consumer that takes or gives back wakes workers. `tests/handover.rs` compiles this file with loom's locks and
//! walks through the orders of execution: nobody waits for ever, and every block and slab comes back.

use std::time::Instant;

use super::schedule::{Decoded, Job, Output, Poll, Portion, Schedule};
use super::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use super::tally::Tally;
use crate::sampler::Mix;

/// A job that was done.
pub(super) enum Done<B, S, E> {
    Planned(Option<Mix>),
    Decoded { group: u64, number: usize, outcome: Decoded<B, E> },
    Assembled { batch: u64, portions: Vec<Portion<B>>, slab: S, outcome: Result<(), E> },
}

/// What the consumer gets.
pub(super) enum Next<T> {
    Output(T),
    End,
    /// The consumer holds all there is, so nothing will come.
    Held(usize),
}

/// A schedule that threads share.
pub(super) struct Handover<B, S, E> {
    state: Mutex<Schedule<B, S, E>>,
    /// Something can be done.
    jobs: Condvar,
    /// Something can be had.
    outputs: Condvar,
}

impl<B, S, E> Handover<B, S, E> {
    pub fn new(schedule: Schedule<B, S, E>) -> Self {
        Self { state: Mutex::new(schedule), jobs: Condvar::new(), outputs: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Schedule<B, S, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does jobs, without the lock, until the stream is over.
    pub fn work(&self, tally: &Tally, mut run: impl FnMut(Job<B, S>) -> Done<B, S, E>) {
        let mut state = self.lock();
        while !state.is_over() {
            let Some(job) = state.job() else {
                let idle = Instant::now();
                state = self.jobs.wait(state).unwrap_or_else(PoisonError::into_inner);
                tally.idle(idle.elapsed());
                continue;
            };
            drop(state);
            let done = run(job);
            state = self.lock();
            match done {
                Done::Planned(mix) => state.planned(mix),
                Done::Decoded { group, number, outcome } => state.decoded(group, number, outcome),
                Done::Assembled { batch, portions, slab, outcome } => {
                    state.assembled(batch, portions, slab, outcome);
                }
            }
            self.jobs.notify_all();
            self.outputs.notify_all();
        }
    }

    /// The next output, once it is there.
    pub fn next(&self, tally: &Tally) -> Next<Output<B, S, E>> {
        let mut state = self.lock();
        let mut waited: Option<Instant> = None;
        let next = loop {
            match state.poll() {
                Poll::Ready(output) => break Next::Output(output),
                Poll::End => break Next::End,
                Poll::Held(held) => break Next::Held(held),
                Poll::Wait => {
                    waited.get_or_insert_with(Instant::now);
                    state = self.outputs.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        tally.taken(state.waiting(), waited.map(|waited| waited.elapsed()));
        drop(state);
        // What was taken makes room; at the end the workers have to learn that it is over.
        self.jobs.notify_all();
        next
    }

    /// The consumer gives a slab back.
    pub fn returned(&self, slab: S) {
        self.lock().returned(slab);
        self.jobs.notify_all();
    }

    /// The consumer gives windows back.
    pub fn unreferenced(&self, portions: Vec<Portion<B>>) {
        self.lock().unreferenced(portions);
        self.jobs.notify_all();
    }

    /// Ends the stream; jobs that are under way come back still.
    pub fn stop(&self) {
        self.lock().stop();
        self.jobs.notify_all();
    }

    /// The blocks and slabs that are not lent out.
    pub fn take(&self) -> (Vec<B>, Vec<S>) {
        self.lock().take()
    }
}
