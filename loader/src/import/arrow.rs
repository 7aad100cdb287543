//! Arrays of Arrow, in which the readers of Parquet and Arrow files give their rows, to numbers.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema, TimeUnit};

use crate::format::libhdf5::SYMBOLS_MAX;

use super::batch::{Batch, Field, Lane, Sort};
use super::error::Error;
use super::symbols::Symbols;

/// The columns of a schema.
pub(super) fn fields(schema: &Schema) -> Vec<Field> {
    let field = |field: &arrow_schema::FieldRef| Field {
        name: field.name().clone(),
        found: field.data_type().to_string(),
        sort: sort(field.data_type()),
    };
    schema.fields().iter().map(field).collect()
}

/// What a type is to us, if it is a column at all.
fn sort(found: &DataType) -> Option<Sort> {
    use DataType::{
        Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Dictionary, Float16, Float32, Float64,
        Int8, Int16, Int32, Int64, LargeUtf8, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    match found {
        Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Some(Sort::Whole),
        Float16 | Float32 | Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..) => Some(Sort::Float),
        Timestamp(_, zone) => Some(Sort::Time { zone: zone.as_deref().map(str::to_owned) }),
        Date32 | Date64 => Some(Sort::Time { zone: None }),
        Utf8 | LargeUtf8 | Utf8View => Some(Sort::Text),
        Dictionary(_, values) if matches!(**values, Utf8 | LargeUtf8 | Utf8View) => Some(Sort::Text),
        _ => None,
    }
}

/// Turns record batches into ours.
pub(super) struct Converter {
    /// The symbols of each lane, empty where it is no text.
    symbols: Vec<Symbols>,
    rows: u64,
}

impl Converter {
    pub fn new(lanes: usize) -> Self {
        Self { symbols: vec![Symbols::default(); lanes], rows: 0 }
    }

    /// Takes these as the first symbols of a lane.
    pub fn know(&mut self, lane: usize, symbols: &[String]) {
        self.symbols[lane].know(symbols);
    }

    /// The rows of `record`, whose columns are the lanes in their order.
    pub fn convert(&mut self, path: &Path, record: &RecordBatch) -> Result<Batch, Error> {
        let rows = record.num_rows();
        let mut batch = Batch { rows, ..Batch::default() };
        for (at, array) in record.columns().iter().enumerate() {
            let field = record.schema_ref().field(at);
            let place = Place { path, column: field.name(), found: field.data_type(), first: self.rows };
            let lane = if sort(field.data_type()) == Some(Sort::Text) {
                texts(&place, array, &mut self.symbols[at])?
            } else {
                numbers(&place, array)?
            };
            if matches!(lane, Lane::Whole(_)) && array.is_nullable() {
                let nulls = array.logical_nulls();
                let is_null = |row: &usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(*row));
                batch.missing.extend((0..rows).filter(is_null).map(|row| (row, at)));
            }
            batch.lanes.push(lane);
            let new = self.symbols[at].take_new();
            if !new.is_empty() {
                batch.symbols.push((at, new));
            }
        }
        self.rows += rows as u64;
        Ok(batch)
    }
}

/// Where a value is, for errors.
struct Place<'a> {
    path: &'a Path,
    column: &'a str,
    found: &'a DataType,
    /// The number of the first row of the batch.
    first: u64,
}

impl Place<'_> {
    fn inexact(&self, row: usize, value: &dyn ToString, wanted: &'static str) -> Error {
        Error::Inexact {
            path: self.path.to_path_buf(),
            column: self.column.to_owned(),
            found: self.found.to_string(),
            row: self.first + row as u64,
            value: value.to_string(),
            wanted,
        }
    }
}

/// Whole numbers; nulls are zero.
fn whole<T: ArrowPrimitiveType>(
    place: &Place<'_>,
    array: &dyn Array,
    factor: i64,
    wanted: &'static str,
) -> Result<Lane, Error>
where
    T::Native: TryInto<i64> + ToString,
{
    let one = |(row, value): (usize, Option<T::Native>)| {
        let Some(value) = value else { return Ok(0) };
        let number: Option<i64> = value.try_into().ok();
        let number = number.and_then(|number| number.checked_mul(factor));
        number.ok_or_else(|| place.inexact(row, &value.to_string(), wanted))
    };
    array.as_primitive::<T>().iter().enumerate().map(one).collect::<Result<_, _>>().map(Lane::Whole)
}

/// Floating-point numbers; nulls are NaN.
fn floats<T: ArrowPrimitiveType>(array: &dyn Array) -> Lane
where
    T::Native: Into<f64>,
{
    let value = |value: Option<T::Native>| value.map_or(f64::NAN, Into::into);
    Lane::Float(array.as_primitive::<T>().iter().map(value).collect())
}

/// Decimal numbers as the nearest f64; nulls are NaN.
fn decimals<T: ArrowPrimitiveType>(array: &dyn Array, scale: i8) -> Lane
where
    T::Native: Into<i128>,
{
    let value = |value: Option<T::Native>| value.map_or(f64::NAN, |value| decimal(value.into(), scale));
    Lane::Float(array.as_primitive::<T>().iter().map(value).collect())
}

