//! diapasond: tunes this host by profile, and undoes it exactly.

#![forbid(unsafe_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use diapason_daemon::admin;
use diapason_daemon::apply::Tuning;
use diapason_daemon::control::{Control, Listener, Service, Surroundings};
use diapason_daemon::journal::Journal;
use diapason_daemon::log::{Log, Priority};
use diapason_daemon::profile::{Library, Machine};
use diapason_daemon::root::{self, Root, passed};
use diapason_daemon::uevent::Source;

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
  --compare TIME  how often held knobs are compared, in seconds           [default: 60]
  --admin PATH    socket of a helper with more rights, which does what this process may not do itself
  --helper        be that helper: serve --socket, or what systemd passes, until nobody asks any more
  --help          this text
  --version       the version
";

/// A command line that cannot be understood.
const USAGE: u8 = 2;

/// Often enough to find what the kernel does not tell, rarely enough to ride on the watchdog of the unit.
const COMPARE: Duration = Duration::from_secs(60);

struct Options {
    root: PathBuf,
    run: PathBuf,
    state: PathBuf,
    socket: PathBuf,
    profiles: Option<PathBuf>,
    compare: Duration,
    admin: Option<PathBuf>,
}

enum Request {
    Serve(Options),
    Help(Options),
    Say(String),
}

#[derive(Debug, thiserror::Error)]
enum OptionError {
    #[error("unknown option {0:?}; see diapasond --help")]
    Unknown(String),
    #[error("{0} needs a value; see diapasond --help")]
    NoValue(String),
    #[error("--compare is {0:?}; give whole seconds from 1 to 86400")]
    Compare(String),
    #[error("there is no root at {0}: {1}; see diapasond --help")]
    Root(PathBuf, std::io::Error),
}

fn main() -> ExitCode {
    let request = match request(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned())) {
        Ok(request) => request,
        Err(error) => {
            Log::open().say(Priority::Error, &error.to_string(), &[]);
            return ExitCode::from(USAGE);
        }
    };
    let served = match request {
        Request::Say(text) => std::io::stdout().write_all(text.as_bytes()).map_err(Into::into),
        Request::Serve(options) => serve(options),
        Request::Help(options) => help(options),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Log::open().say(Priority::Error, &error.to_string(), &[]);
            ExitCode::FAILURE
        }
    }
}

fn request(mut words: impl Iterator<Item = String>) -> Result<Request, OptionError> {
    let (mut root, mut run, mut state, mut socket, mut profiles) =
        (PathBuf::from("/"), None, None, None, None);
    let (mut compare, mut ask, mut helper) = (COMPARE, None, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().map(PathBuf::from).ok_or_else(|| OptionError::NoValue(word.clone()));
        match word.as_str() {
            "--root" => root = value()?,
            "--run" => run = Some(value()?),
            "--state" => state = Some(value()?),
            "--socket" => socket = Some(value()?),
            "--profiles" => profiles = Some(value()?),
            "--admin" => ask = Some(value()?),
            "--helper" => helper = true,
            "--compare" => compare = seconds(&value()?.to_string_lossy())?,
            "--help" | "-h" => return Ok(Request::Say(HELP.to_owned())),
            "--version" | "-V" => {
                return Ok(Request::Say(format!("diapasond {}\n", env!("CARGO_PKG_VERSION"))));
            }
            _ => return Err(OptionError::Unknown(word)),
        }
    }
    let run = run.unwrap_or_else(|| root.join("run/diapason"));
    let state = state.unwrap_or_else(|| root.join("var/lib/diapason"));
    let name = if helper { "admin.sock" } else { "control.sock" };
    let socket = socket.unwrap_or_else(|| run.join(name));
    let options = Options { root, run, state, socket, profiles, compare, admin: ask };
    Ok(if helper { Request::Help(options) } else { Request::Serve(options) })
}

fn seconds(word: &str) -> Result<Duration, OptionError> {
    let seconds = word.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| OptionError::Compare(word.to_owned()))
}

/// The machine by its real name, so that it is known as the machine however it is spelt.
fn machine(root: PathBuf) -> Result<Root, OptionError> {
    Ok(Root::new(std::fs::canonicalize(&root).map_err(|error| OptionError::Root(root, error))?))
}

fn help(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let root = machine(options.root)?;
    let listener =
        Listener::take(&mut passed()?).map_or_else(|| Listener::make(&options.socket, 0o600), Ok)?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
    Ok(admin::serve(&root, listener.socket())?)
}

fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let root = machine(options.root)?;
    let mut passed = passed()?;
    let socket = Listener::take(&mut passed);
    let root = root.holding(passed);
    let root = options.admin.into_iter().fold(root, Root::with_admin);
    // A tree without a boot of its own is always in the same one.
    let boot = root
        .read("/proc/sys/kernel/random/boot_id")?
        .map_or_else(|| "tree".to_owned(), |id| id.trim().to_owned());
    let journal = Journal::open(Root::create(&options.run)?, Root::create(&options.state)?, &boot)?;
    if root.has_admin() && journal.ledger().open.is_some() {
        // What a killed predecessor asked of the helper is done first; only then can be seen what is to be undone.
        root.ask(&root::Request::Nothing {})?;
    }
    let library = Library::new(&root);
    let library =
        options.profiles.into_iter().fold(library, |library, folder| library.with_folder(Root::new(folder)));
    let log = Log::open();
    let machine = library.machine().unwrap_or_else(|error| {
        // Every plan says it again and is refused; what is in force is looked after all the same.
        log.say(Priority::Error, &error.to_string(), &[]);
        Machine::default()
    });
    let surroundings = Surroundings { run: Root::new(&options.run), log, drift: machine.drift };
    let source =
        if root.is_machine() { Source::kernel() } else { Source::tree(&options.run.join("uevents")) };
    let source = match source {
        Ok(source) => Some(source),
        Err(errno) => {
            let message = format!(
                "the kernel does not tell of devices that come: {}",
                diapason_daemon::root::said(errno)
            );
            surroundings.log.say(Priority::Warning, &message, &[]);
            None
        }
    };
    let service = Service::new(root.clone(), library, Tuning::open(root, journal), surroundings);
    for line in service.found() {
        service.say(Priority::Warning, &line, &[]);
    }
    let listener = socket.map_or_else(|| Listener::make(&options.socket, 0o666), Ok)?;
    service.say(Priority::Notice, &service.summary(), &[]);
    Ok(Control::new(listener, source, options.compare, service)?.run()?)
}
