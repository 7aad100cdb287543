//! The order in which the kernels of a training run, and what each is given.

use super::buffers::{Batch, Buffer, Part};
use super::kernels::{OfLayer, Places, Through, slices};
use crate::cuda::plan::Argument::{self, Float, Int, Long, Nothing};
use crate::cuda::plan::{Launch, THREADS, blocks};
use crate::cuda::source::train::NORM_BLOCKS;
use crate::lstm::{Loss, Spec};

/// What is trained on what.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub spec: &'a Spec,
    pub places: &'a Places,
    pub models: usize,
    pub batch: Batch,
}

fn all(buffer: Buffer) -> Argument {
    Argument::Buffer(buffer.number(), 0)
}

/// From this f32 on.
fn from(buffer: Buffer, value: usize) -> Argument {
    Argument::Buffer(buffer.number(), 4 * value)
}

fn of(layer: usize, part: Part) -> Argument {
    all(Buffer::Of(layer, part))
}

/// The weights of every layer from the flat vector.
pub fn pack(spec: &Spec, places: &Places, models: usize) -> Vec<Launch> {
    let pack = |(index, at): (usize, &OfLayer)| {
        let elements = 4 * spec.hidden * (at.layer.inputs + spec.hidden + 1);
        Launch {
            kernel: at.pack,
            grid: [blocks(elements), models, 1],
            threads: THREADS,
            arguments: vec![
                from(Buffer::Weights, spec.layer_start(index)),
                Long(spec.parameters()),
                of(index, Part::WeightX),
                of(index, Part::WeightH),
                of(index, Part::Bias),
                of(index, Part::BackH),
                of(index, Part::BackX),
            ],
        }
    };
    places.layers.iter().enumerate().map(pack).collect()
}

/// The step of the optimiser on the gradient, and the new weights in every layout.
pub fn descend(spec: &Spec, places: &Places, models: usize) -> Vec<Launch> {
    let parameters = Long(spec.parameters());
    let norm = Launch {
        kernel: places.norm,
        grid: [NORM_BLOCKS, models, 1],
        threads: THREADS,
        arguments: vec![all(Buffer::Gradient), parameters, all(Buffer::Norms)],
    };
    let descent = |kernel| Launch {
        kernel,
        grid: [blocks(spec.parameters()), models, 1],
        threads: THREADS,
        arguments: vec![
            all(Buffer::Weights),
            all(Buffer::Gradient),
            all(Buffer::First),
            all(Buffer::Second),
            parameters,
            all(Buffer::Norms),
            all(Buffer::Numbers),
            all(Buffer::Report),
            all(Buffer::Bad),
        ],
    };
    let mut launches = vec![norm, descent(places.check), descent(places.apply)];
    launches.extend(pack(spec, places, models));
    launches
}

