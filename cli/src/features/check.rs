//! `diapason features check`: a plan over a file, looked at before a model learns from it.
//!
//! Every row is computed twice: one row after the other, as a live feed would, and in pieces of uneven length, each begun
//! from the snapshot of the one before. What differs by a bit is a fault of this program, and is said. Then each
//! feature is judged by its values.

mod tally;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use diapason_kernels::feature::Stream;
use ndarray::Array2;
use serde::Serialize;

use self::tally::{Line, Tally};
use crate::console::{self, Console};
use crate::doctor::{self, Grade};
use crate::failure::Failure;
use crate::line::PlanText;
use crate::line::feed::{Feed, FeedError, Rows};
use crate::line::scan::{BLOCK_ROWS_MIN, usual_gap};

/// Rows of the pieces, over and over.
const PIECES: [usize; 6] = [1, 7, 64, 1000, 4096, 3];

/// What to check.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file: HDF5, or CSV, Parquet, Arrow and NumPy, which are imported for this run
    pub data: PathBuf,
    /// The feature plan, or @FILE that holds it as text or as a TOML list; without it, one that suits the columns of the file
    #[arg(long)]
    pub features: Option<PlanText>,
    /// MiB of decoded chunks held at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub budget: u64,
}

/// Something that a reader should know before training.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    grade: Grade,
    /// The feature, unless all are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<String>,
    /// What was found.
    fact: String,
    /// What to do about it.
    remedy: String,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    /// The plan in full.
    plan: String,
    /// Its content hash.
    features_hash: String,
    /// Rows of the file.
    rows: u64,
    /// Steps in time that are longer than usual.
    gaps: u64,
    /// Rows before every feature is known.
    lookback: u64,
    /// Values whose bits differ between a live feed and a batch: always none.
    differences: u64,
    /// Each feature.
    features: Vec<Line>,
    /// What a reader should know.
    findings: Vec<Finding>,
    /// Seconds for all.
    seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] when the file or the plan is wrong; [`Failure::Found`] when a feature cannot be used.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
    let started = Instant::now();
    let feed = Feed::open(&arguments.data, arguments.features.as_ref(), arguments.budget << 20, console)?;
    let pass = Pass::over(&feed, console)?;
    let names = feed.plan.names();
    let lookbacks = feed.plan.lookbacks();
    let features: Vec<Line> = (names.iter().zip(lookbacks).zip(&pass.tallies))
        .map(|((name, lookback), tally)| tally.line(name, *lookback as u64))
        .collect();
    let mut findings = Vec::new();
    if pass.differences > 0 {
        findings.push(Finding {
            grade: Grade::Fail,
            feature: None,
            fact: format!("{} values differ between a live feed and a batch", pass.differences),
            remedy: "this is a fault of diapason; report it with the plan".to_owned(),
        });
    }
    findings.extend(pass.infinite.iter().map(|(column, row)| Finding {
        grade: Grade::Fail,
        feature: None,
        fact: format!("fed with infinity, first in row {row} of column {column:?}"),
        remedy: "features are unknown there; repair the column".to_owned(),
    }));
    findings.extend(same_values(&feed));
    findings.extend(features.iter().flat_map(|line| line.findings(feed.table.rows())));
    let failed = findings.iter().filter(|finding| finding.grade == Grade::Fail).count();
    let report = Report {
        plan: feed.plan.canonical().to_owned(),
        features_hash: feed.plan.hash(),
        rows: feed.table.rows(),
        gaps: pass.gaps,
        lookback: feed.plan.lookback() as u64,
        differences: pass.differences,
        features,
        findings,
        seconds: started.elapsed().as_secs_f64(),
    };
    console.show(&report, text)?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Found(format!("{failed} findings of this plan stand in the way of a model"))),
    }
}

/// Features that hold one value under two names.
fn same_values(feed: &Feed) -> Vec<Finding> {
    let outputs = feed.plan.explain().outputs;
    let twice = |place: usize| {
        let (before, here) = (&outputs[..place], &outputs[place]);
        let first = before.iter().find(|output| output.register == here.register)?;
        Some(Finding {
            grade: Grade::Warn,
            feature: Some(here.name.clone()),
            fact: format!("the same as {}", first.name),
            remedy: "leave one of them out".to_owned(),
        })
    };
    (0..outputs.len()).filter_map(twice).collect()
}

/// One pass over a file.
struct Pass {
    tallies: Vec<Tally>,
    /// The first infinity among the inputs: its column and row.
    infinite: Option<(String, u64)>,
    gaps: u64,
    differences: u64,
}

