//! The record of a benchmark run: one line a benchmark, with the facts of the host above them. The times of ticks have
//! columns of their own, and a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Columns of the suite `latency`.
const LATENCY: &str = "case,ticks,weight_bytes,floor_ns,round_trip_ns,p50_ns,p99_ns,p99_9_ns,p99_99_ns,max_ns,whole_p50_ns,whole_p99_ns";

/// Writes the medians of `target/criterion` to `benches/record/<machine>/<date>.csv`, and what is in `target/latency` to
/// `<date>-latency.csv`.
pub fn write(repository: &Path) -> Result<()> {
    let mut found = Vec::new();
    collect(&repository.join("target/criterion"), &mut found)?;
    found.sort();
    let ticks = ticks(&repository.join("target/latency"))?;
    let results = !found.is_empty() || !ticks.is_empty();
    ensure!(results, "no benchmark results in target/criterion or target/latency; run `make bench`");
    let cpu = fact("/proc/cpuinfo", "model name");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit = output(repository, "git", &["rev-parse", "--short", "HEAD"])?;
    let compiler = output(repository, "rustc", &["--version"])?;
    let threads = std::thread::available_parallelism()?;
    let mut facts = String::new();
    writeln!(facts, "# cpu: {cpu}; threads: {threads}; memory: {}", fact("/proc/meminfo", "MemTotal"))?;
    writeln!(facts, "# kernel: {}; {compiler}; commit {commit}", kernel.trim())?;
    let mut text = facts.clone();
    writeln!(text, "benchmark,median_ns,low_ns,high_ns,per_iteration,unit,per_second")?;
    for path in &found {
        line(path, &mut text).with_context(|| path.display().to_string())?;
    }
    let machine: String =
        cpu.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let folder = repository.join("benches/record").join(format!("{}-{threads}", machine.trim_matches('-')));
    std::fs::create_dir_all(&folder)?;
    let date = output(repository, "date", &["-u", "+%Y-%m-%d"])?;
    if !found.is_empty() {
        std::fs::write(folder.join(format!("{date}.csv")), text)?;
    }
    if !ticks.is_empty() {
        let place = folder.join(format!("{date}-latency.csv"));
        std::fs::write(place, format!("{facts}{LATENCY}\n{ticks}"))?;
    }
    Ok(())
}

/// The lines that the suite `latency` left, one file a case, by name.
fn ticks(folder: &Path) -> Result<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(String::new()) };
    let mut lines = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let line = std::fs::read_to_string(&path)?;
        let columns = LATENCY.split(',').count();
        ensure!(line.trim().split(',').count() == columns, "{}: not {columns} columns", path.display());
        lines.push(line);
    }
    lines.sort();
    Ok(lines.concat())
}

/// One line: the median with its confidence interval, and the rate where the benchmark states a throughput.
fn line(path: &Path, text: &mut String) -> Result<()> {
    let read = |name: &str| -> Result<Value> {
        Ok(serde_json::from_str(&std::fs::read_to_string(path.with_file_name(name))?)?)
    };
    let (estimates, benchmark) = (read("estimates.json")?, read("benchmark.json")?);
    let median = &estimates["median"];
    let interval = &median["confidence_interval"];
    let number = |value: &Value| value.as_f64().context("a number is missing");
    let nanoseconds = number(&median["point_estimate"])?;
    let (low, high) = (number(&interval["lower_bound"])?, number(&interval["upper_bound"])?);
    let name = benchmark["full_id"].as_str().context("a name is missing")?;
    let throughput = benchmark["throughput"].as_object().and_then(|kinds| kinds.iter().next());
    let (amount, unit) =
        throughput.map_or((0.0, "-"), |(unit, amount)| (amount.as_f64().unwrap_or(0.0), unit));
    let rate = amount / nanoseconds * 1e9;
    writeln!(text, "{name},{nanoseconds:.1},{low:.1},{high:.1},{amount},{unit},{rate:.4e}")?;
    Ok(())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.ends_with("new/estimates.json") {
            found.push(path);
        }
    }
    Ok(())
}

fn fact(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
}

fn output(folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output()?;
    ensure!(output.status.success(), "{program} failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_in_order_and_whole() {
        let folder = std::env::temp_dir().join(format!("xtask-ticks-{}", std::process::id()));
        assert_eq!(ticks(&folder).unwrap(), "");
        std::fs::create_dir_all(&folder).unwrap();
        let line = |name: &str| format!("{name},10,1,2,3,4,5,6,7,8,9,10\n");
        std::fs::write(folder.join("2.csv"), line("b")).unwrap();
        std::fs::write(folder.join("3.csv"), line("a")).unwrap();
        assert_eq!(ticks(&folder).unwrap(), line("a") + &line("b"));
        std::fs::write(folder.join("1.csv"), "c,10\n").unwrap();
        let message = ticks(&folder).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(message.ends_with("1.csv: not 12 columns"), "{message}");
    }

    #[test]
    fn a_line_has_the_median_its_interval_and_the_rate() {
        let folder = std::env::temp_dir().join(format!("xtask-record-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let estimates = r#"{"median":{"point_estimate":2000.0,"confidence_interval":{"lower_bound":1900.0,"upper_bound":2100.0}}}"#;
        std::fs::write(folder.join("estimates.json"), estimates).unwrap();
        let benchmark = r#"{"full_id":"a/b","throughput":{"Bytes":4096}}"#;
        std::fs::write(folder.join("benchmark.json"), benchmark).unwrap();
        let mut text = String::new();
        line(&folder.join("estimates.json"), &mut text).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(text, "a/b,2000.0,1900.0,2100.0,4096,Bytes,2.0480e9\n");
    }
}
