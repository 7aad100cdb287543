//! A guest: booted, asked, cut off from power, booted again with the same disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::agent::{Agent, Output};
use crate::monitor::Monitor;

/// A boot takes 20 s on an idle machine of 2 cores; a busy one is given time.
const BOOT_MAX: Duration = Duration::from_secs(240);
/// A command of the guest, unless it says otherwise.
const COMMAND_MAX: Duration = Duration::from_secs(180);
/// The unit of processor times that Linux shows to programs.
const TICKS_A_SECOND: u64 = 100;
/// Where the payload is unpacked in the guest.
pub const PAYLOAD: &str = "/opt/vm";

/// Where things are on this machine.
pub struct Place {
    /// The repository.
    pub repository: PathBuf,
    /// The folder of the image, with QEMU.
    pub image: PathBuf,
    /// The package under test.
    pub package: PathBuf,
}

/// A machine under emulation.
pub struct Guest {
    place: Place,
    state: PathBuf,
    agent: Option<Agent>,
    /// Boots so far, for the record.
    pub boots: usize,
    /// Time of processors that emulation had taken when it was looked at last, and when this emulator started.
    taken: Duration,
    spent: Duration,
}

impl Guest {
    /// A guest that is not running yet; the payload disk is made here.
    pub fn new(place: Place) -> Result<Self> {
        let state = place.image.join("state");
        fs::create_dir_all(&state)?;
        let payload = state.join("payload.tar");
        let program = Path::new(env!("CARGO_BIN_EXE_vm-guest"));
        let stage = state.join("payload");
        let _ = fs::remove_dir_all(&stage);
        fs::create_dir_all(&stage)?;
        fs::copy(program, stage.join("vm-guest")).context("the program of the guest")?;
        fs::copy(&place.package, stage.join("diapason.deb")).context("the package")?;
        let packed = Command::new("tar").arg("-C").arg(&stage).arg("-cf").arg(&payload).arg(".").status()?;
        ensure!(packed.success(), "tar could not pack the payload");
        Ok(Self { place, state, agent: None, boots: 0, taken: Duration::ZERO, spent: Duration::ZERO })
    }

    /// The repository of the suite.
    pub fn repository(&self) -> PathBuf {
        self.place.repository.clone()
    }

