//! How a batch is cut: tried once for a model, a precision and a size of batch, saved, and taken up again.
//!
//! The tiles of the products are not among the candidates: their sums fill the registers, which leaves one best shape for each
//! instruction set. What is left is how many windows go through time together, how many steps are projected at once, and
//! the threads. No choice changes a bit of a prediction.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::block::PredictError;
use super::compile::{CompileError, CompileOptions};
use super::cut::{BLOCK_MAX, Tuning};
use super::file::{FileError, write_bytes};
use super::matrix::Precision;
use super::model::Lstm;
use super::threads::threads;
use crate::isa::{Isa, IsaError};
use crate::op::network::Spec;
use crate::random;

/// A tuning with what it was found for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// The processor's name and the cores that this process may use.
    pub host: String,
    /// The instruction set.
    pub isa: String,
    /// The model's shape.
    pub spec: Spec,
    /// In what its products are computed.
    pub precision: Precision,
    /// Windows and steps of the batch that was tried.
    pub batch: [usize; 2],
    /// What was fastest.
    pub tuning: Tuning,
    /// Seconds of a batch with it, the best of some; and with the default.
    pub seconds: [f64; 2],
}

/// A tuning that cannot be found, saved or taken up.
#[derive(Debug, Error)]
pub enum TuningError {
    /// The model cannot be compiled here.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The batch cannot be predicted.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The instruction set is not to be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// There is nothing to try with.
    #[error(
        "a batch of {batch} windows of {time} steps gives nothing to tune for; give at least one of each"
    )]
    Empty {
        /// Windows.
        batch: usize,
        /// Steps.
        time: usize,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no tuning.
    #[error("{} holds no tuning: {source}; tune again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It was found elsewhere, or for something else.
    #[error("{} was tuned for {what} {found:?}, not {wanted:?}; tune again", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// In the file.
        found: String,
        /// Here.
        wanted: String,
    },
    /// A number that no tuning has.
    #[error("{}: {name} is {value}, not {range}; tune again", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The field.
        name: &'static str,
        /// Its value.
        value: usize,
        /// What it may be.
        range: String,
    },
}

/// A file of a tuning is a few lines; nobody shall make us read more.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Each candidate runs as long, and at least [`RUNS`] times.
const EFFORT: Duration = Duration::from_millis(30);
const RUNS: usize = 3;
/// A candidate must be so much faster to be taken: less is noise.
const GAIN: f64 = 0.98;

impl Lstm {
    /// Tries how to cut batches of `batch` windows of `time` steps: first the threads, then block and chunk. Takes a second
    /// or so for a small batch, and some dozens of predictions of a large one.
    ///
    /// # Errors
    /// [`TuningError`] when the batch is empty, or the model cannot be compiled or run here.
    pub fn tune(&self, options: &CompileOptions, batch: usize, time: usize) -> Result<Tuned, TuningError> {
        if batch == 0 || time == 0 {
            return Err(TuningError::Empty { batch, time });
        }
        let mut index = 0;
        let windows = Array3::from_shape_simple_fn((batch, time, self.spec().input), || {
            index += 1;
            2.0 * random::unit(1, index) - 1.0
        });
        let mut out = Array2::zeros((batch, self.spec().output));
        let mut seconds = |tuning: Tuning| -> Result<f64, TuningError> {
            let mut executable = self.compile(&CompileOptions { tuning: Some(tuning), ..options.clone() })?;
            let (begun, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
            while runs < RUNS || begun.elapsed() < EFFORT {
                let start = Instant::now();
                executable.predict(windows.view(), out.view_mut())?;
                best = best.min(start.elapsed().as_secs_f64());
                runs += 1;
            }
            Ok(best)
        };
        let most = threads(options.threads);
        let mut best = Tuning { threads: most, ..Tuning::default() };
        let default = seconds(best)?;
        let mut fastest = default;
        let mut take = |tuning: Tuning, best: &mut Tuning| -> Result<(), TuningError> {
            let found = if tuning == *best { fastest } else { seconds(tuning)? };
            if found < GAIN * fastest {
                (fastest, *best) = (found, tuning);
            }
            Ok(())
        };
        // A number that the caller gave is not ours to change.
        if options.threads == 0 {
            let fewer = std::iter::successors(Some(1), |threads| Some(2 * threads));
            for threads in fewer.take_while(|&threads| threads < most) {
                take(Tuning { threads, ..best }, &mut best)?;
            }
        }
        for block in [12, 24, 36, 72, BLOCK_MAX] {
            take(Tuning { block, ..best }, &mut best)?;
        }
        for chunk_bytes in [64 << 10, 128 << 10, 512 << 10, 1 << 20] {
            take(Tuning { chunk_bytes, ..best }, &mut best)?;
        }
        Ok(Tuned {
            host: host(),
            isa: Isa::choose(options.isa)?.name().to_owned(),
            spec: self.spec(),
            precision: options.precision,
            batch: [batch, time],
            tuning: best,
            seconds: [fastest, default],
        })
    }
}

impl Tuned {
    /// Writes it as JSON: to a temporary name, then renamed.
    ///
    /// # Errors
    /// [`TuningError::Write`] naming the file.
    pub fn save(&self, path: &Path) -> Result<(), TuningError> {
        let text = format!("{:#}\n", serde_json::json!(self));
        Ok(write_bytes(path, text.as_bytes())?)
    }

    /// Reads what [`save`](Self::save) wrote on this host for this model, precision and instruction set.
    ///
    /// # Errors
    /// [`TuningError`] naming the file and what differs, or what is wrong with it.
    pub fn load(path: &Path, model: &Lstm, options: &CompileOptions) -> Result<Self, TuningError> {
        let place = || path.to_path_buf();
        let read = |source| TuningError::Read { path: place(), source };
        let length = fs::metadata(path).map_err(read)?.len();
        if length > FILE_BYTES_MAX {
            let reason = format!("{length} bytes are more than the {FILE_BYTES_MAX} that a tuning may have");
            return Err(read(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        let text = fs::read_to_string(path).map_err(read)?;
        let tuned: Self =
            serde_json::from_str(&text).map_err(|source| TuningError::Format { path: place(), source })?;
        let isa = Isa::choose(options.isa)?.name().to_owned();
        for (what, found, wanted) in [
            ("host", tuned.host.clone(), host()),
            ("instruction set", tuned.isa.clone(), isa),
            ("model", tuned.spec.to_string(), model.spec().to_string()),
            ("precision", tuned.precision.to_string(), options.precision.to_string()),
        ] {
            if found != wanted {
                return Err(TuningError::Other { path: place(), what, found, wanted });
            }
        }
        if let Some((name, value, range)) = tuned.tuning.fault() {
            return Err(TuningError::Range { path: place(), name, value, range });
        }
        Ok(tuned)
    }
}

/// The processor's name, where the kernel tells it, and the cores that this process may use.
fn host() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or(std::env::consts::ARCH, |name| name.trim_start_matches([' ', '\t', ':']));
    format!("{name}, {} cores", threads(0))
}
