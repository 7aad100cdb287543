//! What a stream did so far, in numbers that anyone may look at while it runs.
//!
//! Counted once a block, a batch or a wait, never once a window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a stream did since it was planned, over all its epochs. Times are those of all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Bytes asked of the source, holes between chunks included.
    pub bytes_read: u64,
    /// Chunks decoded; one that two blocks reach into counts twice.
    pub chunks: u64,
    /// Bytes of decoded blocks of rows.
    pub bytes_decoded: u64,
    /// Blocks of rows decoded.
    pub blocks: u64,
    /// Windows copied, and the batches that hold them.
    pub windows: u64,
    /// Batches, or lots of references, that the consumer took.
    pub batches: u64,
    /// Bytes of copied windows.
    pub bytes_gathered: u64,
    /// Time in the orders of windows.
    pub planning: Duration,
    /// Time in the source.
    pub reading: Duration,
    /// Time in codecs.
    pub decoding: Duration,
    /// Time that a block took beside these two: conversion and copies.
    pub placing: Duration,
    /// Time in the copying of windows.
    pub gathering: Duration,
    /// Time in which a thread had nothing to do.
    pub idle: Duration,
    /// Time in which the consumer waited.
    pub waiting: Duration,
    /// How often the consumer found nothing.
    pub waits: u64,
    /// Batches that were ready behind the one that was taken, summed up: divided by `batches`, the mean depth of the queue.
    pub queue_depths: u64,
}

impl Metrics {
    /// The share of the threads' working time that was spent in codecs.
    #[must_use]
    pub fn codec_share(&self) -> f64 {
        let all = self.planning + self.reading + self.decoding + self.placing + self.gathering;
        self.decoding.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// The numbers as they grow: in the order of [`PLACES`].
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [AtomicU64; 16],
}

/// What a place of the counts holds.
#[derive(Clone, Copy)]
enum Place {
    BytesRead,
    Chunks,
    BytesDecoded,
    Blocks,
    Windows,
    Batches,
    BytesGathered,
    Planning,
    Reading,
    Decoding,
    Placing,
    Gathering,
    Idle,
    Waiting,
    Waits,
    QueueDepths,
}

/// What one job read and decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockDone {
    pub bytes_read: u64,
    pub chunks: u64,
    pub bytes_decoded: u64,
    pub reading: Duration,
    pub decoding: Duration,
    /// All of it.
    pub took: Duration,
}

impl Tally {
    fn add(&self, place: Place, count: u64) {
        self.counts[place as usize].fetch_add(count, Ordering::Relaxed);
    }

    fn add_time(&self, place: Place, time: Duration) {
        self.add(place, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn planned(&self, took: Duration) {
        self.add_time(Place::Planning, took);
    }

    pub fn decoded(&self, done: &BlockDone) {
        self.add(Place::Blocks, 1);
        self.add(Place::BytesRead, done.bytes_read);
        self.add(Place::Chunks, done.chunks);
        self.add(Place::BytesDecoded, done.bytes_decoded);
        self.add_time(Place::Reading, done.reading);
        self.add_time(Place::Decoding, done.decoding);
        self.add_time(Place::Placing, done.took.saturating_sub(done.reading + done.decoding));
    }

    pub fn gathered(&self, windows: u64, bytes: u64, took: Duration) {
        self.add(Place::Windows, windows);
        self.add(Place::BytesGathered, bytes);
        self.add_time(Place::Gathering, took);
    }

    pub fn idle(&self, time: Duration) {
        self.add_time(Place::Idle, time);
    }

    /// The consumer took something, after it had waited if it did, while so many were ready behind.
    pub fn taken(&self, ready: usize, waited: Option<Duration>) {
        self.add(Place::Batches, 1);
        self.add(Place::QueueDepths, ready as u64);
        if let Some(waited) = waited {
            self.add(Place::Waits, 1);
            self.add_time(Place::Waiting, waited);
        }
    }

    pub fn metrics(&self) -> Metrics {
        let count = |place: Place| self.counts[place as usize].load(Ordering::Relaxed);
        let time = |place: Place| Duration::from_nanos(count(place));
        Metrics {
            bytes_read: count(Place::BytesRead),
            chunks: count(Place::Chunks),
            bytes_decoded: count(Place::BytesDecoded),
            blocks: count(Place::Blocks),
            windows: count(Place::Windows),
            batches: count(Place::Batches),
            bytes_gathered: count(Place::BytesGathered),
            planning: time(Place::Planning),
            reading: time(Place::Reading),
            decoding: time(Place::Decoding),
            placing: time(Place::Placing),
            gathering: time(Place::Gathering),
            idle: time(Place::Idle),
            waiting: time(Place::Waiting),
            waits: count(Place::Waits),
            queue_depths: count(Place::QueueDepths),
        }
    }
}
