//! What can be set of a GPU: NVIDIA's management library (NVML) on the machine, files in a tree.
//!
//! On a tree `/nvml/UUID/SETTING` stands for a setting, `SETTING-min`, `SETTING-max` and `SETTING-default` beside it for
//! what the driver says of it. On the machine the library is loaded when it is first needed (`nvml`, a feature of the
//! build), by the helper where there is one: only that one may open the GPU's device. What the library says is put into the kernel's error
//! numbers, so that a refused GPU reads like any other refusal.
//!
//! Source: NVML API Reference (docs.nvidia.com/deploy/nvml-api).

#[cfg(feature = "nvml")]
mod nvml;

use std::collections::BTreeMap;

use super::{Answer, Request, Root, RootError};

/// The settings of a GPU by name.
pub type GpuSettings = BTreeMap<String, String>;

/// The settings of every GPU by its identifier (`GPU-` and a UUID), which stays with it for life.
pub type Gpus = BTreeMap<String, GpuSettings>;

/// The folder of a tree.
const FOLDER: &str = "/nvml";

/// What NVIDIA's driver shows of itself while it is loaded.
const DRIVER: &str = "/proc/driver/nvidia/version";

impl Root {
    /// What can be set of each GPU; nothing where there is none, no driver, or no library.
    ///
    /// # Errors
    /// When the helper, or the driver, does not answer.
    pub fn gpus(&self) -> Result<Gpus, RootError> {
        self.alive()?;
        if !self.is_machine() {
            return self.pictured();
        }
        if self.has_admin() {
            // Without a driver there is nothing to start the helper for.
            if !self.exists(DRIVER)? {
                return Ok(Gpus::new());
            }
            return Ok(match self.converse(&Request::Gpus)? {
                (Answer::Gpus { gpus }, _) => gpus,
                _ => Gpus::new(),
            });
        }
        library::gpus()
    }

    /// Sets one setting of a GPU.
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn set_gpu(&self, gpu: &str, name: &str, value: &str) -> Result<(), RootError> {
        let path = format!("{FOLDER}/{gpu}/{name}");
        self.spend(&path, value)?;
        if self.is_machine() {
            let refused = |errno| RootError::Write { path: path.clone(), data: value.to_owned(), errno };
            return library::set(gpu, name, value).map_err(refused);
        }
        self.picture(&path, Some(value))
    }

    fn pictured(&self) -> Result<Gpus, RootError> {
        let mut gpus = Gpus::new();
        for gpu in self.list(FOLDER)? {
            let mut settings = GpuSettings::new();
            for name in self.list(&format!("{FOLDER}/{gpu}"))? {
                let text = self.read(&format!("{FOLDER}/{gpu}/{name}"))?.unwrap_or_default();
                settings.insert(name, text.trim().to_owned());
            }
            gpus.insert(gpu, settings);
        }
        Ok(gpus)
    }
}

/// Why this machine has no GPU that can be set.
///
/// # Errors
/// When the machine cannot be read.
pub fn lacking(root: &Root) -> Result<String, RootError> {
    if !root.exists(DRIVER)? {
        return Ok("NVIDIA's driver is not loaded".to_owned());
    }
    Ok(match root.is_machine() && !root.has_admin() {
        true => library::lacking(),
        false => "NVIDIA's driver shows no GPU, or its library is not there".to_owned(),
    })
}

#[cfg(feature = "nvml")]
use nvml as library;

/// In the place of the library in a build without it.
#[cfg(not(feature = "nvml"))]
mod library {
    use nix::errno::Errno;

    use super::{Gpus, RootError};

    #[expect(clippy::unnecessary_wraps, reason = "the library can refuse")]
    pub(super) fn gpus() -> Result<Gpus, RootError> {
        Ok(Gpus::new())
    }

    pub(super) fn set(_gpu: &str, _name: &str, _value: &str) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    pub(super) fn lacking() -> String {
        "this build does not know NVIDIA's library (cargo feature nvml)".to_owned()
    }
}
