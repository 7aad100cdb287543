//! The weights of a stack by name, as PyTorch names them where it has a name.
//!
//! LSTM layers are counted by themselves, so that a stack of them is one `torch.nn.LSTM`. What PyTorch lacks follows
//! its manner: `peephole_l0`, `h0_l0`, `c0_l0`. The dense layer of the one head is `fc`; others are named by place.

use super::{Dense, Layer, Stack};
use crate::op::lstm_layer::{GATES, LstmLayer, Pass, State};

/// One tensor of a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<T> {
    /// Its name in a file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: T,
}

impl<R> Stack<R> {
    /// Every tensor that is there, in the order of a file.
    #[must_use]
    pub fn tensors(&self) -> Vec<Part<&[R]>> {
        let mut parts = Vec::new();
        let mut lstms = 0;
        for (place, layer) in self.layers.iter().enumerate() {
            match layer {
                Layer::Lstm(lstm) => {
                    parts.extend(lstm.passes.iter().flat_map(|pass| pass_tensors(lstm, pass, lstms)));
                    lstms += 1;
                }
                Layer::Dense(dense) => parts.extend(dense_tensors(&format!("layers.{place}"), dense)),
                Layer::Each(_) | Layer::Softmax => {}
            }
        }
        for (head, layer, name) in self.head_names() {
            if let Layer::Dense(dense) = &self.heads[head].layers[layer] {
                parts.extend(dense_tensors(&name, dense));
            }
        }
        parts
            .into_iter()
            .filter_map(|(name, shape, values)| Some(Part { name, shape, values: values?.as_slice() }))
            .collect()
    }

    /// The values of every tensor, in the order of [`tensors`](Self::tensors).
    pub(crate) fn values_mut(&mut self) -> Vec<&mut Vec<R>> {
        let mut all = Vec::new();
        let heads = self.heads.iter_mut().flat_map(|head| &mut head.layers);
        for layer in self.layers.iter_mut().chain(heads) {
            match layer {
                Layer::Lstm(lstm) => all.extend(lstm.passes.iter_mut().flat_map(pass_values)),
                Layer::Dense(Dense { weight, bias, .. }) => {
                    all.push(weight);
                    all.extend(bias);
                }
                Layer::Each(_) | Layer::Softmax => {}
            }
        }
        all
    }

    /// Head, layer and name of every dense layer of a head.
    fn head_names(&self) -> Vec<(usize, usize, String)> {
        let places: Vec<_> = (self.heads.iter().enumerate())
            .flat_map(|(head, h)| h.layers.iter().enumerate().map(move |(place, layer)| (head, place, layer)))
            .filter(|(.., layer)| matches!(layer, Layer::Dense(_)))
            .map(|(head, place, _)| (head, place))
            .collect();
        let single = places.len() == 1;
        let name = |head, place| if single { "fc".to_owned() } else { format!("heads.{head}.{place}") };
        places.into_iter().map(|(head, place)| (head, place, name(head, place))).collect()
    }

    /// Gives every tensor that a file may hold its values: `find` is asked with name, shape and whether it must be
    /// there.
    pub(crate) fn fill<E>(&mut self, find: Find<'_, R, E>) -> Result<(), E> {
        let names = self.head_names();
        let mut lstms = 0;
        for (place, layer) in self.layers.iter_mut().enumerate() {
            match layer {
                Layer::Lstm(lstm) => {
                    fill_lstm(lstm, lstms, find)?;
                    lstms += 1;
                }
                Layer::Dense(dense) => fill_dense(dense, &format!("layers.{place}"), find)?,
                Layer::Each(_) | Layer::Softmax => {}
            }
        }
        for (head, layer, name) in names {
            if let Layer::Dense(dense) = &mut self.heads[head].layers[layer] {
                fill_dense(dense, &name, find)?;
            }
        }
        Ok(())
    }
}

type Named<'a, R> = (String, Vec<usize>, Option<&'a Vec<R>>);

