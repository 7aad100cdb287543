//! Comma-separated text: a line of names, times as ISO 8601 in UTC, each number in the fewest digits that give it back, and
//! nothing where it is NaN.

use std::io::{self, BufWriter, Write};

use super::meaning::{Field, Meaning};
use crate::table::Values;

/// Lines on their way.
pub(super) struct Lines<W: Write> {
    output: BufWriter<W>,
    meanings: Vec<Meaning>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(fields: &[Field], output: W) -> io::Result<Self> {
        let mut output = BufWriter::with_capacity(1 << 20, output);
        let names: Vec<String> = fields.iter().map(|field| quoted(&field.name)).collect();
        writeln!(output, "{}", names.join(","))?;
        Ok(Self { output, meanings: fields.iter().map(|field| field.meaning.clone()).collect() })
    }

    pub(super) fn push(&mut self, columns: &[Values]) -> io::Result<()> {
        let output = &mut self.output;
        for row in 0..columns.first().map_or(0, Values::len) {
            for (at, (values, meaning)) in columns.iter().zip(&self.meanings).enumerate() {
                if at > 0 {
                    output.write_all(b",")?;
                }
                match (values, meaning) {
                    (Values::Float(values), _) => float(output, values[row])?,
                    (Values::Whole(values), Meaning::Time) => time(output, values[row])?,
                    (Values::Whole(values), Meaning::Symbols(symbols)) => {
                        output.write_all(quoted(&symbols[values[row] as usize]).as_bytes())?;
                    }
                    (Values::Whole(values), _) => write!(output, "{}", values[row])?,
                }
            }
            output.write_all(b"\n")?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
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
