//! A model as a safetensors file: PyTorch's tensor names, the shape as JSON under `diapason.spec`, and the
//! caller's own strings beside it. A file without that key is read too, when its tensors leave no doubt.
//!
//! The header is written here, with its keys in order, because the library writes its metadata in the order of a
//! hash map: equal models must be equal files. Reading is the library's, which checks the header against the
//! length before anything is allocated.

mod foreign;

mod error;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::model::{Lstm, ModelError};
use super::onnx;
use super::plain::{self, NotPlain};
use crate::op::network::{PARAMETERS_MAX, Spec, Tensor, Weights};
pub use error::FileError;
pub use foreign::ForeignError;
use foreign::Names;

pub(super) const SPEC_KEY: &str = "diapason.spec";
pub(super) const STACK_KEY: &str = "diapason.stack";
pub(super) const RESERVED: &str = "diapason.";
/// No file of a model that we can hold is larger: every parameter, and room for a long header. A checkpoint has three
/// times that.
pub(super) const FILE_BYTES_MAX: u64 = 4 * PARAMETERS_MAX as u64 + (64 << 20);

impl Lstm {
    /// Writes the model to `path`, as ONNX where that ends in `.onnx`: first whole to a temporary name beside it, then
    /// renamed.
    ///
    /// # Errors
    /// [`FileError`] when a metadata key is reserved or the file cannot be written; `path` is then untouched, save
    /// with [`FileError::NotSynced`], where it is written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        if is_onnx(path) {
            self.check_finite().map_err(|source| FileError::Model { path: path.to_path_buf(), source })?;
            let bytes = onnx::encode(&plain::stack(self), self.metadata(), onnx::OPSET);
            return write_bytes(path, &bytes.map_err(|source| onnx_error(path, source))?);
        }
        write(path, self, &[], &[])
    }

    /// Reads a model that [`save`](Self::save) wrote, or the `state_dict` of a `torch.nn.LSTM` and a
    /// `torch.nn.Linear` in f32 that another program saved; its head is taken as linear. Every name, shape, type and
    /// value is checked. From a path that ends in `.onnx` it reads an ONNX model that is a plain one, as
    /// [`Network::load`](super::Network::load) reads any.
    ///
    /// # Errors
    /// [`FileError`] naming the file and the tensor.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        if is_onnx(path) {
            return load_plain_onnx(path);
        }
        Ok(decode(path, &content(path, FILE_BYTES_MAX)?, &[], &[])?.model)
    }
}

/// Whether a path is that of an ONNX file.
pub(super) fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// Reads an ONNX file; tensors outside of it are looked for beneath its folder.
pub(super) fn load_onnx(path: &Path, given: &onnx::Given) -> Result<onnx::Model, FileError> {
    let bytes = content(path, onnx::FILE_BYTES_MAX as u64)?;
    let folder = path.parent().map(|folder| if folder == Path::new("") { Path::new(".") } else { folder });
    onnx::decode(&bytes, folder, given).map_err(|source| onnx_error(path, source))
}

pub(super) fn onnx_error(path: &Path, source: onnx::OnnxError) -> FileError {
    FileError::Onnx { path: path.to_path_buf(), source: Box::new(source) }
}

fn load_plain_onnx(path: &Path) -> Result<Lstm, FileError> {
    let onnx::Model { stack, metadata, origin } = load_onnx(path, &onnx::Given::new())?;
    let lstm = if origin.lengths { Err(NotPlain::Lengths) } else { plain::lstm(&stack) };
    let mut lstm = lstm.map_err(|source| FileError::NotPlain { path: path.to_path_buf(), source })?;
    *lstm.metadata_mut() = metadata;
    Ok(lstm)
}

/// What a file holds besides its model.
pub(super) struct Contents {
    pub model: Lstm,
    /// The extra tensors that were asked for, each with one value a parameter.
    pub extra: Vec<Vec<f32>>,
}

/// Writes a model with reserved metadata and extra tensors, each with one value a parameter.
pub(super) fn write(
    path: &Path,
    model: &Lstm,
    reserved: &[(&str, String)],
    extra: &[(&str, &[f32])],
) -> Result<(), FileError> {
    model.check_finite().map_err(|source| FileError::Model { path: path.to_path_buf(), source })?;
    write_bytes(path, &encode(model, reserved, extra)?)
}

/// Writes a whole file: first to a temporary name beside it, then renamed.
pub(super) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = replace(path, bytes).map_err(|source| FileError::Io {
        verb: "write",
        path: path.to_path_buf(),
        source,
    })?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| FileError::NotSynced { path: path.to_path_buf(), source })
}

/// The metadata of one key in the bytes of a file, if it is there.
pub(super) fn metadata(path: &Path, bytes: &[u8], key: &str) -> Result<Option<String>, FileError> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|source| FileError::Format { path: path.to_path_buf(), source })?;
    Ok(header.metadata().as_ref().and_then(|metadata| metadata.get(key).cloned()))
}

