//! Reading what strace writes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bed::Bed;
use crate::child::{MARKS, Operation};

/// Calls that touch files, by which a machine or a journal is read or changed.
pub const CALLS: &[&str] = &[
    "close",
    "fallocate",
    "fchmod",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "getdents64",
    "lseek",
    "mkdirat",
    "newfstatat",
    "openat",
    "openat2",
    "pread64",
    "pwrite64",
    "read",
    "readlinkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "write",
];

/// One call of a trace.
pub struct Call {
    pub name: String,
    /// Its number among those of its name, from 1 as strace counts.
    pub number: usize,
    pub text: String,
    /// Whether it is the library's, rather than the start of the process or its planning.
    pub inside: bool,
}

/// Runs a child under strace with the words `how`.
pub fn strace(bed: &Bed, operation: Operation, out: &Path, how: &[&str]) -> Output {
    Command::new("strace")
        .args(["-f", "-qq", "-e", "signal=none", "-o"])
        .arg(out)
        .args(how)
        .arg(std::env::current_exe().unwrap())
        .arg("child")
        .arg(&bed.folder)
        .args([bed.ground.word(), operation.word()])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Every call of an operation, in order.
pub fn calls(bed: &Bed, operation: Operation) -> Vec<Call> {
    let out = bed.folder.join("trace");
    let names = format!("trace=statx,{}", CALLS.join(","));
    let ran = strace(bed, operation, &out, &["-y", "-s", "65536", "-e", &names]);
    assert!(ran.status.success(), "{ran:?}");
    let text = std::fs::read_to_string(out).unwrap();
    let (mut calls, mut inside) = (Vec::<Call>::new(), false);
    for line in text.lines() {
        let line = line.split_once(' ').map_or(line, |(_, rest)| rest.trim_start());
        let Some((name, _)) = line.split_once('(') else { continue };
        if let Some(mark) = MARKS.iter().position(|mark| line.contains(mark)) {
            inside = mark % 2 == 0;
            continue;
        }
        let number = calls.iter().filter(|call| call.name == name).count() + 1;
        calls.push(Call { name: name.to_owned(), number, text: line.to_owned(), inside });
    }
    calls.retain(|call| CALLS.contains(&call.name.as_str()));
    calls
}

/// What a trace says about the order of things.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The names of knobs whose intents went into a journal in one write.
    Intents(Vec<String>),
    /// A knob was written.
    Written(String),
}

/// The events of a trace.
pub fn events(bed: &Bed, calls: &[Call]) -> Vec<Event> {
    let machine = bed.root().prefix().display().to_string();
    let journals = [bed.folder.join("run/journal"), bed.folder.join("state/journal")];
    let mut events = Vec::new();
    for call in calls {
        let is_journal = journals.iter().any(|path| call.text.contains(&format!("<{}>", path.display())));
        if call.name == "write" && is_journal {
            let intents = call.text.split("\\\"is\\\":\\\"intent\\\"").skip(1);
            let knob = |text: &str| {
                let (_, rest) = text.split_once("\\\"knob\\\":\\\"").unwrap();
                rest.split_once("\\\"").unwrap().0.to_owned()
            };
            events.push(Event::Intents(intents.map(knob).collect()));
        }
        // On the kernel a write; in a tree a file that takes the name, removing it, or making or ending swap.
        let written = match call.name.as_str() {
            "write" if machine == "/" => {
                between(&call.text, "</proc/sys/", ">").map(|path| path.replace('/', "."))
            }
            "renameat" => between(&call.text, &format!("<{machine}/"), ">").and_then(|_| {
                let mut folders =
                    call.text.split('<').skip(1).map(|part| part.split('>').next().unwrap_or_default());
                let folder = folders.by_ref().last()?.strip_prefix(&format!("{machine}/"))?.to_owned();
                let name = call.text.rsplit('"').nth(1)?.to_owned();
                Some(format!("{folder}/{name}"))
            }),
            _ => None,
        };
        events.extend(written.map(Event::Written));
    }
    events
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0.to_owned())
}
