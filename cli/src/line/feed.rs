//! Rows of a file in order, as the feature plan and the target need them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use diapason_kernels::feature::{DataError, Plan, PlanError, ShapeError};
use diapason_loader::table::{self, Table};

use tempfile::TempDir;

use super::clock::{Clock, ClockError};
use super::intake::{Intake, IntakeError};
use super::plan_text::PlanText;
use super::recipe::{Price, RecipeError};
use super::symbol::{self, Mixed};
use crate::console::Console;

/// Why a file cannot feed a plan.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The file, while it is read.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// The file, when it is opened.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The plan does not fit the columns.
    #[error("{file}: {error}")]
    Plan {
        /// The file whose columns the plan names.
        file: String,
        /// What does not fit.
        error: PlanError,
    },
    /// Rows that are not those of the plan.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A value that no feature can take.
    #[error("{file}: {error}")]
    Data {
        /// The file.
        file: String,
        /// The column, the row, and the first feature that reads it.
        error: DataError,
    },
    /// Rows of several symbols.
    #[error(
        "{file}: row {row} is of {other} and row 0 of {first} by column {column:?}; keep the rows of one symbol: `diapason data repack --where {column}={first} {file} -o OUTPUT`"
    )]
    Mixed {
        /// The file.
        file: String,
        /// The column that says so.
        column: String,
        /// The first row of another symbol.
        row: u64,
        /// The symbol of the first row.
        first: String,
        /// The other one.
        other: String,
    },
    /// A time is out of order or no time.
    #[error("{file}: {error}")]
    Time {
        /// The file.
        file: String,
        /// The row and what is wrong with it.
        error: ClockError,
    },
    /// A price that has no logarithm.
    #[error(
        "{file}: row {row}: the price {price} is {value}; prices must be positive and finite, repair the file"
    )]
    BadPrice {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// The price.
        price: Price,
        /// Its value.
        value: f64,
    },
    /// There is no price.
    #[error("{file}: {error}")]
    Price {
        /// The file.
        file: String,
        /// What is missing.
        error: RecipeError,
    },
}

impl FeedError {
    /// Whether another host, or this one at another time, could have read it.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Table(error) => error.is_environment(),
            Self::Intake(error) => error.is_environment(),
            _ => false,
        }
    }
}

/// An open file with the plan that is computed over it.
pub struct Feed {
    /// Where it lies.
    pub path: PathBuf,
    /// The columns.
    pub table: Table,
    /// What is computed over them.
    pub plan: Plan,
    /// The price whose future is predicted.
    pub price: Price,
    /// Where an import lies until nobody needs it.
    scratch: Option<TempDir>,
}

/// Raw rows: the plan's inputs row by row, the price, and the time.
#[derive(Default)]
pub struct Rows {
    /// `[row][input]` in the order of [`Plan::inputs`].
    pub inputs: Vec<f64>,
    /// The price of each row.
    pub prices: Vec<f64>,
    /// Nanoseconds since 1970-01-01 UTC.
    pub times: Vec<i64>,
    column: Vec<f64>,
}

/// The name of the column of times.
pub const TIME: &str = "timestamp";

impl Feed {
    /// Opens `path` for `features`, or for the plan that suits its columns when that is `None`. What is no HDF5 file is
    /// imported for as long as the feed lives.
    ///
    /// # Errors
    /// [`FeedError`] when the file is unreadable, has no price, or lacks a column of the plan.
    pub fn open(
        path: &Path,
        features: Option<&PlanText>,
        budget_bytes: u64,
        console: &Console,
    ) -> Result<Self, FeedError> {
        let Intake { table, scratch } = Intake::open(path, budget_bytes, console)?;
        let file = || path.display().to_string();
        let columns: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
        let price = Price::of(&columns).ok_or_else(|| FeedError::Price {
            file: file(),
            error: RecipeError::NoPrice { columns: columns.join(", ") },
        })?;
        let of_plan = |error| FeedError::Plan {
            file: features.map_or_else(file, |features| features.place(path)),
            error,
        };
        let default;
        let text = match features {
            Some(PlanText { text, .. }) => text,
            None => {
                default = Plan::default_for(&columns).map_err(of_plan)?;
                &default
            }
        };
        let plan = Plan::parse(text, &columns).map_err(of_plan)?;
        if let Some(Mixed { column, row, first, other }) = symbol::mixed(&table)? {
            return Err(FeedError::Mixed { file: file(), column, row, first, other });
        }
        Ok(Self { path: path.to_path_buf(), table, plan, price, scratch })
    }

