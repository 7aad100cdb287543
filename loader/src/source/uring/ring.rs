//! One ring, its file and its buffers.
//!
//! Invariant, which the SAFETY comments lean on: between [`Ring::read_some_at`]'s first submission and its return
//! the ring is borrowed mutably; it returns only when every submitted read has completed, or after it has given up
//! the file, the buffers and the ring for ever (they are leaked on purpose, since the kernel may still write).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use diapason_buffer::{Alignment, Buffer};
use io_uring::{IoUring, opcode, types};

/// Reads in flight at once: enough for a disk to sort and join them, few enough to keep the buffers small.
const DEPTH: usize = 4;
/// Bytes of one read; past this size a larger read gains nothing on any device in the notes.
const SEGMENT_BYTES: usize = 256 << 10;

/// What the kernel may touch at any moment while reads are in flight.
struct Parts {
    uring: IoUring,
    file: File,
    buffers: Vec<Buffer<u8>>,
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

impl Ring {
    /// A ring that reads `file`.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let uring = IoUring::new(DEPTH as u32)?;
        let buffers = (0..DEPTH).map(|_| Buffer::zeroed(SEGMENT_BYTES, Alignment::PAGE));
        let buffers = buffers.collect::<Result<_, _>>().map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(Self { parts: Some(Parts { uring, file, buffers }) })
    }

    /// Reads up to [`DEPTH`] segments at `offset` and returns how many bytes arrived without a hole.
    pub(super) fn read_some_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let broken = || io::Error::other("the ring broke with reads in flight; open the file again");
        let parts = self.parts.as_mut().ok_or_else(broken)?;
        let lengths: Vec<usize> = bytes.chunks(SEGMENT_BYTES).take(DEPTH).map(<[u8]>::len).collect();
        let results = match parts.run(offset, &lengths) {
            Ok(results) => results,
            Err(error) => {
                std::mem::forget(self.parts.take());
                return Err(error);
            }
        };
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
}

impl Parts {
    /// Reads segments of `lengths` bytes, one after the other from `offset` on, into the buffers, and waits for all.
    ///
    /// An error means that reads may be in flight still.
    fn run(&mut self, offset: u64, lengths: &[usize]) -> io::Result<[i32; DEPTH]> {
        let mut results = [0; DEPTH];
        let mut at = offset;
        for (slot, (buffer, &length)) in self.buffers.iter_mut().zip(lengths).enumerate() {
            let descriptor = types::Fd(self.file.as_raw_fd());
            let read = opcode::Read::new(descriptor, buffer.as_mut_ptr(), length as u32)
                .offset(at)
                .build()
                .user_data(slot as u64);
            // SAFETY: the descriptor and the buffer live in `self`, which outlives the read by the invariant of this
            // module; `length` is at most SEGMENT_BYTES, the size `Ring::new` gave each buffer.
            let pushed = unsafe { self.uring.submission().push(&read) };
            pushed.map_err(|_| io::Error::other("the submission queue is full"))?;
            at += length as u64;
        }
        let mut waiting = lengths.len();
        while waiting > 0 {
            match self.uring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
            for completion in self.uring.completion() {
                if let Some(result) = results.get_mut(completion.user_data() as usize) {
                    *result = completion.result();
                    waiting = waiting.saturating_sub(1);
                }
            }
        }
        Ok(results)
    }
}

/// A signal came, or the kernel wants completions taken first: ask again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EINTR | nix::libc::EAGAIN | nix::libc::EBUSY))
}