/// All bytes of a regular file of at most `max`.
pub(super) fn content(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let io = |verb| move |source| FileError::Io { verb, path: path.to_path_buf(), source };
    // Opening a pipe waits for a writer, so it is looked at before as well as after.
    let regular = |found: fs::Metadata| {
        if found.is_file() { Ok(found.len()) } else { Err(FileError::NotAFile { path: path.to_path_buf() }) }
    };
    regular(fs::metadata(path).map_err(io("open"))?)?;
    let file = File::open(path).map_err(io("open"))?;
    let bytes = regular(file.metadata().map_err(io("read"))?)?;
    if bytes > max {
        return Err(FileError::TooLarge { path: path.to_path_buf(), bytes, max });
    }
    let mut content = Vec::new();
    file.take(max).read_to_end(&mut content).map_err(io("read"))?;
    Ok(content)
}

/// Writes `bytes` to `path` so that a reader sees the old file or the new one. The folder, which is still to be synced.
fn replace<'a>(path: &'a Path, bytes: &[u8]) -> io::Result<&'a Path> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What File::create would ask for, before the umask: a temporary file is private, a model need not be.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(folder)
}

pub(super) fn encode(
    model: &Lstm,
    reserved: &[(&str, String)],
    extra: &[(&str, &[f32])],
) -> Result<Vec<u8>, FileError> {
    let spec = model.spec();
    if let Some(key) = model.metadata().keys().find(|key| key.starts_with(RESERVED)) {
        return Err(FileError::Reserved { key: key.clone() });
    }
    let mut metadata: BTreeMap<&str, &str> =
        model.metadata().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let shape = serde_json::json!(spec).to_string();
    metadata.insert(SPEC_KEY, &shape);
    metadata.extend(reserved.iter().map(|(key, value)| (*key, value.as_str())));

    let values: Vec<&[f32]> = std::iter::once(model.weights().values.as_slice())
        .chain(extra.iter().map(|(_, values)| *values))
        .collect();
    let parameters = spec.parameters();
    let part = |Tensor { name, shape, range }| {
        let start = range.start % parameters;
        (name, shape, &values[range.start / parameters][start..start + range.len()])
    };
    let parts = tensors(spec, extra.iter().map(|(name, _)| *name)).into_iter().map(part).collect();
    Ok(safetensors(&metadata, parts))
}

/// A file of these tensors, one after the other, with the header's keys in order.
pub(super) fn safetensors(
    metadata: &BTreeMap<&str, &str>,
    parts: Vec<(String, Vec<usize>, &[f32])>,
) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    let mut data = Vec::with_capacity(parts.len());
    let mut start = 0;
    for (name, shape, values) in parts {
        let end = start + 4 * values.len();
        let data_offsets = (start, end);
        header.insert(name, serde_json::json!(TensorInfo { dtype: Dtype::F32, shape, data_offsets }));
        data.push(values);
        start = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + start);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    data.into_iter().for_each(|values| bytes.extend(values.iter().flat_map(|w| w.to_le_bytes())));
    bytes
}

/// The tensors of a file: the model's, then the extra ones.
fn tensors<'a>(spec: Spec, extra: impl Iterator<Item = &'a str>) -> Vec<Tensor> {
    let parameters = spec.parameters();
    let mut tensors = spec.tensors();
    for (index, name) in (1..).zip(extra) {
        let range = index * parameters..(index + 1) * parameters;
        tensors.push(Tensor { name: name.to_owned(), shape: vec![parameters], range });
    }
    tensors
}

