//! One ring, its file and its buffers.
//!
//! Invariant, which the SAFETY comment leans on: the kernel writes only to buffers of reads that are in flight; those
//! are counted, the buffers, the file and the ring live in one [`Parts`], and [`Ring`] gives a `Parts` with reads in
//! flight up for ever rather than drop it (it is leaked on purpose, since the kernel may still write).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use diapason_buffer::{Alignment, Buffer};
use io_uring::{IoUring, opcode, types};

use super::super::{Error, Span, Take};

/// Reads in flight at once: enough for a disk to sort and join them, few enough to keep the buffers small.
const DEPTH: usize = 8;
/// Bytes of one read; past this size a larger read gains nothing on any device in the notes.
const SEGMENT_BYTES: usize = 256 << 10;
/// Bytes of the buffers of a ring.
pub(super) const RING_BYTES: u64 = (DEPTH * SEGMENT_BYTES) as u64;

/// What the kernel may touch at any moment while reads are in flight.
struct Parts {
    uring: IoUring,
    file: Arc<File>,
    buffers: Vec<Buffer<u8>>,
    /// Reads submitted and not completed.
    in_flight: usize,
    /// What each buffer's read came to.
    results: [Option<i32>; DEPTH],
}

/// A ring with one file; `None` once it broke with reads in flight.
pub(super) struct Ring {
    parts: Option<Parts>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("file", &self.parts.as_ref().map(|parts| &parts.file)).finish()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take()
            && parts.in_flight > 0
        {
            std::mem::forget(parts);
        }
    }
}

/// A part of a span that one read fetches.
#[derive(Clone, Copy)]
struct Segment {
    span: usize,
    /// Where it begins in the span.
    from: usize,
    bytes: usize,
}

/// The segments of the spans, in order; a span of no bytes is one segment of none.
fn segments(spans: &[Span]) -> impl Iterator<Item = Segment> {
    spans.iter().enumerate().flat_map(|(span, Span { bytes, .. })| {
        let count = bytes.div_ceil(SEGMENT_BYTES).max(1);
        (0..count).map(move |number| {
            let from = number * SEGMENT_BYTES;
            Segment { span, from, bytes: (bytes - from).min(SEGMENT_BYTES) }
        })
    })
}

impl Ring {
    /// A ring that reads `file`.
    pub(super) fn new(file: Arc<File>) -> io::Result<Self> {
        let uring = IoUring::new(DEPTH as u32)?;
        let buffers = (0..DEPTH).map(|_| Buffer::zeroed(SEGMENT_BYTES, Alignment::PAGE));
        let buffers = buffers.collect::<Result<_, _>>().map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(Self { parts: Some(Parts { uring, file, buffers, in_flight: 0, results: [None; DEPTH] }) })
    }