impl Order<'_> {
    /// Values of a state of all rows.
    const fn state(&self) -> usize {
        self.batch.rows * self.spec.hidden
    }

    /// What a layer reads from step `step` on, and how far it is from model to model.
    fn source(&self, layer: usize, step: usize) -> (Argument, usize) {
        let (steps, state) = (self.batch.steps, self.state());
        match layer.checked_sub(1) {
            None => (from(Buffer::X, step * self.batch.rows * self.spec.input), 0),
            Some(below) if self.batch.dropout > 0.0 => {
                (from(Buffer::Of(below, Part::Dropped), step * state), steps * state)
            }
            Some(below) => (from(Buffer::Of(below, Part::H), (step + 1) * state), (steps + 1) * state),
        }
    }

    fn through(&self, Through { kernel, cut }: Through, arguments: Vec<Argument>) -> Launch {
        let grid = [self.batch.rows.div_ceil(cut.rows * cut.row_groups), self.models, 1];
        Launch { kernel, grid, threads: cut.lanes * cut.row_groups, arguments }
    }

    fn dropout(&self, layer: usize, (source, stride): (Argument, usize), to: Argument) -> Launch {
        let Batch { rows, steps, dropout, .. } = self.batch;
        Launch {
            kernel: self.places.dropout,
            grid: [blocks(steps * self.state()), self.models, 1],
            threads: THREADS,
            arguments: vec![
                source,
                Long(stride),
                to,
                all(Buffer::Keys),
                Float(dropout),
                Int(layer),
                Int(rows),
                Int(steps),
            ],
        }
    }

    /// Through every layer, the head and the loss.
    pub fn forward(&self, loss: Loss) -> Vec<Launch> {
        let Self { spec, places, models, batch } = *self;
        let Batch { rows, steps, carried, dropout, .. } = batch;
        let (rows_i, steps_i, state) = (Int(rows), Int(steps), self.state());
        let mut launches = Vec::new();
        for (index, at) in places.layers.iter().enumerate() {
            let (x, stride) = self.source(index, 0);
            let start = |part| if carried { of(index, part) } else { Nothing };
            launches.push(self.through(
                at.forward,
                vec![
                    x,
                    Long(stride),
                    of(index, Part::WeightX),
                    of(index, Part::WeightH),
                    of(index, Part::Bias),
                    start(Part::StartH),
                    start(Part::StartC),
                    of(index, Part::Gates),
                    of(index, Part::H),
                    of(index, Part::C),
                    rows_i,
                    steps_i,
                ],
            ));
            if dropout > 0.0 && index + 1 < spec.layers {
                let h = from(Buffer::Of(index, Part::H), state);
                let to = of(index, Part::Dropped);
                launches.push(self.dropout(index, (h, (steps + 1) * state), to));
            }
        }
        let (top, head) = (spec.layers - 1, spec.layer_start(spec.layers));
        launches.push(Launch {
            kernel: places.dense,
            grid: [(rows * spec.output).div_ceil(8), models, 1],
            threads: THREADS,
            arguments: vec![
                from(Buffer::Of(top, Part::H), steps * state),
                from(Buffer::Weights, head),
                from(Buffer::Weights, head + spec.output * spec.hidden),
                all(Buffer::Logits),
                rows_i,
                Long((steps + 1) * state),
                Long(spec.parameters()),
            ],
        });
        let delta = if let Loss::Huber { delta } = loss { delta } else { 1.0 };
        #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^53 values")]
        let scale = 1.0 / loss.divisor(rows, spec.output) as f64 as f32;
        launches.push(Launch {
            kernel: places.loss,
            grid: [models, 1, 1],
            threads: THREADS,
            arguments: vec![
                all(Buffer::Logits),
                all(Buffer::Y),
                all(Buffer::DLogits),
                all(Buffer::Report),
                all(Buffer::Bad),
                Float(scale),
                Float(delta),
                rows_i,
            ],
        });
        launches
    }

    /// Back from the loss to the flat gradient.
    pub fn backward(&self) -> Vec<Launch> {
        let Self { spec, places, models, batch } = *self;
        let Batch { rows, steps, begin, dropout, .. } = batch;
        let (state, units) = (self.state(), spec.hidden);
        let (top, head) = (spec.layers - 1, spec.layer_start(spec.layers));
        let mut launches = vec![Launch {
            kernel: places.spread,
            grid: [blocks(state), models, 1],
            threads: THREADS,
            arguments: vec![
                all(Buffer::DLogits),
                from(Buffer::Weights, head),
                Long(spec.parameters()),
                all(Buffer::DLast),
                Int(rows),
            ],
        }];
        let last = (from(Buffer::Of(top, Part::H), steps * state), (steps + 1) * state);
        let left = (all(Buffer::DLogits), rows * spec.output, spec.output);
        launches.extend(self.product(
            (places.outer, places.gather),
            left,
            [(Nothing, 0, 0), (last.0, last.1, units)],
            rows,
            head,
        ));
        for (index, at) in places.layers.iter().enumerate().rev() {
            let above = if index == top { all(Buffer::DLast) } else { all(Buffer::D(index % 2)) };
            let below = if index > 0 { all(Buffer::D((index - 1) % 2)) } else { Nothing };
            launches.push(self.through(
                at.backward,
                vec![
                    of(index, Part::BackH),
                    of(index, Part::BackX),
                    of(index, Part::Gates),
                    of(index, Part::C),
                    above,
                    below,
                    Int(rows),
                    Int(steps),
                    Int(begin),
                ],
            ));
            if dropout > 0.0 && index > 0 {
                let d = all(Buffer::D((index - 1) % 2));
                launches.push(self.dropout(index - 1, (d, steps * state), d));
            }
            let left =
                (from(Buffer::Of(index, Part::Gates), begin * 4 * state), steps * 4 * state, 4 * units);
            let (x, stride) = self.source(index, begin);
            let h = from(Buffer::Of(index, Part::H), begin * state);
            let right = [(x, stride, at.layer.inputs), (h, (steps + 1) * state, units)];
            let depth = (steps - begin) * rows;
            launches.extend(self.product((at.outer, at.gather), left, right, depth, spec.layer_start(index)));
        }
        launches
    }

    /// The product of a left matrix with two right ones and a column of ones, into the gradient from `start` on. Each matrix with
    /// its stride from model to model and its columns.
    fn product(
        &self,
        (outer, gather): (usize, usize),
        (left, left_stride, left_columns): (Argument, usize, usize),
        [(x, x_stride, inputs), (h, h_stride, units)]: [(Argument, usize, usize); 2],
        depth: usize,
        start: usize,
    ) -> [Launch; 2] {
        let width = inputs + units + 1;
        let (slice, count) = slices(depth);
        let tiles = left_columns.div_ceil(64) * width.div_ceil(64);
        let outer = Launch {
            kernel: outer,
            grid: [tiles, count, self.models],
            threads: THREADS,
            arguments: vec![
                left,
                Long(left_stride),
                x,
                Long(x_stride),
                h,
                Long(h_stride),
                all(Buffer::Partial),
                Int(depth),
                Int(slice),
            ],
        };
        let gather = Launch {
            kernel: gather,
            grid: [blocks(left_columns * width), self.models, 1],
            threads: THREADS,
            arguments: vec![
                all(Buffer::Partial),
                from(Buffer::Gradient, start),
                Long(self.spec.parameters()),
                Int(count),
            ],
        };
        [outer, gather]
    }
}
