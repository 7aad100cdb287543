//! What host and device agree on: the words, the buffers, the launch.

use crate::cuda::error::CudaError;
use crate::cuda::plan::Argument::{self, Buffer, Long};
use crate::cuda::plan::{Kernels, Launch};
use crate::cuda::shape::{self, Machine, Resident};
use crate::cuda::source::stream::stream;
use crate::gpu::{Precision, packed};
use crate::lstm::{Lstm, Spec};

const WEIGHT_X: usize = 0;
const WEIGHT_H: usize = 1;
const BIAS: usize = 2;
const HEAD: usize = 3;
const HEAD_BIAS: usize = 4;
pub const STATE: usize = 5;
pub const COUNT: usize = 6;
/// How many buffers there are.
pub const BUFFERS: usize = 7;

/// A number with the count of its tick.
pub fn word(x: f32, due: u32) -> u64 {
    u64::from(due) << 32 | u64::from(x.to_bits())
}

/// The number of a word, if it is of this tick.
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
pub fn value(word: u64, due: u32) -> Option<f32> {
    ((word >> 32) as u32 == due).then(|| f32::from_bits(word as u32))
}

/// The launch of a stream's kernel.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    kernel: usize,
    threads: usize,
}

impl Tick {
    pub fn new(
        spec: &Spec,
        machine: Machine,
        precision: Precision,
        kernels: &mut Kernels,
    ) -> Result<(Self, Resident), CudaError> {
        let cut = shape::resident(spec, machine, precision)?;
        let kernel = kernels.add(stream(spec, &cut, precision), cut.shared_bytes);
        let threads = (cut.splits * spec.hidden).next_multiple_of(32);
        Ok((Self { kernel, threads }, cut))
    }

    /// With the row's words, the outputs' and the one that says stop.
    pub fn launch(self, [row, out, stop]: [Argument; 3], looks: u64) -> [Launch; 1] {
        let all = |buffer| Buffer(buffer, 0);
        let looks = Long(usize::try_from(looks).unwrap_or(usize::MAX));
        let arguments = vec![
            all(WEIGHT_X),
            all(WEIGHT_H),
            all(BIAS),
            all(HEAD),
            all(HEAD_BIAS),
            all(STATE),
            all(COUNT),
            row,
            out,
            stop,
            looks,
        ];
        [Launch { kernel: self.kernel, grid: [1; 3], threads: self.threads, arguments }]
    }
}

/// What each buffer holds before the first tick.
pub fn contents(model: &Lstm, precision: Precision) -> Vec<(usize, Vec<u8>)> {
    let (spec, layers) = (model.spec(), packed::layers(model.weights()));
    let join = |part: fn(&packed::PackedLayer) -> &[f32]| {
        layers.iter().flat_map(|layer| part(layer).iter().copied()).collect::<Vec<f32>>()
    };
    let f32s = |values: &[f32]| Precision::F32.encode(values);
    let (head, head_bias) = model.weights().head();
    vec![
        (WEIGHT_X, precision.encode(&join(|layer| &layer.weight_x))),
        (WEIGHT_H, precision.encode(&join(|layer| &layer.weight_h))),
        (BIAS, f32s(&join(|layer| &layer.bias))),
        (HEAD, f32s(head)),
        (HEAD_BIAS, f32s(head_bias)),
        (STATE, vec![0; 2 * spec.layers * spec.hidden * 4]),
        (COUNT, vec![0; 4]),
    ]
}
