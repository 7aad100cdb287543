//! Lines to rows of numbers, each held to the plan: what one thread does with one block.
//!
//! Most lines are plain numbers between delimiters; they are read field by field as they stand. A line that is not is cut
//! into a record first, and what is wrong with it, if anything is, is found there and said in full.

use memchr::{memchr, memchr2};

use super::block::Block;
use super::error::{Error, Problem};
use super::layout::Time;
use super::number;
use super::plan::{Moment, Plan, time_text};
use super::record::{self, RECORD_BYTES_MAX, Record, Records};
use super::row::Rules;
use super::time::Clock;
use crate::nulls::{self, Nulls};

/// What a field is to the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Time,
    Value(usize),
    Skipped,
}

/// Rows in the order of the file.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    plan: &'a Plan<'a>,
    rules: Rules,
    clock: Clock,
    fields: Vec<Field>,
    may_repeat: bool,
    row: Vec<f64>,
    pub times: Vec<i64>,
    pub values: Vec<Vec<f64>>,
    /// The time of the first row, known even when there is something else wrong with the row.
    pub first: Option<Moment>,
    /// The time of the last row.
    pub last: Option<Moment>,
    pub repeated: u64,
    pub crossed: u64,
    /// Values that became NaN.
    pub missing: u64,
    /// Rows without a value.
    pub left_out: u64,
}

impl<'a> Rows<'a> {
    pub fn new(plan: &'a Plan<'a>) -> Self {
        let layout = &plan.layout;
        let mut fields = vec![Field::Skipped; layout.fields];
        if let Time::Field(at) = layout.time {
            fields[at] = Field::Time;
        }
        for (column, value) in layout.values.iter().enumerate() {
            fields[value.field] = Field::Value(column);
        }
        Self {
            plan,
            rules: Rules::new(layout),
            clock: plan.clock.clone(),
            // A day and a time of day that stand apart are joined by the slow way.
            fields: if matches!(layout.time, Time::Field(_)) { fields } else { Vec::new() },
            may_repeat: !layout.is_bars(),
            row: vec![0.0; layout.values.len()],
            times: Vec::new(),
            values: vec![Vec::new(); layout.values.len()],
            first: None,
            last: None,
            repeated: 0,
            crossed: 0,
            missing: 0,
            left_out: 0,
        }
    }

