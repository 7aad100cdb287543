//! The threads that share a stream's work with the caller's: started together, given orders, ended together.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use super::error::StreamError;
use super::part::{Blueprint, Order, Part};
use super::seat::{Ended, Saved, Seat, Shared, Wait, shares};
use crate::lstm::threads::{pin, pinned_to};
use crate::op::gemm::GROUP;

/// The workers of a stream, as its caller's thread sees them.
#[derive(Debug)]
pub(super) struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Orders given.
    number: u64,
    /// The last order of which all workers are known to have begun.
    begun: u64,
    /// Exchanges before the last order.
    turn: u64,
}

/// Ends the stream when its thread does, however that happens: nobody shall wait for it.
struct Ender(Arc<Shared>);

impl Drop for Ender {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Checks what can be checked before a thread is started.
pub(super) fn check(cores: &[usize], groups: usize) -> Result<(), StreamError> {
    for (place, &core) in cores.iter().enumerate() {
        if cores[..place].contains(&core) {
            return Err(StreamError::CoreTwice { core });
        }
    }
    if cores.len() >= groups {
        return Err(StreamError::Cores { cores: cores.len(), groups, most: groups.saturating_sub(1) });
    }
    match pinned_to() {
        Some(core) if cores.contains(&core) => Err(StreamError::CoreOfCaller { core }),
        _ => Ok(()),
    }
}

impl Team {
    /// Starts a worker for each of `cores`, pinned where one is named. Returns them with the caller's own part.
    pub fn start(
        blueprint: &Blueprint,
        cores: &[Option<usize>],
        wait: Wait,
    ) -> Result<(Self, Part), StreamError> {
        let memory = |source| StreamError::Memory { instances: blueprint.instances, source };
        let packed = &blueprint.packed;
        let shares = shares(packed.units / GROUP, GROUP, (cores.len() + 1, packed.has_tail()));
        let extent = (blueprint.window.unwrap_or(1), packed.spec.input);
        let shared = Arc::new(Shared::new(shares, extent, wait).map_err(memory)?);
        // Dropped on any error below, it ends the workers that did start.
        let mut team =
            Self { shared: Arc::clone(&shared), workers: Vec::new(), number: 0, begun: 0, turn: 0 };
        let (ready, started) = channel();
        for (place, &core) in cores.iter().enumerate() {
            let seat = Seat::new(Arc::clone(&shared), place + 1);
            let name = core.map_or("diapason-tick".to_owned(), |core| format!("diapason-tick-{core}"));
            let (blueprint, ready) = (blueprint.clone(), ready.clone());
            let work = move || worker(&blueprint, seat, core, &ready);
            let refused = |error: std::io::Error| StreamError::Thread { reason: error.kind() };
            team.workers.push(Builder::new().name(name).spawn(work).map_err(refused)?);
        }
        drop(ready);
        let part = Part::new(blueprint, Some(Seat::new(shared, 0))).map_err(memory)?;
        for _ in cores {
            // A worker that ends without a word has dropped its end of the channel.
            started.recv().map_err(|_| StreamError::Worker)??;
        }
        Ok((team, part))
    }

    /// Gives an order; the caller's own part is to do the same next.
    pub fn order(&mut self, order: Order, row: Option<&[f32]>, part: &Part) -> Result<(), StreamError> {
        if self.shared.has_ended() {
            return Err(StreamError::Worker);
        }
        let turn = part.seat.as_ref().map_or(0, |seat| seat.turn);
        if turn != self.turn {
            // All have taken part in an exchange of the last order.
            (self.turn, self.begun) = (turn, self.number);
        }
        if self.number > self.begun + 1 {
            self.shared.all_done(self.number - 1)?;
            self.begun = self.number - 1;
        }
        self.number += 1;
        self.shared.put_order(self.number, order.word(), row);
        self.wake();
        Ok(())
    }

    /// Waits until every worker has done the last order.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        self.shared.all_done(self.number)?;
        self.begun = self.number;
        Ok(())
    }

    /// Lays states where all threads find them.
    pub fn lend(&self, saved: Saved) {
        *self.shared.saved() = saved;
    }

    /// Takes them back.
    pub fn give_back(&self) -> Saved {
        std::mem::take(&mut *self.shared.saved())
    }

