//! Looking at one setting without a pause while somebody works on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// Nothing that is watched lasts longer.
const WATCH_MAX: Duration = Duration::from_secs(600);

/// What a command let be seen of a file.
#[derive(Debug, Serialize)]
pub struct Glimpse {
    /// Each value, and how often it was seen.
    values: BTreeMap<String, usize>,
    /// The command's status.
    status: Option<i32>,
}

/// Reads `file` as often as possible while `command` runs.
pub fn glimpse(file: &str, command: &[&str]) -> Result<Glimpse> {
    let (program, arguments) = command.split_first().context("a command")?;
    let mut child =
        Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut glimpse = Glimpse { values: BTreeMap::new(), status: None };
    let end = Instant::now() + WATCH_MAX;
    let mut rounds = 0_u32;
    loop {
        *glimpse.values.entry(fs::read_to_string(file)?.trim().to_owned()).or_default() += 1;
        rounds += 1;
        if rounds.is_multiple_of(64)
            && let Some(status) = child.try_wait()?
        {
            glimpse.status = status.code();
            return Ok(glimpse);
        }
        if Instant::now() > end {
            child.kill()?;
            bail!("the command hangs");
        }
    }
}

/// The microseconds that a command takes; it must succeed.
pub fn time(command: &[&str]) -> Result<u128> {
    let (program, arguments) = command.split_first().context("a command")?;
    let start = Instant::now();
    let output = Command::new(program).args(arguments).output()?;
    let elapsed = start.elapsed().as_micros();
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(elapsed)
}

/// Fills `mib` MiB with what compresses badly, says `ready`, waits for `over`, and looks whether all of it is still
/// there: the pages were in swap meanwhile.
pub fn hog(mib: usize, ready: &Path, over: &Path) -> Result<usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words: Vec<u64> = (0..mib << 17).map(|_| next()).collect();
    let sum = |words: &[u64]| words.iter().fold(0_u64, |sum, word| sum.rotate_left(1) ^ word);
    let before = sum(&words);
    fs::write(ready, "")?;
    let end = Instant::now() + WATCH_MAX;
    while !over.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    if sum(&words) != before {
        bail!("memory that was in swap has changed");
    }
    Ok(words.len())
}

/// A bound on the wake-up latency, sampled.
#[derive(Debug, Serialize)]
pub struct Hold {
    samples: usize,
    /// Samples of another value than the one expected.
    lapses: usize,
    /// The longest time between two samples, in microseconds: an emulated machine pauses.
    gap_us_max: u128,
    /// The usual time between two samples, in microseconds.
    gap_us_median: u128,
    /// Each value in microseconds, and how often it was seen.
    values: BTreeMap<i32, usize>,
}

/// Samples the bound in force at 1 kHz until the file `over` exists.
pub fn hold(expected: i32, over: &Path) -> Result<Hold> {
    let (mut values, mut gaps) = (BTreeMap::new(), Vec::new());
    let start = Instant::now();
    let mut last = start;
    let mut due = start;
    while start.elapsed() < WATCH_MAX && (gaps.len() % 100 != 0 || !over.exists()) {
        let mut bytes = [0; 4];
        File::open("/dev/cpu_dma_latency")?.read_exact(&mut bytes)?;
        *values.entry(i32::from_ne_bytes(bytes)).or_insert(0) += 1;
        gaps.push(last.elapsed().as_micros());
        last = Instant::now();
        due += Duration::from_millis(1);
        std::thread::sleep(due.saturating_duration_since(last));
        // A pause of the emulator is not made up for by a burst.
        due = due.max(last);
    }
    gaps.sort_unstable();
    Ok(Hold {
        samples: gaps.len(),
        lapses: gaps.len() - values.get(&expected).copied().unwrap_or(0),
        gap_us_max: gaps.last().copied().unwrap_or(0),
        gap_us_median: gaps.get(gaps.len() / 2).copied().unwrap_or(0),
        values,
    })
}
