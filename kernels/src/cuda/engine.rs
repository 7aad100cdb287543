//! Where a plan runs: on a device, or in tests on the host.

use std::time::Duration;

use cudarc::driver::{
    CudaEvent, CudaFunction, CudaSlice, DevicePtr, LaunchConfig, PinnedHostSlice, PushKernelArg,
};

use super::error::CudaError;
use super::gpu::{FROM_PTX, Gpu, Origin};
use super::plan::{Argument, Kernels, Launch};

#[cfg(test)]
pub mod host;

/// Kernels with their buffers.
#[derive(Debug)]
pub enum Engine {
    /// An NVIDIA GPU.
    Device(Box<DeviceEngine>),
    /// The same kernels over the shim of the tests.
    #[cfg(test)]
    Host(host::HostEngine),
}

impl Engine {
    /// Makes room for at least `bytes` in a buffer. New room is zero, and what the buffer held is gone when it grows.
    pub fn room(&mut self, buffer: usize, what: &'static str, bytes: usize) -> Result<(), CudaError> {
        match self {
            Self::Device(engine) => engine.room(buffer, what, bytes),
            #[cfg(test)]
            Self::Host(engine) => {
                engine.room(buffer, bytes);
                Ok(())
            }
        }
    }

    /// Writes to a buffer from its start. What was launched before [`read`](Self::read) was last called is done with it.
    pub fn write(&mut self, buffer: usize, bytes: &[u8]) -> Result<(), CudaError> {
        match self {
            Self::Device(engine) => engine.write(buffer, bytes),
            #[cfg(test)]
            Self::Host(engine) => {
                engine.write(buffer, bytes);
                Ok(())
            }
        }
    }

    /// Starts kernels, one after the other.
    pub fn launch(&mut self, launches: &[Launch]) -> Result<(), CudaError> {
        match self {
            Self::Device(engine) => engine.launch(launches),
            #[cfg(test)]
            Self::Host(engine) => {
                launches.iter().for_each(|launch| engine.launch(launch));
                Ok(())
            }
        }
    }

    /// Waits until all that was started is done, then reads `len` bytes of a buffer from `offset` on.
    pub fn read(
        &mut self,
        what: &'static str,
        buffer: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<u8>, CudaError> {
        match self {
            Self::Device(engine) => engine.read(what, buffer, offset, len),
            #[cfg(test)]
            Self::Host(engine) => Ok(engine.read(buffer, offset, len)),
        }
    }

    /// Where it runs, as text for a person.
    pub fn explain(&self) -> String {
        match self {
            Self::Device(engine) => engine.explain(),
            #[cfg(test)]
            Self::Host(_) => "device       the tests' shim".to_owned(),
        }
    }
}

/// Kernels and buffers of a device.
#[derive(Debug)]
pub struct DeviceEngine {
    gpu: Gpu,
    functions: Vec<(CudaFunction, usize)>,
    /// Whether the driver compiled any of them.
    from_ptx: bool,
    buffers: Vec<Option<Room>>,
    wait_max: Duration,
    /// Something did not end in time, or failed: nothing here may be used again.
    lost: Option<CudaError>,
}

/// A buffer, and memory of the host through which it is written.
#[derive(Debug)]
struct Room {
    device: CudaSlice<u8>,
    address: u64,
    staging: Option<PinnedHostSlice<u8>>,
}

impl DeviceEngine {
    /// Compiles or finds every kernel.
    pub fn new(gpu: &Gpu, kernels: &Kernels, buffers: usize, wait_max: Duration) -> Result<Self, CudaError> {
        let (mut functions, mut from_ptx) = (Vec::with_capacity(kernels.list.len()), false);
        for (kernel, shared_bytes) in &kernels.list {
            let (function, origin) = gpu.load(kernel, *shared_bytes)?;
            from_ptx |= origin == Origin::Ptx;
            functions.push((function, *shared_bytes));
        }
        let buffers = (0..buffers).map(|_| None).collect();
        Ok(Self { gpu: gpu.clone(), functions, from_ptx, buffers, wait_max, lost: None })
    }

    /// The device, as text for a person.
    pub fn explain(&self) -> String {
        let mut text = self.gpu.explain();
        if self.from_ptx {
            text.push_str(FROM_PTX);
        }
        text
    }

    /// A mark behind what was started so far.
    pub fn mark(&self, what: &'static str) -> Result<CudaEvent, CudaError> {
        self.gpu.mark(what, &self.gpu.streams[0])
    }

    /// Whether all before a mark is done.
    pub fn passed(&self, mark: &CudaEvent) -> Result<bool, CudaError> {
        self.gpu.call("looking after a kernel", mark.try_is_complete())
    }

    /// Waits for a mark, at most so long; what does not end is lost, and its memory is never freed.
    pub fn end(&mut self, mark: &CudaEvent, wait_max: Duration) {
        if let Err(error) = self.gpu.wait("the end of a kernel", mark, wait_max) {
            self.forget(error);
        }
    }

