//! Holds every row to the plan, and hands the good ones to the writer.

use std::time::Instant;

use super::error::{Error, Problem};
use super::number;
use super::plan::{Plan, time_text};
use super::record::Record;
use super::row::Rules;
use super::time::Clock;
use super::{Column, Report};
use crate::format::libhdf5::{Value, Writer};

/// Rows that are handed to the writer together.
const BATCH_ROWS: usize = 4096;

/// An import under way.
pub(super) struct Intake<'a> {
    plan: &'a Plan<'a>,
    writer: Writer,
    rules: Rules,
    clock: Clock,
    may_repeat: bool,
    times: Vec<i64>,
    values: Vec<Vec<f64>>,
    row: Vec<f64>,
    pub rows: u64,
    first: Option<i64>,
    last: i64,
    /// The text of the time above, for an error to quote.
    last_text: Vec<u8>,
    repeated: u64,
    crossed: u64,
}

impl<'a> Intake<'a> {
    pub fn new(plan: &'a Plan<'a>, writer: Writer) -> Self {
        let columns = plan.layout.values.len();
        Self {
            plan,
            writer,
            rules: Rules::new(&plan.layout),
            clock: plan.clock.clone(),
            may_repeat: !plan.layout.is_bars(),
            times: Vec::with_capacity(BATCH_ROWS),
            values: vec![Vec::with_capacity(BATCH_ROWS); columns],
            row: vec![0.0; columns],
            rows: 0,
            first: None,
            last: i64::MIN,
            last_text: Vec::new(),
            repeated: 0,
            crossed: 0,
        }
    }

    /// Checks a row and takes it.
    pub fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let layout = &self.plan.layout;
        if record.len() != layout.fields {
            let path = self.plan.input.to_path_buf();
            return Err(Error::Ragged {
                path,
                line: record.line,
                found: record.len(),
                expected: layout.fields,
            });
        }
        let time = self.time(record)?;
        for (column, value) in layout.values.iter().enumerate() {
            let text = record.field(value.field);
            let refuse = |problem| Err(self.refuse(record, column, problem));
            let Some(number) = number::parse(text) else {
                return refuse(if text.is_empty() { Problem::Missing } else { Problem::NotANumber });
            };
            if !number.is_finite() {
                return refuse(Problem::NotFinite);
            }
            if let Some(rule) = self.rules.value(column, number) {
                return refuse(Problem::OutOfRange { rule });
            }
            self.row[column] = number;
        }
        if let Err(breach) = self.rules.row(&self.row) {
            return Err(self.refuse(record, breach.column, Problem::OutOfRange { rule: breach.rule }));
        }
        self.crossed += u64::from(self.rules.is_crossed(&self.row));
        self.times.push(time);
        for (values, &value) in self.values.iter_mut().zip(&self.row) {
            values.push(value);
        }
        self.rows += 1;
        if self.times.len() == BATCH_ROWS { self.hand_over() } else { Ok(()) }
    }

    /// The time of a row, which must follow the one above.
    fn time(&mut self, record: &Record<'_>) -> Result<i64, Error> {
        let text = time_text(&self.plan.layout, |field| record.field(field));
        let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let refuse = |problem| Error::Value {
            path: self.plan.input.to_path_buf(),
            line: record.line,
            column: self.plan.time_source.clone(),
            value: lossy(&text),
            problem,
        };
        let Some(time) = self.clock.parse(&text) else {
            return Err(refuse(Problem::NotATime { form: self.clock.form().to_string() }));
        };
        if self.first.is_some() && time < self.last {
            return Err(refuse(Problem::Unsorted { previous: lossy(&self.last_text) }));
        }
        if self.first.is_some() && time == self.last {
            if !self.may_repeat {
                return Err(refuse(Problem::Repeated));
            }
            self.repeated += 1;
        }
        self.first.get_or_insert(time);
        self.last = time;
        self.last_text.clear();
        self.last_text.extend_from_slice(&text);
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

    /// Gives the rows so far to the writer.
    fn hand_over(&mut self) -> Result<(), Error> {
        self.writer.push_i64(0, &self.times)?;
        self.times.clear();
        for (column, values) in self.values.iter_mut().enumerate() {
            self.writer.push_f64(column + 1, values)?;
            values.clear();
        }
        Ok(())
    }

    /// Writes what is left and says what was done.
    pub fn finish(mut self, rows_min: u64, started: Instant) -> Result<Report, Error> {
        let path = || self.plan.input.to_path_buf();
        let Some(first_ns) = self.first else { return Err(Error::HeaderOnly { path: path(), rows_min }) };
        if self.rows < rows_min {
            return Err(Error::TooFewRows { path: path(), rows: self.rows, rows_min });
        }
        self.hand_over()?;
        let plan = self.plan;
        let form = plan.clock.form();
        let source = plan.input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = self.writer.finish(&[
            ("source", Value::Text(source)),
            ("source_time_form", Value::Text(form.to_string())),
            ("time_zone", Value::Text(form.zone().to_owned())),
        ])?;
        let time =
            Column { name: "timestamp".into(), source: plan.time_source.clone(), role: "timestamp".into() };
        let values = plan.layout.values.iter().map(|value| Column {
            name: value.name.clone(),
            source: value.source.clone(),
            role: value.role.word().to_owned(),
        });
        Ok(Report {
            rows: written.rows,
            columns: std::iter::once(time).chain(values).collect(),
            delimiter: char::from(plan.delimiter),
            header: plan.header,
            timestamp: form.to_string(),
            zone: form.zone().to_owned(),
            first_ns,
            last_ns: self.last,
            repeated: self.repeated,
            crossed: self.crossed,
            bytes_in: plan.bytes,
            bytes_out: written.bytes,
            content_hash: written.content_hash,
            elapsed: started.elapsed(),
        })
    }
}
