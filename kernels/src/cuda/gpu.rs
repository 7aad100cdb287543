//! An NVIDIA GPU, opened.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::sys::{self, CUdevice_attribute, CUfunction_attribute, CUresult};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DriverError, PinnedHostSlice,
};
use cudarc::nvrtc::Ptx;

use super::cache::Cache;
use super::error::CudaError;
use super::nvrtc::Nvrtc;
use super::shape::Machine;
use super::source::Kernel;
use crate::gpu::Precision;

/// The first version of the driver's interface that has every function that is called.
const DRIVER_MIN: (i32, &str) = (12_000, "12.0");
/// The first compute capability that multiplies f16 as the kernels do.
const CAPABILITY_MIN: u32 = 75;
/// Between two looks at whether the device is done: short beside a batch, long beside the look.
const LOOK: Duration = Duration::from_micros(20);

/// What a kernel was loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Code for this kind of device.
    MachineCode,
    /// PTX, compiled by the driver.
    Ptx,
}

/// What is said of kernels from PTX.
pub const FROM_PTX: &str = "\nkernels      compiled by the driver from PTX that was made ahead for any device, since NVRTC is not here \
                            and no machine code for this kind of device was; slower than NVRTC's by their smaller cut";

/// An open GPU.
#[derive(Clone, Debug)]
pub struct Gpu {
    context: Arc<CudaContext>,
    /// Where kernels run, and where windows are brought: two, so that both happen at once.
    pub(super) streams: [Arc<CudaStream>; 2],
    pub(super) machine: Machine,
    name: Arc<str>,
    ordinal: usize,
    driver: i32,
    cache: Cache,
}

