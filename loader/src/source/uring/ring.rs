//! One ring, its files and its memory.
//!
//! A ring goes from thread to thread, so it is not bound to one (`SINGLE_ISSUER` with `DEFER_TASKRUN`): a flight past the page cache
//! takes about 35 ms of processor a GB, memory's own copy takes more, and little is left to gain there.
//!
//! Invariant, which the SAFETY comments lean on: the kernel writes only to areas of requests that are under way; those are counted,
//! the memory, the files and the ring live in one [`Parts`], and [`Ring`] gives a `Parts` with requests under way up for ever
//! rather than drop it (it is leaked on purpose, since the kernel may still write). [`Flight`] hands an area out only after every
//! request for it has completed, and begins none there before it is given back.

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use io_uring::{IoUring, opcode, types};

use super::block::Block;
use super::cached::{self, Found};
use super::direct::Direct;
#[cfg(test)]
use super::faults::{Faults, Misbehaviour};
use super::flight::{ARENA_BYTES, DEPTH, Flight, Request, Step};
use crate::source::account::{By, Tally};
use crate::source::{Error, Span, Take};

/// The file, and the same past the page cache if it is read so.
#[derive(Clone, Debug)]
pub struct Files {
    pub plain: Arc<File>,
    pub direct: Option<Arc<Direct>>,
}

impl Files {
    /// Fills `bytes` from `offset` on if the page cache holds them all. Before direct reads it is asked first, since a read in
    /// vain would make it fetch.
    pub fn cached(&self, offset: u64, bytes: &mut [u8]) -> Found {
        let span = Span { offset, bytes: bytes.len() };
        if self.direct.is_some() && cached::holds(&self.plain, span) != Some(true) {
            return Found::Missing;
        }
        cached::read(&self.plain, offset, bytes)
    }
}

/// What is read: the spans, all of them inside a file of `size` bytes.
pub struct Job<'a> {
    pub files: &'a Files,
    pub spans: &'a [Span],
    pub size: u64,
    pub tally: &'a Tally,
    #[cfg(test)]
    pub faults: Faults,
}

/// Where a flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All spans before this one were given out.
    Until(usize),
    /// Whoever takes them wants no more.
    Stopped,
}

/// The ring itself failed.
#[derive(Debug)]
pub struct Broken {
    /// The first span that was not given out.
    pub given: usize,
    /// What the kernel said.
    pub error: io::Error,
}

/// What the kernel may touch at any moment while requests are under way.
struct Parts {
    uring: IoUring,
    /// Those of the flight; none between flights.
    files: Option<Files>,
    block: Block,
    /// Whether the memory is registered, once that was tried.
    is_registered: Option<bool>,
    /// Requests handed to the ring and not completed.
    under_way: usize,
    /// The error that a request came to, if one did.
    refused: Option<i32>,
    #[cfg(test)]
    misbehaviour: Misbehaviour,
}

/// A ring, which reads one file at a time; `None` once it broke with requests under way.
pub struct Ring {
    parts: Option<Parts>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("under_way", &self.parts.as_ref().map(|parts| parts.under_way)).finish()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take()
            && parts.under_way > 0
        {
            std::mem::forget(parts);
        }
    }
}

