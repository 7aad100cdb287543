//! Comma-separated text: a line of names, times as ISO 8601 in UTC, each number in the fewest digits that give it back, and
//! nothing where it is NaN.

use std::io::{self, BufWriter, Write};

use super::Error;
use super::meaning::{Meaning, batches};
use crate::table::{Table, Values};

pub(super) fn write(table: &Table, output: impl Write, progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
    let mut output = BufWriter::with_capacity(1 << 20, output);
    let meanings: Vec<Meaning> = table.columns().iter().map(Meaning::of).collect();
    let names: Vec<String> = table.columns().iter().map(|column| quoted(&column.name)).collect();
    writeln!(output, "{}", names.join(","))?;
    batches(table, &meanings, progress, |columns| {
        let rows = columns.first().map_or(0, |first| match first {
            Values::Whole(values) => values.len(),
            Values::Float(values) => values.len(),
        });
        for row in 0..rows {
            for (at, (values, meaning)) in columns.iter().zip(&meanings).enumerate() {
                if at > 0 {
                    output.write_all(b",")?;
                }
                match (values, meaning) {
                    (Values::Float(values), _) => float(&mut output, values[row])?,
                    (Values::Whole(values), Meaning::Time) => time(&mut output, values[row])?,
                    (Values::Whole(values), Meaning::Symbols(symbols)) => {
                        output.write_all(quoted(&symbols[values[row] as usize]).as_bytes())?;
                    }
                    (Values::Whole(values), _) => write!(output, "{}", values[row])?,
                }
            }
            output.write_all(b"\n")?;
        }
        Ok(())
    })?;
    Ok(output.flush()?)
}

fn float(output: &mut impl Write, value: f64) -> io::Result<()> {
    const PLAIN: std::ops::Range<f64> = 1e-5..1e16;
    if value.is_nan() {
        Ok(())
    } else if value == 0.0 || value.is_infinite() || PLAIN.contains(&value.abs()) {
        write!(output, "{value}")
    } else {
        write!(output, "{value:e}")
    }
}

fn time(output: &mut impl Write, value: i64) -> io::Result<()> {
    match jiff::Timestamp::from_nanosecond(value.into()) {
        Ok(time) => write!(output, "{time}"),
        // No i64 is outside of what can be told.
        Err(_) => write!(output, "{value}"),
    }
}

/// A text as a field of its own.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
