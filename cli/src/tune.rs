//! `diapason tune`: what a profile would change, and the daemon's hand to change it and to undo it.
//!
//! `list`, `plan` and `env` need neither the daemon nor root; `apply`, `verify`, `rollback` and `status` ask the daemon.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command as Process;

use clap::{Args, Subcommand};
use diapason_daemon::client::SOCKET;
use diapason_daemon::host::Host;
use diapason_daemon::plan::{Change, Plan, State};
use diapason_daemon::profile::{Library, Profile};
use diapason_daemon::root::Root;
use serde::Serialize;

mod daemon;

use crate::console::{Console, Tone};
use crate::failure::Failure;

/// What to do about the tuning of this host.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the profiles that this host knows
    List(Where),
    /// Show what a profile would change here, with reason and risk; changes nothing and needs no root
    Plan {
        /// The name of a profile, or the path of a TOML file (with a `/` in it)
        profile: String,
        /// Show every knob with its reason and source
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
        /// The daemon
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Compare the host with the applied profile and name every difference
    Verify(Daemon),
    /// Restore every original
    Rollback(Daemon),
    /// Show what is applied
    Status(Daemon),
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

/// A profile of the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    summary: String,
    origin: String,
}

/// How many changes of a plan are in which state.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Would be written.
    pub change: usize,
    /// Are as wanted.
    pub already: usize,
    /// Do not exist on this host.
    pub absent: usize,
    /// Cannot be written here.
    pub refused: usize,
}

impl Counts {
    /// Counts the changes of `plan`.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let count = |state| plan.changes.iter().filter(|change| change.state == state).count();
        Self {
            change: count(State::Change),
            already: count(State::Already),
            absent: count(State::AbsentOnThisHost),
            refused: count(State::Refused),
        }
    }

    /// The counts in words.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{} to change, {} as wanted, {} not on this host, {} refused",
            self.change, self.already, self.absent, self.refused
        )
    }
}

/// Runs one of the tuning commands.
///
/// # Errors
/// [`Failure`]; `verify` ends with [`Failure::Found`] when the host differs.
pub fn run(command: &Command, console: &Console) -> Result<(), Failure> {
    match command {
        Command::List(place) => list(place, console),
        Command::Plan { profile, long, place } => {
            let plan = make(profile, place)?;
            Ok(console.show(&plan, |console, plan| text(console, plan, *long))?)
        }
        Command::Env { profile, command, place } => environment(profile, command, place, console),
        Command::Apply { profile, daemon } if profile.contains('/') => {
            // Named before the daemon is asked, so that the remedy is told even when it does not run.
            let _ = daemon;
            Err(Failure::ByName { file: profile.clone() })
        }
        Command::Apply { profile, daemon } => daemon::apply(profile, &daemon.socket, console),
        Command::Verify(daemon) => daemon::verify(&daemon.socket, console),
        Command::Rollback(daemon) => daemon::rollback(&daemon.socket, console),
        Command::Status(daemon) => daemon::status(&daemon.socket, console),
    }
}

/// The plan of a profile for this very host.
///
/// # Errors
/// When the profile or a fact cannot be read.
pub fn plan_here(profile: &str) -> Result<Plan, Failure> {
    make(profile, &Where { root: PathBuf::from("/") })
}

fn make(profile: &str, place: &Where) -> Result<Plan, Failure> {
    let root = place.open()?;
    let profile = load(profile, &root)?;
    Ok(Plan::make(&profile, &Host::read(&root)?, &root)?)
}

fn load(profile: &str, root: &Root) -> Result<Profile, Failure> {
    Ok(Library::new(root).load(profile)?)
}

fn list(place: &Where, console: &Console) -> Result<(), Failure> {
    let library = Library::new(&place.open()?);
    let mut profiles = Vec::new();
    for name in library.names()? {
        let profile = library.load(&name)?;
        profiles.push(Listed { name, summary: profile.summary, origin: profile.origin });
    }
    Ok(console.show(&profiles, |console, profiles| {
        let row = |p: &Listed| vec![p.name.clone(), p.summary.clone(), p.origin.clone()];
        console.table(&["profile", "for", "from"], profiles.iter().map(row).collect())
    })?)
}

fn environment(profile: &str, command: &[String], place: &Where, console: &Console) -> Result<(), Failure> {
    let root = place.open()?;
    let profile = load(profile, &root)?;
    let variables = profile.environment(&Host::read(&root)?);
    let Some((program, arguments)) = command.split_first() else {
        return Ok(console.show(&profile.variables, |console, _| {
            let line = |(name, value, reason): &(String, String, String)| {
                let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("{name}={}  {}", quoted(value), console.paint(Tone::Faint, &format!("# {reason}")))
            };
            variables.iter().map(line).collect::<Vec<_>>().join("\n")
        })?);
    };
    // What the caller has set already is a decision of theirs.
    let unset = variables.iter().filter(|(name, _, _)| std::env::var_os(name).is_none());
    let error =
        Process::new(program).args(arguments).envs(unset.map(|(name, value, _)| (name, value))).exec();
    Err(Failure::Start { program: program.clone(), error })
}

/// A value as a shell reads it back: as it is where no letter means anything, else in single quotes.
fn quoted(value: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:,+@%=".contains(letter);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

fn state(console: &Console, change: &Change) -> String {
    match change.state {
        State::Change => console.paint(Tone::Doubtful, "change"),
        State::Already => console.paint(Tone::Good, "as wanted"),
        State::AbsentOnThisHost => console.paint(Tone::Faint, "not here"),
        State::Refused => console.paint(Tone::Bad, "refused"),
    }
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn text(console: &Console, plan: &Plan, long: bool) -> String {
    let row = |change: &Change| {
        let mut why = change.reason.clone();
        if long {
            why = format!("{why} [{}; {}]", change.source, change.place);
            if !change.caution.is_empty() {
                why = format!("{why} caution: {}", change.caution);
            }
        }
        if let Some(detail) = &change.detail {
            why = format!("{detail}\n{why}");
        }
        vec![
            state(console, change),
            change.knob.clone(),
            change.current.clone().unwrap_or_else(|| "-".to_owned()),
            change.wanted.clone(),
            format!("{}, {}", word(&change.risk), word(&change.class)),
            why,
        ]
    };
    let shown = plan.changes.iter().filter(|change| long || change.state != State::AbsentOnThisHost);
    let table = console.table(&["", "knob", "now", "wanted", "risk, undo", "why"], shown.map(row).collect());
    format!("{}: {}\n{table}\n{}", plan.profile, plan.summary, Counts::of(plan).text())
}

/// The counts and the first changes, for the demonstration.
#[must_use]
pub fn brief(console: &Console, plan: &Plan) -> String {
    const SHOWN: usize = 8;
    let mut lines = vec![format!("  {}", Counts::of(plan).text())];
    let changes: Vec<&Change> = plan.pending().collect();
    for change in changes.iter().take(SHOWN) {
        let now = change.current.as_deref().unwrap_or("-");
        let why = console.paint(Tone::Faint, &change.reason);
        lines.push(format!("  {}: {now} -> {}  {why}", change.knob, change.wanted));
    }
    if changes.len() > SHOWN {
        lines.push(format!("  and {} more", changes.len() - SHOWN));
    }
    lines.join("\n")
}
