//! Why a command ended, and the exit code that says so.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | a check found something: `doctor` a FAIL, `tune verify` a difference, `tune conflicts` somebody else |
//! | 2 | bad input: the message names file, place, value and remedy; nothing was written |
//! | 3 | not possible on this host now: no daemon, no permission, a full disk |

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use diapason_daemon::client::ClientError;
use diapason_daemon::explain::ExplainError;
use diapason_daemon::profile::ProfileError;
use diapason_daemon::root::RootError;
use diapason_kernels::IsaError;
use diapason_kernels::feature::PlanError;
use diapason_kernels::lstm::{
    CompileError, FileError, ModelError, NetworkError, PredictError, StreamError, TrainError,
};
#[cfg(feature = "libhdf5")]
use diapason_loader::{csv, format::libhdf5, import, market, repack};
use diapason_loader::{export, follow, sampler, table};

use crate::device::{Choice, Precision};
use crate::line::feed::FeedError;
use crate::line::intake::IntakeError;
use crate::line::recipe::RecipeError;
use crate::line::scan::ScanError;
#[cfg(feature = "libhdf5")]
use crate::plot::PlotError;

/// Why a command ended without doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A check found something; the findings were shown already.
    #[error("{0}")]
    Found(String),
    /// A CSV file could not be imported.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    Import(#[from] csv::Error),
    /// A Parquet, Arrow or NumPy file could not be imported.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    ImportOther(#[from] import::Error),
    /// A table could not be written for another program.
    #[error("cannot write {}: {error}", file.display())]
    Export {
        /// The output.
        file: PathBuf,
        /// What is in the way.
        error: export::Error,
    },
    /// A search that finds no feature.
    #[error("no feature is told of with {words:?}; `diapason features list` lists all")]
    NoFeature {
        /// What was searched for.
        words: String,
    },
    /// Features could not be written as HDF5.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    Features(#[from] libhdf5::Error),
    /// A table could not be repacked.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    Repack(#[from] repack::Error),
    /// A market could not be generated.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    Generate(#[from] market::Error),
    /// An HDF5 file could not be read.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// A growing file cannot be followed.
    #[error(transparent)]
    Follow(#[from] follow::Error),
    /// A file is no table.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A file cannot feed a plan.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The pass over a file stopped.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A plan is wrong in itself.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Windows cannot be walked.
    #[error(transparent)]
    Epoch(#[from] sampler::epoch::Error),
    /// A file has too few rows, or the wrong ones.
    #[error("{}: {reason}", file.display())]
    Rows {
        /// The file.
        file: PathBuf,
        /// What is lacking, and what to do.
        reason: String,
    },
    /// A number on the command line is out of range.
    #[error("{name} is {value}; it must be {range}")]
    OutOfRange {
        /// The option.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What may be given.
        range: &'static str,
    },
    /// An option has no meaning without another one.
    #[error("{name} needs {other}")]
    Needs {
        /// The option.
        name: &'static str,
        /// What it belongs to.
        other: &'static str,
    },
    /// A model does not fit.
    #[error("{}: {error}", file.display())]
    Model {
        /// The model file.
        file: PathBuf,
        /// What does not fit.
        error: RecipeError,
    },
    /// A model file could not be read.
    #[error("{0}; give a model that `diapason train` or another program wrote")]
    NoModel(FileError),
    /// A model file could not be written.
    #[error(transparent)]
    ModelFile(#[from] FileError),
    /// A model cannot be made.
    #[error(transparent)]
    Specification(#[from] ModelError),
    /// `KERNELS_ISA` names an instruction set that is not to be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// A model cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A prediction was refused.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// A network cannot be compiled or run as asked.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A tick was refused.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Training stopped.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A device is not there, does not take the model, or failed.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Device(#[from] diapason_kernels::device::DeviceError),
    /// This build has no kernels for GPUs.
    #[cfg(not(feature = "gpu"))]
    #[error(
        "{asked} needs kernels for GPUs, which this build lacks; install the released package, or build with \
         `cargo build --release -p diapason --features gpu`"
    )]
    NoGpus {
        /// What was asked for.
        asked: String,
    },
    /// A device does not multiply so.
    #[error("{device} does not multiply in {precision}; {remedy}")]
    Precision {
        /// The device.
        device: Choice,
        /// What was asked for.
        precision: Precision,
        /// What to give instead.
        remedy: &'static str,
    },
    /// Only the processor runs this model.
    #[cfg(feature = "gpu")]
    #[error("GPUs run plain LSTM models, and of this one {reason}; give --device cpu")]
    NotForGpus {
        /// What is not plain about it.
        reason: diapason_kernels::lstm::NotPlain,
    },
    /// A value has no meaning for this option.
    #[error("{option} {value} has no meaning here; give {remedy}")]
    Named {
        /// The option.
        option: &'static str,
        /// What was given.
        value: &'static str,
        /// What may be given.
        remedy: &'static str,
    },
    /// A profile is unknown or wrong.
    #[error("{}", .0.with_excerpt())]
    Profile(#[from] ProfileError),
    /// A fact of the host is there and cannot be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The daemon did not answer, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A command cannot run as a profile asks.
    #[error(transparent)]
    Limits(#[from] diapason_daemon::knob::LimitError),
    /// A program could not be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        error: io::Error,
    },
    /// A plot could not be drawn.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A file is to be written into a folder that is not there.
    #[error("cannot write {}: there is no folder {}; create it first", file.display(), folder.display())]
    NoFolder {
        /// The file.
        file: PathBuf,
        /// Its folder.
        folder: PathBuf,
    },
    /// A file must not be written there.
    #[error("cannot write {}: {reason}", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// Something would need more memory than there is.
    #[error("{what} needs about {needed}, {limit}; give {remedy}")]
    Memory {
        /// What would need it.
        what: &'static str,
        /// How much, in words.
        needed: String,
        /// How much there may be, in words.
        limit: String,
        /// What to make smaller.
        remedy: &'static str,
    },
    /// A profile was named by a file where the daemon takes names only.
    #[error(
        "the daemon applies profiles by name and reads no file that a caller points at; copy {file} to /etc/diapason/profiles and apply it by name"
    )]
    ByName {
        /// The file.
        file: String,
    },
    /// No knob is named so.
    #[error("no knob is named like {pattern:?}; `diapason tune knobs` lists them")]
    NoKnobs {
        /// What was given.
        pattern: String,
    },
    /// A knob could not be explained.
    #[error(transparent)]
    Explain(ExplainError),
    /// There is no such tree of files.
    #[error("there is no folder {}; give the root of a tree of files", root.display())]
    NoRoot {
        /// What was given.
        root: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {}: {error}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The terminal could not be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Profile(error) => Self::Profile(error),
            ExplainError::Root(error) => Self::Root(error),
            other => Self::Explain(other),
        }
    }
}

