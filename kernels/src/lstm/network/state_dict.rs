//! A network as a safetensors file, and the `state_dict` of PyTorch modules as a network.
//!
//! A plain model is written as [`Lstm::save`](crate::lstm::Lstm::save) writes it. Any other one has its form, without weights, as JSON under
//! `diapason.stack`, and PyTorch's names for all that PyTorch has.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::{Network, Origin, model_error};
use crate::lstm::file::{self, FILE_BYTES_MAX, FileError, ForeignError, RESERVED, SPEC_KEY, STACK_KEY};
use crate::lstm::model::ModelError;
use crate::op::lstm_layer::{LstmLayer, Pass};
use crate::op::lstm_stack::{Dense, Head, Layer, Read, Stack, What};
use crate::op::network::{DIMENSION_MAX, LAYERS_MAX};

const FIRST: &str = "weight_ih_l0";

/// What the tensors of a `state_dict` do not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    /// The modules that are a `torch.nn.LSTM`, in the order in which they are called; the empty name is the model
    /// itself. Without any, there must be one in the file, and it is found.
    pub lstm: Vec<String>,
    /// What the head reads of the last one: [`What::Step`]`(-1)` is `output[:, -1]`, [`What::Hidden`] is `h_n` of the
    /// last layer with its directions side by side, [`What::Sequence`] all of `output`. `None` takes the last step,
    /// which for one direction is the same as the hidden state, and is refused for two.
    pub read: Option<What>,
    /// The head, in order. Without any, one `torch.nn.Linear` must be in the file, and it is found.
    pub head: Vec<Module>,
}

/// A module of a head.
#[derive(Clone, Debug, PartialEq)]
pub enum Module {
    /// The `torch.nn.Linear` of this name.
    Linear(String),
    /// A function of each value.
    Each(crate::op::lstm_function::Function),
    /// `torch.nn.Softmax(-1)`.
    Softmax,
}

/// Encodes a network as a safetensors file.
pub(super) fn encode(network: &Network) -> Result<Vec<u8>, FileError> {
    // Only where that loses nothing: a plain model has all biases, and one name for its head.
    if let Ok(lstm) = network.to_lstm()
        && Network::from(&lstm).stack == network.stack
    {
        return file::encode(&lstm, &[], &[]);
    }
    stack_file(network, None, &[])
}

/// A checkpoint: always with the form of the stack, with reserved metadata and further tensors.
pub(in crate::lstm) fn encode_checkpoint(
    network: &Network,
    reserved: (&str, &str),
    extra: &[(&str, &[f32])],
) -> Result<Vec<u8>, FileError> {
    stack_file(network, Some(reserved), extra)
}

fn stack_file(
    network: &Network,
    reserved: Option<(&str, &str)>,
    extra: &[(&str, &[f32])],
) -> Result<Vec<u8>, FileError> {
    if let Some(key) = network.metadata.keys().find(|key| key.starts_with(RESERVED)) {
        return Err(FileError::Reserved { key: key.clone() });
    }
    let form = serde_json::json!(network.stack).to_string();
    let mut metadata: BTreeMap<&str, &str> =
        network.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    metadata.insert(STACK_KEY, &form);
    metadata.extend(reserved);
    let parts = network.stack.tensors().into_iter().map(|part| (part.name, part.shape, part.values));
    let extra = extra.iter().map(|&(name, values)| (name.to_owned(), vec![values.len()], values));
    Ok(file::safetensors(&metadata, parts.chain(extra).collect()))
}

/// Reads a network.
pub(super) fn load(path: &Path, described: Option<&StateDict>) -> Result<Network, FileError> {
    let bytes = file::content(path, FILE_BYTES_MAX)?;
    decode(path, &bytes, described)
}

pub(super) fn decode(path: &Path, bytes: &[u8], described: Option<&StateDict>) -> Result<Network, FileError> {
    Ok(parse(path, bytes, described, &[])?.0)
}

