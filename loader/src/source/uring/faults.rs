//! A kernel that misbehaves, for tests: short reads, errors, interruptions, delays and completions out of order.

/// What goes wrong, and when; the same in every run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// At most so many bytes a request; 0 for all.
    pub bytes_max: usize,
    /// Every so many completions one is `EIO`, one `EINTR`; 0 for never.
    pub fails_every: u64,
    pub interrupts_every: u64,
    /// So many completions are held back and come late, the latest first.
    pub holds: usize,
    /// A read that touches this byte fails by any way.
    pub broken_at: Option<u64>,
    /// Every so many submissions the ring itself fails; 0 for never.
    pub breaks_every: u64,
}

/// Faults at work in one ring.
#[derive(Debug, Default)]
pub struct Misbehaviour {
    pub faults: Faults,
    completions: u64,
    submissions: u64,
    held: Vec<(u64, i32)>,
}

impl Misbehaviour {
    pub fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// Bytes that are asked for instead of `bytes`.
    pub fn shorten(&self, bytes: usize) -> usize {
        if self.faults.bytes_max == 0 { bytes } else { bytes.min(self.faults.bytes_max) }
    }

    /// Whether the ring breaks now.
    pub fn breaks(&mut self) -> bool {
        self.submissions += 1;
        self.faults.breaks_every > 0 && self.submissions.is_multiple_of(self.faults.breaks_every)
    }

    /// Whether a plain read of these bytes fails.
    pub fn is_broken(&self, offset: u64, bytes: usize) -> bool {
        self.faults.broken_at.is_some_and(|broken| offset <= broken && broken < offset + bytes as u64)
    }

    /// What is told of the completions that arrived, while `under_way` others have not.
    pub fn tell(&mut self, arrived: Vec<(u64, i32)>, under_way: usize) -> Vec<(u64, i32)> {
        for (tag, result) in arrived {
            self.completions += 1;
            let is_due = |every: u64| every > 0 && self.completions.is_multiple_of(every);
            let result = if is_due(self.faults.fails_every) {
                -nix::libc::EIO
            } else if is_due(self.faults.interrupts_every) {
                -nix::libc::EINTR
            } else {
                result
            };
            self.held.push((tag, result));
        }
        if self.completions.is_multiple_of(7) {
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        let keep = if under_way > 0 { self.faults.holds.min(self.held.len()) } else { 0 };
        let mut told = self.held.split_off(keep);
        told.reverse();
        told
    }
}
