//! Constants: values that are known before a series is, and what operators make of them.
//!
//! The size of a batch or a series is not known when a model is read, yet graphs compute shapes from it. So an
//! integer may be a symbol, and a dimension of a float tensor too; along such a dimension all values are equal and one is
//! kept.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::error::{NodeError, TensorError};
use super::proto::{self, EXTERNAL, element};
use crate::op::network::PARAMETERS_MAX;

/// An integer of a shape computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    Known(i64),
    Batch,
    Time,
}

impl Dim {
    /// Values kept along such a dimension.
    pub fn extent(self) -> usize {
        match self {
            Self::Known(size) => usize::try_from(size).unwrap_or(0),
            Self::Batch | Self::Time => 1,
        }
    }
}

/// A float tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Floats {
    pub shape: Vec<Dim>,
    pub values: Vec<f32>,
}

/// An integer tensor; a bool is 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ints {
    pub shape: Vec<usize>,
    pub values: Vec<Dim>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Floats(Floats),
    Ints(Ints),
}

/// The number of elements of a shape, when it is one that a model can have.
pub fn elements(dims: &[usize]) -> Option<usize> {
    let product = dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))?;
    (product <= PARAMETERS_MAX).then_some(product)
}

impl Constant {
    /// Reads a tensor; `folder` is the model's.
    pub fn read(tensor: &proto::Tensor, folder: Option<&Path>) -> Result<Self, TensorError> {
        let bad = || TensorError::Dims { dims: tensor.dims.clone() };
        let dims: Option<Vec<usize>> = tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let dims = dims.filter(|dims| dims.len() <= 8).ok_or_else(bad)?;
        let wanted = elements(&dims).ok_or_else(bad)?;
        let external;
        let raw: &[u8] = if tensor.data_location == EXTERNAL {
            let width = if tensor.data_type == element::INT64 { 8 } else { 4 };
            external = read_external(tensor, folder, wanted * width)?;
            &external
        } else {
            &tensor.raw_data
        };
        let length =
            |found| if found == wanted { Ok(()) } else { Err(TensorError::Length { found, wanted }) };
        match tensor.data_type {
            element::FLOAT => {
                let values: Vec<f32> = if raw.is_empty() {
                    tensor.float_data.clone()
                } else {
                    words(raw, wanted)?.iter().map(|&word| f32::from_le_bytes(word)).collect()
                };
                length(values.len())?;
                if let Some(index) = values.iter().position(|x| !x.is_finite()) {
                    return Err(TensorError::NotFinite { index, value: values[index] });
                }
                let shape = tensor.dims.iter().map(|&dim| Dim::Known(dim)).collect();
                Ok(Self::Floats(Floats { shape, values }))
            }
            element::INT32 | element::INT64 | element::BOOL => {
                let values: Vec<i64> = match (tensor.data_type, raw.is_empty()) {
                    (element::INT64, true) => tensor.int64_data.clone(),
                    (_, true) => tensor.int32_data.iter().map(|&x| i64::from(x)).collect(),
                    (element::INT64, _) => {
                        words(raw, wanted)?.iter().map(|&word| i64::from_le_bytes(word)).collect()
                    }
                    (element::INT32, _) => {
                        words(raw, wanted)?.iter().map(|&w| i64::from(i32::from_le_bytes(w))).collect()
                    }
                    _ => raw.iter().map(|&byte| i64::from(byte)).collect(),
                };
                length(values.len())?;
                Ok(Self::Ints(Ints { shape: dims, values: values.into_iter().map(Dim::Known).collect() }))
            }
            found => Err(TensorError::Type { found }),
        }
    }
}

fn words<const N: usize>(raw: &[u8], wanted: usize) -> Result<&[[u8; N]], TensorError> {
    match raw.as_chunks() {
        (words, []) => Ok(words),
        _ => Err(TensorError::Length { found: raw.len() / N, wanted }),
    }
}

