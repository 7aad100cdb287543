//! Names and times as `DataFrame.to_hdf` notes them.
//!
//! The fixed form has grids `block0_values`, `block1_values`, ... beside texts `block0_items`, ... with the names of
//! their columns, and the index as `axis1`. The table form has records whose fields `values_block_0`, ... are rows of
//! values, with the names in the attribute `values_block_0_kind`, as a list that Python's pickle wrote. An index of
//! times in nanoseconds is what this project calls `timestamp`. (pandas 0.15 to 2.3, io/pytables.py.)

use std::collections::BTreeMap;

use super::facts::{Attribute, Column};
use super::rows::Origin;
use super::storage::Storage;
use crate::format::hdf5::{self, Dataset, Datatype};
use crate::source::Source;

/// The most bytes of the names of a block, and the most names.
const LABEL_BYTES_MAX: u64 = 64 << 10;
const NAMES_MAX: usize = 4096;

/// Names that pandas gave, by the name that the file has.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: BTreeMap<String, String>,
}

fn text<'a>(attributes: &'a BTreeMap<String, Attribute>, name: &str) -> Option<&'a str> {
    match attributes.get(name) {
        Some(Attribute::Text(text)) => Some(text),
        _ => None,
    }
}

/// The texts of a data set of names of a fixed frame; `None` when it is another data set.
pub(super) fn labels(
    file: &hdf5::File,
    source: &dyn Source,
    attributes: &BTreeMap<String, Attribute>,
    name: &str,
    dataset: &Dataset,
) -> Option<Result<Vec<String>, hdf5::Error>> {
    let Datatype::Text { bytes } = dataset.datatype else { return None };
    let is_frame = text(attributes, "pandas_type") == Some("frame");
    let count =
        dataset.shape.count().filter(|count| count.saturating_mul(bytes.into()) <= LABEL_BYTES_MAX)?;
    if !is_frame || !name.ends_with("_items") || bytes == 0 {
        return None;
    }
    let read = Storage::texts(file, source, dataset, count)?;
    let trimmed = |text: &[u8]| {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    Some(read.map(|read| read.chunks_exact(bytes as usize).map(trimmed).collect()))
}

impl Names {
    /// Takes the names of the columns of a block from its texts.
    pub fn add(&mut self, items: &str, labels: Vec<String>) {
        let Some(block) = items.strip_suffix("_items") else { return };
        let room = NAMES_MAX.saturating_sub(self.names.len());
        let is_one = labels.len() == 1;
        for (place, label) in labels.into_iter().enumerate().take(room) {
            let shown = if is_one { format!("{block}_values") } else { format!("{block}_values[{place}]") };
            self.names.insert(shown, label);
        }
    }

    /// Gives `columns` the names that pandas shows, as far as they stay different from each other.
    pub fn rename(mut self, attributes: &BTreeMap<String, Attribute>, columns: &mut [(Column, Origin)]) {
        let is_time = |kind: Option<&str>| matches!(kind, Some("datetime64" | "datetime64[ns]"));
        for (name, value) in attributes {
            let (Some(block), Attribute::Text(pickled)) = (name.strip_suffix("_kind"), value) else {
                continue;
            };
            if block.starts_with("values_block_") {
                for (place, label) in pickled_texts(pickled).enumerate() {
                    self.names.insert(format!("{block}[{place}]"), label);
                }
            }
        }
        if is_time(text(attributes, "index_kind")) {
            self.names.insert("index".to_owned(), "timestamp".to_owned());
        }
        if text(attributes, "pandas_type") == Some("frame") {
            let axis = columns.iter().map(|(column, _)| column).find(|column| column.name == "axis1");
            let is_times = axis.is_some_and(|axis| is_time(text(&axis.attributes, "kind")));
            let name = if is_times { "timestamp" } else { "index" };
            self.names.insert("axis1".to_owned(), name.to_owned());
        }
        let shown = |column: &Column| self.names.get(&column.name).unwrap_or(&column.name).clone();
        let mut all: Vec<String> = columns.iter().map(|(column, _)| shown(column)).collect();
        all.sort_unstable();
        if all.windows(2).all(|pair| pair[0] != pair[1]) {
            for (column, _) in columns {
                column.name = shown(column);
            }
        }
    }
}

/// The texts of a list in pickle's protocol 0, which has one to a line: `V` and the text, behind an `a` from the second on.
fn pickled_texts(pickled: &str) -> impl Iterator<Item = String> {
    let lines = pickled.lines().map(|line| line.strip_prefix('a').unwrap_or(line));
    lines.filter_map(|line| line.strip_prefix('V')).map(unescaped)
}

/// Undoes the escapes of protocol 0: `\uXXXX`, also for the backslash and the line end.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split("\\u");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code =
            piece.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match code {
            Some(letter) => {
                whole.push(letter);
                whole.push_str(&piece[4..]);
            }
            None => {
                whole.push_str("\\u");
                whole.push_str(piece);
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickled_list() {
        let found: Vec<String> =
            pickled_texts("(lp0\nVopen\np1\naVsize \\u20ac\np2\naValpha\np3\na.").collect();
        assert_eq!(found, ["open", "size \u{20ac}", "alpha"]);
        assert_eq!(pickled_texts("N.").count(), 0);
    }
}
