//! `diapason`: tune the host, feed the data, run the model.
//!
//! `console, failure, device -> line -> (data, features, fit, predict, bench, doctor, tune) -> report -> demo`: arguments become one call,
//! one result, one exit code.

#![cfg_attr(
    not(feature = "libhdf5"),
    expect(dead_code, reason = "only the demonstration uses it, and that needs the writer")
)]

mod console;
#[cfg(feature = "libhdf5")]
mod plot;

mod line;

mod device;
mod failure;
mod latency;
mod memory;
mod score;
mod write;

mod bench;
mod data;
mod doctor;
mod features;
mod fit;
mod predict;
mod train;
mod tune;

mod manual;
#[cfg(feature = "libhdf5")]
mod report;

#[cfg(feature = "libhdf5")]
mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use console::Console;

/// Makes one machine as fast as it can be at one job: recurrent models on market data.
///
/// Exit codes: 0 done; 1 a check found something; 2 bad input, and nothing was written; 3 not possible on this host now.
#[derive(Debug, Parser)]
#[command(name = "diapason", version, propagate_version = true)]
struct Cli {
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole job once, on your CSV file or on generated bars, and leave a report
    #[cfg(feature = "libhdf5")]
    Demo(demo::Arguments),
    /// Examine this host: CPU, memory, disks, network, kernel, io_uring, GPUs
    Doctor(doctor::Arguments),
    /// Plan, apply, verify and undo the tuning of this host
    #[command(subcommand)]
    Tune(tune::Command),
    /// Import, generate and inspect files of market data
    #[command(subcommand)]
    Data(data::Command),
    /// List, explain, compute and check features
    #[command(subcommand)]
    Features(features::Command),
    /// Train an LSTM on a file
    Train(train::Arguments),
    /// Predict with a trained model, in batches or tick by tick
    Predict(predict::Arguments),
    /// Measure what this host does
    #[command(subcommand)]
    Bench(bench::Command),
    /// Print shell completions, or write the manual pages
    #[command(subcommand)]
    Manual(manual::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.json);
    let done = match &cli.command {
        #[cfg(feature = "libhdf5")]
        Command::Demo(arguments) => demo::run(arguments, &console),
        Command::Doctor(arguments) => doctor::run(arguments, &console),
        Command::Tune(command) => tune::run(command, &console),
        Command::Data(command) => data::run(command, &console),
        Command::Features(command) => features::run(command, &console),
        Command::Train(arguments) => train::run(arguments, &console),
        Command::Predict(arguments) => predict::run(arguments, &console),
        Command::Bench(command) => bench::run(command, &console),
        Command::Manual(command) => manual::run(command, &console),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::complain(&format!("diapason: {failure}"));
            failure.exit_code()
        }
    }
}

/// The command as clap knows it, for completions and manual pages.
fn command() -> clap::Command {
    use clap::CommandFactory;
    Cli::command()
}
