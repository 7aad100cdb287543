//! A kill, an error and a short write at every system call of apply, switch, rollback and recovery.
//!
//! `strace --inject` strikes the k-th call of a name in a process that does one operation ([`child`]), through the
//! same library path as the daemon, on a tree of files and on the real kernel parameters of a private network
//! namespace ([`bed`]). After each strike a fresh start must find every knob at its value before or after the
//! operation, and a rollback must bring back every original, byte for byte ([`worker`]). What a trace of the calls
//! alone can show, that an intent is on record before its knob is written and that nothing is written twice, is
//! looked up in one ([`trace`]).
//!
//! `cargo test` strikes a sample; `make crash-test` (`CRASH_WHOLE=1`) every call in every way.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports what it did")]

#[path = "every_syscall/bed.rs"]
mod bed;

#[path = "every_syscall/child.rs"]
mod child;

#[path = "every_syscall/trace.rs"]
mod trace;

#[path = "every_syscall/worker.rs"]
mod worker;

use std::process::{Command, ExitCode, Stdio};

use bed::Ground;
use diapason_tests::require;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("child") => return child::run(&words[1..]),
        Some("worker") => worker::run(&words[1..]),
        // As the usual harness does: a name that does not match runs nothing.
        Some("--list") => {}
        Some(name) if !name.starts_with('-') && !"every_syscall".contains(name) => {}
        _ => drive(),
    }
    ExitCode::SUCCESS
}

/// Starts the workers and adds up what they tell.
fn drive() {
    require!(Strace);
    let whole = std::env::var_os("CRASH_WHOLE").is_some();
    let start = std::time::Instant::now();
    let mut grounds = vec![Ground::Tree];
    if diapason_tests::need::met(
        diapason_tests::Need::Root,
        diapason_tests::need::missing(diapason_tests::Need::Root),
    ) {
        grounds.push(Ground::Kernel);
    }
    let shards = std::thread::available_parallelism().map_or(1, usize::from);
    for ground in grounds {
        let workers: Vec<_> = (0..shards)
            .map(|shard| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["worker", ground.word(), &shard.to_string(), &shards.to_string()])
                    .args([if whole { "1" } else { "43" }, &bed::namespace()])
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut sums = std::collections::BTreeMap::<String, u64>::new();
        for worker in workers {
            let ended = worker.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stdout).into_owned();
            assert!(ended.status.success(), "{said}");
            for line in said.lines() {
                let (what, number) = line.rsplit_once(' ').unwrap();
                // Every worker counts all calls, and strikes its share of them.
                let sum = sums.entry(what.to_owned()).or_default();
                let number: u64 = number.parse().unwrap();
                *sum = if what.starts_with("calls") { number } else { *sum + number };
            }
        }
        println!("{}:", ground.word());
        sums.iter().for_each(|(what, number)| println!("  {what}: {number}"));
        assert!(sums["strikes"] > 50, "too little was tried");
    }
    println!("every original came back; {:.0?}", start.elapsed());
}