impl Pass {
    fn over(feed: &Feed, console: &Console) -> Result<Self, FeedError> {
        let (width, total) = (feed.plan.names().len(), feed.table.rows());
        let tallies = vec![Tally::new(total); width];
        let mut pass = Self { tallies, infinite: None, gaps: 0, differences: 0 };
        let mut clock = feed.clock(usual_gap(feed, &(0..total))?);
        let (mut live, mut batch) = (feed.plan.stream(), Batch::new(feed));
        let (mut rows, mut features) = (Rows::default(), vec![0.0; width]);
        let inputs = feed.plan.inputs().len();
        let bar = console.progress("check", total);
        let mut first = 0;
        while first < total {
            let range = first..total.min(first + BLOCK_ROWS_MIN);
            feed.read_unchecked(range.clone(), &mut rows)?;
            let computed = batch.compute(feed, &rows);
            if let (None, Some(at)) = (&pass.infinite, rows.inputs.iter().position(|x| x.is_infinite())) {
                pass.infinite = Some((feed.plan.inputs()[at % inputs].clone(), first + (at / inputs) as u64));
            }
            for (index, row) in range.clone().enumerate() {
                let after_gap = feed.check(&mut clock, row, rows.times[index], rows.prices[index])?;
                pass.gaps += u64::from(after_gap);
                live.push(&rows.inputs[index * inputs..(index + 1) * inputs], &mut features);
                for ((value, also), tally) in features.iter().zip(computed.row(index)).zip(&mut pass.tallies)
                {
                    pass.differences += u64::from(value.to_bits() != also.to_bits());
                    tally.push(row, *value);
                }
            }
            first = range.end;
            bar.set_position(first);
        }
        bar.finish_and_clear();
        Ok(pass)
    }
}

/// The plan over pieces of uneven length, each begun from a snapshot.
struct Batch {
    stream: Stream,
    columns: Vec<Vec<f64>>,
    out: Array2<f64>,
    pieces: std::iter::Cycle<std::array::IntoIter<usize, { PIECES.len() }>>,
}

impl Batch {
    fn new(feed: &Feed) -> Self {
        Self {
            stream: feed.plan.stream(),
            columns: vec![Vec::new(); feed.plan.inputs().len()],
            out: Array2::zeros((0, feed.plan.names().len())),
            pieces: PIECES.into_iter().cycle(),
        }
    }

    /// The features of the next `rows`, `[row, feature]`.
    fn compute(&mut self, feed: &Feed, rows: &Rows) -> &Array2<f64> {
        let (count, inputs, width) = (rows.times.len(), self.columns.len(), feed.plan.names().len());
        for (place, column) in self.columns.iter_mut().enumerate() {
            column.clear();
            column.extend(rows.inputs.iter().skip(place).step_by(inputs.max(1)));
        }
        if self.out.nrows() != count {
            self.out = Array2::zeros((count, width));
        }
        let mut from = 0;
        while from < count {
            let to = count.min(from + self.pieces.next().unwrap_or(1));
            if let Ok(stream) = feed.plan.restore(&self.stream.snapshot()) {
                self.stream = stream;
            }
            let columns: Vec<&[f64]> = self.columns.iter().map(|column| &column[from..to]).collect();
            let mut out = self.out.slice_mut(ndarray::s![from..to, ..]);
            // What could not be computed differs from what the live feed gives, and is counted.
            if self.stream.extend(&columns, out.view_mut()).is_err() {
                out.fill(f64::INFINITY);
            }
            from = to;
        }
        &self.out
    }
}

fn text(console: &Console, report: &Report) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.6}"));
    let rows = report
        .features
        .iter()
        .map(|line| {
            vec![
                line.name.clone(),
                console::count(line.known),
                line.lookback.to_string(),
                number(line.least),
                number(line.mean),
                number(line.greatest),
                number(line.deviation),
            ]
        })
        .collect();
    let mut lines = vec![
        console.table(&["feature", "known", "lookback", "least", "mean", "greatest", "deviation"], rows),
        String::new(),
        format!(
            "{} rows, {} gaps, plan {}; in {:.2} s",
            console::count(report.rows),
            console::count(report.gaps),
            report.features_hash,
            report.seconds
        ),
        match report.differences {
            0 => "A live feed and a batch in uneven pieces gave the same bits.".to_owned(),
            count => format!("{} values differ between a live feed and a batch.", console::count(count)),
        },
    ];
    for finding in &report.findings {
        let grade = doctor::mark(console, finding.grade);
        let feature = finding.feature.as_deref().unwrap_or("the plan");
        lines.push(format!("{grade}  {feature} is {}: {}", finding.fact, finding.remedy));
    }
    lines.join("\n")
}
