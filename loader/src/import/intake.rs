//! Holds the rows of all batches to what was planned, and hands them to the writer.

use std::time::Instant;

use super::batch::{Batch, Lane, Sort};
use super::error::Error;
use super::plan::{Plan, Taken};
use super::{Column, Format, Nulls, Report};
use crate::append::{self, Before};
use crate::csv::TimeUnit;
use crate::format::libhdf5::{Value, Values, Writer};

/// An import under way.
pub(super) struct Intake<'a> {
    plan: &'a Plan<'a>,
    nulls: Nulls,
    writer: Writer,
    threads: usize,
    /// Rows of the input so far.
    read: u64,
    /// Rows taken.
    pub rows: u64,
    /// Rows that were in the output before.
    before: u64,
    first: Option<i64>,
    last: Option<i64>,
    repeated: u64,
    /// What the numbers of a time count, where they are no moments.
    unit: Option<TimeUnit>,
    symbols: Vec<Vec<String>>,
}

impl<'a> Intake<'a> {
    pub fn new(plan: &'a Plan<'a>, nulls: Nulls, writer: Writer, threads: usize) -> Self {
        let symbols = vec![Vec::new(); plan.taken.len()];
        let (read, rows, before, first, last, repeated, unit) = (0, 0, 0, None, None, 0, None);
        Self { plan, nulls, writer, threads, read, rows, before, first, last, repeated, unit, symbols }
    }

    /// Puts the rows of `before` first, which those of the input must follow; gives the symbols of each column that has some.
    pub fn follow(&mut self, before: &Before) -> Result<Vec<(usize, Vec<String>)>, Error> {
        before.check(&self.plan.columns())?;
        before.copy(&mut self.writer)?;
        self.before = before.table.rows();
        if let (true, Some([first, last])) =
            (self.plan.has_time, before.table.ends().map_err(append::Error::from)?)
        {
            (self.first, self.last) = (Some(first), Some(last));
        }
        let mut known = Vec::new();
        for (lane, column) in before.table.columns().iter().enumerate() {
            if let Some(symbols) = column.symbols() {
                self.symbols[lane].clone_from(&symbols);
                known.push((lane, symbols));
            }
        }
        Ok(known)
    }

    pub fn take(&mut self, mut batch: Batch) -> Result<(), Error> {
        for (lane, new) in std::mem::take(&mut batch.symbols) {
            self.symbols[lane].extend(new);
        }
        let taken = &self.plan.taken;
        // Which rows stay, where some do not.
        let mut kept: Option<Vec<bool>> = None;
        batch.missing.sort_unstable();
        for &(row, lane) in &batch.missing {
            let is_float = taken[lane].sort == Sort::Float;
            match self.nulls {
                Nulls::Skip => kept.get_or_insert_with(|| vec![true; batch.rows])[row] = false,
                Nulls::Nan if is_float => {}
                Nulls::Fail | Nulls::Nan => {
                    return Err(self.null(&taken[lane], row));
                }
            }
        }
        for (lane, (values, taken)) in batch.lanes.iter_mut().zip(taken).enumerate() {
            if self.plan.has_time && lane == 0 {
                *values = Lane::Whole(self.times(taken, values, kept.as_deref())?);
            } else if taken.sort == Sort::Float
                && let Lane::Whole(whole) = values
            {
                let missing: Vec<usize> =
                    batch.missing.iter().filter(|(_, at)| *at == lane).map(|(row, _)| *row).collect();
                *values = Lane::Float(self.floats(taken, whole, &missing)?);
            }
        }
        if let Some(kept) = &kept {
            let stays = |row: usize| kept[row];
            for lane in &mut batch.lanes {
                match lane {
                    Lane::Whole(values) => retain(values, stays),
                    Lane::Float(values) => retain(values, stays),
                }
            }
        }
        if let (true, Some(Lane::Whole(times))) = (self.plan.has_time, batch.lanes.first()) {
            self.first = self.first.or(times.first().copied());
            self.last = times.last().copied().or(self.last);
        }
        let rows: Vec<Values<'_>> = batch
            .lanes
            .iter()
            .map(|lane| match lane {
                Lane::Whole(values) => Values::I64(values),
                Lane::Float(values) => Values::F64(values),
            })
            .collect();
        self.writer.push_rows(&rows, self.threads)?;
        self.read += batch.rows as u64;
        let gone = kept.map_or(0, |kept| kept.iter().filter(|stays| !**stays).count());
        self.rows += (batch.rows - gone) as u64;
        Ok(())
    }

