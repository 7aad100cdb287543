//! Attributes: small values noted at an object.

use super::btree2;
use super::dataspace;
use super::datatype::{self, Datatype, Order};
use super::error::Error;
use super::fractal_heap::FractalHeap;
use super::half::half;
use super::header::{Message, kind};
use super::heap::GlobalHeap;
use super::input::{Cursor, Input, Walk};

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// Several values, in the order in which they are stored.
    List(Vec<Value>),
    /// A value of a kind that is not read, with the reason.
    NotRead(String),
}

/// The attributes among the messages of an object, by name.
pub(super) fn all(input: &Input, messages: &[Message]) -> Result<Vec<(String, Value)>, Error> {
    let (mut walk, mut heap) = (input.walk(), GlobalHeap::default());
    let mut attributes = Vec::new();
    for message in messages {
        match message.kind {
            kind::ATTRIBUTE => {
                let cursor = message.cursor("attribute message", input)?;
                attributes.push(attribute(input, &mut walk, &mut heap, message.address, cursor)?);
            }
            kind::ATTRIBUTE_INFO => dense(input, message, &mut heap, &mut attributes)?,
            _ => {}
        }
    }
    Ok(attributes)
}

/// An object of the new style keeps its attributes in a heap when they are many; a tree has their ids.
fn dense(
    input: &Input,
    message: &Message,
    texts: &mut GlobalHeap,
    attributes: &mut Vec<(String, Value)>,
) -> Result<(), Error> {
    const SHARED: u8 = 2;
    let mut cursor = message.cursor("attribute info message", input)?;
    cursor.version(0)?;
    let flags = cursor.u8()?;
    if flags & 1 != 0 {
        cursor.skip(2)?;
    }
    let Some(heap) = cursor.address()? else { return Ok(()) };
    let names = cursor.defined()?;
    let mut walk = input.walk();
    let mut heap = FractalHeap::read(input, &mut walk, heap)?;
    let first = attributes.len();
    btree2::records(input, &mut walk, names, btree2::kind::ATTRIBUTE_NAMES, &mut |mut record, walk| {
        let id = record.take(heap.id_bytes())?;
        if record.u8()? & SHARED != 0 {
            return Err(record.unsupported("an attribute in the heap of shared messages"));
        }
        let (address, object) = heap.object(input, walk, id)?;
        let cursor = Cursor::new("attribute message", address, &object, input.widths);
        attributes.push(attribute(input, walk, texts, address, cursor)?);
        Ok(())
    })?;
    attributes[first..].sort_by(|a, b| a.0.cmp(&b.0));
    Ok(())
}

fn attribute(
    input: &Input,
    walk: &mut Walk,
    heap: &mut GlobalHeap,
    address: u64,
    mut cursor: Cursor<'_>,
) -> Result<(String, Value), Error> {
    const SHARED: u8 = 3;
    let version = cursor.u8()?;
    if !(1..=3).contains(&version) {
        return Err(cursor.unsupported(format!("version {version}")));
    }
    let flags = cursor.u8()?;
    let [name_bytes, type_bytes, space_bytes] = [(); 3].map(|()| cursor.u16());
    let (name_bytes, type_bytes, space_bytes) = (name_bytes?, type_bytes?, space_bytes?);
    if version == 3 {
        cursor.skip(1)?;
    }
    let mut part = |bytes: u16| {
        let part = cursor.take(usize::from(bytes))?;
        if version == 1 {
            cursor.align(8)?;
        }
        Ok::<_, Error>(part)
    };
    let (name, datatype, space) = (part(name_bytes)?, part(type_bytes)?, part(space_bytes)?);
    let name = String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
    if version > 1 && flags & SHARED != 0 {
        return Ok((name, Value::NotRead("its type is committed elsewhere".to_owned())));
    }
    let inner = |what, bytes| Cursor::new(what, address, bytes, input.widths);
    let datatype = match datatype::parse(&mut inner("attribute datatype", datatype)) {
        Err(Error::Unsupported { found, .. }) => return Ok((name, Value::NotRead(found))),
        Ok((datatype @ Datatype::Record { .. }, _)) => {
            return Ok((name, Value::NotRead(datatype.to_string())));
        }
        datatype => datatype?.0,
    };
    let shape = dataspace::parse(&mut inner("attribute dataspace", space))?;
    let element_bytes = datatype.bytes(input.widths.address);
    let count = shape.count().filter(|count| {
        let bytes = element_bytes.checked_mul(*count);
        element_bytes > 0 && bytes.is_some_and(|bytes| bytes <= cursor.rest().len() as u64)
    });
    let count = count.ok_or_else(|| cursor.broken("its value is longer than the message"))?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(element(input, walk, heap, datatype, &mut cursor)?);
    }
    let is_scalar = shape.dims.is_empty() && !shape.is_null;
    Ok((name, if is_scalar { values.pop().unwrap_or(Value::List(Vec::new())) } else { Value::List(values) }))
}

fn element(
    input: &Input,
    walk: &mut Walk,
    heap: &mut GlobalHeap,
    datatype: Datatype,
    cursor: &mut Cursor<'_>,
) -> Result<Value, Error> {
    match datatype {
        Datatype::VariableText => heap.text(input, walk, cursor).map(Value::Text),
        Datatype::Text { bytes } => {
            let text = cursor.take(bytes as usize)?;
            // Padded with zeros or with blanks.
            let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
            Ok(Value::Text(String::from_utf8_lossy(text).trim_end_matches(' ').to_owned()))
        }
        Datatype::Int { bytes, signed, order } => {
            let number = number(cursor.take(usize::from(bytes))?, order);
            let unused = 64 - 8 * u32::from(bytes);
            let is_negative = signed && unused < 64 && number << unused >> 63 == 1;
            let value = i128::from(number) - if is_negative { 1i128 << (8 * u32::from(bytes)) } else { 0 };
            Ok(Value::Int(value))
        }
        Datatype::Record { .. } | Datatype::Opaque { .. } => Ok(Value::NotRead(datatype.to_string())),
        Datatype::Float { bytes: 2, order } => {
            let number = number(cursor.take(2)?, order);
            Ok(Value::Float(half(number as u16).into()))
        }
        Datatype::Float { bytes: 4, order } => {
            let number = number(cursor.take(4)?, order);
            Ok(Value::Float(f32::from_bits(number as u32).into()))
        }
        Datatype::Float { bytes, order } => {
            let number = number(cursor.take(usize::from(bytes))?, order);
            Ok(Value::Float(f64::from_bits(number)))
        }
    }
}

/// At most eight bytes as a number.
fn number(bytes: &[u8], order: Order) -> u64 {
    let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match order {
        Order::Little => bytes.iter().rev().fold(0, append),
        Order::Big => bytes.iter().fold(0, append),
    }
}
