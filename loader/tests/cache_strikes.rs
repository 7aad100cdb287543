//! A kill and an error at every system call that the cache makes.
//!
//! `strace --inject` strikes the k-th call of a name in a process that looks a result up, makes it, and makes one that
//! pushes the first one out. After a kill the cache holds whole results or none, whoever comes next removes what is left
//! half written, and the result can be made. After an error the process has the right values all the same.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use diapason_loader::cache::{Key, Outcome, Store};
use diapason_tests::require;

/// The folder of the child, which looks for `begin` and `end` in it around what is struck.
const CHILD: &str = "CACHE_STRIKE_FOLDER";
/// Room for one result of 300,000 bytes, not for two.
const BYTES_MAX: u64 = 500_000;
const NAMES: [&str; 2] = ["one", "two"];

fn key(name: &str) -> Key {
    Key::of(&[("name", name.as_bytes())])
}

fn values(name: &str) -> Vec<f32> {
    (0..75_000).map(|at| (at * name.len() + usize::from(name.as_bytes()[0])) as f32).collect()
}

/// The result `name`, from `store` or made.
fn have(store: &Store, name: &str) -> Outcome {
    let outcome = store.get_or_make::<Infallible>(key(name), |sink| {
        values(name).chunks(25_000).for_each(|part| sink.push(part));
        Ok(())
    });
    outcome.unwrap()
}

/// A program of its own and no test of a harness: whose threads would be counted too.
fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(CHILD) {
        strikes_land_here(Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    match std::env::args().nth(1) {
        // As the usual harness does: a name that does not match runs nothing.
        Some(word) if word == "--list" || !word.starts_with('-') && !"cache_strikes".contains(&word) => {}
        _ => drive(),
    }
    ExitCode::SUCCESS
}

fn drive() {
    require!(Strace);
    whole_or_nothing_at_every_system_call();
    an_error_of_any_system_call_is_no_error_of_the_cache();
}

/// What is struck.
fn strikes_land_here(folder: &Path) {
    let _ = std::fs::symlink_metadata(folder.join("begin"));
    // A folder that cannot be opened is no store; the caller goes on without.
    let found: Vec<Vec<f32>> = match Store::open(folder.join("cache"), BYTES_MAX) {
        Err(_) => NAMES.map(values).to_vec(),
        Ok(store) => NAMES
            .iter()
            .map(|name| match have(&store, name) {
                Outcome::Hit(mapped) | Outcome::Made(mapped) => mapped.values().to_vec(),
                Outcome::Bypassed(_) => values(name),
            })
            .collect(),
    };
    let _ = std::fs::symlink_metadata(folder.join("end"));
    assert!(found == NAMES.map(values));
}

fn child(folder: &Path, strace: &[&str]) -> Output {
    Command::new("strace")
        .args(["-qq", "-s", "200"])
        .args(strace)
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, folder)
        .output()
        .unwrap()
}

/// The calls between `begin` and `end`: name, and which of its name it is.
fn calls(folder: &Path) -> Vec<(String, u64)> {
    let trace = folder.join("trace");
    let ended = child(folder, &["-o", trace.to_str().unwrap()]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let (mut seen, mut calls, mut is_inside) = (BTreeMap::<String, u64>::new(), Vec::new(), false);
    for line in std::fs::read_to_string(trace).unwrap().lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let number = seen.entry(name.to_owned()).or_default();
        *number += 1;
        let marks = |word: &str| rest.contains(&format!("/{word}\""));
        is_inside &= !marks("end");
        if is_inside && !["exit_group", "rt_sigreturn"].contains(&name) {
            calls.push((name.to_owned(), *number));
        }
        is_inside |= marks("begin");
    }
    calls
}

/// Whether what is in the cache is whole, and the rest can be made.
fn examine(folder: &Path, strike: &str) {
    let store = Store::open(folder.join("cache"), BYTES_MAX).unwrap();
    for entry in std::fs::read_dir(folder.join("cache")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".new"), "{strike} leaves {name}");
    }
    for name in NAMES {
        if let Some(found) = store.get(key(name)) {
            assert!(found.check().is_ok() && found.values::<f32>() == values(name), "{strike}");
        }
    }
    for name in NAMES {
        let outcome = have(&store, name);
        let (Outcome::Hit(found) | Outcome::Made(found)) = &outcome else { panic!("{strike}: {outcome:?}") };
        assert!(found.values::<f32>() == values(name), "{strike}");
    }
}

fn whole_or_nothing_at_every_system_call() {
    let folder = || tempfile::tempdir().unwrap();
    let calls = calls(folder().path());
    let has = |name: &str| calls.iter().any(|(call, _)| call == name);
    assert!(
        ["mkdir", "openat", "flock", "write", "fsync", "rename", "mmap", "unlink"].into_iter().all(has),
        "{calls:?}"
    );
    for (name, number) in &calls {
        let folder = folder();
        let strike = format!("{name}:signal=KILL:when={number}");
        let ended = child(folder.path(), &["-o", "/dev/null", "-e", &format!("inject={strike}")]);
        assert!(!ended.status.success(), "{strike} did not strike");
        examine(folder.path(), &strike);
    }
}

fn an_error_of_any_system_call_is_no_error_of_the_cache() {
    let folder = || tempfile::tempdir().unwrap();
    // Memory of the process itself is another matter.
    let of_files = |(name, _): &(String, u64)| {
        !["brk", "munmap", "mprotect", "madvise", "futex", "mremap", "getrandom", "close", "sigaltstack"]
            .contains(&name.as_str())
    };
    let mut struck = 0;
    for (name, number) in calls(folder().path()).into_iter().filter(of_files) {
        let errors: &[&str] = match name.as_str() {
            "write" => &["ENOSPC", "EIO"],
            "mmap" => &["ENOMEM"],
            _ => &["EIO"],
        };
        for error in errors {
            let folder = folder();
            let strike = format!("{name}:error={error}:when={number}");
            let ended = child(folder.path(), &["-o", "/dev/null", "-e", &format!("inject={strike}")]);
            // A map for the heap may be struck too; then the process ends as it does without memory.
            let is_heap = name == "mmap" && !ended.status.success();
            assert!(
                is_heap || ended.status.success(),
                "{strike}: {}",
                String::from_utf8_lossy(&ended.stderr)
            );
            struck += 1;
            // What could not be opened or made is not there; the rest is whole.
            if folder.path().join("cache").is_dir() {
                examine(folder.path(), &strike);
            }
        }
    }
    assert!(struck > 30, "{struck}");
}
