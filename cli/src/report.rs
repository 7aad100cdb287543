//! The page that `diapason demo` leaves behind: figures and plots in one file, without script or network.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::console;
use crate::fit::Outcome;
use crate::latency::{Figures, Latency};
use crate::plot::{self, Line, PlotError};
use crate::{doctor, tune};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
table{border-collapse:collapse;width:100%}td{border-bottom:1px solid #d7dbe0;padding:.3rem .5rem;vertical-align:top}\
td:first-child{color:#57606a;white-space:nowrap}svg{width:100%;height:auto}.verdict{padding:.6rem 1rem;border-left:4px solid #c8551e;background:#faf5f1}\
.verdict.good{border-color:#2a7d3f;background:#f2f8f3}footer{color:#57606a;font-size:.85rem;margin-top:2rem}";

/// Everything that the demonstration measured.
#[derive(Serialize)]
pub struct Demonstration {
    /// Where the rows came from.
    pub source: String,
    /// Findings of the doctor: passed, warned, failed.
    pub doctor: doctor::Tally,
    /// The processor, in words.
    pub machine: String,
    /// What the profile would change here.
    pub plan: tune::Counts,
    /// Rows imported.
    pub rows: u64,
    /// Rows imported in a second.
    pub import_rows_per_second: f64,
    /// Bytes of the CSV file.
    pub csv_bytes: u64,
    /// Bytes of the HDF5 file.
    pub hdf5_bytes: u64,
    /// Shuffled windows gathered in a second, from compressed chunks through the features.
    pub windows_per_second: f64,
    /// Training, with its epochs.
    pub training: Outcome,
    /// Predictions in a second, in batches, loading and features included.
    pub batch_per_second: f64,
    /// A tick with each window from zero state, which gives the numbers of the batch.
    pub tick_window: Figures,
    /// A tick with the state carried on.
    pub tick_carry: Figures,
    /// The largest difference between a batch prediction and its streamed twin, in units of the target.
    pub stream_difference: f64,
    /// Largest resident set of the process, in bytes.
    pub peak_bytes: u64,
    /// Seconds of everything.
    pub seconds: f64,
    /// Prediction and truth of some validation windows, in units of the target.
    #[serde(skip)]
    pub points: Vec<(f64, f64)>,
    /// Both tick latencies, for the plot.
    #[serde(skip)]
    pub latencies: [Latency; 2],
}

/// The summary table: what was measured, in the order of the data line.
#[must_use]
pub fn summary(shown: &Demonstration) -> Vec<(&'static str, String)> {
    let tick = |figures: &Figures| {
        let time = |ns| console::time(Duration::from_nanos(ns));
        format!("p50 {}, p99 {}", time(figures.p50_ns), time(figures.p99_ns))
    };
    let training = &shown.training;
    vec![
        ("rows", format!("{} from {}", console::count(shown.rows), shown.source)),
        ("import", console::per_second(shown.import_rows_per_second, "rows")),
        (
            "size",
            format!(
                "{} of CSV -> {} of HDF5",
                console::bytes(shown.csv_bytes),
                console::bytes(shown.hdf5_bytes)
            ),
        ),
        ("shuffled windows", console::per_second(shown.windows_per_second, "windows")),
        (
            "training",
            format!(
                "{} ({} epochs)",
                console::per_second(training.samples_per_second(), "windows"),
                training.epochs.len()
            ),
        ),
        ("prediction, batch", console::per_second(shown.batch_per_second, "windows")),
        ("tick, window from zero", tick(&shown.tick_window)),
        ("tick, state carried", tick(&shown.tick_carry)),
        ("batch against stream", format!("{:.1e} of the target's unit at most", shown.stream_difference)),
        (
            "skill on validation",
            format!(
                "{:+.3} % ± {:.3} % against predicting zero",
                100.0 * training.validation.skill,
                100.0 * training.validation.skill_error
            ),
        ),
        ("peak memory", console::bytes(shown.peak_bytes)),
        ("tuning plan", shown.plan.text()),
        ("time", format!("{:.1} s", shown.seconds)),
    ]
}

/// The whole page.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn page(shown: &Demonstration) -> Result<String, PlotError> {
    let training = &shown.training;
    let epochs = |value: fn(&crate::fit::EpochLine) -> f64| -> Vec<(f64, f64)> {
        training.epochs.iter().map(|line| (line.epoch as f64, value(line))).collect()
    };
    let zero =
        training.epochs.iter().map(|line| (line.epoch as f64, training.validation.mse_of_zero)).collect();
    let loss = plot::lines(
        "Loss over the epochs",
        "epoch",
        "mean squared error",
        &[
            Line { name: "training", points: epochs(|line| line.train_loss), is_reference: false },
            Line { name: "validation", points: epochs(|line| line.validation_loss), is_reference: false },
            Line { name: "validation, predicting zero", points: zero, is_reference: true },
        ],
    )?;
    let scatter = plot::scatter(
        "Prediction against truth on validation rows",
        "true log return, in units of its root mean square",
        "predicted",
        &shown.points,
    )?;
    let [window, carry] = &shown.latencies;
    let latency = plot::latency(
        "Latency of a streaming tick",
        &[("window from zero", window.buckets()), ("state carried", carry.buckets())],
    )?;
    let mut table = String::new();
    for (name, value) in summary(shown) {
        let _ = write!(table, "<tr><td>{}</td><td>{}</td></tr>", escaped(name), escaped(&value));
    }
    let verdict = training.validation;
    let class = if verdict.is_evidence() { "verdict good" } else { "verdict" };
    Ok(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Diapason: demonstration</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>Diapason: demonstration</h1><p>{}</p><p class=\"{class}\">On its validation rows, which also chose the epoch, this model {}.</p>\
         <table>{table}</table>{loss}{scatter}{latency}\
         <footer>Features: {}. Target: log return of {} over {} rows, from windows of {} rows; {} windows to learn \
         from, {} to validate on, in order of time. Kernels: {}. One run on one machine: read ratios, not the last \
         digit.</footer></body></html>\n",
        escaped(&shown.machine),
        escaped(&verdict.sentence()),
        escaped(&training.recipe.features),
        escaped(&training.recipe.price.to_string()),
        training.recipe.horizon,
        training.recipe.window,
        console::count(training.train_windows),
        console::count(training.validation_windows),
        escaped(&training.isa),
    ))
}

/// `text` with the five characters that mean something in HTML written as entities.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_cannot_become_markup() {
        assert_eq!(escaped("<b a='1'>&\"x\".csv"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;x&quot;.csv");
    }
}