    /// Whether the rows were imported for this run: nobody could find again what is kept of them.
    #[must_use]
    pub const fn is_import(&self) -> bool {
        self.scratch.is_some()
    }

    /// A watch over the times of this file; two bars cannot share a time, two quotes or trades can.
    #[must_use]
    pub fn clock(&self, gap_seconds: f64) -> Clock {
        let is_bars =
            self.table.columns().iter().any(|column| ["open", "high", "low"].contains(&column.name.as_str()));
        Clock::new(gap_seconds, !is_bars)
    }

    /// Takes the next row of the file past `clock`; whether there is a gap before it.
    ///
    /// # Errors
    /// [`FeedError::Time`] or [`FeedError::BadPrice`] names the row.
    pub fn check(&self, clock: &mut Clock, row: u64, time: i64, value: f64) -> Result<bool, FeedError> {
        let file = || self.path.display().to_string();
        if !(value.is_finite() && value > 0.0) {
            return Err(FeedError::BadPrice { file: file(), row, price: self.price.clone(), value });
        }
        clock.tick(row, time).map_err(|error| FeedError::Time { file: file(), error })
    }

    /// Reads `range` into `rows`, whose memory is used again.
    ///
    /// # Errors
    /// [`FeedError::Table`] when the file is broken there, [`FeedError::Data`] when a value is infinite.
    pub fn read(&self, range: Range<u64>, rows: &mut Rows) -> Result<(), FeedError> {
        let first = range.start;
        self.fill(range, rows, |input, values| {
            let refused = |error| FeedError::Data { file: self.path.display().to_string(), error };
            self.plan.check_input(input, first, values).map_err(refused)
        })
    }

    /// [`Feed::read`] of whatever is there, infinite values too: for a report about them.
    ///
    /// # Errors
    /// [`FeedError::Table`] when the file is broken there.
    pub fn read_unchecked(&self, range: Range<u64>, rows: &mut Rows) -> Result<(), FeedError> {
        self.fill(range, rows, |_, _| Ok(()))
    }

    /// Reads `range` into `rows`, and gives `take` the values of each input.
    fn fill(
        &self,
        range: Range<u64>,
        rows: &mut Rows,
        take: impl Fn(usize, &[f64]) -> Result<(), FeedError>,
    ) -> Result<(), FeedError> {
        let count = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let inputs = self.plan.inputs();
        let Rows { inputs: matrix, prices, times, column } = rows;
        matrix.resize(count * inputs.len(), 0.0);
        column.resize(count, 0.0);
        prices.resize(count, 0.0);
        times.resize(count, 0);
        self.table.read_i64(TIME, range.clone(), times)?;
        for (place, name) in inputs.iter().enumerate() {
            if name == TIME {
                // The nearest f64 is at most 128 ns away, a ten-thousandth of a degree of the circle of a day.
                column.iter_mut().zip(times.iter()).for_each(|(value, time)| *value = *time as f64);
            } else {
                self.table.read_f64(name, range.clone(), column)?;
            }
            take(place, column)?;
            for (cell, value) in matrix.iter_mut().skip(place).step_by(inputs.len()).zip(column.iter()) {
                *cell = *value;
            }
        }
        match &self.price {
            Price::Column(name) => self.table.read_f64(name, range, prices)?,
            Price::Middle(bid, ask) => {
                self.table.read_f64(bid, range.clone(), prices)?;
                self.table.read_f64(ask, range, column)?;
                for (price, ask) in prices.iter_mut().zip(column.iter()) {
                    *price = 0.5 * (*price + ask);
                }
            }
        }
        Ok(())
    }
}
