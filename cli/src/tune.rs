//! `diapason tune`: what a profile would change, and the daemon's hand to change it and to undo it.
//!
//! `layout -> (list, knobs, plan, explain, recommend, conflicts, daemon)`
//!
//! `list`, `knobs`, `plan`, `explain`, `recommend`, `conflicts`, `env`, and `verify` of a named profile need neither the
//! daemon nor root; `apply`, `switch`, `rollback`, `status`, and `verify` of what is in force ask the daemon.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use diapason_daemon::apply::report::StatusReport;
use diapason_daemon::client::{Client, SOCKET};
use diapason_daemon::host::Host;
use diapason_daemon::plan::{Gate, Plan};
use diapason_daemon::profile::{Library, Profile};
use diapason_daemon::root::Root;

mod layout;

mod conflicts;
mod daemon;
mod environment;
mod explain;
mod list;
mod plan;
mod recommend;

#[cfg(feature = "libhdf5")]
pub use plan::{Counts, brief};

use crate::console::Console;
use crate::failure::Failure;

/// What to do about the tuning of this host.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the profiles that this host knows
    List(Where),
    /// List every knob: what it does, its values, its risk and what undoing it promises
    Knobs {
        /// Only knobs whose name this shell pattern covers, or that begin with it
        pattern: Option<String>,
    },
    /// Show what a profile would change here, with reason and risk; changes nothing and needs no root
    Plan {
        /// The name of a profile, or the path of a TOML file (with a `/` in it)
        profile: String,
        /// Show every knob with its source, place and caution, and what is left out here and why
        #[arg(long)]
        long: bool,
        /// Where to look
        #[command(flatten)]
        place: Where,
        /// Who knows what is in force
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say everything about one knob: what it does, what it is, who sets it to what, what undoing it promises
    Explain {
        /// The knob, `vm.swappiness` or `block.scheduler`, or one on a device, `block.sda.scheduler`
        knob: String,
        /// Where to look
        #[command(flatten)]
        place: Where,
    },
    /// Weigh every profile by the facts of this host and say why
    Recommend {
        /// Show what was weighed and does not count, and all facts
        #[arg(long)]
        long: bool,
        /// Where to look
        #[command(flatten)]
        place: Where,
    },
    /// Show who else sets these knobs, who wins at boot and what to do; ends with 1 when something may take a knob away
    Conflicts {
        /// Only knobs of this profile, compared with what it wants
        profile: Option<String>,
        /// Show also where all say the same
        #[arg(long)]
        long: bool,
        /// Where to look
        #[command(flatten)]
        place: Where,
    },
    /// Run a command with the environment variables of a profile
    Env {
        /// The name of a profile, or the path of a TOML file
        profile: String,
        /// The command and its arguments; without one, the variables are printed
        #[arg(last = true)]
        command: Vec<String>,
        /// Where to look
        #[command(flatten)]
        place: Where,
    },
    /// Apply a profile: originals are recorded first, and a refusal undoes everything
    Apply {
        /// The name of a profile; the daemon looks in /etc/diapason/profiles first
        profile: String,
        /// What to do about changes that may stall CPUs, links or memory for a moment
        #[arg(long, value_enum, require_equals = true, num_args = 0..=1, default_value = "allow", default_missing_value = "refuse")]
        no_disrupt: Disruption,
        /// The daemon
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Go from the profile in force to another by the smallest difference; changes that disturb are refused
    Switch {
        /// The name of a profile
        profile: String,
        /// What to do about changes that may stall CPUs, links or memory for a moment
        #[arg(long, value_enum, require_equals = true, num_args = 0..=1, default_value = "refuse", default_missing_value = "refuse")]
        no_disrupt: Disruption,
        /// The daemon
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Compare the host with the applied profile, or with a named one, and name every difference
    Verify {
        /// The name of a profile, or the path of a TOML file; without one, the profile in force
        profile: Option<String>,
        /// Where to look
        #[command(flatten)]
        place: Where,
        /// The daemon
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Restore every original
    Rollback(Daemon),
    /// Show what is applied
    Status(Daemon),
}

/// What to do about changes that disturb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Disruption {
    /// Make them
    Allow,
    /// Change nothing at all when there is one
    Refuse,
    /// Leave those knobs as they are and change the others
    Defer,
}

impl Disruption {
    const fn gate(self) -> Gate {
        match self {
            Self::Allow => Gate::Allow,
            Self::Refuse => Gate::Refuse,
            Self::Defer => Gate::Defer,
        }
    }
}

/// Which tree of files is the host.
#[derive(Debug, Args)]
pub struct Where {
    /// Take the tree of files below this folder for the host
    #[arg(long, default_value = "/")]
    pub root: PathBuf,
}

impl Where {
    /// The tree of files, which must be there.
    ///
    /// # Errors
    /// [`Failure::NoRoot`] names what was given.
    pub fn open(&self) -> Result<Root, Failure> {
        if self.root.is_dir() {
            Ok(Root::new(&self.root))
        } else {
            Err(Failure::NoRoot { root: self.root.clone() })
        }
    }
}

/// Where the daemon is.
#[derive(Debug, Args)]
pub struct Daemon {
    /// The socket that diapasond listens on
    #[arg(long, default_value = SOCKET)]
    pub socket: PathBuf,
}

/// Runs one of the tuning commands.
///
/// # Errors
/// [`Failure`]; `verify` and `conflicts` end with [`Failure::Found`] when there is something to look at.
pub fn run(command: &Command, console: &Console) -> Result<(), Failure> {
    match command {
        Command::List(place) => list::profiles(place, console),
        Command::Knobs { pattern } => list::knobs(pattern.as_deref(), console),
        Command::Plan { profile, long, place, daemon } => {
            plan::show(profile, *long, place, &daemon.socket, console)
        }
        Command::Explain { knob, place } => explain::show(knob, place, console),
        Command::Recommend { long, place } => recommend::show(*long, place, console),
        Command::Conflicts { profile, long, place } => {
            conflicts::show(profile.as_deref(), *long, place, console)
        }
        Command::Env { profile, command, place } => environment::run(profile, command, place, console),
        Command::Apply { profile, .. } | Command::Switch { profile, .. } if profile.contains('/') => {
            // Named before the daemon is asked, so that the remedy is told even when it does not run.
            Err(Failure::ByName { file: profile.clone() })
        }
        Command::Apply { profile, no_disrupt, daemon } => {
            daemon::apply(profile, no_disrupt.gate(), &daemon.socket, console)
        }
        Command::Switch { profile, no_disrupt, daemon } => {
            daemon::apply(profile, no_disrupt.gate(), &daemon.socket, console)
        }
        Command::Verify { profile: None, daemon, .. } => daemon::verify(&daemon.socket, console),
        Command::Verify { profile: Some(profile), place, daemon } => {
            let report = diapason_daemon::apply::verify(&make(profile, place, &daemon.socket)?.0);
            daemon::verified(&report, console)
        }
        Command::Rollback(daemon) => daemon::rollback(&daemon.socket, console),
        Command::Status(daemon) => daemon::status(&daemon.socket, console),
    }
}

/// The plan of a profile for this very host.
///
/// # Errors
/// When the profile or a fact cannot be read.
pub fn plan_here(profile: &str) -> Result<Plan, Failure> {
    Ok(make(profile, &Where { root: PathBuf::from("/") }, Path::new(SOCKET))?.0)
}

/// The plan of a profile, and what the daemon holds, where it answers. `at_least` compares with what the machine
/// came with, which only the daemon knows of a knob that it holds.
fn make(profile: &str, place: &Where, socket: &Path) -> Result<(Plan, Option<StatusReport>), Failure> {
    let root = place.open()?;
    let profile = load(profile, &root)?;
    // The daemon of this machine knows nothing of a tree that stands for another one, unless it is pointed at.
    let asked = root.is_machine() || socket != Path::new(SOCKET);
    let status = asked.then(|| Client::connect(socket).ok()?.status().ok()).flatten();
    let original = |knob: &str| {
        let held = status.as_ref()?.held.iter().find(|held| held.knob == knob)?;
        Some(held.original.clone())
    };
    let plan = Plan::over(&profile, &Host::read(&root)?, &root, &original)?;
    Ok((plan, status))
}

fn load(profile: &str, root: &Root) -> Result<Profile, Failure> {
    Ok(Library::new(root).load(profile)?)
}
