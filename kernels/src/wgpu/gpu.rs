//! An adapter, chosen and opened.
//!
//! Nothing here waits without an end, and nothing that a driver says ends the process: errors that wgpu reports through
//! callbacks are kept until somebody asks, and each step asks.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::wgpu::{
    AdapterInfo, Backends, BufferUsages, DeviceType, Features, Instance, InstanceDescriptor, Limits,
    MemoryHints, PollError, PollType, SubmissionIndex,
};

use super::error::WgpuError;
use crate::gpu::Precision;

/// An open GPU.
#[derive(Clone, Debug)]
pub struct Gpu {
    pub(super) device: ::wgpu::Device,
    pub(super) queue: ::wgpu::Queue,
    pub(super) limits: Arc<Limits>,
    info: Arc<AdapterInfo>,
    f16: bool,
    why: Arc<str>,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// What wgpu reported.
#[derive(Clone, Debug)]
enum Fault {
    Memory,
    Call(String),
    Lost(String),
}

/// What a future of wgpu on this side of a browser gives: it is ready when asked.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Kinds of devices, the one that is likely to be fastest first.
const fn rank(kind: DeviceType) -> usize {
    match kind {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

const fn kind(kind: DeviceType) -> &'static str {
    match kind {
        DeviceType::DiscreteGpu => "discrete GPU",
        DeviceType::IntegratedGpu => "integrated GPU",
        DeviceType::VirtualGpu => "virtual GPU",
        DeviceType::Other => "device of unknown kind",
        DeviceType::Cpu => "processor, by software",
    }
}

fn name(info: &AdapterInfo) -> String {
    format!("{} ({}, {} {})", info.name, info.backend, info.driver, info.driver_info).replace(" )", ")")
}

impl Gpu {
    /// Opens an adapter: the one whose name contains `wanted` in any case, or the first of the kind that is likely to be
    /// fastest: discrete, integrated, virtual, software.
    ///
    /// # Errors
    /// [`WgpuError`] when there is no adapter, none of that name, or it gives no device.
    pub fn open(wanted: Option<&str>) -> Result<Self, WgpuError> {
        let backends = Backends::VULKAN | Backends::METAL | Backends::DX12;
        let instance = Instance::new(InstanceDescriptor {
            backends,
            ..InstanceDescriptor::new_without_display_handle()
        });
        let mut adapters = ready(instance.enumerate_adapters(backends)).unwrap_or_default();
        adapters.sort_by_key(|adapter| rank(adapter.get_info().device_type));
        let names: Vec<String> = adapters.iter().map(|adapter| name(&adapter.get_info())).collect();
        let lower = wanted.map(str::to_lowercase);
        let fits = |name: &String| lower.as_ref().is_none_or(|wanted| name.to_lowercase().contains(wanted));
        let Some(place) = names.iter().position(fits) else {
            let found = names.join(", ");
            return Err(match wanted {
                Some(wanted) if !names.is_empty() => {
                    WgpuError::NoSuchAdapter { wanted: wanted.to_owned(), found }
                }
                _ => WgpuError::NoAdapter,
            });
        };
        let adapter = adapters.swap_remove(place);
        let info = adapter.get_info();
        let why = match (wanted, names.len()) {
            (Some(wanted), _) => format!("its name contains {wanted:?}"),
            (None, 1) => "the only adapter".to_owned(),
            (None, _) => format!("the first {} of {}", kind(info.device_type), names.join(", ")),
        };
        let f16 = adapter.features().contains(Features::SHADER_F16);
        // Everything that the adapter has: a limit that is not asked for is that of the least of all devices.
        let limits = adapter.limits();
        let descriptor = ::wgpu::DeviceDescriptor {
            label: Some("diapason"),
            required_features: if f16 { Features::SHADER_F16 } else { Features::empty() },
            required_limits: limits.clone(),
            memory_hints: MemoryHints::Performance,
            ..Default::default()
        };
        let refused = |reason: String| WgpuError::Refused { adapter: name(&info), reason };
        let (device, queue) = ready(adapter.request_device(&descriptor))
            .ok_or_else(|| refused("the request was left waiting".to_owned()))?
            .map_err(|error| refused(error.to_string()))?;
        let fault = Arc::new(Mutex::new(None));
        let (on_error, on_loss) = (Arc::clone(&fault), Arc::clone(&fault));
        device.on_uncaptured_error(Arc::new(move |error| {
            let found = match error {
                ::wgpu::Error::OutOfMemory { .. } => Fault::Memory,
                ::wgpu::Error::Validation { description, .. }
                | ::wgpu::Error::Internal { description, .. } => Fault::Call(description),
            };
            // The first error is the cause of those that follow.
            on_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(found);
        }));
        device.set_device_lost_callback(move |_, message| {
            *on_loss.lock().unwrap_or_else(PoisonError::into_inner) = Some(Fault::Lost(message));
        });
        Ok(Self {
            device,
            queue,
            limits: Arc::new(limits),
            info: Arc::new(info),
            f16,
            why: why.into(),
            fault,
        })
    }

    /// Name, interface and driver.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.info)
    }

    /// Whether its kernels run on the processor, so that nothing is gained over the processor's own.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    /// Whether it multiplies in `precision`.
    #[must_use]
    pub const fn offers(&self, precision: Precision) -> bool {
        match precision {
            Precision::F32 => true,
            Precision::F16 => self.f16,
            // WGSL has no such type.
            Precision::Bf16 => false,
        }
    }

    /// The precisions to choose from, in words.
    pub(super) const fn offered(&self) -> &'static str {
        if self.f16 { "f32 or f16" } else { "f32" }
    }

