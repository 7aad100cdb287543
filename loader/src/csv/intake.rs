//! Puts the rows of all blocks one after the other, and hands them to the writer.

use std::iter;
use std::time::Instant;

use super::error::Error;
use super::plan::{Moment, Plan};
use super::rows::Rows;
use super::{Column, Report};
use crate::append::{self, Before};
use crate::format::libhdf5::{Value, Values, Writer};

/// An import under way.
pub(super) struct Intake<'a> {
    plan: &'a Plan<'a>,
    writer: Writer,
    may_repeat: bool,
    pub rows: u64,
    /// Rows that were in the output before.
    before: u64,
    first: Option<i64>,
    last: Option<Moment>,
    repeated: u64,
    crossed: u64,
    missing: u64,
    left_out: u64,
}

impl<'a> Intake<'a> {
    pub fn new(plan: &'a Plan<'a>, writer: Writer) -> Self {
        let may_repeat = !plan.layout.is_bars();
        Self {
            plan,
            writer,
            may_repeat,
            rows: 0,
            before: 0,
            first: None,
            last: None,
            repeated: 0,
            crossed: 0,
            missing: 0,
            left_out: 0,
        }
    }

    /// Puts the rows of `before` first, which those of the input must follow.
    pub fn follow(&mut self, before: &Before) -> Result<(), Error> {
        before.check(&self.plan.columns())?;
        before.copy(&mut self.writer)?;
        self.before = before.table.rows();
        if let Some([first, last]) = before.table.ends().map_err(append::Error::from)? {
            self.first = Some(first);
            let told = jiff::Timestamp::from_nanosecond(last.into())
                .map_or_else(|_| last.to_string(), |time| time.to_string());
            let name = before.table.inspect().path.display();
            let text = format!("{told}, the last time of {name}, which is").into_bytes();
            self.last = Some(Moment { time: last, text, line: 0 });
        }
        Ok(())
    }

    /// Takes the rows that follow, and the error behind them if there is one, on up to `threads` threads.
    pub fn take(&mut self, rows: &Rows<'_>, error: Option<Error>, threads: usize) -> Result<(), Error> {
        if let (Some(last), Some(first)) = (&self.last, &rows.first) {
            self.repeated += u64::from(self.plan.follows(self.may_repeat, last, first)?);
        }
        if let Some(error) = error {
            return Err(error);
        }
        if let Some(first) = &rows.first {
            self.first.get_or_insert(first.time);
            self.last.clone_from(&rows.last);
        }
        self.rows += rows.times.len() as u64;
        self.repeated += rows.repeated;
        self.crossed += rows.crossed;
        self.missing += rows.missing;
        self.left_out += rows.left_out;
        let values = rows.values.iter().map(|values| Values::F64(values));
        let columns: Vec<Values<'_>> = iter::once(Values::I64(&rows.times)).chain(values).collect();
        Ok(self.writer.push_rows(&columns, threads)?)
    }

    /// Writes what is left and says what was done.
    pub fn finish(self, rows_min: u64, started: Instant) -> Result<Report, Error> {
        let path = || self.plan.input.to_path_buf();
        let (Some(first_ns), Some(last), true) = (self.first, &self.last, self.rows > 0) else {
            return Err(Error::HeaderOnly { path: path(), rows_min });
        };
        if self.rows < rows_min {
            return Err(Error::TooFewRows { path: path(), rows: self.rows, rows_min });
        }
        let (plan, last_ns) = (self.plan, last.time);
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
            rows_before: self.before,
            columns: iter::once(time).chain(values).collect(),
            delimiter: char::from(plan.delimiter),
            header: plan.header,
            timestamp: form.to_string(),
            zone: form.zone().to_owned(),
            first_ns,
            last_ns,
            repeated: self.repeated,
            crossed: self.crossed,
            missing: self.missing,
            left_out: self.left_out,
            bytes_in: plan.bytes,
            bytes_out: written.bytes,
            content_hash: written.content_hash,
            elapsed: started.elapsed(),
        })
    }
}