impl Ring {
    /// A ring.
    pub fn new() -> io::Result<Self> {
        // Completions then do not interrupt the decoding; kernels before 5.19 do not know it.
        let uring = match IoUring::builder().setup_coop_taskrun().build(DEPTH as u32) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => IoUring::new(DEPTH as u32),
            other => other,
        }?;
        let block = Block::new(ARENA_BYTES).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let parts = Parts {
            uring,
            files: None,
            block,
            is_registered: None,
            under_way: 0,
            refused: None,
            #[cfg(test)]
            misbehaviour: Misbehaviour::default(),
        };
        Ok(Self { parts: Some(parts) })
    }

    /// The latest error that a request came to, if one did.
    pub fn refused(&self) -> Option<io::Error> {
        self.parts.as_ref()?.refused.map(io::Error::from_raw_os_error)
    }

    /// Whether it can be used again.
    pub fn is_whole(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.under_way == 0)
    }

    /// Reads the spans from number `first` on, which the page cache did not hold, in order, with up to [`DEPTH`] requests under way,
    /// those of later spans while `take` works at one.
    ///
    /// # Errors
    /// [`Broken`] when the ring itself fails.
    pub fn fly(
        &mut self,
        job: &Job<'_>,
        first: usize,
        room: &mut Vec<u8>,
        take: &mut Take<'_>,
    ) -> Result<Outcome, Broken> {
        let broken = |given| move |error| Broken { given, error };
        let lost = || io::Error::other("the ring broke with reads under way");
        let parts = self.parts.as_mut().ok_or_else(lost).map_err(broken(first))?;
        parts.prepare(job);
        let align = job.files.direct.as_ref().map_or(1, |direct| direct.align);
        let mut flight = Flight::new(job.spans, first, align);
        let (mut given, mut failed, mut outcome) = (first, None, None);
        loop {
            match flight.step() {
                Step::Begin { part, area } => {
                    let offset = job.spans[part.span].offset + part.from as u64;
                    let is_there =
                        (part.span, part.from) != (first, 0) && parts.is_cached(job.files, offset, area);
                    if is_there {
                        job.tally.count(By::Cached, part.bytes);
                    }
                    flight.begin(is_there);
                }
                Step::Ask { tag, request } => parts.push(job.files, tag, &request).map_err(broken(given))?,
                Step::Wait => parts.wait(&mut flight, job).map_err(broken(given))?,
                Step::Land { part, area, holes } => {
                    // What was asked for gets under way before the consumer works.
                    parts.send().map_err(broken(given))?;
                    let span = job.spans[part.span];
                    for hole in holes {
                        if let (Err(error), None) = (parts.fill(&hole, job), &failed) {
                            failed = Some(match error.kind() {
                                io::ErrorKind::UnexpectedEof => Error::Truncated {
                                    offset: span.offset,
                                    needed: span.bytes as u64,
                                    size: job.size,
                                },
                                _ => Error::Io { offset: hole.offset, error },
                            });
                        }
                    }
                    // SAFETY: the part landed, so no request is under way in its area, by the invariant of this module.
                    let mut bytes = unsafe { parts.block.slice(area) };
                    if !part.is_whole() {
                        room.resize(room.len().max(span.bytes), 0);
                        room[part.from..part.from + part.bytes].copy_from_slice(bytes);
                        bytes = &room[..span.bytes];
                    }
                    if part.is_last {
                        given = part.span + 1;
                        if take(part.span, failed.take().map_or(Ok(bytes), Err)) == ControlFlow::Break(()) {
                            outcome = Some(Outcome::Stopped);
                            flight.stop();
                            continue;
                        }
                    }
                    flight.landed();
                }
                Step::End => break,
            }
        }
        parts.files = None;
        Ok(outcome.unwrap_or(Outcome::Until(flight.next_span())))
    }
}

impl Parts {
    /// Takes the files of the job, and registers the memory when it is first read into past the page cache; through it, that
    /// would save nothing.
    fn prepare(&mut self, job: &Job<'_>) {
        self.files = Some(job.files.clone());
        #[cfg(test)]
        {
            self.misbehaviour = Misbehaviour::new(job.faults);
        }
        if job.files.direct.is_none() || self.is_registered.is_some() {
            return;
        }
        let whole = nix::libc::iovec { iov_base: self.block.address(0).cast(), iov_len: ARENA_BYTES };
        // SAFETY: the address and the length are those of the block, which is dropped after the ring.
        let registered = unsafe { self.uring.submitter().register_buffers(&[whole]) };
        self.is_registered = Some(registered.is_ok());
        if registered.is_err() {
            job.tally.count_unregistered();
        }
    }

