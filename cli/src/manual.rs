//! Completions and manual pages, made from the same definitions that parse the command line.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::{Shell, generate};

use crate::console::Console;
use crate::failure::Failure;
use crate::write;

/// What to make.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write a manual page for each command into a folder
    Pages {
        /// The folder, which must exist
        folder: PathBuf,
    },
}

/// Runs one of them.
///
/// # Errors
/// When a page cannot be written.
pub fn run(command: &Command, console: &Console) -> Result<(), Failure> {
    match command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            generate(*shell, &mut crate::command(), "diapason", &mut text);
            Ok(console.print(String::from_utf8_lossy(&text).trim_end())?)
        }
        Command::Pages { folder } => pages(&crate::command(), "diapason", folder),
    }
}

fn pages(command: &clap::Command, name: &str, folder: &std::path::Path) -> Result<(), Failure> {
    let page = clap_mangen::Man::new(command.clone().name(name.to_owned()).display_name(name.to_owned()));
    let mut text = Vec::new();
    page.render(&mut text)?;
    write::whole(&folder.join(format!("{name}.1")), &text)?;
    for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
        pages(child, &format!("{name}-{}", child.get_name()), folder)?;
    }
    Ok(())
}