/// Reads a tensor's values from a file beneath the model's folder.
fn read_external(
    tensor: &proto::Tensor,
    folder: Option<&Path>,
    wanted_bytes: usize,
) -> Result<Vec<u8>, TensorError> {
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key);
    let text = |key: &str| entry(key).map_or(String::new(), |entry| entry.value.clone());
    let location = text("location");
    let Some(folder) = folder else { return Err(TensorError::NoFolder { location }) };
    let outside = || TensorError::Outside { location: location.clone() };
    let name = Path::new(&location);
    if location.is_empty() || !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(outside());
    }
    let path = folder.join(name);
    let io = |source| TensorError::Io { path: path.clone(), source };
    // A link could lead out of the folder by a name that does not look so, and a pipe would be waited for.
    let real: PathBuf = path.canonicalize().map_err(io)?;
    let inside = real.starts_with(folder.canonicalize().map_err(io)?);
    if !inside || !std::fs::metadata(&real).map_err(io)?.is_file() {
        return Err(outside());
    }
    let mut file = File::open(&real).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    let (offset, length) = (text("offset"), text("length"));
    let number = |text: &str, absent: u64| if text.is_empty() { Some(absent) } else { text.parse().ok() };
    let start: Option<u64> = number(&offset, 0);
    let len: Option<u64> = start.and_then(|start| number(&length, bytes.saturating_sub(start)));
    let range = start.zip(len).filter(|&(start, len)| {
        start.checked_add(len).is_some_and(|end| end <= bytes) && len == wanted_bytes as u64
    });
    let Some((start, _)) = range else { return Err(TensorError::Range { path, offset, length, bytes }) };
    let mut content = vec![0; wanted_bytes];
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    file.read_exact(&mut content).map_err(io)?;
    Ok(content)
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    strides
}

