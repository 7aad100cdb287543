//! `diapason features`: what can be computed, what a plan would compute, and computing it.

mod check;
mod output;

mod compute;

use std::path::PathBuf;

use clap::Subcommand;
use diapason_kernels::feature::{CATALOGUE, Entry, Plan};

use crate::console::{Console, Tone};
use crate::failure::Failure;
use crate::line::PlanText;
use crate::line::feed::FeedError;
use crate::line::intake::Intake;

/// What to tell about features.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List every feature with its parameters and inputs, or those of which all the words given are told
    List {
        /// Words of names, families, meanings and TA-Lib's names, or parts of them
        words: Vec<String>,
    },
    /// Explain one feature, or a whole plan such as "rsi(14), ema(close,20)/close-1"
    Explain {
        /// The name of a feature, or a plan, or @FILE that holds one as text or as a TOML list
        what: PlanText,
        /// Columns that the plan may name, comma separated
        #[arg(long, value_delimiter = ',', default_value = "timestamp,open,high,low,close,volume")]
        columns: Vec<String>,
        /// Take the columns from this file instead
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Compute the features of every row of a file, keep them for later runs, and write them where asked
    Compute(compute::Arguments),
    /// Look at the features of every row of a file before a model learns from them; exit code 1 when one cannot be used
    Check(check::Arguments),
}

/// Runs one of the feature commands.
///
/// # Errors
/// [`Failure`] when the name or the plan is wrong, with the nearest name.
pub fn run(command: &Command, console: &Console) -> Result<(), Failure> {
    match command {
        Command::List { words } => Ok(console.show(&told_of(words)?, |console, entries| {
            let rows = entries
                .iter()
                .map(|entry| {
                    let inputs: Vec<&str> = entry.inputs.iter().map(|input| input.column).collect();
                    vec![
                        entry.call(),
                        format!("{:?}", entry.family).to_lowercase(),
                        inputs.join(", "),
                        entry.lookback.to_owned(),
                        entry.ta_lib.unwrap_or("").to_owned(),
                        entry.summary.to_owned(),
                    ]
                })
                .collect();
            console.table(&["feature", "family", "inputs", "lookback", "TA-Lib", "meaning"], rows)
        })?),
        Command::Explain { what, columns, data } => {
            let PlanText { text: what, file } = what;
            if let Some(entry) = CATALOGUE.iter().find(|entry| entry.name == what) {
                return Ok(console.show(entry, |console, entry| entry_text(console, entry))?);
            }
            let columns = match data {
                Some(file) => Intake::columns(file, console)?,
                None => columns.clone(),
            };
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            // A bare word that is no column is meant as a feature, and is told so.
            let is_word = what.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            let is_feature = is_word && !columns.contains(&what.as_str());
            let text = if is_feature { format!("{what}()") } else { what.clone() };
            let plan = Plan::parse(&text, &columns).map_err(|error| match file {
                Some(file) => Failure::Feed(FeedError::Plan { file: file.display().to_string(), error }),
                None => Failure::Plan(error),
            })?;
            Ok(console.show(&plan.explain(), |_, explanation| explanation.to_string())?)
        }
        Command::Compute(arguments) => compute::run(arguments, console),
        Command::Check(arguments) => check::run(arguments, console),
    }
}

/// The features in whose lines all `words` occur.
fn told_of(words: &[String]) -> Result<Vec<&'static Entry>, Failure> {
    let is_told = |entry: &&Entry, word: &str| {
        let line = format!(
            "{} {:?} {} {}",
            entry.name,
            entry.family,
            entry.summary,
            entry.ta_lib.unwrap_or_default()
        );
        line.to_lowercase().contains(&word.to_lowercase())
    };
    let mut entries = CATALOGUE.to_vec();
    for word in words {
        entries.retain(|entry| is_told(entry, word));
        if entries.is_empty() {
            return Err(Failure::NoFeature { words: words.join(" ") });
        }
    }
    Ok(entries)
}

fn entry_text(console: &Console, entry: &Entry) -> String {
    let mut lines = vec![
        console.paint(Tone::Strong, &entry.call()),
        format!("  {}", entry.summary),
        format!("  formula    {}", entry.formula),
        format!("  source     {}", entry.source),
    ];
    for input in entry.inputs {
        lines.push(format!("  input      {}, by default the column {}", input.name, input.column));
    }
    for parameter in entry.parameters {
        lines.push(format!(
            "  parameter  {} = {}, from {} to {}",
            parameter.name, parameter.default, parameter.minimum, parameter.maximum
        ));
    }
    if entry.outputs.len() > 1 {
        lines.push(format!("  outputs    {}", entry.outputs.join(", ")));
    }
    lines.push(format!("  lookback   {}", entry.lookback));
    lines.push(format!("  unknown    {}", entry.nan));
    lines.push(format!("  unit       {:?}, stability {:?}", entry.unit, entry.stability));
    if let Some(name) = entry.ta_lib {
        lines.push(format!("  TA-Lib     {name}"));
    }
    lines.join("\n")
}
