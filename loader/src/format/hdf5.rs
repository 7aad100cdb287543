//! A reader of HDF5 files: which data sets there are, what they hold, and where their chunks lie.
//!
//! ```text
//! superblock -> object header (messages) -> group (links) | data set (type, shape, filters, layout -> chunks)
//! ```
//!
//! It finds, and never decodes: what it returns is places in the source. Files come from anywhere, so no code here
//! is unsafe, all arithmetic is checked, memory is taken only for bytes that the file has, and structures that are
//! linked are walked within bounds (`input.rs`). What is valid HDF5 and not known here is declined by name.
//!
//! Source: HDF5 File Format Specification, version 4.0 (The HDF Group, docs.hdfgroup.org).

#![forbid(unsafe_code)]

use std::sync::Arc;

mod checksum;
mod error;
mod half;

mod input;

mod dataspace;
mod datatype;
mod filters;
mod layout;
mod superblock;

mod header;

mod btree;
mod btree2;
mod heap;

mod fractal_heap;

mod attribute;
mod chunk;
mod group;

use crate::source::Source;
pub use attribute::Value;
pub use chunk::Chunk;
pub use dataspace::Shape;
pub use datatype::{Datatype, Field, Order};
pub use error::Error;
pub use filters::Filters;
pub use group::{Link, Target};
pub use half::half;
use header::{Message, kind};
use input::{Cursor, Input};
pub use layout::{Index, Layout};
pub use superblock::State;

/// An open file.
#[derive(Clone, Debug)]
pub struct File {
    superblock: superblock::Superblock,
}

/// An object of a file.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// What is noted at it, in the order in which it is stored.
    pub attributes: Vec<(String, Value)>,
}

/// What an object is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A group of names.
    Group(Vec<Link>),
    /// An array of elements.
    Dataset(Box<Dataset>),
    /// A type that stands alone.
    Datatype,
}

/// An array of elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// What an element is.
    pub datatype: Datatype,
    /// The values of an element that is a record; none otherwise.
    pub fields: Vec<Field>,
    /// How many there are.
    pub shape: Shape,
    /// The filters of its chunks.
    pub filters: Filters,
    /// Where the elements are.
    pub layout: Layout,
    /// The bytes of an element that was never written; zeros when there are none.
    pub fill: Option<Vec<u8>>,
}

/// Whether somebody writes the file in `source`, as it says.
///
/// # Errors
/// As [`File::open`].
pub fn state(source: &Arc<dyn Source>) -> Result<State, Error> {
    superblock::read(Arc::clone(source)).map(|superblock| superblock.state)
}

impl File {
    /// Finds the file in `source`.
    ///
    /// # Errors
    /// [`Error::Foreign`] when there is no signature, [`Error::CutOff`] when bytes are missing at the end, and the
    /// others when the superblock is broken or of an unknown version.
    pub fn open(source: Arc<dyn Source>) -> Result<Self, Error> {
        Ok(Self { superblock: superblock::read(source)? })
    }

    /// The version of the superblock.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.superblock.version
    }

    /// The address of the root group.
    #[must_use]
    pub const fn root(&self) -> u64 {
        self.superblock.root
    }

    fn input(&self) -> &Input {
        &self.superblock.input
    }

    /// The object whose header is at `address`.
    ///
    /// # Errors
    /// [`Error`] when the header is broken, or of a kind that is not supported.
    pub fn object(&self, address: u64) -> Result<Object, Error> {
        let input = self.input();
        let messages = header::read(input, address)?;
        let has = |kind| messages.iter().any(|message| message.kind == kind);
        let attributes = attribute::all(input, &messages)?;
        let kind = if has(kind::LAYOUT) || has(kind::DATASPACE) {
            Kind::Dataset(Box::new(dataset(input, address, &messages)?))
        } else if group::is_group(&messages) {
            Kind::Group(group::links(input, &messages)?)
        } else if has(kind::DATATYPE) {
            Kind::Datatype
        } else {
            // An empty group of the new style has neither links nor a symbol table.
            Kind::Group(Vec::new())
        };
        Ok(Object { kind, attributes })
    }

    /// The chunks of `dataset` by number; none when nothing was written or the elements are not in chunks.
    ///
    /// # Errors
    /// [`Error`] when the index of the chunks is broken.
    pub fn chunks(&self, dataset: &Dataset) -> Result<Vec<Chunk>, Error> {
        let Layout::Chunked { chunk, element_bytes, index, address: Some(address), .. } = &dataset.layout
        else {
            return Ok(Vec::new());
        };
        let is_filtered = !dataset.filters.is_empty();
        let grid = chunk::Grid { shape: &dataset.shape, chunk, element_bytes: *element_bytes, is_filtered };
        chunk::chunks(self.input(), grid, *index, *address)
    }

    /// Where in the source the `bytes` bytes at `address` are.
    ///
    /// # Errors
    /// [`Error::Outside`] when they are not in the file.
    pub fn place(&self, address: u64, bytes: u64) -> Result<u64, Error> {
        self.input().place("contiguous data set", address, bytes)
    }
}