/// The f64 nearest to `digits` x 10^-`scale`.
fn decimal(digits: i128, scale: i8) -> f64 {
    const EXACT_MAX: u128 = 1 << 53;
    // Both are exact up to here (10^22 is the largest exact power), so the one division rounds once.
    if (0..=22).contains(&scale) && digits.unsigned_abs() <= EXACT_MAX {
        return digits as f64 / 10f64.powi(scale.into());
    }
    // Python's and Rust's reading of decimals rounds once as well.
    format!("{digits}e{}", -i16::from(scale)).parse().unwrap_or(f64::NAN)
}

fn numbers(place: &Place<'_>, array: &dyn Array) -> Result<Lane, Error> {
    const DAY_NS: i64 = 86_400_000_000_000;
    const TIME: &str = "a time between 1677 and 2262";
    match place.found {
        DataType::Boolean => {
            let bits = array.as_boolean().iter();
            Ok(Lane::Whole(bits.map(|bit| i64::from(bit.unwrap_or(false))).collect()))
        }
        DataType::Int8 => whole::<Int8Type>(place, array, 1, "i64"),
        DataType::Int16 => whole::<Int16Type>(place, array, 1, "i64"),
        DataType::Int32 => whole::<Int32Type>(place, array, 1, "i64"),
        DataType::Int64 => whole::<Int64Type>(place, array, 1, "i64"),
        DataType::UInt8 => whole::<UInt8Type>(place, array, 1, "i64"),
        DataType::UInt16 => whole::<UInt16Type>(place, array, 1, "i64"),
        DataType::UInt32 => whole::<UInt32Type>(place, array, 1, "i64"),
        DataType::UInt64 => whole::<UInt64Type>(place, array, 1, "i64"),
        DataType::Float16 => Ok(floats::<Float16Type>(array)),
        DataType::Float32 => Ok(floats::<Float32Type>(array)),
        DataType::Float64 => Ok(floats::<Float64Type>(array)),
        DataType::Decimal32(_, scale) => Ok(decimals::<Decimal32Type>(array, *scale)),
        DataType::Decimal64(_, scale) => Ok(decimals::<Decimal64Type>(array, *scale)),
        DataType::Decimal128(_, scale) => Ok(decimals::<Decimal128Type>(array, *scale)),
        DataType::Timestamp(TimeUnit::Second, _) => {
            whole::<TimestampSecondType>(place, array, 1_000_000_000, TIME)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            whole::<TimestampMillisecondType>(place, array, 1_000_000, TIME)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            whole::<TimestampMicrosecondType>(place, array, 1000, TIME)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            whole::<TimestampNanosecondType>(place, array, 1, TIME)
        }
        DataType::Date32 => whole::<Date32Type>(place, array, DAY_NS, TIME),
        DataType::Date64 => whole::<Date64Type>(place, array, 1_000_000, TIME),
        other => Err(Error::Type {
            path: place.path.to_path_buf(),
            column: place.column.to_owned(),
            found: other.to_string(),
        }),
    }
}

/// Texts as numbers of symbols; nulls are zero.
fn texts(place: &Place<'_>, array: &dyn Array, symbols: &mut Symbols) -> Result<Lane, Error> {
    let mut number = |row: usize, text: &str| {
        symbols.number(text).ok_or_else(|| Error::TooManySymbols {
            path: place.path.to_path_buf(),
            column: place.column.to_owned(),
            row: place.first + row as u64,
            symbols_max: SYMBOLS_MAX,
        })
    };
    let mut each = |texts: &mut dyn Iterator<Item = Option<&str>>| {
        let one = |(row, text): (usize, Option<&str>)| text.map_or(Ok(0), |text| number(row, text));
        texts.enumerate().map(one).collect::<Result<Vec<i64>, Error>>()
    };
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return strings(array, &mut |texts| each(texts)).map(Lane::Whole);
    };
    if dictionary.values().is_empty() || dictionary.len() == dictionary.null_count() {
        return Ok(Lane::Whole(vec![0; array.len()]));
    }
    let keys = dictionary.normalized_keys();
    let is_null = |row: usize| dictionary.is_null(row);
    // Only those that are used count, in the order in which they are.
    strings(dictionary.values(), &mut |values| {
        let values: Vec<Option<&str>> = values.collect();
        let text = |(row, key): (usize, &usize)| {
            if is_null(row) { None } else { values.get(*key).copied().flatten() }
        };
        each(&mut keys.iter().enumerate().map(text))
    })
    .map(Lane::Whole)
}

/// Calls `each` with the texts of `array`, however they are held.
fn strings<R>(array: &dyn Array, each: &mut dyn FnMut(&mut dyn Iterator<Item = Option<&str>>) -> R) -> R {
    match array.data_type() {
        DataType::LargeUtf8 => each(&mut array.as_string::<i64>().iter()),
        DataType::Utf8View => each(&mut array.as_string_view().iter()),
        _ => each(&mut array.as_string::<i32>().iter()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_nearest_numbers() {
        assert_eq!(decimal(157_597, 5).to_bits(), 1.57597f64.to_bits());
        assert_eq!(decimal(-5, -3), -5000.0);
        let digits = 123_456_789_012_345_678_901_234_567_890;
        assert_eq!(
            decimal(digits, 25).to_bits(),
            "12345.67890123456789012345678901".parse::<f64>().unwrap().to_bits()
        );
    }
}