/// The names of a pass's tensors with their shapes, in the order of [`pass_tensors`].
fn pass_names<R>(lstm: &LstmLayer<R>, reverse: bool, place: usize) -> [(String, Vec<usize>); 8] {
    let end = if reverse { "_reverse" } else { "" };
    let (hidden, output) = (lstm.hidden, lstm.projection.unwrap_or(lstm.hidden));
    let gates = GATES * hidden;
    [
        ("weight_ih", vec![gates, lstm.input]),
        ("weight_hh", vec![gates, output]),
        ("bias_ih", vec![gates]),
        ("bias_hh", vec![gates]),
        ("weight_hr", vec![output, hidden]),
        ("peephole", vec![3, hidden]),
        ("h0", vec![output]),
        ("c0", vec![hidden]),
    ]
    .map(|(name, shape)| (format!("{name}_l{place}{end}"), shape))
}

fn pass_tensors<'a, R>(lstm: &'a LstmLayer<R>, pass: &'a Pass<R>, place: usize) -> Vec<Named<'a, R>> {
    let bias = |which: usize| pass.bias.as_ref().map(|bias| &bias[which]);
    let (h0, c0) = pass.initial.as_ref().map(|State { h, c }| (h, c)).unzip();
    let hr = pass.weight_hr.as_ref();
    let values =
        [Some(&pass.weight_ih), Some(&pass.weight_hh), bias(0), bias(1), hr, pass.peepholes.as_ref(), h0, c0];
    let names = pass_names(lstm, pass.reverse, place);
    names.into_iter().zip(values).map(|((name, shape), values)| (name, shape, values)).collect()
}

/// The tensors of a pass that are there, in the order of [`pass_names`].
fn pass_values<R>(pass: &mut Pass<R>) -> Vec<&mut Vec<R>> {
    let Pass { weight_ih, weight_hh, bias, weight_hr, peepholes, initial, .. } = pass;
    let mut all = vec![weight_ih, weight_hh];
    all.extend(bias.iter_mut().flatten());
    all.extend(weight_hr);
    all.extend(peepholes);
    all.extend(initial.iter_mut().flat_map(|State { h, c }| [h, c]));
    all
}

fn dense_tensors<'a, R>(name: &str, dense: &'a Dense<R>) -> [Named<'a, R>; 2] {
    [
        (format!("{name}.weight"), vec![dense.output, dense.input], Some(&dense.weight)),
        (format!("{name}.bias"), vec![dense.output], dense.bias.as_ref()),
    ]
}

/// Gives the values of a tensor by name and shape, where it is there or must be.
pub(crate) type Find<'a, R, E> = &'a mut dyn FnMut(&str, &[usize], bool) -> Result<Option<Vec<R>>, E>;

fn fill_lstm<R, E>(lstm: &mut LstmLayer<R>, place: usize, find: Find<'_, R, E>) -> Result<(), E> {
    for at in 0..lstm.passes.len() {
        let names = pass_names(lstm, lstm.passes[at].reverse, place);
        let projected = lstm.projection.is_some();
        let mut get = |which: usize, needed: bool| find(&names[which].0, &names[which].1, needed);
        let weight_ih = get(0, true)?.unwrap_or_default();
        let weight_hh = get(1, true)?.unwrap_or_default();
        // One bias without the other, and one half of a state, is a damaged file.
        let bias_ih = get(2, false)?;
        let bias_hh = get(3, bias_ih.is_some())?;
        let bias_ih = if bias_hh.is_some() && bias_ih.is_none() { get(2, true)? } else { bias_ih };
        let weight_hr = get(4, projected)?;
        let peepholes = get(5, false)?;
        let h = get(6, false)?;
        let c = get(7, h.is_some())?;
        let h = if c.is_some() && h.is_none() { get(6, true)? } else { h };
        let Pass { reverse, functions, .. } = lstm.passes[at];
        let bias = bias_ih.zip(bias_hh).map(|(ih, hh)| [ih, hh]);
        let initial = h.zip(c).map(|(h, c)| State { h, c });
        lstm.passes[at] =
            Pass { reverse, functions, weight_ih, weight_hh, bias, peepholes, weight_hr, initial };
    }
    Ok(())
}

fn fill_dense<R, E>(dense: &mut Dense<R>, name: &str, find: Find<'_, R, E>) -> Result<(), E> {
    dense.weight = find(&format!("{name}.weight"), &[dense.output, dense.input], true)?.unwrap_or_default();
    dense.bias = find(&format!("{name}.bias"), &[dense.output], false)?;
    Ok(())
}
