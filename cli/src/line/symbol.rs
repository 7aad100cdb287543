//! Whether the rows of a table are of one symbol: windows and features over mixed rows mean nothing.

use diapason_loader::table::{self, Table, Values};

/// Names of columns that tell symbols apart.
const NAMES: [&str; 7] = ["symbol", "ticker", "instrument", "instrument_id", "security", "isin", "ric"];
/// Rows that are looked at together.
const ROWS: u64 = 65_536;

/// The first row of another symbol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mixed {
    pub column: String,
    pub row: u64,
    pub first: String,
    pub other: String,
}

/// Where the rows of `table` are of more than one symbol, if they are.
pub(super) fn mixed(table: &Table) -> Result<Option<Mixed>, table::Error> {
    let is_symbol = |name: &str| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
    let Some(column) = table.columns().iter().find(|column| is_symbol(&column.name)) else {
        return Ok(None);
    };
    let symbols = column.symbols().unwrap_or_default();
    // A list of one text leaves nothing to look for.
    if symbols.len() == 1 {
        return Ok(None);
    }
    let text = |values: &Values, at: usize| match values {
        Values::Whole(values) => {
            let known = usize::try_from(values[at]).ok().and_then(|place| symbols.get(place));
            known.cloned().unwrap_or_else(|| values[at].to_string())
        }
        Values::Float(values) => values[at].to_string(),
    };
    let rows = table.rows();
    let (mut first, mut from) = (None, 0);
    while from < rows {
        let to = rows.min(from + ROWS);
        let values = table.read(&column.name, from..to)?;
        let other = match &values {
            Values::Whole(values) => {
                let first = *first.get_or_insert(values[0].cast_unsigned());
                values.iter().position(|value| value.cast_unsigned() != first)
            }
            Values::Float(values) => {
                let first = *first.get_or_insert(values[0].to_bits());
                values.iter().position(|value| value.to_bits() != first)
            }
        };
        if let Some(at) = other {
            let first = text(&table.read(&column.name, 0..1)?, 0);
            let (column, row) = (column.name.clone(), from + at as u64);
            return Ok(Some(Mixed { column, row, first, other: text(&values, at) }));
        }
        from = to;
    }
    Ok(None)
}
