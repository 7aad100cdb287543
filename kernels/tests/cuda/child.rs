//! A part of a test, run in a child that finds the test driver.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use diapason_tests::cuda::Platform;

/// Tells a child which part of its test it is.
const PART: &str = "DIAPASON_TEST_PART";
/// Nothing here takes so long, unless it hangs.
const CHILD_MAX: Duration = Duration::from_secs(1_500);

pub fn platform() -> &'static Platform {
    static BUILT: OnceLock<Platform> = OnceLock::new();
    BUILT.get_or_init(|| Platform::build(Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

/// How a child finds the driver.
#[derive(Clone, Debug)]
pub struct Host {
    pub settings: String,
    /// Compiled kernels; those of earlier tests unless set.
    pub cache: Option<PathBuf>,
    /// Whether there is a run-time compiler.
    pub nvrtc: bool,
}

impl Host {
    pub fn with(settings: &str) -> Self {
        Self { settings: settings.to_owned(), cache: None, nvrtc: true }
    }
}

/// Runs `inside`, a part of `test` by its full name, in a child.
pub fn run(test: &str, part: &str, host: &Host, inside: impl FnOnce()) {
    if let Some(wanted) = std::env::var_os(PART) {
        if wanted == part {
            inside();
        }
        return;
    }
    let cache = host.cache.clone().unwrap_or_else(|| platform().cache());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"]).env(PART, part);
    platform().lend(&mut command, &host.settings, &cache);
    if !host.nvrtc {
        command.env("DIAPASON_NVRTC", "/nonexistent/libnvrtc.so");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |from: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let begin = Instant::now();
    let (out, err, status) = std::thread::scope(|scope| {
        let out = scope.spawn(move || read(&mut out));
        let err = scope.spawn(move || read(&mut err));
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begin.elapsed() > CHILD_MAX => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        (out.join().unwrap(), err.join().unwrap(), status)
    });
    let Some(status) = status else { panic!("{test}, {part}: does not end\n{out}\n{err}") };
    assert!(status.success(), "{test}, {part}: {status}\n{out}\n{err}");
    assert!(out.contains("1 passed"), "{test} is not the name of this test\n{out}");
    println!("{out}{part}: {:.1} s", begin.elapsed().as_secs_f64());
}
