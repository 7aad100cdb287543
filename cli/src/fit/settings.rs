//! What the user may say about training, and what is refused before anything is read.

use clap::Args;
use diapason_kernels::lstm::{Optimizer, Precision};

use crate::console;
use crate::failure::Failure;
use crate::line::{Cache, PlanText};
use crate::memory;

/// How to train.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// The feature plan, or @FILE that holds it as text or as a TOML list; without it, one that suits the columns of the file
    #[arg(long)]
    pub features: Option<PlanText>,
    /// Rows in a window
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub window: u64,
    /// Rows ahead whose price is predicted
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub horizon: u64,
    /// Units in each LSTM layer
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=2048))]
    pub hidden: u64,
    /// LSTM layers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub layers: u64,
    /// Windows in a batch
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub batch: u64,
    /// Epochs at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub epochs: u64,
    /// Seconds of training at most; an epoch that is cut short is still validated
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Epochs without a better validation before training stops
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    pub patience: u64,
    /// Which way a gradient moves the weights: adamw, adam or sgd, as torch.optim has them
    #[arg(long, default_value = "adamw", value_parser = optimizer)]
    pub optimizer: Optimizer,
    /// The step size; without it 0.001, for sgd 0.1
    #[arg(long)]
    pub learning_rate: Option<f64>,
    /// With sgd: what stays of the last step's direction; without it 0.9
    #[arg(long)]
    pub momentum: Option<f64>,
    /// With sgd: Nesterov's momentum
    #[arg(long)]
    pub nesterov: bool,
    /// Decay of the weights; with adamw apart from the gradient
    #[arg(long, default_value_t = 0.0)]
    pub weight_decay: f64,
    /// Rows over which gradients go back at most; without it, the window
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub truncation: Option<u64>,
    /// In what the matrix products are computed: f32, or bf16, which is faster where the processor has it
    #[arg(long, default_value = "f32", value_parser = precision)]
    pub precision: Precision,
    /// The share of the newest rows that is kept for validation
    #[arg(long, default_value_t = 0.2)]
    pub validation: f64,
    /// Seconds between rows that make a gap no window crosses; without it, ten median steps, at least 600
    #[arg(long)]
    pub gap: Option<f64>,
    /// Threads; 0 takes every processor this process may run on
    #[arg(long, default_value_t = 0, value_parser = threads)]
    pub threads: usize,
    /// Equal seeds give equal models
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// MiB of decoded chunks held at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub budget: u64,
    /// Whether computed features are kept.
    #[command(flatten)]
    pub cache: Cache,
}

/// A precision in which a model can be trained.
fn precision(text: &str) -> Result<Precision, String> {
    let known = Precision::TRAINING.into_iter().find(|precision| precision.name() == text);
    known.ok_or_else(|| format!("expected {}", Precision::TRAINING.map(Precision::name).join(" or ")))
}

/// An optimiser by its name.
fn optimizer(text: &str) -> Result<Optimizer, String> {
    let all = [Optimizer::ADAM_W, Optimizer::ADAM, Optimizer::SGD];
    let known = all.into_iter().find(|optimizer| optimizer.name() == text);
    known.ok_or_else(|| format!("expected {}", all.map(Optimizer::name).join(" or ")))
}

/// A number of threads: more than a machine could have is a slip of the keyboard.
pub fn threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    text.parse().ok().filter(|threads| *threads <= MOST).ok_or_else(|| format!("expected 0 to {MOST}"))
}

impl Settings {
    /// What trains, and its step size.
    pub(super) fn descent(&self) -> (Optimizer, f32) {
        match self.optimizer {
            Optimizer::Sgd { dampening, .. } => {
                let (momentum, nesterov) = (self.momentum.unwrap_or(0.9) as f32, self.nesterov);
                (Optimizer::Sgd { momentum, dampening, nesterov }, self.learning_rate.unwrap_or(0.1) as f32)
            }
            adam => (adam, self.learning_rate.unwrap_or(1e-3) as f32),
        }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        let positive =
            [("--learning-rate", self.learning_rate), ("--seconds", self.seconds), ("--gap", self.gap)];
        for (name, value) in positive {
            if let Some(value) = value
                && !(value.is_finite() && value > 0.0)
            {
                return Err(Failure::OutOfRange { name, value, range: "a finite number above 0" });
            }
        }
        if !matches!(self.optimizer, Optimizer::Sgd { .. }) {
            let given = [("--nesterov", self.nesterov), ("--momentum", self.momentum.is_some())];
            if let Some((name, _)) = given.into_iter().find(|(_, given)| *given) {
                return Err(Failure::Needs { name, other: "--optimizer sgd" });
            }
        }
        // A thousand years; longer times do not fit what the system counts time in.
        const SECONDS_MAX: f64 = 3.2e10;
        for (name, value) in [("--seconds", self.seconds), ("--gap", self.gap)] {
            if let Some(value) = value.filter(|value| *value > SECONDS_MAX) {
                return Err(Failure::OutOfRange { name, value, range: "at most a thousand years" });
            }
        }
        if !(self.validation > 0.0 && self.validation < 1.0) {
            let range = "a share between 0 and 1";
            return Err(Failure::OutOfRange { name: "--validation", value: self.validation, range });
        }
        Ok(())
    }

    /// Refuses what would not fit, before anything is allocated.
    pub(super) fn check_memory(&self, features: usize) -> Result<(), Failure> {
        const BATCH_BYTES_MAX: u64 = 256 << 20;
        let refuse = |what, needed, limit, remedy| {
            Err(Failure::Memory { what, needed: console::bytes(needed), limit, remedy })
        };
        let batch = self.batch.saturating_mul(self.window).saturating_mul(features as u64 * 4);
        if batch > BATCH_BYTES_MAX {
            let limit = format!("at most {} is allowed", console::bytes(BATCH_BYTES_MAX));
            return refuse("a batch", batch, limit, "a smaller --batch or --window");
        }
        let (hidden, layers) = (self.hidden, self.layers);
        let weights = 4 * hidden * (features as u64 + hidden) + (layers - 1) * 8 * hidden * hidden;
        // Weights, two moments, the best so far, and packed copies and gradients of the threads.
        let model = weights.saturating_mul(4 * 16);
        let available = memory::available_bytes();
        if model > available {
            let limit = format!("{} is available here", console::bytes(available));
            return refuse("training this model", model, limit, "a smaller --hidden or fewer --layers");
        }
        Ok(())
    }

    pub(super) fn size(&self, value: u64) -> usize {
        usize::try_from(value).unwrap_or(usize::MAX)
    }
}
