//! The kernels of a training, cut for a device.

use crate::cuda::error::CudaError;
use crate::cuda::plan::Kernels;
use crate::cuda::shape::{self, Layer, Machine, Single};
use crate::cuda::source::{self, train as text};
use crate::lstm::{Spec, TrainOptions};

/// Depth of a slice of a weights' gradient at least, and slices at most: enough to fill a device with blocks, few enough that
/// their sum costs little beside them.
const SLICE: usize = 256;
const SLICES_MAX: usize = 32;

/// Depth of a slice, and slices, of so many rows of all steps. It depends on nothing else, so that the order of a sum does not.
pub fn slices(depth: usize) -> (usize, usize) {
    let slice = depth.div_ceil(SLICES_MAX).max(SLICE).next_multiple_of(16);
    (slice, depth.div_ceil(slice).max(1))
}

/// A kernel that takes a layer through time.
#[derive(Clone, Copy, Debug)]
pub struct Through {
    /// Its place.
    pub kernel: usize,
    /// How it is cut.
    pub cut: Single,
}

/// Kernels of one layer.
#[derive(Clone, Copy, Debug)]
pub struct OfLayer {
    pub layer: Layer,
    pub pack: usize,
    pub forward: Through,
    pub backward: Through,
    pub outer: usize,
    pub gather: usize,
}

/// Places of all kernels.
#[derive(Clone, Debug)]
pub struct Places {
    pub layers: Vec<OfLayer>,
    pub dense: usize,
    pub loss: usize,
    pub spread: usize,
    pub outer: usize,
    pub gather: usize,
    pub dropout: usize,
    pub norm: usize,
    pub check: usize,
    pub apply: usize,
}

/// The kernels for `rows` windows of all models together.
pub fn kernels(
    spec: &Spec,
    options: &TrainOptions,
    machine: Machine,
    rows: usize,
) -> Result<(Kernels, Places), CudaError> {
    let mut all = Kernels::default();
    let units = spec.hidden;
    let mut layers = Vec::with_capacity(spec.layers);
    for index in 0..spec.layers {
        let layer = Layer { inputs: spec.layer_input(index), units };
        let (below, top) = (index > 0, index + 1 == spec.layers);
        let forward = shape::single(layer, machine, rows)?;
        let backward = shape::backward(layer, machine, rows)?;
        let through = |kernel, cut| Through { kernel, cut };
        layers.push(OfLayer {
            layer,
            pack: all.add(text::pack(layer, below), 0),
            forward: through(all.add(text::forward(layer, &forward), forward.shared_bytes), forward),
            backward: through(
                all.add(text::backward(layer, &backward, (below, top)), backward.shared_bytes),
                backward,
            ),
            outer: all.add(text::outer(4 * units, layer), 0),
            gather: all.add(text::gather(4 * units, layer, (4, 2)), 0),
        });
    }
    let head = Layer { inputs: 0, units };
    let places = Places {
        layers,
        dense: all.add(source::dense(units, spec.output), 0),
        loss: all.add(text::loss(spec.output, spec.head, options.loss), 0),
        spread: all.add(text::spread(units, spec.output), 0),
        outer: all.add(text::outer(spec.output, head), 0),
        gather: all.add(text::gather(spec.output, head, (1, 1)), 0),
        dropout: all.add(text::dropout(units), 0),
        norm: all.add(text::norm(), 0),
        check: all.add(text::descent(options.optimizer, false), 0),
        apply: all.add(text::descent(options.optimizer, true), 0),
    };
    Ok((all, places))
}