impl Failure {
    /// The exit code of a command that ended so.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Table(error) | Self::Follow(follow::Error::Table(error)) if error.is_environment() => 3,
            #[cfg(feature = "libhdf5")]
            Self::Import(error) if error.is_environment() => 3,
            #[cfg(feature = "libhdf5")]
            Self::ImportOther(error) if error.is_environment() => 3,
            #[cfg(feature = "libhdf5")]
            Self::Repack(error) if error.is_environment() => 3,
            #[cfg(feature = "libhdf5")]
            Self::Generate(error) if error.is_environment() => 3,
            #[cfg(feature = "libhdf5")]
            Self::Features(error) if error.is_environment() => 3,
            Self::Intake(error) if error.is_environment() => 3,
            Self::Feed(error) | Self::Scan(ScanError::Feed(error)) if error.is_environment() => 3,
            Self::Export { error: export::Error::Output(_), .. } => 3,
            #[cfg(feature = "gpu")]
            Self::Device(error) if error.is_environment() => 3,
            #[cfg(not(feature = "gpu"))]
            Self::NoGpus { .. } => 3,
            Self::Found(_) => 1,
            Self::Client(ClientError::Refused { error, .. }) if error.ends_with("ProfileInvalid") => 2,
            Self::Output(_) | Self::Root(_) | Self::Client(_) => 3,
            Self::Limits(diapason_daemon::knob::LimitError::Refused { .. }) => 3,
            Self::Write { .. } | Self::ModelFile(_) | Self::Start { .. } => 3,
            _ => 2,
        })
    }
}
