//! One operation in a process of its own, between two marks that a trace shows.

use std::path::Path;
use std::process::ExitCode;

use diapason_daemon::host::Host;
use diapason_daemon::root::Root;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};

use crate::bed::{Bed, Ground};

/// What a child does after it has started as the daemon does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Apply(&'static str),
    Rollback,
    /// Nothing: the start itself.
    Recover,
}

impl Operation {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Apply(profile) => profile,
            Self::Rollback => "rollback",
            Self::Recover => "recover",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "rollback" => Self::Rollback,
            "recover" => Self::Recover,
            "a" => Self::Apply("a"),
            _ => Self::Apply("b"),
        }
    }
}

/// A call that changes nothing and that nothing else makes: a trace shows where the child is.
pub const MARKS: [&str; 4] = ["/mark/begin", "/mark/planning", "/mark/planned", "/mark/end"];

fn mark(at: usize) {
    let _ = std::fs::metadata(MARKS[at]);
}

/// `FOLDER GROUND OPERATION [LIMIT]`: the limit is the size that no file may exceed.
pub fn run(words: &[String]) -> ExitCode {
    let bed = Bed { folder: Path::new(&words[0]).to_owned(), ground: Ground::of(&words[1]) };
    let operation = Operation::of(&words[2]);
    let host = Host::read(&Root::nowhere()).unwrap();
    let profile = if let Operation::Apply(name) = operation { Some(bed.profile(name)) } else { None };
    if let Some(limit) = words.get(3) {
        let mut full = SigSet::empty();
        full.add(Signal::SIGXFSZ);
        full.thread_block().unwrap();
        let limit = limit.parse().unwrap();
        setrlimit(Resource::RLIMIT_FSIZE, limit, limit).unwrap();
    }
    mark(0);
    let told = match bed.open(None) {
        Err(error) => Err(error.to_string()),
        Ok(mut tuning) => match profile {
            Some(profile) => {
                mark(1);
                let plan = bed.plan(&tuning, &profile, &host);
                mark(2);
                tuning.apply(&plan).map(|report| format!("{:?} {:?}", report.ending, report.error))
            }
            None if operation == Operation::Rollback => {
                tuning.rollback().map(|report| format!("complete: {}", report.complete))
            }
            None => Ok(String::new()),
        }
        .map_err(|error| error.to_string()),
    };
    mark(3);
    match told {
        Ok(words) => println!("{words}"),
        Err(error) => println!("failed: {error}"),
    }
    ExitCode::SUCCESS
}
