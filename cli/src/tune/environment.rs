//! `tune env`: a command with the variables and limits of a profile, or the variables alone.

use std::os::unix::process::CommandExt;
use std::process::Command as Process;

use diapason_daemon::host::Host;
use diapason_daemon::knob::{LimitError, ProcessLimits};

use super::{Where, load};
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// Runs `command` in the place of this process, or prints the variables.
pub fn run(profile: &str, command: &[String], place: &Where, console: &Console) -> Result<(), Failure> {
    let root = place.open()?;
    let profile = load(profile, &root)?;
    let host = Host::read(&root)?;
    let variables = profile.environment(&host);
    let Some((program, arguments)) = command.split_first() else {
        return Ok(console.show(&variables, |console, variables| {
            let line = |variable: &diapason_daemon::profile::Setting| {
                let reason = variable.reason.split_whitespace().collect::<Vec<_>>().join(" ");
                let reason = console.paint(Tone::Faint, &format!("# {reason}"));
                format!("{}={}  {reason}", variable.name, quoted(&variable.value))
            };
            variables.iter().map(line).collect::<Vec<_>>().join("\n")
        })?);
    };
    // What the caller has set already is a decision of theirs.
    let unset = variables.iter().filter(|variable| std::env::var_os(&variable.name).is_none());
    let pairs = unset.map(|variable| (&variable.name, &variable.value));
    if let Some(limits) = profile.limits(&host) {
        ProcessLimits::parse(&limits).map_err(LimitError::from)?.enter()?;
    }
    let error = Process::new(program).args(arguments).envs(pairs).exec();
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