    /// Gives up what did not end in time.
    pub fn lose(&mut self, what: &'static str, wait_max: Duration) -> CudaError {
        let error = CudaError::Timeout { device: self.gpu.name().to_owned(), what, wait_max };
        self.forget(error.clone());
        error
    }

    /// Whether something did not end in time, and may still write.
    pub const fn is_lost(&self) -> bool {
        matches!(self.lost, Some(CudaError::Timeout { .. }))
    }

    /// After this nothing is started any more. To free what a kernel may still use would wait for it, and so would ending its module,
    /// its stream or the context; a device that answers with an error frees them, and can be opened again.
    fn forget(&mut self, error: CudaError) {
        if matches!(error, CudaError::Timeout { .. }) {
            std::mem::forget(std::mem::take(&mut self.buffers));
            std::mem::forget(std::mem::take(&mut self.functions));
            std::mem::forget(self.gpu.clone());
        }
        self.lost = Some(error);
    }

    /// Whether everything that was started has ended in time so far.
    pub fn there(&self) -> Result<(), CudaError> {
        self.lost.clone().map_or(Ok(()), Err)
    }

    /// As [`Engine::room`].
    pub fn room(&mut self, buffer: usize, what: &'static str, bytes: usize) -> Result<(), CudaError> {
        self.there()?;
        if self.buffers[buffer].as_ref().is_some_and(|room| room.device.len() >= bytes) {
            return Ok(());
        }
        self.buffers[buffer] = None;
        let device = self.gpu.buffer(what, bytes)?;
        let (address, used) = device.device_ptr(&self.gpu.streams[0]);
        drop(used);
        self.buffers[buffer] = Some(Room { device, address, staging: None });
        Ok(())
    }

    /// As [`Engine::write`].
    pub fn write(&mut self, buffer: usize, bytes: &[u8]) -> Result<(), CudaError> {
        self.there()?;
        let Some(room) = &mut self.buffers[buffer] else { return Ok(()) };
        if room.staging.as_ref().is_none_or(|staging| staging.len() < bytes.len()) {
            room.staging = Some(self.gpu.pinned("what is brought to the device", bytes.len())?);
        }
        let Some(staging) = &mut room.staging else { return Ok(()) };
        let staging = self.gpu.call("preparing a copy", staging.as_mut_slice())?;
        staging[..bytes.len()].copy_from_slice(bytes);
        let mut to = room.device.slice_mut(..bytes.len());
        let copied = self.gpu.streams[0].memcpy_htod(&staging[..bytes.len()], &mut to);
        self.gpu.call("copying to the device", copied)
    }

    /// Starts kernels, one after the other.
    pub fn launch(&self, launches: &[Launch]) -> Result<(), CudaError> {
        self.there()?;
        launches.iter().try_for_each(|launch| self.start(launch))
    }

    fn start(&self, launch: &Launch) -> Result<(), CudaError> {
        let (function, shared_bytes) = &self.functions[launch.kernel];
        // A kernel reads of each as many bytes as it declares, from the lowest: the hosts of CUDA are little-endian.
        let value = |argument: &Argument| match *argument {
            Argument::Buffer(buffer, offset) => {
                let room = self.buffers[buffer].as_ref();
                room.map_or(0, |room| room.address + offset as u64)
            }
            Argument::Nothing => 0,
            Argument::Int(value) | Argument::Long(value) => value as u64,
            Argument::Float(value) => u64::from(value.to_bits()),
        };
        let values: Vec<u64> = launch.arguments.iter().map(value).collect();
        let mut builder = self.gpu.streams[0].launch_builder(function);
        for value in &values {
            builder.arg(value);
        }
        let [x, y, z] = launch.grid.map(|blocks| u32::try_from(blocks).unwrap_or(u32::MAX));
        let config = LaunchConfig {
            grid_dim: (x, y, z),
            block_dim: (u32::try_from(launch.threads).unwrap_or(u32::MAX), 1, 1),
            shared_mem_bytes: u32::try_from(*shared_bytes).unwrap_or(u32::MAX),
        };
        // SAFETY: who makes a plan gives each kernel the arguments that its file declares and makes room for what they reach;
        // the tests run the same launches on the host. One stream orders all uses of a buffer.
        self.gpu.call("starting a kernel", unsafe { builder.launch(config) })?;
        Ok(())
    }

    /// As [`Engine::read`].
    pub fn read(
        &mut self,
        what: &'static str,
        buffer: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<u8>, CudaError> {
        self.there()?;
        let stream = &self.gpu.streams[0];
        let mark = self.gpu.mark(what, stream)?;
        if let Err(error) = self.gpu.wait(what, &mark, self.wait_max) {
            self.forget(error.clone());
            return Err(error);
        }
        let mut bytes = vec![0; len];
        if let Some(room) = &self.buffers[buffer] {
            let view = room.device.slice(offset..offset + len);
            self.gpu.call(what, stream.memcpy_dtoh(&view, &mut bytes))?;
        }
        Ok(bytes)
    }
}