    /// The times of a batch in nanoseconds; those of the rows that stay must ascend.
    fn times(&mut self, taken: &Taken, lane: &Lane, kept: Option<&[bool]>) -> Result<Vec<i64>, Error> {
        let is_moment = matches!(taken.sort, Sort::Time { .. });
        let is_kept = |row: usize| kept.is_none_or(|kept| kept[row]);
        let whole: Vec<i64> = match lane {
            Lane::Whole(values) => values.clone(),
            Lane::Float(values) => {
                let whole = |(row, &value): (usize, &f64)| {
                    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
                    let is_whole = value.fract() == 0.0 && value.abs() <= EXACT_MAX;
                    match is_whole {
                        true => Ok(value as i64),
                        false if is_kept(row) => Err(self.inexact(taken, row, &value, "a time")),
                        false => Ok(0),
                    }
                };
                values.iter().enumerate().map(whole).collect::<Result<_, _>>()?
            }
        };
        let unit = match self.unit {
            _ if is_moment => TimeUnit::Nanoseconds,
            Some(unit) => unit,
            None => {
                let first = whole.iter().enumerate().find(|(row, _)| is_kept(*row)).map(|(_, count)| *count);
                first.map_or(TimeUnit::Nanoseconds, |count| *self.unit.insert(TimeUnit::of(count)))
            }
        };
        let mut last = self.last;
        let mut times = Vec::with_capacity(whole.len());
        for (row, count) in whole.into_iter().enumerate() {
            if !is_kept(row) {
                times.push(0);
                continue;
            }
            let time = count.checked_mul(unit.ns());
            let time =
                time.ok_or_else(|| self.inexact(taken, row, &count, "a time between 1677 and 2262"))?;
            match last {
                Some(above) if time < above => {
                    return Err(Error::Order {
                        path: self.plan.path.to_path_buf(),
                        column: taken.field.name.clone(),
                        row: self.read + row as u64,
                        value: moment(time),
                        above: moment(above),
                    });
                }
                above => self.repeated += u64::from(above == Some(time)),
            }
            last = Some(time);
            times.push(time);
        }
        Ok(times)
    }

    /// Whole numbers as floating-point ones, NaN where they are missing.
    fn floats(&self, taken: &Taken, whole: &[i64], missing: &[usize]) -> Result<Vec<f64>, Error> {
        const EXACT_MAX: u64 = 1 << 53;
        let one = |(row, &value): (usize, &i64)| {
            if value.unsigned_abs() > EXACT_MAX {
                return Err(self.inexact(taken, row, &value, "f64"));
            }
            Ok(value as f64)
        };
        let mut floats: Vec<f64> = whole.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        missing.iter().for_each(|&row| floats[row] = f64::NAN);
        Ok(floats)
    }

    fn null(&self, taken: &Taken, row: usize) -> Error {
        Error::Null {
            path: self.plan.path.to_path_buf(),
            column: taken.field.name.clone(),
            found: taken.field.found.clone(),
            row: self.read + row as u64,
        }
    }

    fn inexact(&self, taken: &Taken, row: usize, value: &dyn ToString, wanted: &'static str) -> Error {
        Error::Inexact {
            path: self.plan.path.to_path_buf(),
            column: taken.field.name.clone(),
            found: taken.field.found.clone(),
            row: self.read + row as u64,
            value: value.to_string(),
            wanted,
        }
    }

    /// Writes what is left and says what was done.
    pub fn finish(mut self, format: Format, bytes_in: u64, started: Instant) -> Result<Report, Error> {
        let plan = self.plan;
        if self.rows == 0 {
            return Err(Error::NoRows { path: plan.path.to_path_buf() });
        }
        let is_text = |taken: &Taken| taken.sort == Sort::Text;
        for (at, symbols) in self.symbols.iter().enumerate().filter(|(at, _)| is_text(&plan.taken[*at])) {
            self.writer.note(at, "symbols", Value::Texts(symbols.clone()));
        }
        let zone = plan.has_time.then(|| match &plan.taken[0].sort {
            Sort::Time { zone: Some(zone) } => format!("UTC (the file states {zone})"),
            Sort::Time { zone: None } => "UTC (assumed, the file states none)".to_owned(),
            _ => "UTC (epoch)".to_owned(),
        });
        let source = plan.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut notes = vec![("source", Value::Text(source))];
        notes.extend(zone.iter().map(|zone| ("time_zone", Value::Text(zone.clone()))));
        let written = self.writer.finish(&notes)?;
        let column = |taken: &Taken| Column {
            name: taken.name.clone(),
            source: taken.field.name.clone(),
            source_type: taken.field.found.clone(),
        };
        Ok(Report {
            format,
            rows: written.rows,
            rows_before: self.before,
            rows_skipped: self.read - self.rows,
            columns: plan.taken.iter().map(column).collect(),
            first_ns: self.first,
            last_ns: self.last,
            zone,
            repeated: self.repeated,
            bytes_in,
            bytes_out: written.bytes,
            content_hash: written.content_hash,
            elapsed: started.elapsed(),
        })
    }
}

/// Keeps the values of the rows that stay.
fn retain<T>(values: &mut Vec<T>, stays: impl Fn(usize) -> bool) {
    let mut row = 0;
    values.retain(|_| {
        row += 1;
        stays(row - 1)
    });
}

/// A time as people read it.
fn moment(time: i64) -> String {
    jiff::Timestamp::from_nanosecond(time.into()).map_or_else(|_| time.to_string(), |time| time.to_string())
}