/// A checkpoint, whose reserved metadata was read already: the network and the further tensors, each with a value a
/// weight.
pub(in crate::lstm) fn decode_checkpoint(
    path: &Path,
    bytes: &[u8],
    reserved: &str,
    extra: &[&str],
) -> Result<(Network, Vec<Vec<f32>>), FileError> {
    let (mut network, extra) = parse(path, bytes, None, extra)?;
    network.metadata.remove(reserved);
    Ok((network, extra))
}

fn parse(
    path: &Path,
    bytes: &[u8],
    described: Option<&StateDict>,
    extra: &[&str],
) -> Result<(Network, Vec<Vec<f32>>), FileError> {
    let format = |source| FileError::Format { path: path.to_path_buf(), source };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(format)?;
    let mut metadata: BTreeMap<String, String> =
        header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    if metadata.contains_key(SPEC_KEY) {
        // The checkpoint of a plain model is not one of these.
        let lstm = file::decode(path, bytes, &[], extra)?.model;
        return Ok((Network::from(&lstm), Vec::new()));
    }
    let (mut stack, names) = match metadata.remove(STACK_KEY) {
        Some(json) => {
            let bad = |source| FileError::BadSpec { path: path.to_path_buf(), key: STACK_KEY, source };
            (serde_json::from_str(&json).map_err(bad)?, HashMap::new())
        }
        None => {
            let foreign = |source| FileError::Foreign { path: path.to_path_buf(), source };
            form(&tensors, described.unwrap_or(&StateDict::default())).map_err(foreign)?
        }
    };
    let bad = |source| FileError::Stack { path: path.to_path_buf(), source };
    Stack::check_form(&stack).map_err(bad)?;
    let extra = fill(path, &mut stack, &tensors, &names, extra)?;
    stack.check().map_err(bad)?;
    Ok((Network { stack, metadata, origin: Origin::default() }, extra))
}

/// Gives the stack its weights. `names` are the file's, where they are not the stack's. Returns the extra tensors.
fn fill(
    path: &Path,
    stack: &mut Stack<f32>,
    tensors: &SafeTensors,
    names: &HashMap<String, String>,
    extra: &[&str],
) -> Result<Vec<Vec<f32>>, FileError> {
    let mut unread = tensors.names();
    let mut find = |name: &str, shape: &[usize], needed: bool| {
        let name = names.get(name).map_or(name, String::as_str);
        let Ok(view) = tensors.tensor(name) else {
            let missing = FileError::NoTensor { path: path.to_path_buf(), tensor: name.to_owned() };
            return if needed { Err(missing) } else { Ok(None) };
        };
        unread.retain(|other| *other != name);
        let (path, tensor) = (path.to_path_buf(), name.to_owned());
        if view.dtype() != Dtype::F32 {
            return Err(FileError::Type { path, tensor, found: view.dtype() });
        }
        if view.shape() != shape {
            let (found, wanted) = (view.shape().to_vec(), shape.to_vec());
            return Err(FileError::Shape { path, tensor, found, wanted });
        }
        let values: Vec<f32> =
            view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        match values.iter().position(|x| !x.is_finite()) {
            Some(index) => {
                let value = values[index];
                Err(model_error(&path, ModelError::NotFinite { tensor, index, value }))
            }
            None => Ok(Some(values)),
        }
    };
    stack.fill(&mut find)?;
    let parameters = stack.parameters();
    let extra = extra.iter().map(|name| Ok(find(name, &[parameters], true)?.unwrap_or_default()));
    let extra = extra.collect::<Result<_, FileError>>()?;
    match unread.first() {
        None => Ok(extra),
        Some(stranger) => {
            Err(FileError::Stranger { path: path.to_path_buf(), tensor: (*stranger).to_owned() })
        }
    }
}

