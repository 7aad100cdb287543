//! A CUDA platform made of this processor: a driver and a run-time compiler that the C++ compiler builds from
//! `kernels/tests/cuda`, and the environment in which a child finds them in the place of NVIDIA's.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::need::repository;

/// The built libraries.
#[derive(Clone, Debug)]
pub struct Platform {
    folder: PathBuf,
}

impl Platform {
    /// Builds both libraries below `folder`, unless they are there: what they were built from is in their folder's name.
    ///
    /// # Panics
    /// When the C++ compiler refuses them.
    #[must_use]
    #[expect(
        clippy::panic,
        clippy::expect_used,
        reason = "a platform that cannot be built fails the test that wants it"
    )]
    pub fn build(folder: &Path) -> Self {
        let assets = repository().join("kernels/tests/cuda");
        let mut sources: Vec<PathBuf> = ["", "libcuda", "libnvrtc"]
            .iter()
            .flat_map(|part| std::fs::read_dir(assets.join(part)).expect("a folder of the repository"))
            .map(|entry| entry.expect("an entry of a folder").path())
            .filter(|path| path.is_file() && path.extension().is_none_or(|kind| kind != "rs"))
            .collect();
        sources.sort();
        let mut hasher = DefaultHasher::new();
        assets.hash(&mut hasher);
        for source in &sources {
            std::fs::read(source).expect("a file of the repository").hash(&mut hasher);
        }
        let built = folder.join(format!("cuda-{:016x}", hasher.finish()));
        // Threads of one test program wait for each other; of several programs the first to be ready is kept.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if built.is_dir() {
            return Self { folder: built };
        }
        let new = folder.join(format!("cuda-new-{}", std::process::id()));
        std::fs::create_dir_all(&new).expect("a folder for the test driver");
        for (name, library) in [("libcuda", "libcuda.so.1"), ("libnvrtc", "libnvrtc.so")] {
            let of_it =
                sources.iter().filter(|source| source.parent().is_some_and(|parent| parent.ends_with(name)));
            let of_it = of_it.filter(|source| source.extension().is_some_and(|kind| kind == "cpp"));
            let done = Command::new("c++")
                .args(["-O2", "-std=c++17", "-fPIC", "-shared"])
                .arg(format!("-DASSETS=\"{}\"", assets.display()))
                .args(of_it)
                .arg("-o")
                .arg(new.join(library))
                .args(["-ldl", "-lpthread"])
                .output()
                .unwrap_or_else(|error| panic!("cannot start c++: {error}"));
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        if std::fs::rename(&new, &built).is_err() {
            let _ = std::fs::remove_dir_all(&new);
        }
        Self { folder: built }
    }

    /// Lets a command find the test driver, set up as `settings` say (`kernels/tests/cuda/libcuda/driver.h` names them), the test
    /// compiler, and an empty place for what it compiles unless `cache` is one that was used before.
    pub fn lend(&self, command: &mut Command, settings: &str, cache: &Path) {
        command
            .env("LD_LIBRARY_PATH", &self.folder)
            .env("DIAPASON_NVRTC", self.folder.join("libnvrtc.so"))
            .env("DIAPASON_TEST_DRIVER", settings)
            .env("XDG_CACHE_HOME", cache);
    }

    /// A place for compiled kernels that outlives the tests: what they are made from is in their names, and what makes them in
    /// this folder's.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }
}
