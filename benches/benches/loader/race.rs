//! One run of each entrant in turn, and what criterion would have kept of it.

use std::path::Path;

use diapason_benches::kept::{Units, keep};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What is measured: a name, how many units a run does, and a run that gives seconds and a sum.
pub struct Entrant<'a> {
    name: String,
    units: f64,
    run: Box<dyn FnMut() -> Option<(f64, f64)> + 'a>,
}

/// An entrant; its run gives nothing where it cannot run here.
pub fn entrant<'a>(name: &str, units: f64, run: impl FnMut() -> Option<(f64, f64)> + 'a) -> Entrant<'a> {
    Entrant { name: name.to_owned(), units, run: Box::new(run) }
}

/// Runs all entrants in turn and prints units a second: the median, the greatest and the least, and how many times the
/// first one's. The sums of those that have one must agree to `tolerance`.
pub fn race(group: &str, unit: &str, entrants: &mut [Entrant<'_>], rounds: usize, tolerance: f64) {
    let (mut times, mut sum) = (vec![Vec::new(); entrants.len()], f64::NAN);
    for _ in 0..rounds {
        for (entrant, times) in entrants.iter_mut().zip(&mut times) {
            let Some((seconds, found)) = (entrant.run)() else { continue };
            if sum.is_nan() {
                sum = found;
            }
            let off = (found - sum).abs() / sum.abs().max(1.0);
            assert!(
                found.is_nan() || off <= tolerance,
                "{group}: {} sums to {found}, not {sum}",
                entrant.name
            );
            times.push(seconds);
        }
    }
    let mut first = f64::NAN;
    for (entrant, times) in entrants.iter().zip(&mut times) {
        if times.is_empty() {
            println!("{group}/{}: not measured", entrant.name);
            continue;
        }
        times.sort_by(f64::total_cmp);
        let [least, median, most] = [times[0], times[times.len() / 2], times[times.len() - 1]];
        if first.is_nan() {
            first = entrant.units / median;
        }
        let rate = |seconds: f64| entrant.units / seconds / 1e6;
        println!(
            "{group}/{:<24} {:>10.3} ms, {:>10.3} M{unit}/s ({:.3} to {:.3}), {:.2}x",
            entrant.name,
            median * 1e3,
            rate(median),
            rate(most),
            rate(least),
            entrant.units / median / first
        );
        let name = format!("{group}/{}", entrant.name);
        let count = entrant.units as u64;
        let units = if name.contains("windows") { Units::Elements(count) } else { Units::Bytes(count) };
        keep(&name, [least, median, most].map(|seconds| seconds * 1e9), units);
    }
}

/// Bytes that this process got from devices.
pub fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok()).unwrap_or(0)
}

/// Milliseconds of processor that this process took, those in the kernel included.
pub fn cpu_ms() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).expect("its own usage");
    [used.user_time(), used.system_time()].map(|time| time.num_microseconds() as f64 / 1e3).iter().sum()
}

/// Drops what the page cache holds of the file.
pub fn drop_cache(path: &Path) {
    let file = std::fs::File::open(path).expect("it is there");
    file.sync_all().expect("it is written");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("a regular file");
}
