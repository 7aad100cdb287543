//! `diapason features compute`: every feature of every row, kept for `train` and `predict`, or written for other programs.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::output::{Form, Output};
use crate::console::{self, Console};
use crate::failure::Failure;
use crate::line::feed::Feed;
use crate::line::scan::{BLOCK_ROWS_MIN, Question, Scan};
use crate::line::{Cache, Cached, PlanText};
use crate::{memory, write};

/// What to compute.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file: HDF5, or CSV, Parquet, Arrow and NumPy, which are imported for this run
    pub data: PathBuf,
    /// The feature plan, or @FILE that holds it as text or as a TOML list; without it, one that suits the columns of the file
    #[arg(long)]
    pub features: Option<PlanText>,
    /// Write time and features of every row to this file; its form is told by the end of its name: .h5, .hdf5, .npy, .csv,
    /// .parquet, .arrow or .feather
    #[arg(short, long)]
    pub out: Option<PathBuf>,
    /// MiB of decoded chunks held at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub budget: u64,
    #[command(flatten)]
    pub cache: Cache,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    /// The names of the features.
    features: Vec<String>,
    /// The content hash of the plan.
    features_hash: String,
    /// Rows of the file.
    rows: u64,
    /// Rows at the begin whose features lack what came before.
    lookback: u64,
    /// Values that are not finite, those of the begin included.
    not_finite: u64,
    /// Seconds for all.
    seconds: f64,
    /// Whether the features were found, or made and kept.
    cache: Cached,
    /// Why they could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_problem: Option<String>,
    /// The largest resident set of the process, in bytes.
    peak_bytes: u64,
    /// The file written.
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] when the file or the plan is wrong; an output file appears only when it is complete.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
    let started = Instant::now();
    if let Some(out) = &arguments.out {
        Form::of(out)?;
        write::ready(out, &[&arguments.data])?;
    }
    arguments.cache.settle(&arguments.data);
    let feed = Feed::open(&arguments.data, arguments.features.as_ref(), arguments.budget << 20, console)?;
    let mut output =
        arguments.out.as_deref().map(|out| Output::new(out, Form::of(out)?, &feed)).transpose()?;
    let bar = console.progress("compute", feed.table.rows());
    // Only the rows are wanted: no row is one to learn from, and every gap is as good as none.
    let question = Question { train: 0..0, horizon: 1, gap_seconds: Some(f64::MAX) };
    let mut not_finite = 0;
    let scan = Scan::with(&feed, &question, &arguments.cache, &mut |row, found| {
        not_finite += found.features.iter().filter(|value| !value.is_finite()).count() as u64;
        if let Some(output) = &mut output {
            output.write(found);
        }
        if row.is_multiple_of(BLOCK_ROWS_MIN) {
            bar.set_position(row);
        }
    })?;
    bar.finish_and_clear();
    output.map(Output::finish).transpose()?;
    let report = Report {
        features: feed.plan.names().to_vec(),
        features_hash: feed.plan.hash().to_owned(),
        rows: scan.rows,
        lookback: feed.plan.lookback() as u64,
        not_finite,
        seconds: started.elapsed().as_secs_f64(),
        cache: scan.cached,
        cache_problem: scan.problem,
        peak_bytes: memory::peak_bytes(),
        out: arguments.out.clone(),
    };
    Ok(console.show(&report, |_, report| text(report))?)
}

fn text(report: &Report) -> String {
    let how = match report.cache {
        Cached::Hit => "found in the cache",
        Cached::Made => "computed and kept",
        Cached::Bypassed => "computed and not kept",
        Cached::Off => "computed",
    };
    let mut lines = vec![
        format!(
            "{} rows of {} features {how} in {:.2} s",
            console::count(report.rows),
            report.features.len(),
            report.seconds
        ),
        format!("  plan         {}", report.features_hash),
        format!("  not finite   {} values", console::count(report.not_finite)),
        format!("  peak memory  {}", console::bytes(report.peak_bytes)),
    ];
    if let Some(problem) = &report.cache_problem {
        lines.push(format!("  not kept     {problem}"));
    }
    if let Some(out) = &report.out {
        lines.push(format!("  written      {}", out.display()));
    }
    lines.join("\n")
}
