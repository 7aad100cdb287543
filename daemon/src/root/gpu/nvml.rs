//! NVIDIA's management library, loaded when it is first needed: a machine without it lacks nothing but GPUs.
//!
//! The library stays loaded for as long as the process lives: a GPU that nobody uses and that is not persistent starts
//! anew each time, which takes seconds. The helper, which is the process that loads it in a system, ends when idle.
//!
//! `libnvidia-ml.so.1` is the name that the driver's package installs; the one without a number comes with headers.

use std::ffi::OsStr;
use std::sync::OnceLock;

use nix::errno::Errno;
use nvml_wrapper::enum_wrappers::device::{Clock, ComputeMode};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{GpuSettings, Gpus, RootError};

const LIBRARY: &str = "libnvidia-ml.so.1";

/// The words of nvidia-smi(1) for who may use a GPU.
const MODES: [(&str, ComputeMode); 3] = [
    ("default", ComputeMode::Default),
    ("exclusive_process", ComputeMode::ExclusiveProcess),
    ("prohibited", ComputeMode::Prohibited),
];

/// The library, loaded and started. A failure is not remembered: the driver may be loaded later.
fn library() -> Result<&'static Nvml, NvmlError> {
    static LOADED: OnceLock<Nvml> = OnceLock::new();
    if let Some(loaded) = LOADED.get() {
        return Ok(loaded);
    }
    let loaded = Nvml::builder().lib_path(OsStr::new(LIBRARY)).init()?;
    Ok(LOADED.get_or_init(|| loaded))
}

/// Why there is no library, or no GPU behind it.
pub(super) fn lacking() -> String {
    match library().and_then(Nvml::device_count) {
        Ok(0) => "NVIDIA's driver shows no GPU".to_owned(),
        Ok(_) => "no GPU of this machine has the setting".to_owned(),
        Err(error) => format!("{LIBRARY}: {error}"),
    }
}

/// What can be set of each GPU; none where there is no library or no driver.
pub(super) fn gpus() -> Result<Gpus, RootError> {
    let library = match library() {
        Ok(library) => library,
        Err(error) if is_absence(&error) => return Ok(Gpus::new()),
        Err(error) => return Err(silent(&error)),
    };
    all(library).map_err(|error| silent(&error))
}

fn silent(error: &NvmlError) -> RootError {
    RootError::Library { library: LIBRARY, message: error.to_string() }
}

fn all(library: &Nvml) -> Result<Gpus, NvmlError> {
    let mut gpus = Gpus::new();
    for index in 0..library.device_count()? {
        let device = library.device_by_index(index)?;
        gpus.insert(device.uuid()?, settings(&device)?);
    }
    Ok(gpus)
}

fn settings(device: &Device<'_>) -> Result<GpuSettings, NvmlError> {
    let mut settings = GpuSettings::new();
    let mut put = |name: &str, value: Result<String, NvmlError>| match value {
        Ok(value) => {
            settings.insert(name.to_owned(), value);
            Ok(())
        }
        // What this GPU, or this driver, does not know.
        Err(NvmlError::NotSupported | NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_)) => {
            Ok(())
        }
        Err(error) => Err(error),
    };
    let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
    put("persistence_mode", device.is_in_persistent_mode().map(flag))?;
    put("power_limit_mw", device.power_management_limit().map(|limit| limit.to_string()))?;
    let bounds = device.power_management_limit_constraints();
    if let Ok(bounds) = bounds {
        put("power_limit_mw-min", Ok(bounds.min_limit.to_string()))?;
        put("power_limit_mw-max", Ok(bounds.max_limit.to_string()))?;
    }
    put("power_limit_mw-default", device.power_management_limit_default().map(|limit| limit.to_string()))?;
    let pair = |clock: &dyn Fn(Clock) -> Result<u32, NvmlError>| {
        Ok(format!("{} {}", clock(Clock::Memory)?, clock(Clock::Graphics)?))
    };
    put("applications_clocks_mhz", pair(&|kind| device.applications_clock(kind)))?;
    put("applications_clocks_mhz-default", pair(&|kind| device.default_applications_clock(kind)))?;
    put("compute_mode", device.compute_mode().map(word))?;
    put("auto_boost", device.auto_boosted_clocks_enabled().map(|boost| flag(boost.is_enabled)))?;
    Ok(settings)
}

/// Sets one setting; the value is in canonical form.
pub(super) fn set(gpu: &str, name: &str, value: &str) -> Result<(), Errno> {
    let mut device =
        library().and_then(|library| library.device_by_uuid(gpu)).map_err(|error| number(&error))?;
    let numeral = |text: &str| text.parse::<u32>().map_err(|_| Errno::EINVAL);
    let done = match name {
        "persistence_mode" => device.set_persistent(value == "1"),
        "power_limit_mw" => device.set_power_management_limit(numeral(value)?),
        "applications_clocks_mhz" => {
            let (memory, graphics) = value.split_once(' ').ok_or(Errno::EINVAL)?;
            device.set_applications_clocks(numeral(memory)?, numeral(graphics)?)
        }
        "compute_mode" => {
            let mode = MODES.iter().find(|(word, _)| *word == value).ok_or(Errno::EINVAL)?.1;
            device.set_compute_mode(mode)
        }
        "auto_boost" => device.set_auto_boosted_clocks(value == "1"),
        _ => return Err(Errno::EOPNOTSUPP),
    };
    done.map_err(|error| number(&error))
}

fn word(mode: ComputeMode) -> String {
    let known = MODES.iter().find(|(_, known)| *known == mode);
    // A mode that is gone, which a driver before CUDA 8 may still show.
    known.map_or("exclusive_thread", |(word, _)| *word).to_owned()
}

/// Whether the library says that there is no driver, or is not there itself.
fn is_absence(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::LibloadingError(_)
            | NvmlError::LibraryNotFound
            | NvmlError::DriverNotLoaded
            | NvmlError::NotFound
    )
}

/// The kernel's number for what the library says.
fn number(error: &NvmlError) -> Errno {
    match error {
        NvmlError::NoPermission => Errno::EPERM,
        NvmlError::NotSupported | NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_) => {
            Errno::EOPNOTSUPP
        }
        NvmlError::InvalidArg => Errno::EINVAL,
        NvmlError::InUse => Errno::EBUSY,
        NvmlError::NotFound | NvmlError::GpuLost | NvmlError::DriverNotLoaded => Errno::ENODEV,
        NvmlError::Timeout => Errno::ETIMEDOUT,
        _ => Errno::EIO,
    }
}
