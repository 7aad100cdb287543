//! The suite that boots a guest, tunes it for real and takes its power away: `make vm-test`.
//!
//! link -> agent, monitor -> guest -> plug, case -> cases -> record
//!
//! Outside is this program; inside, `vm-guest` looks at every setting. Emulation is an order of magnitude slower than
//! the machine, so that times say something only beside other times of the same guest.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a test program talks to whoever runs it")]

mod link;

mod agent;
mod monitor;

mod guest;

mod plug;

mod case;

mod cases;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use diapason_tests::Need;
use diapason_tests::need::{met, repository};

use case::Case;
use guest::{Guest, Place};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--nocapture").collect();
    let (options, names): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| word.starts_with("--"));
    let quick = options.iter().any(|option| option == "--quick");
    if options.iter().any(|option| option == "--list") {
        cases::ALL
            .iter()
            .for_each(|case| eprintln!("{}{}", case.name, if case.quick { " (quick)" } else { "" }));
        return ExitCode::SUCCESS;
    }
    let place = match place() {
        Ok(place) => place,
        Err(lack) => {
            let _ = met(Need::Vm, Some(format!("{lack:#}")));
            return ExitCode::SUCCESS;
        }
    };
    let chosen: Vec<&Case> = cases::ALL
        .iter()
        .filter(|case| {
            if names.is_empty() {
                case.quick || !quick
            } else {
                names.iter().any(|name| case.name.starts_with(name.as_str()))
            }
        })
        .collect();
    let start = Instant::now();
    match Guest::new(place)
        .and_then(|mut guest| Ok((case::run(&chosen, &mut guest)?, guest.boots, guest.emulated())))
    {
        Ok((failed, boots, taken)) => {
            let seconds = start.elapsed().as_secs();
            eprintln!(
                "{} cases, {} failed, {boots} boots, {seconds} s; emulation took {} s of processors",
                chosen.len(),
                failed.len(),
                taken.as_secs()
            );
            if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("the suite could not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where image and package are; the error is what is lacking.
fn place() -> Result<Place> {
    let image =
        std::env::var_os("DIAPASON_VM").map(PathBuf::from).context("no guest image; run `make vm-test`")?;
    let missing = |name: &str| format!("no {name} in {}; run `make vm-test`", image.display());
    for name in ["base.ext4", "vmlinux", "initrd.gz", "qemu/qemu"] {
        anyhow::ensure!(image.join(name).exists(), missing(name));
    }
    let repository = repository();
    let package = repository.join(concat!("target/diapason_", env!("CARGO_PKG_VERSION"), "-1_amd64.deb"));
    anyhow::ensure!(package.exists(), "no package at {}; run `make deb`", package.display());
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "not running as root, which network devices of the guest need"
    );
    Ok(Place { repository, image, package })
}