impl Gpu {
    /// Opens the device of this number, in the driver's order.
    ///
    /// # Errors
    /// [`CudaError`] where there is no driver, an old one, no such device, or one that is too old.
    pub fn open(ordinal: usize) -> Result<Self, CudaError> {
        // SAFETY: loading the driver's library runs its constructors, as every CUDA program does at its start.
        if !unsafe { sys::is_culib_present() } {
            return Err(CudaError::NoDriver);
        }
        let mut driver = 0;
        // SAFETY: the pointer is to a live integer, and the function needs no initialisation.
        let asked = unsafe { sys::cuDriverGetVersion(&raw mut driver) };
        let unnamed = |what| move |error: DriverError| failed("the CUDA driver", what, error);
        asked.result().map_err(unnamed("asking for its version"))?;
        if driver < DRIVER_MIN.0 {
            return Err(CudaError::DriverTooOld { found: version(driver), needed: DRIVER_MIN.1 });
        }
        cudarc::driver::result::init().map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_NO_DEVICE => CudaError::NoDevice { ordinal, count: 0 },
            _ => unnamed("starting")(error),
        })?;
        let count = CudaContext::device_count().map_err(unnamed("counting devices"))?;
        let count = usize::try_from(count).unwrap_or(0);
        if ordinal >= count {
            return Err(CudaError::NoDevice { ordinal, count });
        }
        let context = CudaContext::new(ordinal).map_err(unnamed("opening a device"))?;
        let name = context.name().map_err(unnamed("asking for the device's name"))?;
        let device = |what| {
            let name = name.clone();
            move |error| failed(&name, what, error)
        };
        let (major, minor) = context.compute_capability().map_err(device("asking for its capability"))?;
        let (major, minor) = (major.unsigned_abs(), minor.unsigned_abs());
        let capability = 10 * major + minor;
        if capability < CAPABILITY_MIN {
            return Err(CudaError::Capability { device: name, capability: (major, minor) });
        }
        let ask = |attribute| {
            let value = context.attribute(attribute).map_err(device("asking for its sizes"))?;
            Ok::<_, CudaError>(usize::try_from(value).unwrap_or(0))
        };
        let machine = Machine {
            capability,
            shared_bytes: ask(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            processors: ask(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1),
        };
        let stream = || context.new_stream().map_err(device("making a stream"));
        let streams = [stream()?, stream()?];
        let cache = Cache::of_the_user();
        Ok(Self { streams, machine, name: name.into(), ordinal, driver, cache, context })
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it multiplies in `precision`.
    #[must_use]
    pub const fn offers(&self, precision: Precision) -> bool {
        match precision {
            Precision::F32 | Precision::F16 => true,
            Precision::Bf16 => self.machine.capability >= 80,
        }
    }

    /// What the compiler is asked for: with the instructions that only this one has, where there are such.
    pub(super) fn architecture(&self) -> String {
        self.machine.architecture()
    }

    /// What was opened, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let Machine { capability, shared_bytes, processors } = self.machine;
        let mut text = String::new();
        let _ = writeln!(text, "device       {} (CUDA device {})", self.name, self.ordinal);
        let _ = writeln!(
            text,
            "capability   {}.{}, compiled for {}",
            capability / 10,
            capability % 10,
            self.architecture()
        );
        let _ = writeln!(text, "driver       CUDA {}", version(self.driver));
        let _ = write!(
            text,
            "limits       {processors} multiprocessors, {shared_bytes} bytes of shared memory each"
        );
        if let Ok((free, total)) = self.context.mem_get_info() {
            let _ = write!(text, ", {free} of {total} bytes free");
        }
        text
    }

    /// What a call of the driver gave, its failure with the device's name.
    pub(super) fn call<T>(&self, what: &'static str, result: Result<T, DriverError>) -> Result<T, CudaError> {
        result.map_err(|error| failed(&self.name, what, error))
    }

    fn memory<T>(
        &self,
        what: &'static str,
        wanted: usize,
        result: Result<T, DriverError>,
    ) -> Result<T, CudaError> {
        result.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                let (free, total) = self.context.mem_get_info().unwrap_or((0, 0));
                CudaError::Memory { device: self.name.to_string(), what, wanted, free, total }
            }
            _ => failed(&self.name, what, error),
        })
    }

    /// Memory of the device, zero.
    pub(super) fn buffer(&self, what: &'static str, bytes: usize) -> Result<CudaSlice<u8>, CudaError> {
        self.memory(what, bytes, self.streams[0].alloc_zeros(bytes.max(16)))
    }

    /// Memory of the device, with a copy of `bytes`.
    pub(super) fn upload(&self, what: &'static str, bytes: &[u8]) -> Result<CudaSlice<u8>, CudaError> {
        self.memory(what, bytes.len(), self.streams[0].clone_htod(bytes))
    }

    /// Memory of the host that the device reads by itself, zero.
    pub(super) fn pinned(&self, what: &'static str, bytes: usize) -> Result<PinnedHostSlice<u8>, CudaError> {
        // SAFETY: what is in it before it is written does not matter, since it is filled right below.
        let pinned = unsafe { self.context.alloc_pinned_with_flags(bytes.max(16), 0) };
        let mut pinned: PinnedHostSlice<u8> = self.memory(what, bytes, pinned)?;
        self.call(what, pinned.as_mut_slice())?.fill(0);
        Ok(pinned)
    }

    /// Words that host and device share, zero, and their address, which is one for both: devices from compute capability 2.0 on
    /// have the addresses of a host of 64 bits.
    pub(super) fn words(
        &self,
        what: &'static str,
        len: usize,
    ) -> Result<(PinnedHostSlice<u64>, usize), CudaError> {
        // SAFETY: what is in it before it is written does not matter, since it is filled right below.
        let pinned = unsafe { self.context.alloc_pinned_with_flags(len, sys::CU_MEMHOSTALLOC_DEVICEMAP) };
        let mut words: PinnedHostSlice<u64> = self.memory(what, size_of::<u64>() * len, pinned)?;
        self.call(what, words.as_mut_slice())?.fill(0);
        let address = self.call(what, words.as_mut_ptr())?.expose_provenance();
        Ok((words, address))
    }

    /// The same device with streams of its own.
    pub(super) fn apart(&self) -> Result<Self, CudaError> {
        let stream = || self.call("making a stream", self.context.new_stream());
        Ok(Self { streams: [stream()?, stream()?], ..self.clone() })
    }

    /// The kernel on the device: from the folder of those compiled before, or compiled now. Without a compiler the driver may
    /// make it of PTX from that folder, for devices of any kind; where it comes from is said.
    pub(super) fn load(
        &self,
        kernel: &Kernel,
        shared_bytes: usize,
    ) -> Result<(CudaFunction, Origin), CudaError> {
        let architecture = self.architecture();
        let (code, origin) = match self.cache.get(kernel, &architecture) {
            Some(cubin) => (Ptx::from_binary(cubin), Origin::MachineCode),
            None => match Nvrtc::open() {
                Ok(nvrtc) => {
                    let cubin = nvrtc.compile(kernel, &architecture)?.cubin;
                    self.cache.put(kernel, &architecture, &cubin);
                    (Ptx::from_binary(cubin), Origin::MachineCode)
                }
                Err(missing) => {
                    let ptx = self.cache.get(kernel, kernel.portable());
                    let text = ptx.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(missing)?;
                    (Ptx::from_src(text), Origin::Ptx)
                }
            },
        };
        let module = self.call("loading a kernel", self.context.load_module(code))?;
        let function = self.call("finding a kernel in its module", module.load_function(kernel.function))?;
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let bytes = i32::try_from(shared_bytes).unwrap_or(i32::MAX);
        self.call("reserving shared memory", function.set_attribute(attribute, bytes))?;
        Ok((function, origin))
    }

    /// Whether a kernel keeps something of its threads in memory for want of registers.
    pub(super) fn spills(&self, function: &CudaFunction) -> Result<bool, CudaError> {
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES;
        Ok(self.call("asking for a kernel's memory", function.get_attribute(attribute))? > 0)
    }

    /// A mark behind what a stream has to do so far.
    pub(super) fn mark(&self, what: &'static str, stream: &CudaStream) -> Result<CudaEvent, CudaError> {
        self.call(what, stream.record_event(None))
    }

    /// Waits until a stream has come to a mark, at most `wait_max`.
    pub(super) fn wait(
        &self,
        what: &'static str,
        mark: &CudaEvent,
        wait_max: Duration,
    ) -> Result<(), CudaError> {
        let start = Instant::now();
        while !self.call(what, mark.try_is_complete())? {
            if start.elapsed() >= wait_max {
                return Err(CudaError::Timeout { device: self.name.to_string(), what, wait_max });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

fn failed(device: &str, what: &'static str, error: DriverError) -> CudaError {
    CudaError::Driver { device: device.to_owned(), what, code: format!("{:?}", error.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_the_driver_is_told_what_to_do() {
        match Gpu::open(0) {
            Ok(gpu) => assert!(gpu.explain().contains("multiprocessors")),
            Err(error) => assert!(
                error.to_string().contains("predict on the cpu")
                    || matches!(error, CudaError::NoDevice { .. })
            ),
        }
        assert_eq!(version(12_090), "12.9");
        assert_eq!(version(13_000), "13.0");
    }
}
