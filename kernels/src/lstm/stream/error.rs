//! What can be wrong with a tick, a stream or a snapshot.

use std::fmt;

use diapason_buffer::buffer::OutOfMemory;
use nix::errno::Errno;
use thiserror::Error;

use crate::op::network::Spec;

/// A tick that cannot be taken; the state is unchanged.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StreamError {
    /// No such instance.
    #[error("instance {instance} does not exist; there are {instances}")]
    Instance {
        /// The one asked for.
        instance: usize,
        /// How many there are.
        instances: usize,
    },
    /// The row has another number of features than the model.
    #[error("a row of {found} features does not fit a model of {input}")]
    Row {
        /// Features given.
        found: usize,
        /// Features that the model reads.
        input: usize,
    },
    /// A feature is NaN or infinite.
    #[error(
        "instance {instance}, tick {tick}, feature {feature} is {value}; mend the row, or compile the model to propagate what is not finite"
    )]
    NotFinite {
        /// The instance.
        instance: usize,
        /// Ticks that it had taken before.
        tick: u64,
        /// The feature in the row.
        feature: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A window of no steps, or no instance.
    #[error("a stream needs at least one {what}")]
    Empty {
        /// What is lacking.
        what: &'static str,
    },
    /// The same core for two threads.
    #[error("core {core} is given twice; each thread of a stream needs one of its own")]
    CoreTwice {
        /// The core.
        core: usize,
    },
    /// The core of the thread that asks.
    #[error(
        "core {core} is the one to which the calling thread is pinned; the threads of `cores` come beside that one"
    )]
    CoreOfCaller {
        /// The core.
        core: usize,
    },
    /// More threads than groups of units.
    #[error(
        "{cores} cores are too many: a layer has {groups} groups of 16 units, and the calling thread takes some; give at most {most}"
    )]
    Cores {
        /// How many.
        cores: usize,
        /// Groups of units.
        groups: usize,
        /// Cores that would do.
        most: usize,
    },
    /// A core that is not there.
    #[error(
        "no thread can be pinned to core {core} ({reason}); give cores that exist and that this process may use"
    )]
    Core {
        /// The core.
        core: usize,
        /// What the kernel said.
        reason: Errno,
    },
    /// A thread that cannot be started.
    #[error("a thread cannot be started: {reason}")]
    Thread {
        /// Why.
        reason: std::io::ErrorKind,
    },
    /// A thread of the stream is no more.
    #[error(
        "a thread of this stream has ended; make a new stream and restore a snapshot, or replay the ticks"
    )]
    Worker,
    /// Not enough memory for the states.
    #[error("no memory for the states of {instances} instances: {source}")]
    Memory {
        /// How many there should be.
        instances: usize,
        /// What was refused.
        source: OutOfMemory,
    },
    /// The snapshot was taken from a model of another shape.
    #[error(
        "a snapshot of {found} does not fit a stream of {wanted}; restore it with the model it was taken from"
    )]
    SnapshotShape {
        /// The shape in the snapshot.
        found: Spec,
        /// The shape of this stream's model.
        wanted: Spec,
    },
    /// The snapshot was taken with another window.
    #[error("a snapshot with {} does not fit a stream with {}", Ticks(*found), Ticks(*wanted))]
    SnapshotWindow {
        /// The window in the snapshot.
        found: Option<usize>,
        /// The window of this stream.
        wanted: Option<usize>,
    },
    /// The snapshot was taken from another model of this shape.
    #[error(
        "the snapshot is of model {found}, not of {wanted}; restore it with the model it was taken from, or replay the ticks"
    )]
    SnapshotModel {
        /// The model's hash in the snapshot.
        found: String,
        /// The hash of this stream's model.
        wanted: String,
    },
    /// A state is NaN or infinite.
    #[error("the snapshot is damaged: value {index} is {value}; take another one, or replay the ticks")]
    SnapshotNotFinite {
        /// The value's place.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// More ticks than a stream can have taken.
    #[error("the snapshot is damaged: it counts {ticks} ticks; take another one, or replay the ticks")]
    SnapshotTicks {
        /// What it says.
        ticks: u64,
    },
    /// The snapshot has another number of values than its shape says.
    #[error("a snapshot of {found} values does not fit a stream with {wanted} an instance")]
    Snapshot {
        /// Values in the snapshot.
        found: usize,
        /// Values in one instance's state.
        wanted: usize,
    },
}

/// A window in words.
struct Ticks(Option<usize>);

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("carried state"),
            Some(window) => write!(f, "a window of {window} ticks"),
        }
    }
}
