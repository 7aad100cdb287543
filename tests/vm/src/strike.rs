//! A blow in the middle of an operation: the command runs, its effects are watched from outside, and when so many
//! settings have changed the daemon is killed or stopped, or the power is gone.
//!
//! It knows nothing of who works on the settings, so that a rival is struck in the same way.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

/// An operation that lasts longer has hung.
const OPERATION_MAX: Duration = Duration::from_secs(60);

/// The port whose writing ends the emulator at once.
const POWER_PORT: u64 = 0x501;

/// What happens to the daemon.
#[derive(Clone, Copy)]
pub enum Blow {
    /// SIGKILL.
    Kill(Pid),
    /// SIGSTOP.
    Stop(Pid),
    /// The machine is gone before the next instruction.
    Cut,
}

impl Blow {
    /// By name, and the process that it is for.
    pub fn parse(name: &str, pid: &str) -> Result<Self> {
        let pid = || pid.parse().map(Pid::from_raw).context("a process number");
        match name {
            "kill" => Ok(Self::Kill(pid()?)),
            "stop" => Ok(Self::Stop(pid()?)),
            "cut" => Ok(Self::Cut),
            _ => bail!("no blow {name}"),
        }
    }
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Struck {
    /// Settings that had changed at the blow; `None` when the command ended before.
    changed: Option<usize>,
    /// Watched settings.
    watched: usize,
    /// The command's status; `None` while it still waits for an answer.
    status: Option<i32>,
}

/// Runs `command` and strikes when `count` of the watched files are not as before.
pub fn strike(blow: Blow, count: usize, watched: &str, command: &[&str]) -> Result<Struck> {
    let paths: Vec<&str> = watched.lines().filter(|line| line.starts_with('/')).collect();
    let before: Vec<Option<Vec<u8>>> = paths.iter().map(|path| fs::read(path).ok()).collect();
    // Opened before, as the time between two looks decides how well the blow is aimed.
    let port =
        matches!(blow, Blow::Cut).then(|| File::options().write(true).open("/dev/port")).transpose()?;
    let (program, arguments) = command.split_first().context("a command")?;
    let mut child =
        Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (end, mut changed) = (Instant::now() + OPERATION_MAX, vec![false; paths.len()]);
    let mut struck = Struck { changed: None, watched: paths.len(), status: None };
    loop {
        for (at, path) in paths.iter().enumerate() {
            changed[at] = changed[at] || fs::read(path).ok() != before[at];
        }
        let found = changed.iter().filter(|changed| **changed).count();
        if found >= count {
            match (blow, &port) {
                (Blow::Kill(pid), _) => kill(pid, Signal::SIGKILL)?,
                (Blow::Stop(pid), _) => kill(pid, Signal::SIGSTOP)?,
                (Blow::Cut, Some(port)) => drop(port.write_at(&[1], POWER_PORT)?),
                (Blow::Cut, None) => bail!("no port"),
            }
            struck.changed = Some(found);
            break;
        }
        if let Some(status) = child.try_wait()? {
            struck.status = status.code();
            return Ok(struck);
        }
        if Instant::now() > end {
            bail!("the command hangs");
        }
    }
    // A daemon that is stopped answers nobody; its caller is left alone after a while.
    let patience = Instant::now() + Duration::from_secs(3);
    while Instant::now() < patience && struck.status.is_none() {
        struck.status = child.try_wait()?.and_then(|status| status.code());
        std::thread::sleep(Duration::from_millis(20));
    }
    if struck.status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok(struck)
}
