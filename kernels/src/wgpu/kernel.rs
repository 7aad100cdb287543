//! One kernel: compiled, bound to buffers, and put on its way.

use ::wgpu::{
    BindGroup, BindGroupEntry, BindGroupLayout, BindGroupLayoutEntry, BindingResource, BindingType, Buffer,
    BufferBindingType, CommandEncoder, ComputePipeline, ShaderStages,
};

use super::error::WgpuError;
use super::gpu::Gpu;

/// Bytes of what is bound at 0 of every kernel: `Place` of `shape.wgsl`, or four words of another meaning.
pub const PLACE_BYTES: u64 = 16;
/// A kernel that reads three buffers and writes the fourth; see [`Kernel::new`].
pub const ONE_OUTPUT: &[bool] = &[false, false, false, true];

/// A kernel: its pipeline, and the layout of what it reads and writes.
#[derive(Debug)]
pub struct Kernel {
    pipeline: ComputePipeline,
    layout: BindGroupLayout,
}

impl Kernel {
    /// Compiles `text`; `writes` says of what is bound at 1, 2 and so on whether the kernel writes it.
    pub fn new(gpu: &Gpu, what: &'static str, text: String, writes: &[bool]) -> Result<Self, WgpuError> {
        let entry = |binding: usize, ty| BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: ShaderStages::COMPUTE,
            ty: BindingType::Buffer { ty, has_dynamic_offset: binding == 0, min_binding_size: None },
            count: None,
        };
        let mut entries = vec![entry(0, BufferBindingType::Uniform)];
        let storage = |write: bool| BufferBindingType::Storage { read_only: !write };
        entries.extend(writes.iter().enumerate().map(|(at, &write)| entry(at + 1, storage(write))));
        let label = Some(what);
        let device = &gpu.device;
        let layout =
            device.create_bind_group_layout(&::wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&::wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let source = ::wgpu::ShaderSource::Wgsl(text.into());
        let module = device.create_shader_module(::wgpu::ShaderModuleDescriptor { label, source });
        gpu.check(what)?;
        let pipeline = device.create_compute_pipeline(&::wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // Every kernel writes its workgroup memory before it reads it.
            compilation_options: ::wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        gpu.check(what)?;
        Ok(Self { pipeline, layout })
    }

    /// Binds the places and then `buffers`.
    pub fn bind(&self, gpu: &Gpu, places: &Buffer, buffers: &[&Buffer]) -> BindGroup {
        let place =
            ::wgpu::BufferBinding { buffer: places, offset: 0, size: std::num::NonZeroU64::new(PLACE_BYTES) };
        let mut entries = vec![BindGroupEntry { binding: 0, resource: BindingResource::Buffer(place) }];
        entries.extend(buffers.iter().enumerate().map(|(at, buffer)| BindGroupEntry {
            binding: at as u32 + 1,
            resource: buffer.as_entire_binding(),
        }));
        gpu.device.create_bind_group(&::wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout,
            entries: &entries,
        })
    }

    /// Puts `x` by `y` workgroups into `encoder`, with the place that lies `place` bytes from the first.
    pub fn dispatch(&self, encoder: &mut CommandEncoder, bound: (&BindGroup, usize), (x, y): (usize, usize)) {
        self.dispatch_deep(encoder, bound, [x, y, 1]);
    }

    /// The same in three dimensions.
    pub fn dispatch_deep(
        &self,
        encoder: &mut CommandEncoder,
        (bound, place): (&BindGroup, usize),
        [x, y, z]: [usize; 3],
    ) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bound, &[place as u32]);
        pass.dispatch_workgroups(x as u32, y as u32, z as u32);
    }
}