    /// Whether it can be used again.
    pub(super) fn is_whole(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.in_flight == 0)
    }

    /// Reads up to [`DEPTH`] segments at `offset` and returns how many bytes arrived without a hole.
    pub(super) fn read_some_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let broken = || io::Error::other("the ring broke with reads in flight; open the file again");
        let parts = self.parts.as_mut().ok_or_else(broken)?;
        let lengths: Vec<usize> = bytes.chunks(SEGMENT_BYTES).take(DEPTH).map(<[u8]>::len).collect();
        for (slot, &length) in lengths.iter().enumerate() {
            parts.submit(slot, offset + (slot * SEGMENT_BYTES) as u64, length)?;
        }
        let results: Vec<i32> = (0..lengths.len()).map(|slot| parts.wait(slot)).collect::<Result<_, _>>()?;
        let mut done = 0;
        for ((result, length), buffer) in results.into_iter().zip(lengths).zip(&parts.buffers) {
            match usize::try_from(result) {
                Ok(count) => {
                    let count = count.min(length);
                    bytes[done..done + count].copy_from_slice(&buffer[..count]);
                    done += count;
                    if count < length {
                        break;
                    }
                }
                // What came before is whole; the next call meets the error again.
                Err(_) if done > 0 => break,
                Err(_) => return Err(io::Error::from_raw_os_error(-result)),
            }
        }
        Ok(done)
    }

    /// Reads the spans in order with [`DEPTH`] segments in flight, those of later spans while `take` works at one.
    ///
    /// # Errors
    /// What the system says of the ring itself; then the spans from the returned number on were not given out.
    pub(super) fn read_each(
        &mut self,
        spans: &[Span],
        (size, room): (u64, &mut Vec<u8>),
        take: &mut Take<'_>,
    ) -> Result<(), usize> {
        let parts = self.parts.as_mut().ok_or(0usize)?;
        let (mut ahead, mut number) = (segments(spans), 0usize);
        let mut failed = None;
        let mut outcome = Ok(());
        // What was submitted and not looked at yet; slot n is that of every DEPTHth segment.
        let mut begun = 0usize;
        for segment in segments(spans) {
            while outcome.is_ok()
                && begun < number + DEPTH
                && let Some(next) = ahead.next()
            {
                let offset = spans[next.span].offset + next.from as u64;
                if parts.submit(begun % DEPTH, offset, next.bytes).is_err() {
                    outcome = Err(segment.span);
                }
                begun += 1;
            }
            let span = spans[segment.span];
            let Ok(result) = outcome.and_then(|()| parts.wait(number % DEPTH).map_err(|_| segment.span))
            else {
                outcome = Err(segment.span);
                break;
            };
            room.resize(room.len().max(span.bytes), 0);
            let bytes = &mut room[segment.from..segment.from + segment.bytes];
            if usize::try_from(result) == Ok(segment.bytes) {
                bytes.copy_from_slice(&parts.buffers[number % DEPTH][..segment.bytes]);
            } else if failed.is_none() {
                // Short, interrupted or refused: the plain way finishes it or says why not.
                let offset = span.offset + segment.from as u64;
                failed = parts.file.read_exact_at(bytes, offset).err().map(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => {
                        Error::Truncated { offset: span.offset, needed: span.bytes as u64, size }
                    }
                    _ => Error::Io { offset, error },
                });
            }
            number += 1;
            if segment.from + segment.bytes == span.bytes {
                let found = failed.take().map_or(Ok(&room[..span.bytes]), Err);
                if take(segment.span, found).is_break() {
                    break;
                }
            }
        }
        // Whatever is still in flight lands before the buffers are used again.
        while number < begun && parts.wait(number % DEPTH).is_ok() {
            number += 1;
        }
        outcome
    }
}

impl Parts {
    /// Begins to read `length` bytes at `offset` into the buffer of `slot`, which has no read in flight.
    fn submit(&mut self, slot: usize, offset: u64, length: usize) -> io::Result<()> {
        self.results[slot] = None;
        let (descriptor, buffer) = (types::Fd(self.file.as_raw_fd()), &mut self.buffers[slot]);
        let read = opcode::Read::new(descriptor, buffer.as_mut_ptr(), length as u32)
            .offset(offset)
            .build()
            .user_data(slot as u64);
        // SAFETY: the descriptor and the buffer live in `self`, which outlives the read by the invariant of this
        // module; `length` is at most SEGMENT_BYTES, the size `Ring::new` gave each buffer.
        let pushed = unsafe { self.uring.submission().push(&read) };
        pushed.map_err(|_| io::Error::other("the submission queue is full"))?;
        self.in_flight += 1;
        match self.uring.submit() {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// What the read of `slot` came to.
    fn wait(&mut self, slot: usize) -> io::Result<i32> {
        loop {
            if let Some(result) = self.results[slot].take() {
                return Ok(result);
            }
            if self.in_flight == 0 {
                return Err(io::Error::other("the ring lost a read"));
            }
            match self.uring.submit_and_wait(1) {
                Err(error) if !is_passing(&error) => return Err(error),
                _ => {}
            }
            for completion in self.uring.completion() {
                if let Some(result) = self.results.get_mut(completion.user_data() as usize) {
                    *result = Some(completion.result());
                    self.in_flight = self.in_flight.saturating_sub(1);
                }
            }
        }
    }
}

/// A signal came, or the kernel wants completions taken first: ask again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EINTR | nix::libc::EAGAIN | nix::libc::EBUSY))
}
