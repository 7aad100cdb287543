//! Manual pages and completions, made by the release build of the command itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Shells with completions, and the file name that each one looks for.
const SHELLS: [(&str, &str); 3] = [("bash", "diapason"), ("zsh", "_diapason"), ("fish", "diapason.fish")];

/// Writes `target/assets/{man,completions}`.
pub fn write(repository: &Path) -> Result<()> {
    let command = repository.join("target/release/diapason");
    ensure!(command.exists(), "{} is not built; run `make build`", command.display());
    let assets = repository.join("target/assets");
    let pages = assets.join("man");
    std::fs::create_dir_all(&pages)?;
    let made =
        Command::new(&command).args(["manual", "pages"]).arg(&pages).status().context("manual pages")?;
    ensure!(made.success(), "the manual pages could not be written");
    for (shell, name) in SHELLS {
        let folder = assets.join("completions").join(shell);
        std::fs::create_dir_all(&folder)?;
        let output = Command::new(&command).args(["manual", "completions", shell]).output()?;
        ensure!(output.status.success(), "no completions for {shell}");
        std::fs::write(folder.join(name), output.stdout)?;
    }
    Ok(())
}
