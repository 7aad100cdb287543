//! What would otherwise be shell: the files of a package, and the record of a benchmark run.
//!
//! `cargo xtask assets` writes manual pages and completions into `target/assets`, from the built command.
//! `cargo xtask record` turns the last benchmark run into `benches/record/<machine>/<date>.csv`.

mod assets;
mod record;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["assets"] => assets::write(&repository()),
        ["record"] => record::write(&repository()),
        _ => bail!("usage: cargo xtask assets | record"),
    }
}

fn repository() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
