//! Limits and priorities of a command on the real kernel, as a shell in that place shows them.
//!
//! The test runs itself again and turns into the shell there, so that nothing of the test's own process changes.

use std::os::unix::process::CommandExt;
use std::process::Command;

use diapason_daemon::knob::ProcessLimits;

const INSIDE: &str = "DIAPASON_LIMITS_INSIDE";
/// What everybody may ask for: less than before.
const ASKED: &str = "CPUAffinity=0 CPUSchedulingPolicy=batch IOSchedulingClass=best-effort IOSchedulingPriority=6 \
                     LimitCORE=0 LimitNOFILE=256:512 LimitSTACK=4M LimitRTTIME=5000 NUMAPolicy=local Nice=7 \
                     OOMScoreAdjust=700 TimerSlackNSec=2000";

#[test]
fn a_command_runs_as_asked() {
    if std::env::var_os(INSIDE).is_some() {
        ProcessLimits::parse(ASKED).unwrap().enter().unwrap();
        let shown = "cat /proc/$$/limits; grep Cpus_allowed_list /proc/$$/status; cat /proc/$$/oom_score_adj; \
                     cut -d' ' -f19,41 /proc/$$/stat; ionice -p $$; cat /proc/$$/timerslack_ns; chrt -p $$";
        let error = Command::new("sh").args(["-c", shown]).exec();
        panic!("{error}");
    }
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own)
        .args(["--exact", "a_command_runs_as_asked", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = shown.lines().map(words).collect();
    let has = |line: &str| assert!(lines.iter().any(|one| one == line), "{line:?} is not in:\n{shown}");
    has("Max open files 256 512 files");
    has("Max stack size 4194304 4194304 bytes");
    has("Max core file size 0 0 bytes");
    has("Max realtime timeout 5000 5000 us");
    has("Cpus_allowed_list: 0");
    has("700");
    // Nice value and policy (3 is batch).
    has("7 3");
    has("best-effort: prio 6");
    has("2000");
}

#[test]
fn what_the_kernel_refuses_is_named() {
    // More processors than any kernel's mask in nix has, which no user is given.
    let said = ProcessLimits::parse("CPUAffinity=8000").unwrap().enter().unwrap_err().to_string();
    assert!(said.starts_with("cannot set CPUAffinity=8000 for this process: "), "{said}");
}