/// The places in a source of every element of a result of these `extents`, where a step along each axis goes `steps`
/// elements further in the source, from `start`.
fn walk(extents: &[usize], steps: &[isize], start: usize) -> Vec<usize> {
    let total = extents.iter().product();
    let mut places = Vec::with_capacity(total);
    let mut index = vec![0_usize; extents.len()];
    for _ in 0..total {
        let place =
            index.iter().zip(steps).fold(start as isize, |sum, (&at, &step)| sum + at as isize * step);
        places.push(place.unsigned_abs());
        for axis in (0..extents.len()).rev() {
            index[axis] += 1;
            if index[axis] < extents[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    places
}

fn signed(strides: &[usize]) -> Vec<isize> {
    strides.iter().map(|&stride| stride as isize).collect()
}

/// What the operators that move elements need of a tensor.
pub trait Elements: Sized {
    /// One dimension.
    type Size: Copy + PartialEq + From<Extent>;
    /// The dimensions as they are kept.
    fn extents(&self) -> Vec<usize>;
    /// The dimensions as they are named.
    fn sizes(&self) -> Vec<Self::Size>;
    /// The elements at these places, in a new shape.
    fn at(&self, shape: Vec<Self::Size>, places: &[usize]) -> Self;
}

/// A dimension whose size is known.
#[derive(Clone, Copy)]
pub struct Extent(pub usize);

impl From<Extent> for usize {
    fn from(Extent(size): Extent) -> Self {
        size
    }
}

impl From<Extent> for Dim {
    fn from(Extent(size): Extent) -> Self {
        Self::Known(i64::try_from(size).unwrap_or(i64::MAX))
    }
}

impl Elements for Floats {
    type Size = Dim;

    fn extents(&self) -> Vec<usize> {
        self.shape.iter().map(|dim| dim.extent()).collect()
    }

    fn sizes(&self) -> Vec<Dim> {
        self.shape.clone()
    }

    fn at(&self, shape: Vec<Dim>, places: &[usize]) -> Self {
        Self { shape, values: places.iter().map(|&place| self.values[place]).collect() }
    }
}

impl Elements for Ints {
    type Size = usize;

    fn extents(&self) -> Vec<usize> {
        self.shape.clone()
    }

    fn sizes(&self) -> Vec<usize> {
        self.shape.clone()
    }

    fn at(&self, shape: Vec<usize>, places: &[usize]) -> Self {
        Self { shape, values: places.iter().map(|&place| self.values[place]).collect() }
    }
}

/// Axes in a new order.
pub fn transpose<T: Elements>(tensor: &T, order: &[usize]) -> T {
    let (extents, sizes) = (tensor.extents(), tensor.sizes());
    let strides = signed(&strides(&extents));
    let steps: Vec<isize> = order.iter().map(|&axis| strides[axis]).collect();
    let turned: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
    tensor.at(order.iter().map(|&axis| sizes[axis]).collect(), &walk(&turned, &steps, 0))
}

/// A part of one axis: `count` elements from `start`, `step` apart.
pub fn slice<T: Elements>(tensor: &T, axis: usize, start: usize, step: isize, count: usize) -> T {
    let (mut extents, mut sizes) = (tensor.extents(), tensor.sizes());
    let strides = strides(&extents);
    let mut steps = signed(&strides);
    if count != extents[axis] {
        sizes[axis] = Extent(count).into();
    }
    extents[axis] = count;
    steps[axis] *= step;
    tensor.at(sizes, &walk(&extents, &steps, start * strides[axis]))
}

/// The elements of one axis at these places; `scalar` takes the axis away.
pub fn gather<T: Elements>(tensor: &T, axis: usize, places: &[usize], scalar: bool) -> T {
    let (extents, mut sizes) = (tensor.extents(), tensor.sizes());
    let stride = strides(&extents)[axis];
    let outer = extents[..axis].iter().product::<usize>();
    let mut from = Vec::with_capacity(outer * places.len() * stride);
    for block in 0..outer {
        for place in places {
            from.extend((0..stride).map(|inner| (block * extents[axis] + place) * stride + inner));
        }
    }
    if scalar {
        sizes.remove(axis);
    } else {
        sizes[axis] = Extent(places.len()).into();
    }
    tensor.at(sizes, &from)
}

/// Tensors one after the other along an axis.
pub fn concat(parts: &[&Floats], axis: usize) -> Result<Floats, NodeError> {
    let first = parts[0];
    let mut shape = first.shape.clone();
    let mut along = 0;
    for part in parts {
        let mut same = part.shape.clone();
        if same.len() != shape.len() {
            return Err(misfit("a part", &part.shape, &shape));
        }
        same[axis] = shape[axis];
        let Dim::Known(size) = part.shape[axis] else {
            return Err(NodeError::Refused("it joins constants along the batch or time"));
        };
        if same != shape {
            return Err(misfit("a part", &part.shape, &shape));
        }
        along += size;
    }
    shape[axis] = Dim::Known(along);
    let outer: usize = first.extents()[..axis].iter().product();
    let mut values = Vec::with_capacity(parts.iter().map(|part| part.values.len()).sum());
    for block in 0..outer {
        for part in parts {
            let len = part.values.len() / outer;
            values.extend_from_slice(&part.values[block * len..][..len]);
        }
    }
    Ok(Floats { shape, values })
}

pub fn misfit(what: &'static str, found: &[Dim], wanted: &[Dim]) -> NodeError {
    NodeError::Shape { what, found: show(found), wanted: show(wanted) }
}

/// A shape as text.
pub fn show(dims: &[Dim]) -> String {
    let name = |dim: &Dim| match dim {
        Dim::Known(size) => size.to_string(),
        Dim::Batch => "batch".to_owned(),
        Dim::Time => "time".to_owned(),
    };
    format!("[{}]", dims.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// The shape of two shapes broadcast against each other.
pub fn broadcast(a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[Dim], axis: usize| {
        (axis + dims.len()).checked_sub(rank).map_or(Dim::Known(1), |place| dims[place])
    };
    let one = |axis| match (at(a, axis), at(b, axis)) {
        (x, y) if x == y => Some(x),
        (Dim::Known(1), x) | (x, Dim::Known(1)) => Some(x),
        _ => None,
    };
    (0..rank).map(one).collect()
}

impl Floats {
    /// The same values in `shape`, to which this one can be broadcast.
    pub fn expand(&self, shape: &[Dim]) -> Self {
        let extents: Vec<usize> = shape.iter().map(|dim| dim.extent()).collect();
        let own = self.extents();
        let strides = signed(&strides(&own));
        let lead = shape.len() - own.len();
        let steps: Vec<isize> = (0..shape.len())
            .map(|axis| if axis < lead || own[axis - lead] == 1 { 0 } else { strides[axis - lead] })
            .collect();
        self.at(shape.to_vec(), &walk(&extents, &steps, 0))
    }
}
