//! A training that can be stopped and gone on with, to the bit.
//!
//! The file is a safetensors file as a model's, with what the optimiser remembers as further tensors (`adam.mean` and
//! `adam.square`, or `sgd.momentum`), and the options and the step count as JSON under `diapason.training`.
//!
//! The JSON has a version. Without one it is the first, which knew AdamW alone and had its numbers among the options.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::file::{self, FILE_BYTES_MAX, FileError, SPEC_KEY, STACK_KEY};
use super::network::{self, NetworkTrainError, NetworkTrainer};
use super::train::descent::Descent;
use super::train::optimizer::ADAM_SQUARE;
use super::train::{TrainError, TrainOptions, Trainer};
use crate::isa::Isa;
use crate::op::loss::Loss;

const KEY: &str = "diapason.training";
/// The version that is written; those from 1 on are read.
const VERSION: u64 = 2;
/// The numbers of Adam, which lay among the options in version 1.
const ADAM: [&str; 3] = ["beta1", "beta2", "epsilon"];

/// Most steps of a training: 2^53, up to which a schedule's f64 counts each of them.
const STEPS_MAX: u64 = 1 << 53;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Training {
    version: u64,
    options: TrainOptions,
    steps: u64,
    /// Of a network that is not plain, one for each head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    losses: Vec<Loss>,
}

impl Training {
    fn parse(path: &Path, json: &str) -> Result<Self, CheckpointError> {
        let bad = |source| CheckpointError::Training { path: path.to_path_buf(), source };
        let mut training: Value = serde_json::from_str(json).map_err(bad)?;
        if training.get("version").is_none()
            && let Some(Value::Object(options)) = training.get_mut("options")
        {
            let numbers = ADAM.map(|name| options.remove_entry(name)).into_iter().flatten();
            let adam: Map<String, Value> = numbers.collect();
            options.insert("optimizer".to_owned(), serde_json::json!({ "adamw": adam }));
            training["version"] = VERSION.into();
        }
        match training.get("version").and_then(Value::as_u64) {
            Some(version) if version != VERSION => {
                Err(CheckpointError::Version { path: path.to_path_buf(), version })
            }
            _ => serde_json::from_value(training).map_err(bad),
        }
    }
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
    /// The training state has another version than those that are read.
    #[error("{} is a checkpoint of version {version}; this program reads versions 1 to {VERSION}, so take a newer one", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The other kind of training wrote the file.
    #[error("{} is the checkpoint of a {trainer}; go on from it with that", path.display())]
    OtherTrainer {
        /// The file.
        path: PathBuf,
        /// Which kind.
        trainer: &'static str,
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
    /// The network in it cannot be trained.
    #[error("{}: {source}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<NetworkTrainError>,
    },
}

impl Trainer {
    /// Writes the model, the optimiser and the options to `path`: to a temporary name, then renamed.
    ///
    /// # Errors
    /// [`CheckpointError`] when the file cannot be written; `path` is then untouched, save with
    /// [`FileError::NotSynced`], where it is written.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let json = json(self.options(), self.steps(), &[]);
        file::write(path, self.model(), &[(KEY, json)], &moments(self.options(), self.descent()))?;
        Ok(())
    }

    /// Goes on from what [`save`](Self::save) wrote: the next steps give the bits that they would have given.
    /// Threads and instruction set are this run's, because they change no bit.
    ///
    /// # Errors
    /// [`CheckpointError`] naming the file and what is wrong with it.
    pub fn resume(path: &Path, threads: usize, isa: Option<Isa>) -> Result<Self, CheckpointError> {
        let (bytes, training) = open(path)?;
        if file::metadata(path, &bytes, STACK_KEY)?.is_some() {
            return Err(CheckpointError::OtherTrainer {
                path: path.to_path_buf(),
                trainer: "NetworkTrainer",
            });
        }
        let read = file::decode(path, &bytes, &[KEY], training.options.optimizer.moments())?;
        check(path, &training, &read.extra)?;
        let options = TrainOptions { threads, isa, ..training.options };
        let mut trainer = Self::new(read.model, options)
            .map_err(|source| CheckpointError::Options { path: path.to_path_buf(), source })?;
        let descent = trainer.descent_mut();
        descent.steps = training.steps;
        descent.moments = read.extra;
        Ok(trainer)
    }
}

impl NetworkTrainer {
    /// Writes the network, the optimiser and the options to `path`: to a temporary name, then renamed.
    ///
    /// # Errors
    /// [`CheckpointError`] as for [`Trainer::save`].
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let json = json(self.options(), self.steps(), self.losses());
        let moments = moments(self.options(), self.descent());
        let bytes = network::encode_checkpoint(self.network(), (KEY, &json), &moments)?;
        Ok(file::write_bytes(path, &bytes)?)
    }

    /// Goes on from what [`save`](Self::save) wrote, as [`Trainer::resume`] does.
    ///
    /// # Errors
    /// [`CheckpointError`] naming the file and what is wrong with it.
    pub fn resume(path: &Path, threads: usize, isa: Option<Isa>) -> Result<Self, CheckpointError> {
        let (bytes, training) = open(path)?;
        if file::metadata(path, &bytes, SPEC_KEY)?.is_some() {
            let (path, trainer) = (path.to_path_buf(), "Trainer, which is for plain models");
            return Err(CheckpointError::OtherTrainer { path, trainer });
        }
        let names = training.options.optimizer.moments();
        let (network, moments) = network::decode_checkpoint(path, &bytes, KEY, names)?;
        check(path, &training, &moments)?;
        let options = TrainOptions { threads, isa, ..training.options };
        let mut trainer = Self::new(network, options, &training.losses).map_err(|source| {
            CheckpointError::Network { path: path.to_path_buf(), source: Box::new(source) }
        })?;
        let descent = trainer.descent_mut();
        descent.steps = training.steps;
        descent.moments = moments;
        Ok(trainer)
    }
}

/// The training state as it is written.
fn json(options: &TrainOptions, steps: u64, losses: &[Loss]) -> String {
    let (options, losses) = (options.clone(), losses.to_vec());
    serde_json::json!(Training { version: VERSION, options, steps, losses }).to_string()
}

/// What the optimiser remembers, by name.
fn moments<'a>(options: &TrainOptions, descent: &'a Descent) -> Vec<(&'static str, &'a [f32])> {
    let names = options.optimizer.moments().iter().copied();
    names.zip(descent.moments.iter().map(Vec::as_slice)).collect()
}

/// The bytes of a checkpoint, and its training state.
fn open(path: &Path) -> Result<(Vec<u8>, Training), CheckpointError> {
    let bytes = file::content(path, FILE_BYTES_MAX * 3)?;
    let Some(json) = file::metadata(path, &bytes, KEY)? else {
        return Err(CheckpointError::NotACheckpoint { path: path.to_path_buf() });
    };
    let training = Training::parse(path, &json)?;
    Ok((bytes, training))
}

/// Refuses what no training leaves behind.
fn check(path: &Path, training: &Training, moments: &[Vec<f32>]) -> Result<(), CheckpointError> {
    if training.steps > STEPS_MAX {
        return Err(CheckpointError::Steps { path: path.to_path_buf(), steps: training.steps });
    }
    for (&tensor, values) in training.options.optimizer.moments().iter().zip(moments) {
        if tensor == ADAM_SQUARE
            && let Some(index) = values.iter().position(|&square| square < 0.0)
        {
            let (path, value) = (path.to_path_buf(), values[index]);
            return Err(CheckpointError::Negative { path, tensor, index, value });
        }
    }
    Ok(())
}