    /// What was chosen, why, and what it allows, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let (info, limits) = (&self.info, &self.limits);
        let mut text = String::new();
        let _ = writeln!(text, "adapter      {}, {}", info.name, kind(info.device_type));
        let _ = writeln!(text, "interface    {}, driver {} {}", info.backend, info.driver, info.driver_info);
        let _ = writeln!(text, "chosen       {}", self.why);
        let _ = writeln!(text, "precisions   {}", self.offered());
        let _ = write!(
            text,
            "limits       {} bytes in a buffer, {} of them in one binding, {} bytes of workgroup memory, {} invocations",
            limits.max_buffer_size,
            limits.max_storage_buffer_binding_size,
            limits.max_compute_workgroup_storage_size,
            limits.max_compute_invocations_per_workgroup
        );
        text
    }

    /// Bytes that one buffer may have and a kernel may see.
    pub(super) fn binding_bytes_max(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
    }

    fn fault(&self) -> std::sync::MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was reported since the last call; a loss stays.
    pub(super) fn check(&self, what: &'static str) -> Result<(), WgpuError> {
        let adapter = || self.name();
        let mut fault = self.fault();
        let found = match &*fault {
            Some(Fault::Lost(reason)) => {
                return Err(WgpuError::Lost { adapter: adapter(), reason: reason.clone() });
            }
            _ => fault.take(),
        };
        match found {
            None => Ok(()),
            Some(Fault::Memory) => Err(WgpuError::Memory { adapter: adapter(), what, wanted: 0, rows: 0 }),
            Some(Fault::Call(reason) | Fault::Lost(reason)) => {
                Err(WgpuError::Call { adapter: adapter(), what, reason })
            }
        }
    }

    /// A buffer of at least 16 bytes, filled with zeros.
    pub(super) fn buffer(
        &self,
        what: &'static str,
        bytes: u64,
        usage: BufferUsages,
    ) -> Result<::wgpu::Buffer, WgpuError> {
        let size = bytes.max(16).next_multiple_of(16);
        let allowed = self.binding_bytes_max();
        if size > allowed {
            let (adapter, what) = (self.name(), what.to_owned());
            return Err(WgpuError::Limit { adapter, what, wanted: size, allowed });
        }
        let descriptor =
            ::wgpu::BufferDescriptor { label: Some(what), size, usage, mapped_at_creation: false };
        let buffer = self.device.create_buffer(&descriptor);
        match self.check(what) {
            Ok(()) => Ok(buffer),
            Err(WgpuError::Memory { adapter, what, .. }) => {
                Err(WgpuError::Memory { adapter, what, wanted: size, rows: 0 })
            }
            Err(other) => Err(other),
        }
    }

    /// Waits for a submission, at most `wait_max`.
    pub(super) fn wait(
        &self,
        what: &'static str,
        submission: SubmissionIndex,
        wait_max: Duration,
    ) -> Result<(), WgpuError> {
        let wait = PollType::Wait { submission_index: Some(submission), timeout: Some(wait_max) };
        // A device that is lost while wgpu waits for it ends in a panic of wgpu's, which here is one more way to report.
        let waited = catch_unwind(AssertUnwindSafe(|| self.device.poll(wait)));
        self.check(what)?;
        match waited {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(PollError::Timeout)) => Err(WgpuError::Timeout { adapter: self.name(), what, wait_max }),
            // A device that is gone takes no submission, and says so only here.
            Ok(Err(PollError::WrongSubmissionIndex(..))) => Err(self.lost("it takes no work any more")),
            Err(_) => Err(self.lost("wgpu gave up waiting for it")),
        }
    }

    /// Keeps in mind that the device is gone.
    fn lost(&self, reason: &str) -> WgpuError {
        let reason = reason.to_owned();
        *self.fault() = Some(Fault::Lost(reason.clone()));
        WgpuError::Lost { adapter: self.name(), reason }
    }

    /// Takes the device away, as a driver's reset does.
    #[cfg(test)]
    pub(super) fn lose(&self) {
        self.device.destroy();
    }
}