    /// Takes the rows of a block; at an error those before it are there.
    pub fn take_block(&mut self, block: &Block) -> Result<(), Error> {
        let (text, mut at, mut line) = (&block.bytes[..], 0, block.line);
        while at < text.len() {
            if let Some(next) = self.plain(&text[at..], line) {
                (at, line) = (at + next, line + 1);
                continue;
            }
            let end = memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end);
            if end - at > RECORD_BYTES_MAX {
                return Err(self.plan.record_error(record::Error::TooLong { line }));
            }
            let mut records = Records::new(&text[at..end], self.plan.delimiter).starting_at(line);
            if let Some(record) = records.next().map_err(|error| self.plan.record_error(error))? {
                self.take(&record)?;
            }
            (at, line) = (end + 1, line + 1);
        }
        Ok(())
    }

    /// Takes the line at the begin of `text` if it is plain and nothing is wrong with it; gives the bytes of it.
    #[inline]
    fn plain(&mut self, text: &[u8], line: u64) -> Option<usize> {
        let (delimiter, point) = (self.plan.delimiter, self.plan.dialect.point());
        let (mut at, mut time, mut time_at) = (0, 0, 0..0);
        let last = self.fields.len().checked_sub(1)?;
        for (number, field) in self.fields.iter().enumerate() {
            let rest = &text[at..];
            let end = match *field {
                Field::Value(column) => {
                    let (value, end) = number::scan(rest, point, delimiter)?;
                    if self.rules.value(column, value).is_some() {
                        return None;
                    }
                    self.row[column] = value;
                    end
                }
                Field::Time | Field::Skipped => memchr2(delimiter, b'\n', rest).unwrap_or(rest.len()),
            };
            if *field == Field::Time {
                time_at = at..at + end;
                time = self.clock.parse(&text[time_at.clone()])?;
            }
            at += end;
            if number == last {
                break;
            }
            if text.get(at) != Some(&delimiter) {
                return None;
            }
            at += 1;
        }
        if text.get(at) == Some(&b'\r') {
            at += 1;
        }
        if text.get(at).is_some_and(|byte| *byte != b'\n') {
            return None;
        }
        let is_after = self.last.as_ref().is_none_or(|last| last.time < time);
        if !is_after || self.rules.row(&self.row).is_err() {
            return None;
        }
        self.note(time, &text[time_at], line);
        self.push(time);
        Some(at + 1)
    }

    /// Remembers the time of a row.
    fn note(&mut self, time: i64, text: &[u8], line: u64) {
        if self.first.is_none() {
            self.first = Some(Moment { time, text: text.to_vec(), line });
        }
        let last = self.last.get_or_insert_with(|| Moment { time, text: Vec::new(), line });
        (last.time, last.line) = (time, line);
        last.text.clear();
        last.text.extend_from_slice(text);
    }

    fn push(&mut self, time: i64) {
        self.crossed += u64::from(self.rules.is_crossed(&self.row));
        self.times.push(time);
        for (values, &value) in self.values.iter_mut().zip(&self.row) {
            values.push(value);
        }
    }

    /// Checks a row and takes it.
    pub fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let layout = &self.plan.layout;
        if record.len() != layout.fields {
            let path = self.plan.input.to_path_buf();
            let (found, expected) = (record.len(), layout.fields);
            return Err(Error::Ragged { path, line: record.line, found, expected });
        }
        let nulls = self.plan.nulls;
        let is_null = |column: usize| nulls::is_null(record.field(layout.values[column].field));
        if nulls == Nulls::Skip && (0..layout.values.len()).any(is_null) {
            self.left_out += 1;
            return Ok(());
        }
        let time = self.time(record)?;
        for (column, value) in layout.values.iter().enumerate() {
            let text = record.field(value.field);
            let refuse = |problem| Err(self.refuse(record, column, problem));
            if nulls == Nulls::Nan && is_null(column) {
                self.row[column] = f64::NAN;
                self.missing += 1;
                continue;
            }
            let Some(number) = self.plan.dialect.number(text) else {
                let is_null = nulls::is_null(text);
                return refuse(if is_null { Problem::Missing } else { self.plan.not_a_number(text) });
            };
            if !number.is_finite() {
                let is_null = number.is_nan();
                return refuse(if is_null { Problem::Missing } else { Problem::NotFinite });
            }
            if let Some(rule) = self.rules.value(column, number) {
                return refuse(Problem::OutOfRange { rule });
            }
            self.row[column] = number;
        }
        if let Err(breach) = self.rules.row(&self.row) {
            return Err(self.refuse(record, breach.column, Problem::OutOfRange { rule: breach.rule }));
        }
        self.push(time);
        Ok(())
    }

    /// The time of a row, which must follow the one above.
    fn time(&mut self, record: &Record<'_>) -> Result<i64, Error> {
        let text = time_text(&self.plan.layout, |field| record.field(field));
        let Some(time) = self.clock.parse(&text) else {
            let problem = Problem::NotATime { form: self.clock.form().to_string() };
            return Err(self.plan.refuse_time(record.line, &text, problem));
        };
        let now = Moment { time, text: text.into_owned(), line: record.line };
        if let Some(last) = &self.last
            && self.plan.follows(self.may_repeat, last, &now)?
        {
            self.repeated += 1;
        }
        self.note(time, &now.text, record.line);
        Ok(time)
    }

    fn refuse(&self, record: &Record<'_>, column: usize, problem: Problem) -> Error {
        let value = &self.plan.layout.values[column];
        Error::Value {
            path: self.plan.input.to_path_buf(),
            line: record.line,
            column: value.source.clone(),
            value: String::from_utf8_lossy(record.field(value.field)).into_owned(),
            problem,
        }
    }
}