    fn wake(&self) {
        if self.shared.parks() {
            for worker in &self.workers {
                worker.thread().unpark();
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.end();
        self.wake();
        for worker in self.workers.drain(..) {
            // A worker that panicked has said so.
            let _ = worker.join();
        }
    }
}

impl From<Ended> for StreamError {
    fn from(Ended: Ended) -> Self {
        Self::Worker
    }
}

/// A worker's life.
fn worker(blueprint: &Blueprint, seat: Seat, core: Option<usize>, ready: &Sender<Result<(), StreamError>>) {
    let shared = Arc::clone(&seat.shared);
    let _ender = Ender(Arc::clone(&shared));
    let part = core
        .map_or(Ok(()), pin)
        .map_err(|reason| StreamError::Core { core: core.unwrap_or_default(), reason });
    let instances = blueprint.instances;
    let part = part.and_then(|()| {
        Part::new(blueprint, Some(seat)).map_err(|source| StreamError::Memory { instances, source })
    });
    match part {
        Ok(mut part) => {
            if ready.send(Ok(())).is_ok() {
                let mut row = vec![0.0; blueprint.packed.spec.input];
                // Ended: the stream was dropped, or another worker said why.
                let _ = obey(&mut part, &shared, &mut row);
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

/// Does what is ordered until the stream ends.
fn obey(part: &mut Part, shared: &Shared, row: &mut [f32]) -> Result<(), Ended> {
    let seat = part.seat.as_ref().map_or(0, |seat| seat.index);
    for number in 1.. {
        let order = shared.take_order(number).and_then(Order::read).ok_or(Ended)?;
        match order {
            Order::Tick(instance) => {
                shared.take_row(number, row)?;
                part.tick(instance, row)?;
            }
            Order::Prepare(instance) => part.prepare(instance)?,
            Order::Reset(instance) => part.reset(instance),
            Order::Save(instance) => {
                part.settle(instance)?;
                part.save(instance, &mut shared.saved().values);
            }
            Order::Load(instance) => {
                let saved = shared.saved();
                part.load(instance, saved.ticks, &saved.values);
            }
        }
        shared.tell(seat, number);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::lstm::{CompileOptions, Executable, Head, Lstm, Precision, Spec, Stream};

    const SPEC: Spec = Spec { input: 5, hidden: 70, layers: 2, output: 2, head: Head::Linear };

    fn compiled(isa: Option<Isa>, precision: Precision) -> Executable {
        let options = CompileOptions { isa, precision, ..CompileOptions::default() };
        Lstm::new(SPEC, 3).unwrap().compile(&options).unwrap()
    }

    /// As many workers as there can be, and some of them, run wherever there is room.
    const TEAMS: [(usize, Wait); 3] = [(4, Wait::Park), (1, Wait::Park), (1, Wait::Spin)];

    fn team(
        executable: &Executable,
        how: (usize, Option<usize>, bool),
        (workers, wait): (usize, Wait),
    ) -> Stream {
        executable.on_cores(how, &vec![None; workers], wait).unwrap()
    }

    fn row(tick: usize) -> [f32; 5] {
        std::array::from_fn(|feature| crate::random::unit(1, (tick * 5 + feature) as u64) - 0.5)
    }

    /// Ticks of three instances in turn, with all that a caller may do between them.
    fn run(stream: &mut Stream, ticks: std::ops::Range<usize>) -> Vec<Option<Vec<u32>>> {
        let tick = |tick: usize| {
            let out = stream.push(tick % 3, &row(tick)).unwrap();
            let out = out.map(|out| out.iter().map(|x| x.to_bits()).collect());
            match tick % 5 {
                0 => (0..3).for_each(|instance| stream.prepare(instance).unwrap()),
                1 | 2 => stream.prepare(tick % 3).unwrap(),
                _ => {}
            }
            if tick % 23 == 22 {
                stream.reset(tick % 3).unwrap();
            }
            out
        };
        ticks.map(tick).collect()
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits_and_snapshots() {
        for (isa, precision) in Isa::available().flat_map(|isa| Precision::ALL.map(|of| (isa, of))) {
            let executable = compiled(Some(isa), precision);
            for (window, ahead) in
                [None, Some(1), Some(4)].into_iter().flat_map(|window| [(window, false), (window, true)])
            {
                let mut alone = executable.on_cores((3, window, ahead), &[], Wait::Spin).unwrap();
                let first = run(&mut alone, 0..40);
                let snapshot = alone.snapshot(1).unwrap();
                let second = run(&mut alone, 40..50);
                for workers in TEAMS {
                    let place = format!("{isa}, {precision}, window {window:?}, ahead {ahead}, {workers:?}");
                    let mut team = team(&executable, (3, window, ahead), workers);
                    assert_eq!(run(&mut team, 0..40), first, "{place}");
                    assert_eq!(team.snapshot(1).unwrap(), snapshot, "{place}");
                    assert_eq!(run(&mut team, 40..50), second, "{place}");
                }
                let states = [0, 1, 2].map(|instance| alone.snapshot(instance).unwrap());
                let wanted = run(&mut alone, 50..60);
                for workers in TEAMS {
                    let mut team = team(&executable, (3, window, ahead), workers);
                    team.prepare(1).unwrap();
                    (0..3).for_each(|instance| team.restore(instance, &states[instance]).unwrap());
                    assert_eq!(run(&mut team, 50..60), wanted, "{isa}, {precision}, {window:?}, {ahead}");
                }
            }
        }
    }

    #[test]
    fn a_stream_whose_worker_died_says_so() {
        let executable = compiled(None, Precision::F32);
        for wait in [Wait::Park, Wait::Spin] {
            let mut stream = executable.on_cores((1, None, true), &[None, None], wait).unwrap();
            stream.push(0, &row(0)).unwrap();
            // No caller can give this order: there is no such instance.
            let Stream { team, part, .. } = &mut stream;
            team.as_mut().unwrap().order(Order::Prepare(7), None, part).unwrap();
            let mut last = Ok(());
            for _ in 0..5 {
                last = stream.push(0, &row(1)).map(|_| ());
            }
            assert_eq!(last, Err(StreamError::Worker));
            assert_eq!(stream.prepare(0), Err(StreamError::Worker));
            assert_eq!(stream.reset(0), Err(StreamError::Worker));
            assert_eq!(stream.snapshot(0), Err(StreamError::Worker));
        }
    }

    #[test]
    fn a_worker_that_cannot_begin_ends_the_others() {
        let executable = compiled(None, Precision::F32);
        let nowhere = 1_000_000;
        let error = executable.on_cores((1, None, false), &[None, Some(nowhere)], Wait::Park).unwrap_err();
        assert!(matches!(error, StreamError::Core { core, .. } if core == nowhere), "{error}");
    }
}
