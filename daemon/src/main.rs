//! diapasond: tunes this host by profile, and undoes it exactly.

#![forbid(unsafe_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use diapason_daemon::apply::Tuning;
use diapason_daemon::control::{Control, Listener, Service};
use diapason_daemon::journal::Journal;
use diapason_daemon::profile::Library;
use diapason_daemon::root::{Root, passed};

const HELP: &str = "\
diapasond: tunes this host by profile, and undoes it exactly

It is started by systemd and told what to do by `diapason tune`.

Usage: diapasond [OPTIONS]

Options:
  --root DIR      the machine to tune: / or a tree that stands for one    [default: /]
  --run DIR       what ends with the boot: volatile journal, lock         [default: ROOT/run/diapason]
  --state DIR     what outlives it: persistent journal                    [default: ROOT/var/lib/diapason]
  --profiles DIR  profiles that hide others of their name                 [default: none]
  --socket PATH   where to listen, unless systemd passes a socket         [default: RUN/control.sock]
  --help          this text
  --version       the version
";

/// A command line that cannot be understood.
const USAGE: u8 = 2;

struct Options {
    root: PathBuf,
    run: PathBuf,
    state: PathBuf,
    socket: PathBuf,
    profiles: Option<PathBuf>,
}

enum Request {
    Serve(Options),
    Say(String),
}

#[derive(Debug, thiserror::Error)]
enum OptionError {
    #[error("unknown option {0:?}; see diapasond --help")]
    Unknown(String),
    #[error("{0} needs a value; see diapasond --help")]
    NoValue(String),
    #[error("there is no root at {0}: {1}; see diapasond --help")]
    Root(PathBuf, std::io::Error),
}

fn main() -> ExitCode {
    let request = match request(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned())) {
        Ok(request) => request,
        Err(error) => {
            log(&error.to_string());
            return ExitCode::from(USAGE);
        }
    };
    let served = match request {
        Request::Say(text) => std::io::stdout().write_all(text.as_bytes()).map_err(Into::into),
        Request::Serve(options) => serve(options),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn request(mut words: impl Iterator<Item = String>) -> Result<Request, OptionError> {
    let (mut root, mut run, mut state, mut socket, mut profiles) =
        (PathBuf::from("/"), None, None, None, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().map(PathBuf::from).ok_or_else(|| OptionError::NoValue(word.clone()));
        match word.as_str() {
            "--root" => root = value()?,
            "--run" => run = Some(value()?),
            "--state" => state = Some(value()?),
            "--socket" => socket = Some(value()?),
            "--profiles" => profiles = Some(value()?),
            "--help" | "-h" => return Ok(Request::Say(HELP.to_owned())),
            "--version" | "-V" => {
                return Ok(Request::Say(format!("diapasond {}\n", env!("CARGO_PKG_VERSION"))));
            }
            _ => return Err(OptionError::Unknown(word)),
        }
    }
    let run = run.unwrap_or_else(|| root.join("run/diapason"));
    let state = state.unwrap_or_else(|| root.join("var/lib/diapason"));
    let socket = socket.unwrap_or_else(|| run.join("control.sock"));
    Ok(Request::Serve(Options { root, run, state, socket, profiles }))
}

fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // By its real name, so that the machine is known as the machine however it is spelt.
    let root = Root::new(
        std::fs::canonicalize(&options.root).map_err(|error| OptionError::Root(options.root, error))?,
    );
    let mut passed = passed()?;
    let socket = Listener::take(&mut passed);
    let root = root.holding(passed);
    // A tree without a boot of its own is always in the same one.
    let boot = root
        .read("/proc/sys/kernel/random/boot_id")?
        .map_or_else(|| "tree".to_owned(), |id| id.trim().to_owned());
    let journal = Journal::open(Root::create(&options.run)?, Root::create(&options.state)?, &boot)?;
    let library = Library::new(&root);
    let library =
        options.profiles.into_iter().fold(library, |library, folder| library.with_folder(Root::new(folder)));
    let service = Service::new(root.clone(), library, Tuning::open(root, journal)?);
    for line in service.found() {
        log(&line);
    }
    let listener = socket.map_or_else(|| Listener::make(&options.socket), Ok)?;
    log(&service.summary());
    Ok(Control::new(listener, service)?.run()?)
}

/// A line for the journal of systemd, or whoever started this. That nobody reads it is no reason to stop.
fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "diapasond: {line}");
}
