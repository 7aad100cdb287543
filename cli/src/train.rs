//! `diapason train`: from a file of columns to a model file.

use std::path::{Path, PathBuf};

use clap::Args;
use diapason_kernels::lstm::Lstm;

use crate::console::{self, Console, Tone};
use crate::failure::Failure;
use crate::fit::{self, Ending, Lesson, Outcome, Settings};
use crate::line::recipe::KEY;
use crate::memory;
use crate::write;

/// What to train on, and where to.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to learn from: HDF5, or CSV, Parquet, Arrow and NumPy, which are imported for this run
    pub data: PathBuf,
    /// The model file to write (safetensors with PyTorch's names, or ONNX where it ends in .onnx; the recipe is in its
    /// metadata and beside it as JSON)
    #[arg(short, long)]
    pub out: PathBuf,
    /// How to train
    #[command(flatten)]
    pub settings: Settings,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; a model file appears only when it is complete.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
    write::ready(&arguments.out, &[&arguments.data])?;
    write::ready(&beside(&arguments.out), &[&arguments.data])?;
    let lesson = Lesson::open(&arguments.data, &arguments.settings, console)?;
    let (mut model, outcome) = fit::fit(&lesson, &arguments.settings, console)?;
    save(&mut model, &outcome, &arguments.out)?;
    Ok(console.show(&outcome, |console, outcome| {
        format!(
            "{}\n  peak memory  {}\n  written      {}",
            text(console, outcome),
            console::bytes(memory::peak_bytes()),
            arguments.out.display()
        )
    })?)
}

/// Writes the model with its recipe in it, and the specification beside it as JSON for people and other tools.
///
/// # Errors
/// When either file cannot be written.
pub fn save(model: &mut Lstm, outcome: &Outcome, path: &Path) -> Result<(), Failure> {
    let recipe = serde_json::to_string(&outcome.recipe).map_err(std::io::Error::other)?;
    model.metadata_mut().insert(KEY.to_owned(), recipe);
    model.save(path)?;
    let text =
        serde_json::to_string_pretty(&serde_json::json!({ "model": model.spec(), "recipe": outcome.recipe }))
            .map_err(std::io::Error::other)?;
    write::whole(&beside(path), text.as_bytes())
}

/// Where the specification lies: the model's whole name, and `.json`.
fn beside(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// What training did, in words.
pub fn text(console: &Console, outcome: &Outcome) -> String {
    let recipe = &outcome.recipe;
    let ending = match outcome.ending {
        Ending::Epochs => "all epochs were done",
        Ending::Patience => "the validation got no better",
        Ending::Seconds => "the time was over",
    };
    let tone = if outcome.validation.is_evidence() { Tone::Good } else { Tone::Doubtful };
    let mut lines = vec![
        format!(
            "trained {} epochs ({ending}); kept the weights of epoch {}, chosen by the validation below",
            outcome.epochs.len(),
            outcome.best_epoch
        ),
        format!("  features     {}", recipe.features),
        format!(
            "  predicts     log return of {} over {} rows, from windows of {}",
            recipe.price, recipe.horizon, recipe.window
        ),
        format!(
            "  windows      {} to learn from, {} to validate on{}",
            console::count(outcome.train_windows),
            console::count(outcome.validation_windows),
            if outcome.validation_stride > 1 {
                format!(" (one of {})", outcome.validation_stride)
            } else {
                String::new()
            },
        ),
        format!(
            "  speed        {} of training ({}, {}, {} parameters)",
            console::per_second(outcome.samples_per_second(), "windows"),
            outcome.isa,
            outcome.precision,
            outcome.parameters
        ),
        format!("  this model   {}", console.paint(tone, &outcome.validation.sentence())),
    ];
    if outcome.missing_values > 0 {
        let share = 100.0 * outcome.missing_values as f64 / outcome.values.max(1) as f64;
        lines.push(format!(
            "  not finite   {} feature values ({share:.4} %) were taken as their mean",
            console::count(outcome.missing_values)
        ));
    }
    if let Some(problem) = &outcome.cache_problem {
        lines.push(format!("  not kept     the features: {problem}"));
    }
    lines.join("\n")
}
