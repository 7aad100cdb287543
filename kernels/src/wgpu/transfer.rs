//! Numbers on their way to a device and back.

use std::sync::mpsc;
use std::time::Duration;

use ::wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode, SubmissionIndex};

use super::error::WgpuError;
use super::gpu::Gpu;

/// A buffer that a kernel sees.
pub const STORAGE: BufferUsages =
    BufferUsages::STORAGE.union(BufferUsages::COPY_DST).union(BufferUsages::COPY_SRC);
/// A buffer that the host reads.
pub const STAGING: BufferUsages = BufferUsages::MAP_READ.union(BufferUsages::COPY_DST);

/// The bytes of some numbers, as the device reads them: every device that wgpu drives is little-endian.
pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Hands over what is in `encoder`.
pub fn submit(gpu: &Gpu, encoder: CommandEncoder) -> Result<SubmissionIndex, WgpuError> {
    let submission = gpu.queue.submit([encoder.finish()]);
    gpu.check("a submission")?;
    Ok(submission)
}

/// Hands over what is in `encoder`, which ends in copies to `staging`, waits for it, and appends the first `len` numbers of
/// `staging` to `to`.
pub fn download(
    gpu: &Gpu,
    (what, wait_max): (&'static str, Duration),
    encoder: CommandEncoder,
    (staging, len): (&Buffer, usize),
    to: &mut Vec<f32>,
) -> Result<(), WgpuError> {
    let submission = submit(gpu, encoder)?;
    let slice = staging.slice(..(size_of::<f32>() * len) as u64);
    let (sender, receiver) = mpsc::channel();
    slice.map_async(MapMode::Read, move |mapped| {
        // Nobody listens any more only when the wait below has failed.
        let _ = sender.send(mapped);
    });
    gpu.wait(what, submission, wait_max)?;
    let call = |reason| WgpuError::Call { adapter: gpu.name(), what, reason };
    let mapped = receiver.try_recv().map_err(|error| call(error.to_string()))?;
    mapped.map_err(|error| call(error.to_string()))?;
    let view = slice.get_mapped_range().map_err(|error| call(error.to_string()))?;
    to.extend(view.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])));
    drop(view);
    staging.unmap();
    Ok(())
}
