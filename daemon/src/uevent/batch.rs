//! Gathering a storm of messages into one look at the machine. Pure: time is an argument.
//!
//! One disk makes a dozen messages, a controller hundreds. The look waits until nothing has been said for a moment, but no
//! longer than a second after the first message, and it happens once for all of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Change, Device, Uevent};

/// How long nothing must be said: the kernel finishes a device in less, udev renames it in less.
const QUIET: Duration = Duration::from_millis(100);

/// How long a device waits at most while others keep coming.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// More devices at a time are not told apart; then all that are new get their settings.
const DEVICES_MAX: usize = 256;

/// What has come and gone since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Devices that came, in order of their names. One that went again is still named: it may be another one now.
    pub came: BTreeSet<Device>,
    /// Whether something went.
    pub went: bool,
    /// Whether messages were lost or too many to remember: anything may have come.
    pub overflowed: bool,
}

/// A batch in the making.
#[derive(Debug, Default)]
pub struct Gathering {
    batch: Batch,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Gathering {
    /// One more message, heard at `now`.
    pub fn take(&mut self, event: Uevent, now: Instant) {
        self.mark(now);
        match event.change {
            Change::Went => self.batch.went = true,
            Change::Came if self.batch.came.len() < DEVICES_MAX => {
                self.batch.came.insert(event.device);
            }
            Change::Came => self.batch.overflowed |= !self.batch.came.contains(&event.device),
        }
    }

    /// Messages were lost before `now`.
    pub fn lose(&mut self, now: Instant) {
        self.mark(now);
        self.batch.overflowed = true;
        self.batch.went = true;
    }

    fn mark(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// When the batch is due; `None` while there is nothing to look at.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        Some((self.last? + QUIET).min(self.first? + WAIT_MAX))
    }

    /// The batch, if it is due at `now`; the next message begins another one.
    pub fn ripe(&mut self, now: Instant) -> Option<Batch> {
        if self.due()? > now {
            return None;
        }
        Some(std::mem::take(self).batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(name: String) -> Uevent {
        Uevent { device: Device::Disk(name), change: Change::Came }
    }

    #[test]
    fn a_storm_is_one_batch_and_waits_no_longer_than_a_second() {
        let (start, mut gathering) = (Instant::now(), Gathering::default());
        assert_eq!(gathering.due(), None);
        let mut batches = Vec::new();
        for millisecond in 0..2_500 {
            let now = start + Duration::from_millis(millisecond);
            if millisecond % 10 == 0 && millisecond < 1_500 {
                gathering.take(came(format!("sd{}", millisecond % 70)), now);
            }
            batches.extend(gathering.ripe(now).map(|batch| (millisecond, batch)));
        }
        let ends: Vec<u64> = batches.iter().map(|(at, _)| *at).collect();
        assert_eq!(ends, [1_000, 1_590]);
        assert!(batches.iter().all(|(_, batch)| batch.came.len() == 7 && !batch.overflowed && !batch.went));
    }

    #[test]
    fn memory_is_bounded() {
        let (now, mut gathering) = (Instant::now(), Gathering::default());
        (0..10_000).for_each(|number| gathering.take(came(number.to_string()), now));
        let batch = gathering.ripe(now + QUIET).unwrap();
        assert_eq!((batch.came.len(), batch.overflowed), (DEVICES_MAX, true));
        assert_eq!(gathering.ripe(now + QUIET), None);
        gathering.lose(now);
        assert!(gathering.ripe(now + QUIET).unwrap().overflowed);
    }
}