    /// Fills an area from `offset` on if the page cache holds its bytes.
    fn is_cached(&mut self, files: &Files, offset: u64, area: Range<usize>) -> bool {
        // SAFETY: the part has not begun, so no request is under way in its area, by the invariant of this module.
        let bytes = unsafe { self.block.slice_mut(area) };
        files.cached(offset, bytes) == Found::All
    }

    /// Puts a request into the queue; [`Parts::send`] hands the queue over.
    fn push(&mut self, files: &Files, tag: usize, request: &Request) -> io::Result<()> {
        let length = request.area.len();
        #[cfg(test)]
        let length = self.misbehaviour.shorten(length);
        #[cfg(test)]
        if self.misbehaviour.breaks() {
            return Err(io::Error::other("a fault that was asked for"));
        }
        let (address, length) = (self.block.address(request.area.start), length as u32);
        let descriptor = match &files.direct {
            Some(direct) => types::Fd(direct.file.as_raw_fd()),
            None => types::Fd(files.plain.as_raw_fd()),
        };
        let entry = if self.is_registered == Some(true) {
            opcode::ReadFixed::new(descriptor, address, length, 0).offset(request.offset).build()
        } else {
            opcode::Read::new(descriptor, address, length).offset(request.offset).build()
        };
        // SAFETY: the descriptor is of files that `prepare` cloned into `self`, the memory is in `self`, which outlives the request by the invariant of this module;
        // `length` bytes from the address lie in the area, which `Flight` took from an arena of the block's size.
        let pushed = unsafe { self.uring.submission().push(&entry.user_data(tag as u64)) };
        pushed.map_err(|_| io::Error::other("the submission queue is full"))?;
        self.under_way += 1;
        Ok(())
    }

    /// Hands what is in the queue to the kernel.
    fn send(&mut self) -> io::Result<()> {
        if self.uring.submission().is_empty() {
            return Ok(());
        }
        match self.uring.submit() {
            Err(error) if !is_passing(&error) => Err(error),
            // What was not taken stays in the queue and goes with the next call.
            _ => Ok(()),
        }
    }

    /// Waits until a request completed, and tells `flight` of all that did.
    fn wait(&mut self, flight: &mut Flight<'_>, job: &Job<'_>) -> io::Result<()> {
        let by = if job.files.direct.is_some() { By::Direct } else { By::Ring };
        loop {
            if self.under_way == 0 {
                return Err(io::Error::other("the ring lost a read"));
            }
            match self.uring.submit_and_wait(1) {
                Err(error) if !is_passing(&error) => return Err(error),
                _ => {}
            }
            let arrived = self.uring.completion();
            let arrived: Vec<(u64, i32)> =
                arrived.map(|completion| (completion.user_data(), completion.result())).collect();
            self.under_way = self.under_way.saturating_sub(arrived.len());
            #[cfg(test)]
            let arrived = self.misbehaviour.tell(arrived, self.under_way);
            for &(tag, result) in &arrived {
                match usize::try_from(result) {
                    Ok(bytes) => job.tally.count(by, bytes),
                    Err(_) => self.refused = Some(-result),
                }
                flight.complete(tag as usize, result);
            }
            if !arrived.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads what a request left out, the plain way, which finishes it or says why not.
    fn fill(&mut self, hole: &Request, job: &Job<'_>) -> io::Result<()> {
        #[cfg(test)]
        if self.misbehaviour.is_broken(hole.offset, hole.needed) {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        job.tally.count(By::Pread, hole.needed);
        // SAFETY: the part of the hole landed, so no request is under way in its area, by the invariant of this module.
        let bytes = unsafe { self.block.slice_mut(hole.area.clone()) };
        job.files.plain.read_exact_at(bytes, hole.offset)
    }
}

/// A signal came, or the kernel wants completions taken first: ask again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EINTR | nix::libc::EAGAIN | nix::libc::EBUSY))
}
