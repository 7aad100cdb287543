//! `diapason bench`: what this host does, measured on it.

mod gpu;

use clap::Subcommand;

use crate::console::Console;
use crate::failure::Failure;

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Inference in batches on every GPU beside the processor; with --selftest every exam first
    Gpu(gpu::Arguments),
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(command: &Command, console: &Console) -> Result<(), Failure> {
    match command {
        Command::Gpu(arguments) => gpu::run(arguments, console),
    }
}
