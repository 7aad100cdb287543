//! What the numbers of a column of ours stand for, by what is noted at it.

use std::collections::BTreeMap;

use super::facts::Attribute;
use crate::format::hdf5::Datatype;
use crate::format::scale::{DIVISOR, NAN, SINGLE, Scale, TYPE};

/// The largest divisor that is believed: beyond it, quotients are not what was written.
const DIVISOR_MAX: i64 = 1 << 53;

/// How a column is stored.
pub(super) struct Stored {
    /// The type of its values.
    pub dtype: String,
    /// The type in the file, and what is done with it.
    pub name: String,
    pub scale: Option<Scale>,
}

impl Stored {
    /// As the values themselves.
    pub fn plain(datatype: Datatype) -> Self {
        Self { dtype: datatype.to_string(), name: datatype.to_string(), scale: None }
    }

    /// As `notes` say of a column that holds `datatype`; an error when they are not what a writer of ours says.
    pub fn of(datatype: Datatype, notes: &BTreeMap<String, Attribute>) -> Result<Self, String> {
        let Some(told) = notes.get(TYPE) else { return Ok(Self::plain(datatype)) };
        let int = |name: &str| match notes.get(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(*value)),
            Some(other) => Err(format!("its attribute {name} is {other:?}, not a whole number")),
        };
        let (divisor, nan, single) = (int(DIVISOR)?, int(NAN)?, int(SINGLE)?);
        let is_signed = matches!(datatype, Datatype::Int { signed: true, .. });
        match (told.text(), divisor, datatype) {
            (Some("f64"), Some(divisor @ 1..=DIVISOR_MAX), _) if is_signed => {
                let is_single = single == Some(1);
                let end = if is_single { " as f32" } else { "" };
                let nan = nan.map_or(f64::NAN, |nan| nan as f64);
                let scale = Scale { divisor: divisor as f64, nan, is_single };
                Ok(Self {
                    dtype: "f64".to_owned(),
                    name: format!("{datatype} / {divisor}{end}"),
                    scale: Some(scale),
                })
            }
            (Some("f64"), None, Datatype::Float { bytes: 4, .. })
            | (Some("i64"), None, Datatype::Int { signed: true, .. }) => {
                Ok(Self { dtype: told.text().unwrap_or_default().to_owned(), ..Self::plain(datatype) })
            }
            _ => Err(format!(
                "its attributes {TYPE} and {DIVISOR} are {told:?} and {divisor:?}, which no writer notes at {datatype}"
            )),
        }
    }
}
