//! The weights in the layouts of the products, forward and back.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use super::plan::{DenseForm, Kind, PassForm, Plan, padded};
use crate::lstm::packed::{interleave, row_of};
use crate::lstm::train::transposed;

/// One layer's weights.
#[derive(Debug)]
pub enum Packed {
    Lstm(Vec<PassWeights>),
    Dense(DenseWeights),
    Function,
}

#[derive(Debug)]
pub struct PassWeights {
    /// Packed `[input, 4 units]`.
    pub weight_x: Buffer<f32>,
    /// Packed `[width, 4 units]`.
    pub weight_h: Buffer<f32>,
    /// `[4 units]`.
    pub bias: Buffer<f32>,
    /// Packed `[4 units, padded input]`; empty in the first layer.
    pub back_x: Buffer<f32>,
    /// Packed `[4 units, padded width]`.
    pub back_h: Buffer<f32>,
    /// Of the projection `[hidden, padded width]` and `[width, units]`; empty without.
    pub project: Buffer<f32>,
    pub back_project: Buffer<f32>,
}

#[derive(Debug)]
pub struct DenseWeights {
    /// `[input, padded output]`.
    pub forward: Buffer<f32>,
    /// `[output, padded input]`.
    pub back: Buffer<f32>,
    /// `[padded output]`.
    pub bias: Buffer<f32>,
}

pub fn zeroed(len: usize) -> Result<Buffer<f32>, OutOfMemory> {
    Buffer::zeroed(len, Alignment::CACHE_LINE)
}

impl PassWeights {
    fn new(form: &PassForm, is_first: bool) -> Result<Self, OutOfMemory> {
        let (gates, units, width) = (form.gates(), form.units(), padded(form.width));
        let projected = |len: usize| zeroed(if form.weight_hr.is_some() { len } else { 0 });
        Ok(Self {
            weight_x: zeroed(form.input * gates)?,
            weight_h: zeroed(form.width * gates)?,
            bias: zeroed(gates)?,
            back_x: zeroed(if is_first { 0 } else { gates * padded(form.input) })?,
            back_h: zeroed(gates * width)?,
            project: projected(form.hidden * width)?,
            back_project: projected(form.width * units)?,
        })
    }

    fn fill(&mut self, form: &PassForm, flat: &[f32]) {
        let (hidden, units, width) = (form.hidden, form.units(), form.width);
        let (ih, hh) = (&flat[form.weight_ih.clone()], &flat[form.weight_hh.clone()]);
        interleave(ih, form.input, hidden, &mut self.weight_x);
        interleave(hh, width, hidden, &mut self.weight_h);
        if !self.back_x.is_empty() {
            transposed::fill(ih, form.input, (hidden, units), &mut self.back_x);
        }
        transposed::fill(hh, width, (hidden, units), &mut self.back_h);
        if let Some([ih, hh]) = &form.bias {
            let (ih, hh) = (&flat[ih.clone()], &flat[hh.clone()]);
            for (col, bias) in self.bias.iter_mut().enumerate() {
                *bias = row_of(col, hidden).map_or(0.0, |row| ih[row] + hh[row]);
            }
        }
        if let Some(range) = &form.weight_hr {
            both_ways(&flat[range.clone()], hidden, (&mut self.project, &mut self.back_project));
        }
    }
}

impl DenseWeights {
    fn new(form: &DenseForm) -> Result<Self, OutOfMemory> {
        let (input, output) = (padded(form.input), padded(form.output));
        let (forward, back) = (zeroed(form.input * output)?, zeroed(form.output * input)?);
        Ok(Self { forward, back, bias: zeroed(output)? })
    }

    fn fill(&mut self, form: &DenseForm, flat: &[f32]) {
        both_ways(&flat[form.weight.clone()], form.input, (&mut self.forward, &mut self.back));
        if let Some(range) = &form.bias {
            self.bias[..form.output].copy_from_slice(&flat[range.clone()]);
        }
    }
}

/// `[output, input]` as `[input, padded output]` and as `[output, padded input]`.
fn both_ways(weight: &[f32], input: usize, (forward, back): (&mut [f32], &mut [f32])) {
    let (cols, stride) = (padded(weight.len() / input), padded(input));
    for (col, row) in weight.chunks_exact(input).enumerate() {
        back[col * stride..][..input].copy_from_slice(row);
        row.iter().enumerate().for_each(|(k, &w)| forward[k * cols + col] = w);
    }
}

/// Room for the weights of every layer of a plan, those of the heads last.
pub fn pack(plan: &Plan) -> Result<Vec<Packed>, OutOfMemory> {
    let layer = |(place, layer): (usize, &super::plan::LayerForm)| {
        Ok(match &layer.kind {
            Kind::Lstm(passes) => {
                let pass = |form| PassWeights::new(form, place == 0);
                Packed::Lstm(passes.iter().map(pass).collect::<Result<_, OutOfMemory>>()?)
            }
            Kind::Dense(form) => Packed::Dense(DenseWeights::new(form)?),
            Kind::Each(_) | Kind::Softmax => Packed::Function,
        })
    };
    plan.all().enumerate().map(layer).collect()
}

/// Takes the flat vector over.
pub fn fill(plan: &Plan, flat: &[f32], packed: &mut [Packed]) {
    for (layer, packed) in plan.all().zip(packed) {
        match (&layer.kind, packed) {
            (Kind::Lstm(forms), Packed::Lstm(passes)) => {
                forms.iter().zip(passes).for_each(|(form, pass)| pass.fill(form, flat));
            }
            (Kind::Dense(form), Packed::Dense(dense)) => dense.fill(form, flat),
            _ => {}
        }
    }
}
