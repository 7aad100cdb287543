//! A training that can be stopped and gone on with, to the bit.
//!
//! The file is a safetensors file as a model's, with the optimiser's two moments as tensors `adam.mean` and
//! `adam.square`, and the options and the step count as JSON under `diapason.training`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::file::{self, FileError};
use super::train::{TrainError, TrainOptions, Trainer};
use crate::isa::Isa;

const KEY: &str = "diapason.training";
const MOMENTS: [&str; 2] = ["adam.mean", "adam.square"];

/// Most steps of a training: 2^53, up to which a schedule's f64 counts each of them.
const STEPS_MAX: u64 = 1 << 53;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Training {
    options: TrainOptions,
    steps: u64,
}

/// A checkpoint that cannot be written or gone on from.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file cannot be read or written, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is a model, or its training state does not parse.
    #[error("{} has a bad {KEY:?} in its metadata: {source}", path.display())]
    Training {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file is a model without a training.
    #[error("{} is a model, not a checkpoint: it has no {KEY:?} in its metadata", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A mean of squares below zero: its root would make every weight NaN.
    #[error("{}: tensor {tensor:?} holds {value} at element {index}, and a mean of squares is never negative; take another checkpoint", path.display())]
    Negative {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: &'static str,
        /// The element.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// More steps than a training can have taken.
    #[error("{}: {steps} steps are more than the {STEPS_MAX} that a training can take; take another checkpoint", path.display())]
    Steps {
        /// The file.
        path: PathBuf,
        /// What it says.
        steps: u64,
    },
    /// The training state is not one that a trainer can have.
    #[error("{}: {source}", path.display())]
    Options {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TrainError,
    },
}

impl Trainer {
    /// Writes the model, the optimiser and the options to `path`: to a temporary name, then renamed.
    ///
    /// # Errors
    /// [`CheckpointError`] when the file cannot be written; `path` is then untouched, save with
    /// [`FileError::NotSynced`], where it is written.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let training = Training { options: self.options().clone(), steps: self.steps() };
        let adam = self.adam();
        let moments = [(MOMENTS[0], adam.mean.as_slice()), (MOMENTS[1], adam.square.as_slice())];
        let json = serde_json::json!(training).to_string();
        file::write(path, self.model(), &[(KEY, json)], &moments)?;
        Ok(())
    }

    /// Goes on from what [`save`](Self::save) wrote: the next steps give the bits that they would have given.
    /// Threads and instruction set are this run's, because they change no bit.
    ///
    /// # Errors
    /// [`CheckpointError`] naming the file and what is wrong with it.
    pub fn resume(path: &Path, threads: usize, isa: Option<Isa>) -> Result<Self, CheckpointError> {
        let place = || path.to_path_buf();
        let mut read = file::read(path, &[KEY], &MOMENTS)?;
        let Some(json) = read.metadata.remove(KEY) else {
            return Err(CheckpointError::NotACheckpoint { path: place() });
        };
        let training: Training = serde_json::from_str(&json)
            .map_err(|source| CheckpointError::Training { path: place(), source })?;
        if training.steps > STEPS_MAX {
            return Err(CheckpointError::Steps { path: place(), steps: training.steps });
        }
        // The two moments are there: the reader checks the tensors of a file that has the key.
        let squares = read.extra.get(1).map_or(&[][..], Vec::as_slice);
        if let Some(index) = squares.iter().position(|&square| square < 0.0) {
            let (tensor, value) = (MOMENTS[1], squares[index]);
            return Err(CheckpointError::Negative { path: place(), tensor, index, value });
        }
        let options = TrainOptions { threads, isa, ..training.options };
        let mut trainer = Self::new(read.model, options)
            .map_err(|source| CheckpointError::Options { path: place(), source })?;
        let adam = trainer.adam_mut();
        adam.steps = training.steps;
        for (moment, values) in [&mut adam.mean, &mut adam.square].into_iter().zip(read.extra) {
            *moment = values;
        }
        Ok(trainer)
    }
}