/// The form of the model that a `state_dict` holds, without weights, and the file's names by the stack's.
fn form(
    tensors: &SafeTensors,
    described: &StateDict,
) -> Result<(Stack<f32>, HashMap<String, String>), ForeignError> {
    let mut all = tensors.names();
    all.sort_unstable();
    let mut names = HashMap::new();
    let mut layers = Vec::new();
    let modules = if described.lstm.is_empty() { vec![only_lstm(&all)?] } else { described.lstm.clone() };
    for module in &modules {
        let prefix = if module.is_empty() { String::new() } else { format!("{module}.") };
        lstm(tensors, &all, &prefix, &mut layers, &mut names)?;
    }
    let both = layers.last().is_some_and(|lstm: &LstmLayer<f32>| lstm.passes.len() == 2);
    let what = match described.read {
        Some(what) => what,
        None if both => return Err(ForeignError::BothDirections),
        None => What::Step(-1),
    };
    let width = layers.last().map_or(0, |lstm| lstm.passes.len() * lstm.projection.unwrap_or(lstm.hidden));
    let cells = layers.last().map_or(0, |lstm| lstm.passes.len() * lstm.hidden);
    let features = 0..if what == What::Cell { cells } else { width };
    let read = vec![Read { layer: layers.len().saturating_sub(1), what, features }];
    let modules = if described.head.is_empty() {
        vec![Module::Linear(only_head(tensors, &all)?)]
    } else {
        described.head.clone()
    };
    let denses = modules.iter().filter(|module| matches!(module, Module::Linear(_))).count();
    let mut head = Vec::new();
    for (place, module) in modules.into_iter().enumerate() {
        head.push(match module {
            Module::Each(function) => Layer::Each(function),
            Module::Softmax => Layer::Softmax,
            Module::Linear(module) => {
                let ours = if denses == 1 { "fc".to_owned() } else { format!("heads.0.{place}") };
                for part in ["weight", "bias"] {
                    names.insert(format!("{ours}.{part}"), format!("{module}.{part}"));
                }
                let tensor = format!("{module}.weight");
                match shape(tensors, &tensor)[..] {
                    [output, input] => Layer::Dense(Dense { input, output, weight: vec![], bias: None }),
                    ref found => return Err(ForeignError::Linear { found: found.to_vec(), tensor }),
                }
            }
        });
    }
    let input = layers.first().map_or(0, |lstm| lstm.input);
    let heads = vec![Head { name: "output".to_owned(), read, layers: head }];
    Ok((Stack { input, layers: layers.into_iter().map(Layer::Lstm).collect(), heads }, names))
}

fn shape(tensors: &SafeTensors, name: &str) -> Vec<usize> {
    tensors.tensor(name).map(|view| view.shape().to_vec()).unwrap_or_default()
}

/// The layers of one `torch.nn.LSTM`.
fn lstm(
    tensors: &SafeTensors,
    all: &[&str],
    prefix: &str,
    layers: &mut Vec<LstmLayer<f32>>,
    names: &mut HashMap<String, String>,
) -> Result<(), ForeignError> {
    let has = |name: String| all.binary_search(&name.as_str()).is_ok();
    let both = has(format!("{prefix}{FIRST}_reverse"));
    let count = (0..LAYERS_MAX + 1).take_while(|place| has(format!("{prefix}weight_ih_l{place}"))).count();
    if count == 0 {
        return Err(ForeignError::NoModule { module: prefix.to_owned() });
    }
    for place in 0..count {
        let tensor = format!("{prefix}weight_ih_l{place}");
        let (hidden, input) = match shape(tensors, &tensor)[..] {
            [gates, input] if gates.is_multiple_of(4) && gates <= 4 * DIMENSION_MAX => (gates / 4, input),
            ref found => return Err(ForeignError::FirstLayer { found: found.to_vec(), tensor }),
        };
        let projection = match shape(tensors, &format!("{prefix}weight_hr_l{place}"))[..] {
            [projection, _] => Some(projection),
            _ => None,
        };
        let ours = layers.len();
        for base in ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "peephole", "h0", "c0"] {
            for end in ["", "_reverse"] {
                names.insert(format!("{base}_l{ours}{end}"), format!("{prefix}{base}_l{place}{end}"));
            }
        }
        let pass = |reverse| Pass { reverse, ..Pass::zeros(0, 0, None, false) };
        let passes = if both { vec![pass(false), pass(true)] } else { vec![pass(false)] };
        layers.push(LstmLayer { input, hidden, projection, passes, clip: None, input_forget: false });
    }
    Ok(())
}