fn dataset(input: &Input, address: u64, messages: &[Message]) -> Result<Dataset, Error> {
    const WHAT: &str = "data set";
    let find = |kind| messages.iter().find(|message| message.kind == kind);
    let need = |kind, problem| find(kind).ok_or(Error::Broken { what: WHAT, address, problem });
    if let Some(message) = find(kind::EXTERNAL) {
        return Err(message.cursor(WHAT, input)?.unsupported("its elements are in other files"));
    }
    let message = need(kind::DATATYPE, "it has no datatype")?;
    let committed = committed(input, message)?;
    let message = committed.as_ref().unwrap_or(message);
    let (datatype, fields) = datatype::parse(&mut message.cursor("datatype message", input)?)?;
    let message = need(kind::DATASPACE, "it has no dataspace")?;
    let shape = dataspace::parse(&mut message.cursor("dataspace message", input)?)?;
    let message = need(kind::LAYOUT, "it has no layout")?;
    let layout = layout::parse(&mut message.cursor("layout message", input)?)?;
    let filters = match find(kind::FILTERS) {
        Some(message) => filters::parse(&mut message.cursor("filter message", input)?)?,
        None => Filters::new(),
    };
    let element_bytes = datatype.bytes(input.widths.address);
    if let Layout::Chunked { element_bytes: stored, .. } = &layout
        && *stored != element_bytes
    {
        return Err(Error::Broken {
            what: WHAT,
            address,
            problem: "its chunks hold elements of another size",
        });
    }
    let fill = match find(kind::FILL) {
        Some(message) => fill(input, message)?,
        None => find(kind::FILL_OLD).map(|message| fill_old(input, message)).transpose()?.flatten(),
    };
    let fill = fill.filter(|fill| fill.len() as u64 == element_bytes);
    Ok(Dataset { datatype, fields, shape, filters, layout, fill })
}

/// The datatype message of the object that a shared one points to; `None` when `message` is not shared.
fn committed(input: &Input, message: &Message) -> Result<Option<Message>, Error> {
    const IN_HEAP: u8 = 1;
    if !message.is_shared {
        return Ok(None);
    }
    let mut cursor = Cursor::new("datatype message", message.address, &message.bytes, input.widths);
    let (version, place) = (cursor.u8()?, cursor.u8()?);
    match version {
        1 => cursor.skip(6)?,
        2 | 3 if place != IN_HEAP => {}
        _ => return Err(cursor.unsupported("a message in the heap of shared messages")),
    }
    let messages = header::read(input, cursor.defined()?)?;
    let found = messages.into_iter().find(|message| message.kind == kind::DATATYPE);
    Ok(Some(found.ok_or_else(|| cursor.broken("the type that it shares is not there"))?))
}

/// The bytes of a fill value message.
fn fill(input: &Input, message: &Message) -> Result<Option<Vec<u8>>, Error> {
    const DEFINED: u8 = 0x20;
    let mut cursor = message.cursor("fill value message", input)?;
    let is_defined = match cursor.u8()? {
        version @ (1 | 2) => {
            cursor.skip(2)?;
            cursor.u8()? != 0 || version == 1
        }
        3 => cursor.u8()? & DEFINED != 0,
        version => return Err(cursor.unsupported(format!("version {version}"))),
    };
    if !is_defined {
        return Ok(None);
    }
    let bytes = cursor.u32()? as usize;
    Ok(Some(cursor.take(bytes)?.to_vec()))
}

/// The bytes of a fill value message of the old kind.
fn fill_old(input: &Input, message: &Message) -> Result<Option<Vec<u8>>, Error> {
    let mut cursor = message.cursor("old fill value message", input)?;
    let bytes = cursor.u32()? as usize;
    Ok(Some(cursor.take(bytes)?.to_vec()))
}