/// Reads a model, the reserved metadata of these keys where they are there, and these extra tensors where one of
/// the keys is.
pub(super) fn decode(
    path: &Path,
    bytes: &[u8],
    reserved: &[&str],
    extra: &[&str],
) -> Result<Contents, FileError> {
    let place = || path.to_path_buf();
    let format = |source| FileError::Format { path: place(), source };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let file = SafeTensors::deserialize(bytes).map_err(format)?;
    let mut metadata: BTreeMap<String, String> =
        header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    let (names, spec): (Names, Spec) = match metadata.remove(SPEC_KEY) {
        Some(json) => {
            let bad = |source| FileError::BadSpec { path: place(), key: SPEC_KEY, source };
            (Names::ours(), serde_json::from_str(&json).map_err(bad)?)
        }
        None => {
            if let Some(key) = metadata.keys().find(|key| key.starts_with(RESERVED)) {
                return Err(FileError::NoSpec { path: place(), key: key.clone() });
            }
            Names::find(&file).map_err(|source| FileError::Foreign { path: place(), source })?
        }
    };
    spec.check().map_err(|source| FileError::Spec { path: place(), source })?;
    let found: BTreeMap<String, String> =
        reserved.iter().filter_map(|key| metadata.remove_entry(*key)).collect();

    metadata.retain(|key, _| !key.starts_with(RESERVED));
    let extra = if found.is_empty() { &[] } else { extra };
    let mut tensors = tensors(spec, extra.iter().copied());
    tensors.iter_mut().take(spec.tensors().len()).for_each(|t| t.name = names.in_file(&t.name));
    if let Some(stranger) = file.names().into_iter().find(|name| tensors.iter().all(|t| t.name != **name)) {
        return Err(FileError::Unexpected { path: place(), tensor: stranger.to_owned(), spec });
    }
    let mut values = Vec::new();
    for Tensor { name, shape, .. } in tensors {
        let Ok(view) = file.tensor(&name) else {
            return Err(FileError::Missing { path: place(), tensor: name, spec });
        };
        if view.dtype() != Dtype::F32 {
            return Err(FileError::Type { path: place(), tensor: name, found: view.dtype() });
        }
        if view.shape() != shape {
            let found = view.shape().to_vec();
            return Err(FileError::Shape { path: place(), tensor: name, found, wanted: shape });
        }
        let start = values.len();
        values.extend(view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        if let Some(index) = values[start..].iter().position(|x| !x.is_finite()) {
            let source = ModelError::NotFinite { tensor: name, index, value: values[start + index] };
            return Err(FileError::Model { path: place(), source });
        }
    }
    let rest = values.split_off(spec.parameters());
    let mut model = Lstm::from_weights(Weights { spec, values })
        .map_err(|source| FileError::Model { path: place(), source })?;
    *model.metadata_mut() = metadata;
    let extra = rest.chunks_exact(spec.parameters()).map(<[f32]>::to_vec).collect();
    Ok(Contents { model, extra })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::Head;

    fn model() -> Lstm {
        let mut model =
            Lstm::new(Spec { input: 2, hidden: 3, layers: 2, output: 1, head: Head::Sigmoid }, 5).unwrap();
        model.metadata_mut().insert("features".to_owned(), "sma(20), rsi(14)".to_owned());
        model.metadata_mut().insert("author".to_owned(), "nobody".to_owned());
        model
    }

    #[test]
    fn round_trip_and_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        model().save(&path).unwrap();
        let first = fs::read(&path).unwrap();
        model().save(&path).unwrap();
        assert_eq!(first, fs::read(&path).unwrap());
        assert_eq!(Lstm::load(&path).unwrap(), model());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn what_is_not_a_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, folder.path()] {
            let message = Lstm::load(path).unwrap_err().to_string();
            assert!(message.ends_with("is not a regular file; give the path of a model file"), "{message}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = encode(&model(), &[], &[]).unwrap();
        let path = Path::new("cut.safetensors");
        assert!(decode(path, &whole, &[], &[]).is_ok());
        for len in 0..whole.len() {
            let message = decode(path, &whole[..len], &[], &[]).map(|_| ()).unwrap_err().to_string();
            assert!(message.starts_with("cut.safetensors"), "{len}: {message}");
        }
    }

    #[test]
    fn every_flipped_byte_of_the_header_is_an_error_or_another_model() {
        let whole = encode(&model(), &[], &[]).unwrap();
        let header = 8 + usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap();
        for place in 0..header {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << bit;
                if let Ok(read) = decode(Path::new("x"), &bytes, &[], &[]) {
                    assert_ne!(read.model, model(), "byte {place}, bit {bit}");
                }
            }
        }
    }

    fn altered(from: &str, to: &str) -> String {
        assert_eq!(from.len(), to.len());
        let mut bytes = encode(&model(), &[], &[]).unwrap();
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        decode(Path::new("m"), &bytes, &[], &[]).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn messages_name_the_tensor_and_both_shapes() {
        assert_eq!(altered("[12,2]", "[2,12]"), "m: tensor \"weight_ih_l0\" has shape [2, 12], not [12, 2]");
        assert!(
            altered("\"F32\"", "\"U32\"").contains("is U32, not F32"),
            "{}",
            altered("\"F32\"", "\"U32\"")
        );
        assert!(altered("fc.bias", "fc.bibs").contains("\"fc.bibs\""));
        assert!(altered("diapason.spec", "diapason.sqec").contains("has no \"diapason.spec\""));
        assert!(altered("\\\"hidden\\\":3", "\\\"hidden\\\":0").contains("hidden is 0"));
        assert!(altered("\\\"hidden\\\":3", "\\\"hidden\\\":4").contains("\"weight_ih_l0\""));
        assert!(altered("\\\"layers\\\":2", "\\\"layers\\\":1").contains("no place for"));
        assert!(altered("\\\"layers\\\":2", "\\\"layers\\\":3").contains("has no tensor \"weight_ih_l2\""));
    }

    #[test]
    fn a_nan_and_a_reserved_key_are_refused() {
        let mut bytes = encode(&model(), &[], &[]).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let message = decode(Path::new("m"), &bytes, &[], &[]).map(|_| ()).unwrap_err().to_string();
        assert_eq!(message, "m: tensor \"fc.bias\" holds inf at element 0");
        let mut model = model();
        model.metadata_mut().insert("diapason.x".to_owned(), String::new());
        assert!(matches!(encode(&model, &[], &[]), Err(FileError::Reserved { .. })));
    }
}