/// The name of the one LSTM of a file.
fn only_lstm(all: &[&str]) -> Result<String, ForeignError> {
    let mut firsts = all.iter().filter_map(|name| {
        let module = name.strip_suffix(FIRST)?;
        if module.is_empty() { Some("") } else { module.strip_suffix('.') }
    });
    let first = firsts.next().ok_or(ForeignError::NoLstm)?;
    match firsts.next() {
        None => Ok(first.to_owned()),
        Some(second) => {
            let name =
                |module: &str| if module.is_empty() { FIRST.to_owned() } else { format!("{module}.{FIRST}") };
            Err(ForeignError::TwoLstms { first: name(first), second: name(second) })
        }
    }
}

/// The name of the one linear module of a file.
fn only_head(tensors: &SafeTensors, all: &[&str]) -> Result<String, ForeignError> {
    let module = |name: &&str| {
        let module = name.strip_suffix(".weight")?;
        (shape(tensors, name).len() == 2).then(|| module.to_owned())
    };
    let mut heads = all.iter().filter_map(module);
    let first = heads.next().ok_or(ForeignError::NoHead)?;
    match heads.next() {
        None => Ok(first),
        Some(second) => Err(ForeignError::TwoHeads { first, second }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::lstm_function::Function;
    use crate::random;

    fn network() -> Network {
        let mut key = 0;
        let mut numbers = |len: usize| -> Vec<f32> {
            key += 1;
            (0..len as u64).map(|index| random::unit(key, index) - 0.5).collect()
        };
        let mut both = LstmLayer::zeros(3, 4, Some(2), 2);
        let mut upper = LstmLayer::zeros(4, 5, None, 1);
        for pass in both.passes.iter_mut().chain(&mut upper.passes) {
            pass.weight_ih = numbers(pass.weight_ih.len());
            pass.weight_hh = numbers(pass.weight_hh.len());
            pass.weight_hr = pass.weight_hr.as_ref().map(|w| numbers(w.len()));
        }
        upper.passes[0].peepholes = Some(numbers(15));
        upper.passes[0].bias = None;
        upper.passes[0].functions[0] = Function::HardSigmoid { alpha: 0.2, beta: 0.5 };
        upper.clip = Some(3.0);
        let read = Read { layer: 1, what: What::Hidden, features: 1..5 };
        let dense = Dense { input: 4, output: 2, weight: numbers(8), bias: Some(numbers(2)) };
        let heads = vec![Head {
            name: "up".to_owned(),
            read: vec![read],
            layers: vec![Layer::Dense(dense), Layer::Softmax],
        }];
        Network::new(Stack { input: 3, layers: vec![Layer::Lstm(both), Layer::Lstm(upper)], heads }).unwrap()
    }

    #[test]
    fn round_trip_and_every_truncation() {
        let mut network = network();
        network.metadata_mut().insert("features".to_owned(), "sma(20)".to_owned());
        let bytes = encode(&network).unwrap();
        let path = Path::new("m.safetensors");
        assert_eq!(decode(path, &bytes, None).unwrap(), network);
        for len in 0..bytes.len() {
            assert!(decode(path, &bytes[..len], None).is_err());
        }
        let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        for place in 0..header {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1;
            let _ = decode(path, &bytes, None).map(|network| network.stack().check().unwrap());
        }
    }

    #[test]
    fn folders_keep_files_whole() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["model.safetensors", "model.onnx"] {
            let mut network = network();
            let path = folder.path().join(name);
            if name.ends_with("onnx") {
                let message = network.save(&path).unwrap_err().to_string();
                assert!(
                    message.contains("ONNX has no projection in its LSTM; save the model as safetensors"),
                    "{message}"
                );
                let Layer::Lstm(lower) = &mut network.stack.layers[0] else { panic!() };
                lower.projection = None;
                lower.hidden = 2;
                for (place, pass) in lower.passes.iter_mut().enumerate() {
                    *pass = Pass::zeros(3, 2, None, place == 1);
                }
                // ONNX has biases for a whole node or not at all, and values that are all zero are none.
                network = Network::new(network.stack).unwrap();
            }
            network.save(&path).unwrap();
            let again = Network::load(&path).unwrap();
            assert_eq!(again.stack(), network.stack());
        }
    }
}