    /// Boots from fresh disks.
    pub fn boot_fresh(&mut self) -> Result<()> {
        self.cut();
        for entry in fs::read_dir(&self.state)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "qcow2") {
                fs::remove_file(path)?;
            }
        }
        self.boot()?;
        self.ok(&format!(
            "modprobe zram && mkdir -p {PAYLOAD} && tar xf /dev/disk/by-id/virtio-payload -C {PAYLOAD}"
        ))?;
        Ok(())
    }

    /// Boots from the disks as they are.
    pub fn boot(&mut self) -> Result<()> {
        // One start of QEMU in a hundred fails without a word.
        self.start().or_else(|first| {
            eprintln!("    a boot failed ({first:#}); once more");
            self.cut();
            self.start()
        })
    }

    fn start(&mut self) -> Result<()> {
        self.boots += 1;
        let recipe = self.place.repository.join("tests/vm/image/run-vm.sh");
        let started = Command::new(recipe)
            .arg(&self.state)
            .arg(&self.place.image)
            .env("PAYLOAD", self.state.join("payload.tar"))
            .status()?;
        ensure!(started.success(), "QEMU did not start: {started}");
        let end = Instant::now() + BOOT_MAX;
        loop {
            match self.is_up() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > end => return Err(error.context("the guest did not come up")),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
            ensure!(
                self.is_powered(),
                "QEMU ended during the boot; see {}/console.log",
                self.state.display()
            );
        }
    }

    fn is_up(&mut self) -> Result<()> {
        let socket = self.state.join("ctl.sock");
        let mut agent = Agent::connect(&socket, Duration::from_secs(5))?;
        let running = ["/bin/systemctl", "is-system-running", "--wait"];
        let output = agent.run(&running, "", BOOT_MAX)?;
        ensure!(["running", "degraded"].contains(&output.out.trim()), "the guest is {}", output.out.trim());
        // Drivers of network cards load after the last unit.
        agent.run(&["/bin/udevadm", "settle"], "", COMMAND_MAX)?;
        self.agent = None;
        Ok(())
    }

    /// Whether QEMU runs.
    pub fn is_powered(&self) -> bool {
        self.pid().is_some_and(|pid| kill(pid, None).is_ok())
    }

    /// The time of processors that emulation has taken so far: unlike the time on the wall, it is the same on a machine
    /// that does other work as well.
    pub fn emulated(&mut self) -> Duration {
        let stat = self.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        let running = stat.and_then(|text| {
            // After the name: state is the first word, user and system ticks are the 12th and 13th (proc(5)).
            let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
            let ticks = words.get(11)?.parse::<u64>().ok()? + words.get(12)?.parse::<u64>().ok()?;
            Some(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
        });
        self.taken = self.taken.max(self.spent + running.unwrap_or_default());
        self.taken
    }

    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.state.join("qemu.pid")).ok()?;
        text.trim().parse().ok().map(Pid::from_raw)
    }

    /// Takes the power away.
    pub fn cut(&mut self) {
        self.agent = None;
        self.emulated();
        if let Some(pid) = self.pid() {
            // Gone already is as good.
            let _ = kill(pid, Signal::SIGKILL);
        }
        self.wait_for_power_off(Duration::from_secs(20));
    }

    /// Waits until QEMU has ended, and with it the locks of the disks; says whether it did.
    pub fn wait_for_power_off(&mut self, patience: Duration) -> bool {
        self.agent = None;
        let end = Instant::now() + patience;
        self.emulated();
        while self.is_powered() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_file(self.state.join("qemu.pid"));
        self.spent = self.taken;
        true
    }

    /// Runs a shell script in the guest.
    pub fn sh(&mut self, script: &str) -> Result<Output> {
        self.sh_within(script, COMMAND_MAX)
    }

    /// Runs a shell script that may take long.
    pub fn sh_within(&mut self, script: &str, patience: Duration) -> Result<Output> {
        if self.agent.is_none() {
            let socket = self.state.join("ctl.sock");
            self.agent = Some(Agent::connect(&socket, Duration::from_secs(60))?);
        }
        self.emulated();
        let agent = self.agent.as_mut().context("connected above")?;
        let answer = agent.run(&["/bin/bash"], script, patience);
        if answer.is_err() {
            self.agent = None;
        }
        answer
    }

    /// Runs a shell script that must succeed, and returns what it said.
    pub fn ok(&mut self, script: &str) -> Result<String> {
        self.ok_within(script, COMMAND_MAX)
    }

    /// The same with more time.
    pub fn ok_within(&mut self, script: &str, patience: Duration) -> Result<String> {
        let output = self.sh_within(script, patience)?;
        if output.status != 0 {
            let tail = |text: &str| {
                text.lines()
                    .rev()
                    .take(30)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            bail!("status {} of:\n{script}\n{}\n{}", output.status, tail(&output.out), tail(&output.err));
        }
        Ok(output.out)
    }

    /// Runs a shell script that prints one JSON value, whatever its status.
    pub fn json(&mut self, script: &str) -> Result<Value> {
        let output = self.sh(script)?;
        serde_json::from_str(&output.out)
            .with_context(|| format!("status {} of {script}\n{}\n{}", output.status, output.out, output.err))
    }

    /// QEMU's monitor.
    pub fn monitor(&self) -> Result<Monitor> {
        Monitor::connect(&self.state.join("qmp.sock"))
    }

    /// The folder of disks, sockets and the console log.
    pub fn state(&self) -> &Path {
        &self.state
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.cut();
    }
}
