//! The values of one feature as they pass, and what they say of it.

use diapason_kernels::feature::Moments;
use serde::Serialize;

use super::Finding;
use crate::doctor::Grade;

/// A feature whose mean moves by more than this many deviations from one half of the file to the other is no stationary
/// one.
const DRIFT: f64 = 2.0;

/// The values so far.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    middle: u64,
    rows: u64,
    known: u64,
    first: Option<u64>,
    last_unknown: Option<u64>,
    least: f64,
    greatest: f64,
    all: Moments,
    halves: [Moments; 2],
}

/// One feature, as it came out.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// Its name.
    pub name: String,
    /// Rows before it is known where its inputs are.
    pub lookback: u64,
    /// Rows on which it is known.
    pub known: u64,
    /// Rows behind the lookback on which it is not.
    pub unknown: u64,
    /// The first row on which it is known.
    pub first_known: Option<u64>,
    /// The last row on which it is not.
    pub last_unknown: Option<u64>,
    /// Its least value.
    pub least: Option<f64>,
    /// Its mean.
    pub mean: Option<f64>,
    /// Its greatest value.
    pub greatest: Option<f64>,
    /// Its population standard deviation.
    pub deviation: Option<f64>,
    /// How far its mean moves from the first half of the rows to the second, in deviations within the halves.
    pub drift: Option<f64>,
    #[serde(skip)]
    is_constant: bool,
}

impl Tally {
    /// Of a file of `rows` rows.
    pub fn new(rows: u64) -> Self {
        Self {
            middle: rows / 2,
            rows: 0,
            known: 0,
            first: None,
            last_unknown: None,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            all: Moments::default(),
            halves: [Moments::default(); 2],
        }
    }

    pub fn push(&mut self, row: u64, value: f64) {
        self.rows += 1;
        if !value.is_finite() {
            self.last_unknown = Some(row);
            return;
        }
        self.known += 1;
        self.first.get_or_insert(row);
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.all.push(value);
        self.halves[usize::from(row >= self.middle)].push(value);
    }

    pub fn line(&self, name: &str, lookback: u64) -> Line {
        let of_known = |value: f64| (self.known > 0).then_some(value);
        Line {
            name: name.to_owned(),
            lookback,
            known: self.known,
            unknown: (self.rows - self.known).saturating_sub(lookback),
            first_known: self.first,
            last_unknown: self.last_unknown,
            least: of_known(self.least),
            mean: of_known(self.all.mean()),
            greatest: of_known(self.greatest),
            deviation: of_known(self.all.deviation()),
            drift: self.drift(),
            is_constant: self.all.is_constant(),
        }
    }

    fn drift(&self) -> Option<f64> {
        let [before, after] = &self.halves;
        let within = (0.5 * (before.deviation().powi(2) + after.deviation().powi(2))).sqrt();
        let drift = (after.mean() - before.mean()).abs() / within;
        (before.count() > 1.0 && after.count() > 1.0 && drift.is_finite()).then_some(drift)
    }
}

impl Line {
    /// What a reader should know before training on `rows` rows of it.
    pub fn findings(&self, rows: u64) -> Vec<Finding> {
        let finding = |grade, fact: String, remedy: &str| Finding {
            grade,
            feature: Some(self.name.clone()),
            fact,
            remedy: remedy.to_owned(),
        };
        let Some(mean) = self.mean else {
            let short = rows <= self.lookback;
            let why = if short {
                format!("never known: it needs {} rows and the file has {rows}", self.lookback + 1)
            } else {
                "never known".to_owned()
            };
            let remedy = if short {
                "give a shorter period or more rows"
            } else {
                "see `diapason features explain` for when it is unknown, or leave it out"
            };
            return vec![finding(Grade::Fail, why, remedy)];
        };
        let mut findings = Vec::new();
        if self.is_constant {
            let fact = format!("{mean} on every row where it is known");
            findings.push(finding(Grade::Warn, fact, "it teaches nothing; leave it out"));
        }
        if let (true, Some(last)) = (self.unknown > 0, self.last_unknown) {
            let fact =
                format!("unknown on {} rows behind its lookback, row {last} the last of them", self.unknown);
            findings.push(finding(Grade::Warn, fact, "a model takes the mean there; repair the inputs"));
        }
        if let Some(drift) = self.drift.filter(|drift| *drift > DRIFT) {
            let fact = format!(
                "{drift:.1} deviations away in the second half of the file from where it was in the first"
            );
            let remedy = "a model learns the level and not the move; divide it by the price, or use zscore";
            findings.push(finding(Grade::Warn, fact, remedy));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f64], lookback: u64) -> Line {
        let mut tally = Tally::new(values.len() as u64);
        values.iter().zip(0..).for_each(|(value, row)| tally.push(row, *value));
        tally.line("x", lookback)
    }

    #[test]
    fn a_value_that_comes_and_goes_is_counted() {
        let found = line(&[f64::NAN, 1.0, f64::NAN, 3.0], 1);
        assert_eq!((found.known, found.unknown), (2, 1));
        assert_eq!((found.first_known, found.last_unknown), (Some(1), Some(2)));
        assert_eq!((found.least, found.mean, found.greatest), (Some(1.0), Some(2.0), Some(3.0)));
        assert_eq!((found.deviation, found.drift), (Some(1.0), None));
        assert_eq!(found.findings(4).len(), 1);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_found() {
        let grades = |values: &[f64], lookback| {
            let found = line(values, lookback).findings(values.len() as u64);
            found.iter().map(|finding| finding.grade).collect::<Vec<_>>()
        };
        assert_eq!(grades(&[f64::NAN; 9], 20), [Grade::Fail]);
        assert_eq!(grades(&[f64::NAN; 9], 2), [Grade::Fail]);
        assert_eq!(grades(&[0.1 + 0.2; 9], 0), [Grade::Warn]);
        assert_eq!(grades(&[1.0, 2.0, 1.0, 2.0, 8.0, 9.0, 8.0, 9.0], 0), [Grade::Warn]);
        assert_eq!(grades(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0], 0), []);
    }
}
