//! Values that one thread gives to others: cache lines that say themselves whose turn they are.
//!
//! A line holds seven words and the turn they belong to, written last. So a reader that finds the turn has the values with
//! the same transfer between the cores, and one that waits reads nothing but that line. There are two sets of lines, for
//! odd and even turns.
//!
//! Before turn n + 2 is put, every reader must have taken turn n; a mailbox does not see to that. Streams do, see `seat.rs`.
//! A model checker tries the whole in all orders of execution that the memory model allows (`tests/mailbox.rs`).
//!
//! Tried and refused: a flag beside the values, which costs the latency of a second line; shared memory written by vector
//! stores, which is no faster by more than a few nanoseconds and needs `unsafe`.

use diapason_buffer::buffer::OutOfMemory;

use super::sync::{AtomicU64, Ordering};

/// Words of a line beside its turn.
const WORDS: usize = 7;
/// The same in f32.
const VALUES: usize = 2 * WORDS;

#[derive(Debug)]
#[repr(align(64))]
struct Line {
    words: [AtomicU64; WORDS],
    turn: AtomicU64,
}

/// Lines for a fixed number of values. Turns count from 1.
#[derive(Debug)]
pub struct Mailbox {
    /// For even and for odd turns.
    lines: [Vec<Line>; 2],
}

impl Line {
    fn new() -> Self {
        Self { words: std::array::from_fn(|_| AtomicU64::new(0)), turn: AtomicU64::new(0) }
    }

    /// Writes a turn. Of a fixed size, so that it becomes one store after the other: this is on the path of every tick.
    fn put(&self, turn: u64, values: &[f32; VALUES]) {
        for (word, &[low, high]) in self.words.iter().zip(values.as_chunks::<2>().0) {
            word.store(u64::from(low.to_bits()) | u64::from(high.to_bits()) << 32, Ordering::Relaxed);
        }
        self.turn.store(turn, Ordering::Release);
    }

    /// Reads a turn that is there.
    fn get(&self, values: &mut [f32; VALUES]) {
        for (word, two) in self.words.iter().zip(values.as_chunks_mut::<2>().0) {
            *two = halves(word.load(Ordering::Relaxed));
        }
    }

    /// Waits for a turn; `wait` says whether to go on.
    fn until(&self, turn: u64, wait: &mut impl FnMut() -> bool) -> bool {
        while self.turn.load(Ordering::Acquire) != turn {
            if !wait() {
                return false;
            }
        }
        true
    }
}

impl Mailbox {
    /// Room for `values` values, at least one.
    pub fn new(values: usize) -> Result<Self, OutOfMemory> {
        let lines = || {
            let count = values.max(1).div_ceil(VALUES);
            let mut lines = Vec::new();
            let refused = |_| OutOfMemory { bytes: count.saturating_mul(size_of::<Line>()) };
            lines.try_reserve_exact(count).map_err(refused)?;
            lines.extend((0..count).map(|_| Line::new()));
            Ok(lines)
        };
        Ok(Self { lines: [lines()?, lines()?] })
    }

    fn lines(&self, turn: u64) -> &[Line] {
        &self.lines[usize::from(!turn.is_multiple_of(2))]
    }

    /// Puts the values of a turn, as many as the mailbox was made for.
    pub fn put(&self, turn: u64, values: &[f32]) {
        let (whole, rest) = values.as_chunks::<VALUES>();
        let (lines, last) = self.lines(turn).split_at(whole.len());
        for (line, values) in lines.iter().zip(whole) {
            line.put(turn, values);
        }
        if let Some(line) = last.first().filter(|_| !rest.is_empty()) {
            let mut values = [0.0; VALUES];
            values[..rest.len()].copy_from_slice(rest);
            line.put(turn, &values);
        }
    }

    /// Takes as many values as were put at a turn. While they are not there `wait` says whether to go on; `false` when it
    /// did not.
    pub fn take(&self, turn: u64, values: &mut [f32], wait: &mut impl FnMut() -> bool) -> bool {
        let (whole, rest) = values.as_chunks_mut::<VALUES>();
        let (lines, last) = self.lines(turn).split_at(whole.len());
        for (line, values) in lines.iter().zip(whole) {
            if !line.until(turn, wait) {
                return false;
            }
            line.get(values);
        }
        if let Some(line) = last.first().filter(|_| !rest.is_empty()) {
            if !line.until(turn, wait) {
                return false;
            }
            let mut values = [0.0; VALUES];
            line.get(&mut values);
            rest.copy_from_slice(&values[..rest.len()]);
        }
        true
    }

    /// Puts one word instead.
    pub fn put_word(&self, turn: u64, word: u64) {
        let line = &self.lines(turn)[0];
        line.words[0].store(word, Ordering::Relaxed);
        line.turn.store(turn, Ordering::Release);
    }

    /// Takes the word of a turn, or `None` when `wait` did not go on.
    pub fn take_word(&self, turn: u64, wait: &mut impl FnMut() -> bool) -> Option<u64> {
        let line = &self.lines(turn)[0];
        line.until(turn, wait).then(|| line.words[0].load(Ordering::Relaxed))
    }
}

fn halves(word: u64) -> [f32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h])]
}
