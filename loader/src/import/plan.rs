//! Which columns are taken, which of them is the time, and what they are called.

use std::collections::BTreeSet;
use std::path::Path;

use super::batch::{Field, Sort};
use super::error::Error;
use super::{Input, Options};
use crate::csv;
use crate::format::libhdf5::{self, Kind};
use crate::nearest::nearest;

/// The name of the time in the output.
const TIME: &str = "timestamp";

/// A column on its way.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// Its number in the input.
    pub number: usize,
    pub field: Field,
    pub sort: Sort,
    /// Its name in the output.
    pub name: String,
}

/// What is imported.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub path: &'a Path,
    /// Whether the first column is the time.
    pub has_time: bool,
    pub taken: Vec<Taken>,
}

impl<'a> Plan<'a> {
    pub fn of(path: &'a Path, input: &mut Input, options: &Options) -> Result<Self, Error> {
        if let Some(names) = &options.columns {
            let fields = input.fields().len();
            let refused = |has_names| {
                Err(Error::Names { path: path.to_path_buf(), names: names.len(), fields, has_names })
            };
            match input.fields_mut() {
                None => return refused(true),
                Some(unnamed) if unnamed.len() != names.len() => return refused(false),
                Some(unnamed) => {
                    unnamed.iter_mut().zip(names).for_each(|(field, name)| field.name.clone_from(name));
                }
            }
        }
        let fields = input.fields();
        let names = || fields.iter().map(|field| field.name.as_str());
        let no_column = |wanted: &str, as_time| Error::NoColumn {
            path: path.to_path_buf(),
            wanted: wanted.to_owned(),
            as_time,
            suggestion: nearest(wanted, names()).filter(|name| *name != wanted).map(str::to_owned),
            columns: names().map(str::to_owned).collect(),
        };
        if let Some(wanted) = options.skip.iter().find(|wanted| names().all(|name| name != *wanted)) {
            return Err(no_column(wanted, false));
        }
        let is_taken = |field: &Field| !options.skip.contains(&field.name);
        let kept: Vec<(usize, &Field)> =
            fields.iter().enumerate().filter(|(_, field)| is_taken(field)).collect();
        let time = match &options.time {
            Some(wanted) => {
                let found = kept.iter().find(|(_, field)| field.name == *wanted);
                let is_time =
                    |field: &Field| matches!(field.sort, Some(Sort::Time { .. } | Sort::Whole | Sort::Float));
                Some(found.filter(|(_, field)| is_time(field)).ok_or_else(|| no_column(wanted, true))?.0)
            }
            None => time_of(path, &kept)?,
        };
        let mut taken = Vec::with_capacity(kept.len());
        for (number, field) in kept {
            let Some(sort) = field.sort.clone() else {
                let (path, column, found) = (path.to_path_buf(), field.name.clone(), field.found.clone());
                return Err(Error::Type { path, column, found });
            };
            let name = if Some(number) == time { TIME.to_owned() } else { name_of(&field.name) };
            taken.push(Taken { number, field: field.clone(), sort, name });
        }
        taken.sort_by_key(|taken| Some(taken.number) != time);
        let mut seen = BTreeSet::new();
        if let Some(twice) = taken.iter().find(|taken| !seen.insert(taken.name.as_str())) {
            return Err(Error::Twice { path: path.to_path_buf(), name: twice.name.clone() });
        }
        if taken.is_empty() {
            return Err(Error::NoColumns { path: path.to_path_buf() });
        }
        Ok(Self { path, has_time: time.is_some(), taken })
    }

    /// Makes floating-point every column of whole numbers, the time apart, in which `input` has a null anywhere.
    pub fn widen(&mut self, input: &mut Input) -> Result<(), Error> {
        let is_open = |at: &usize| self.taken[*at].sort == Sort::Whole && !(self.has_time && *at == 0);
        let whole: Vec<usize> = (0..self.taken.len()).filter(is_open).collect();
        input.choose(&whole.iter().map(|at| self.taken[*at].number).collect::<Vec<_>>())?;
        while !whole.is_empty()
            && let Some(batch) = input.next()?
        {
            for (_, lane) in batch.missing {
                self.taken[whole[lane]].sort = Sort::Float;
            }
        }
        Ok(())
    }

    /// The numbers of the columns in the input.
    pub fn numbers(&self) -> Vec<usize> {
        self.taken.iter().map(|taken| taken.number).collect()
    }

    /// The columns of the output.
    pub fn columns(&self) -> Vec<libhdf5::Column> {
        let one = |(at, taken): (usize, &Taken)| {
            let is_time = self.has_time && at == 0;
            let (role, unit) = csv::role_of(&taken.name);
            let unit = match taken.sort {
                _ if is_time => "nanoseconds since 1970-01-01 UTC",
                Sort::Time { .. } => "nanoseconds since 1970-01-01 UTC",
                Sort::Text => "place in the attribute symbols",
                Sort::Whole | Sort::Float => unit,
            };
            let kind = if taken.sort == Sort::Float && !is_time { Kind::F64 } else { Kind::I64 };
            let role = if is_time { TIME } else { role };
            libhdf5::Column { name: taken.name.clone(), kind, unit: unit.to_owned(), role: role.to_owned() }
        };
        self.taken.iter().enumerate().map(one).collect()
    }
}

/// The number of the column of times: the only one of such a type, or the one that is called so.
fn time_of(path: &Path, fields: &[(usize, &Field)]) -> Result<Option<usize>, Error> {
    let is_called = |field: &Field| csv::is_time_name(&field.name);
    let moments: Vec<&(usize, &Field)> =
        fields.iter().filter(|(_, field)| matches!(field.sort, Some(Sort::Time { .. }))).collect();
    let called: Vec<&(usize, &Field)> =
        moments.iter().copied().filter(|(_, field)| is_called(field)).collect();
    match (&moments[..], &called[..]) {
        ([one], _) | (_, [one]) => Ok(Some(one.0)),
        ([], _) => {
            let is_whole = |field: &Field| matches!(field.sort, Some(Sort::Whole | Sort::Float));
            let mut named = fields.iter().filter(|(_, field)| is_whole(field) && is_called(field));
            // Of several, only `timestamp` itself is beyond doubt.
            let (first, second) = (named.next(), named.next());
            let exact = || fields.iter().find(|(_, field)| field.name == TIME && is_whole(field));
            let one = if second.is_some() { exact() } else { first };
            Ok(one.map(|(number, _)| *number))
        }
        (several, _) => {
            if let Some(exact) = several.iter().find(|(_, field)| field.name == TIME) {
                return Ok(Some(exact.0));
            }
            let columns = several.iter().map(|(_, field)| field.name.clone()).collect();
            Err(Error::SeveralTimes { path: path.to_path_buf(), columns })
        }
    }
}

/// The name in the output: that of the role where it is written in other letters (`Close`), else its own.
fn name_of(name: &str) -> String {
    let (role, _) = csv::role_of(name);
    // Slashes part the names of groups.
    if role == "other" { name.replace('/', "_") } else { role.to_owned() }
}
