//! The closed list of needs, how each is probed, and what happens when it is not met.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::oracle;

/// Something that a test needs and a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// An effective user id of 0.
    Root,
    /// A kernel that completes a read through io_uring; the caller probes it and calls [`met`].
    Uring,
    /// A GPU; the caller probes it and calls [`met`].
    Gpu,
    /// An adapter of wgpu, of which Mesa's lavapipe is one; the caller probes it and calls [`met`].
    Wgpu,
    /// NVIDIA's run-time compiler, which needs no GPU (`DIAPASON_NVRTC` names its library); the caller probes it and calls
    /// [`met`].
    Nvrtc,
    /// A C++ compiler, by the name `c++`.
    Cxx,
    /// A virtual machine image; the caller probes it and calls [`met`].
    Vm,
    /// A processor with AVX2 and FMA; the caller probes it and calls [`met`].
    Avx2,
    /// A processor with AVX-512 F; the caller probes it and calls [`met`].
    Avx512,
    /// Two processor cores for this process; the caller probes them and calls [`met`].
    Cores,
    /// strace(1), and a kernel that lets it trace a child.
    Strace,
    /// The folder of real market data beside the checkout (`DIAPASON_SHARED` names another place).
    Shared,
    /// The Python environment with PyTorch and h5py that `make test` sets up.
    Oracles,
}

impl Need {
    /// The word for this need in `REQUIRE`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Uring => "uring",
            Self::Gpu => "gpu",
            Self::Wgpu => "wgpu",
            Self::Nvrtc => "nvrtc",
            Self::Cxx => "cxx",
            Self::Vm => "vm",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Cores => "cores",
            Self::Strace => "strace",
            Self::Shared => "shared",
            Self::Oracles => "oracles",
        }
    }
}

/// What this machine lacks for `need`, or `None` when it is met or only the caller can tell.
#[must_use]
pub fn missing(need: Need) -> Option<String> {
    match need {
        Need::Root => (!is_root()).then(|| "not running as root".to_owned()),
        Need::Strace => {
            let words = ["-qq", "-f", "-e", "trace=none", "true"];
            (!Command::new("strace").args(words).output().is_ok_and(|ran| ran.status.success()))
                .then(|| "strace cannot trace a child here; install it (`apt install strace`)".to_owned())
        }
        Need::Cxx => (!Command::new("c++").arg("--version").output().is_ok_and(|ran| ran.status.success()))
            .then(|| "no C++ compiler; install one (`apt install g++`)".to_owned()),
        Need::Shared => {
            let folder = shared("");
            (!folder.is_dir()).then(|| format!("no market data at {}", folder.display()))
        }
        Need::Oracles => {
            let python = oracle::python();
            (!python.exists())
                .then(|| format!("no oracle environment at {}; run `make oracles`", python.display()))
        }
        Need::Uring
        | Need::Gpu
        | Need::Wgpu
        | Need::Nvrtc
        | Need::Vm
        | Need::Avx2
        | Need::Avx512
        | Need::Cores => None,
    }
}

/// Whether the test may go on: `lack` is what the machine lacks for `need`.
///
/// # Panics
/// When something is lacking and `REQUIRE` names the need.
#[must_use]
#[expect(
    clippy::panic,
    reason = "a lack that REQUIRE forbids is a test failure, and a test fails by panicking"
)]
#[expect(clippy::print_stderr, reason = "a skipped test says so where the test runner shows it")]
pub fn met(need: Need, lack: Option<String>) -> bool {
    let Some(lack) = lack else { return true };
    let required = std::env::var("REQUIRE").unwrap_or_default();
    if required.split(',').any(|word| word.trim() == need.word()) {
        panic!("REQUIRE names {}, but: {lack}", need.word());
    }
    eprintln!("skipped, needs {}: {lack}", need.word());
    false
}

/// A file of the real market data, which is not part of the project.
#[must_use]
pub fn shared(file: &str) -> PathBuf {
    let beside = repository().join("../shared");
    std::env::var_os("DIAPASON_SHARED").map_or(beside, PathBuf::from).join("data").join(file)
}

/// The root of this checkout.
#[must_use]
pub fn repository() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap_or_default();
    line.split_whitespace().nth(2) == Some("0")
}
