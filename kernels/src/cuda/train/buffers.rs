//! The memory of a training: numbered buffers, and how many bytes each takes.

use super::kernels::slices;
use crate::cuda::source::train::{NORM_BLOCKS, NUMBERS};
use crate::lstm::Spec;

/// A buffer. Where models train side by side, each has a part of its own in all but the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// `[steps][rows][input]`.
    X,
    /// `[rows][output]`.
    Y,
    /// `[parameters]`, in PyTorch's order.
    Weights,
    /// The same.
    Gradient,
    /// The optimiser's memory, the same.
    First,
    /// The same.
    Second,
    /// `[NORM_BLOCKS]`, f64.
    Norms,
    /// `[NUMBERS]`.
    Numbers,
    /// Of the dropout: 64 bits.
    Keys,
    /// Two f64: loss and norm.
    Report,
    /// An integer: the first weight that would not be finite.
    Bad,
    /// `[rows][output]`.
    Logits,
    /// The same.
    DLogits,
    /// `[rows][units]`: the gradient by the last hidden state.
    DLast,
    /// `[steps][rows][units]`: by the hidden states of layers of even number, and of odd.
    D(usize),
    /// Slices of a weights' gradient.
    Partial,
    /// A layer's.
    Of(usize, Part),
}

/// A buffer of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `[inputs][units][4]`.
    WeightX,
    /// `[units][units][4]`.
    WeightH,
    /// `[units][4]`.
    Bias,
    /// `[units][units][4]`, turned.
    BackH,
    /// `[units][inputs][4]`, above the first layer.
    BackX,
    /// `[rows][units]`: before the first step.
    StartH,
    /// The same.
    StartC,
    /// `[steps][rows][units][4]`.
    Gates,
    /// `[steps + 1][rows][units]`.
    H,
    /// The same.
    C,
    /// `[steps][rows][units]`: what the layer above reads, where some of it is dropped.
    Dropped,
}

const PARTS: usize = 11;
const SHARED: usize = 17;

impl Buffer {
    /// Its number.
    pub const fn number(self) -> usize {
        match self {
            Self::X => 0,
            Self::Y => 1,
            Self::Weights => 2,
            Self::Gradient => 3,
            Self::First => 4,
            Self::Second => 5,
            Self::Norms => 6,
            Self::Numbers => 7,
            Self::Keys => 8,
            Self::Report => 9,
            Self::Bad => 10,
            Self::Logits => 11,
            Self::DLogits => 12,
            Self::DLast => 13,
            Self::D(odd) => 14 + odd,
            Self::Partial => 16,
            Self::Of(layer, part) => SHARED + PARTS * layer + part as usize,
        }
    }

    /// How many there are for so many layers.
    pub const fn count(layers: usize) -> usize {
        SHARED + PARTS * layers
    }
}

/// What a batch is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch {
    /// Windows.
    pub rows: usize,
    /// Steps of a window.
    pub steps: usize,
    /// The first step that gradients go back to.
    pub begin: usize,
    /// Whether it begins with states other than zero.
    pub carried: bool,
    /// The share that is dropped between layers, now.
    pub dropout: f32,
}

/// Every buffer that lives as long as the training, and its bytes.
pub fn lasting(spec: &Spec, models: usize, moments: usize) -> Vec<(Buffer, &'static str, usize)> {
    let flat = models * spec.parameters() * 4;
    let mut all = vec![
        (Buffer::Weights, "the weights", flat),
        (Buffer::Gradient, "the gradient", flat),
        (Buffer::First, "the optimiser's memory", if moments > 0 { flat } else { 4 }),
        (Buffer::Second, "the optimiser's memory", if moments > 1 { flat } else { 4 }),
        (Buffer::Norms, "sums of squares", models * NORM_BLOCKS * 8),
        (Buffer::Numbers, "the optimiser's numbers", models * NUMBERS * 4),
        (Buffer::Keys, "keys of the dropout", models * 8),
        (Buffer::Report, "the report of a step", models * 16),
        (Buffer::Bad, "the report of a step", models * 4),
    ];
    for layer in 0..spec.layers {
        let (inputs, units) = (spec.layer_input(layer), spec.hidden);
        let mut of = |part, values: usize| {
            all.push((Buffer::Of(layer, part), "a layer's weights", models * values * 4));
        };
        of(Part::WeightX, 4 * units * inputs);
        of(Part::WeightH, 4 * units * units);
        of(Part::Bias, 4 * units);
        of(Part::BackH, 4 * units * units);
        of(Part::BackX, if layer > 0 { 4 * units * inputs } else { 1 });
    }
    all
}

/// Every buffer that a batch takes, and its bytes.
pub fn of_a_batch(spec: &Spec, models: usize, batch: &Batch) -> Vec<(Buffer, &'static str, usize)> {
    let Batch { rows, steps, carried, dropout, .. } = *batch;
    let (units, state) = (spec.hidden, models * rows * spec.hidden * 4);
    let logits = models * rows * spec.output * 4;
    let above = if spec.layers > 1 { steps * state } else { 4 };
    let widest = (0..spec.layers).map(|layer| (4 * units, spec.layer_input(layer) + units + 1));
    let partial = widest.map(|(left, width)| left * width * slices((steps - batch.begin) * rows).1);
    let partial = partial.max().unwrap_or(0).max(spec.output * (units + 1) * slices(rows).1);
    let mut all = vec![
        (Buffer::X, "the features of a batch", steps * rows * spec.input * 4),
        (Buffer::Y, "the targets of a batch", rows * spec.output * 4),
        (Buffer::Logits, "the outputs of a batch", logits),
        (Buffer::DLogits, "the outputs of a batch", logits),
        (Buffer::DLast, "the gradients of a batch", state),
        (Buffer::D(0), "the gradients of a batch", above),
        (Buffer::D(1), "the gradients of a batch", above),
        (Buffer::Partial, "slices of the gradient", models * partial * 4),
    ];
    for layer in 0..spec.layers {
        let start = if carried { state } else { 4 };
        let dropped = if dropout > 0.0 && layer + 1 < spec.layers { steps * state } else { 4 };
        all.extend([
            (Buffer::Of(layer, Part::StartH), "the states of a batch", start),
            (Buffer::Of(layer, Part::StartC), "the states of a batch", start),
            (Buffer::Of(layer, Part::Gates), "the gates of a batch", 4 * steps * state),
            (Buffer::Of(layer, Part::H), "the states of a batch", (steps + 1) * state),
            (Buffer::Of(layer, Part::C), "the states of a batch", (steps + 1) * state),
            (Buffer::Of(layer, Part::Dropped), "the dropped states of a batch", dropped),
        ]);
    }
    all
}
