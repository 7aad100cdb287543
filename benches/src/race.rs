//! One run of each entrant in turn, and what criterion would have kept of it.

#![expect(clippy::print_stdout, reason = "a race reports as it goes")]

use crate::kept::{Units, keep};

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
///
/// # Panics
/// When sums differ by more.
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
        let units = if unit == "B" { Units::Bytes(count) } else { Units::Elements(count) };
        keep(&name, [least, median, most].map(|seconds| seconds * 1e9), units);
    }
}
