//! The shape of a model that another program saved: a `state_dict` of one `torch.nn.LSTM` and one `torch.nn.Linear`.
//!
//! Modules of a network have names of their own, so tensors come as `encoder.weight_ih_l0` or `out.weight`. What
//! stands before the names that PyTorch gives is found here; the file's reader then checks every tensor. The
//! activation of the head is no tensor: it is taken as linear.

use safetensors::SafeTensors;
use thiserror::Error;

use crate::op::network::{Head, Spec};

const FIRST: &str = "weight_ih_l0";

/// Tensors that are not one LSTM with one linear head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForeignError {
    /// No first layer.
    #[error("no tensor's name ends in \"weight_ih_l0\"")]
    NoLstm,
    /// Two first layers.
    #[error("both {first:?} and {second:?} could be the first layer")]
    TwoLstms {
        /// The one in alphabetical order.
        first: String,
        /// The next.
        second: String,
    },
    /// No head.
    #[error("there is no pair of NAME.weight, with two dimensions, and NAME.bias beside the LSTM")]
    NoHead,
    /// Two heads.
    #[error("both {first:?} and {second:?} could be the head")]
    TwoHeads {
        /// The one in alphabetical order.
        first: String,
        /// The next.
        second: String,
    },
    /// A module that is not there.
    #[error("there is no LSTM module of that name: no tensor {module:?} + \"weight_ih_l0\"")]
    NoModule {
        /// What its tensors' names would begin with.
        module: String,
    },
    /// A linear module without its matrix.
    #[error("tensor {tensor:?} has shape {found:?}, not [outputs, inputs] of a torch.nn.Linear")]
    Linear {
        /// The tensor.
        tensor: String,
        /// Its shape; nothing where it is not there.
        found: Vec<usize>,
    },
    /// An LSTM of both directions, of which a head can read two things.
    #[error(
        "the LSTM has both directions, and its tensors do not say whether the head reads the last step or the final hidden states; say which"
    )]
    BothDirections,
    /// Not the weight of an LSTM's first layer.
    #[error("tensor {tensor:?} has shape {found:?}, not [4 hidden, input]")]
    FirstLayer {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
    },
}

/// What a file's tensors are called, and the shape that they give.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// Before `weight_ih_l0` and its like.
    lstm: String,
    /// In place of `fc` before `.weight` and `.bias`.
    head: String,
}

impl Names {
    /// The names in a file of ours.
    pub fn ours() -> Self {
        Self { lstm: String::new(), head: "fc".to_owned() }
    }

    /// The name in the file of a tensor of [`Spec::tensors`].
    pub fn in_file(&self, ours: &str) -> String {
        match ours.strip_prefix("fc.") {
            Some(part) => format!("{}.{part}", self.head),
            None => format!("{}{ours}", self.lstm),
        }
    }

    /// Finds names and shape.
    pub fn find(file: &SafeTensors) -> Result<(Self, Spec), ForeignError> {
        let mut names = file.names();
        names.sort_unstable();
        let shape = |name: &str| file.tensor(name).map(|view| view.shape().to_vec()).unwrap_or_default();

        // A module's name ends in a dot: `my_weight_ih_l0` is no LSTM's.
        let module = |name: &&str| name.strip_suffix(FIRST).is_some_and(|p| p.is_empty() || p.ends_with('.'));
        let mut firsts = names.iter().copied().filter(module);
        let first = firsts.next().ok_or(ForeignError::NoLstm)?;
        if let Some(second) = firsts.next() {
            return Err(ForeignError::TwoLstms { first: first.to_owned(), second: second.to_owned() });
        }
        let (hidden, input) = match shape(first)[..] {
            [gates, input] if gates.is_multiple_of(4) => (gates / 4, input),
            _ => {
                return Err(ForeignError::FirstLayer { tensor: first.to_owned(), found: shape(first) });
            }
        };
        let lstm = first.strip_suffix(FIRST).unwrap_or_default();
        let layer = |layer: &usize| names.contains(&format!("{lstm}weight_ih_l{layer}").as_str());
        let layers = (0..).take_while(layer).count();

        let is_head = |head: &&str| {
            shape(&format!("{head}.weight")).len() == 2 && names.contains(&format!("{head}.bias").as_str())
        };
        let mut heads = names.iter().filter_map(|name| name.strip_suffix(".weight")).filter(is_head);
        let head = heads.next().ok_or(ForeignError::NoHead)?;
        if let Some(second) = heads.next() {
            return Err(ForeignError::TwoHeads { first: head.to_owned(), second: second.to_owned() });
        }
        let output = shape(&format!("{head}.weight"))[0];
        let spec = Spec { input, hidden, layers, output, head: Head::Linear };
        Ok((Self { lstm: lstm.to_owned(), head: head.to_owned() }, spec))
    }
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;
    use safetensors::tensor::{TensorView, serialize};

    use super::*;

    fn find(tensors: &[(&str, &[usize])]) -> Result<(Names, Spec), ForeignError> {
        let zeros = vec![0; 4 * 1024];
        let view = |shape: &[usize]| {
            TensorView::new(Dtype::F32, shape.to_vec(), &zeros[..4 * shape.iter().product::<usize>()])
                .unwrap()
        };
        let bytes = serialize(tensors.iter().map(|(name, shape)| (*name, view(shape))), None).unwrap();
        Names::find(&SafeTensors::deserialize(&bytes).unwrap())
    }

    const LSTM: [(&str, &[usize]); 2] = [("a.weight_ih_l0", &[20, 3]), ("a.weight_ih_l1", &[20, 5])];
    const HEAD: [(&str, &[usize]); 2] = [("b.c.weight", &[2, 5]), ("b.c.bias", &[2])];

    #[test]
    fn names_and_shape_are_found() {
        let (names, spec) = find(&[LSTM, HEAD].concat()).unwrap();
        assert_eq!(spec, Spec { input: 3, hidden: 5, layers: 2, output: 2, head: Head::Linear });
        assert_eq!(names.in_file("bias_hh_l1"), "a.bias_hh_l1");
        assert_eq!(names.in_file("fc.bias"), "b.c.bias");
    }

    #[test]
    fn what_has_two_readings_or_none_is_refused() {
        let with = |more: &[(&'static str, &'static [usize])]| {
            find(&[&LSTM[..], &HEAD[..], more].concat()).map(|_| ()).unwrap_err()
        };
        assert_eq!(find(&HEAD), Err(ForeignError::NoLstm));
        assert_eq!(find(&LSTM), Err(ForeignError::NoHead));
        assert!(matches!(with(&[("z.weight_ih_l0", &[20, 3])]), ForeignError::TwoLstms { .. }));
        assert!(matches!(with(&[("z.weight", &[2, 2]), ("z.bias", &[2])]), ForeignError::TwoHeads { .. }));
        let odd = find(&[("weight_ih_l0", &[21, 3])]);
        assert!(matches!(odd, Err(ForeignError::FirstLayer { .. })));
    }
}
