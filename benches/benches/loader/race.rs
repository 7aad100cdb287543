//! One run of each entrant in turn, and what criterion would have kept of it.

use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde_json::json;

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
        keep(&format!("{group}/{}", entrant.name), [least, median, most], entrant.units);
    }
}

/// Leaves a result where criterion leaves its own.
fn keep(name: &str, seconds: [f64; 3], units: f64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/criterion").join(name).join("new");
    std::fs::create_dir_all(&folder).expect("the folder of results can be made");
    let [low, median, high] = seconds.map(|seconds| seconds * 1e9);
    let interval = json!({ "lower_bound": low, "upper_bound": high });
    let estimates = json!({ "median": { "point_estimate": median, "confidence_interval": interval } });
    let throughput = if name.contains("windows") { "Elements" } else { "Bytes" };
    let benchmark = json!({ "full_id": name, "throughput": { throughput: units as u64 } });
    for (file, value) in [("estimates.json", estimates), ("benchmark.json", benchmark)] {
        std::fs::write(folder.join(file), value.to_string()).expect("a result can be written");
    }
}

/// Bytes that this process got from devices.
pub fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok()).unwrap_or(0)
}

/// Drops what the page cache holds of the file.
pub fn drop_cache(path: &Path) {
    let file = std::fs::File::open(path).expect("it is there");
    file.sync_all().expect("it is written");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("a regular file");
}
