//! The usual knob: one kernel file, one value. Most families are tables of these.

use super::form::{Form, FormError, one_of};
use super::{Knob, KnobError, Spec};
use crate::root::{Root, RootError};

/// A knob that is one file.
pub(super) struct Attribute {
    spec: Spec,
    place: Place,
    offers: Offers,
    /// The file that holds the largest number the device takes; `*` stands for the device.
    bound: Option<&'static str>,
}

/// Where the file is.
enum Place {
    /// Below /proc/sys, by the knob's own name.
    Sysctl,
    /// A path; `*` stands for the device.
    Path(&'static str),
}

/// Where the machine says which words it takes.
enum Offers {
    /// Nowhere.
    Nothing,
    /// In the file itself: `a [b] c`.
    Itself,
    /// In a file beside it; `*` stands for the device.
    File(&'static str),
}

impl Attribute {
    /// A sysctl, found by its name.
    pub(super) const fn sysctl(spec: Spec) -> Self {
        Self { spec, place: Place::Sysctl, offers: Offers::Nothing, bound: None }
    }

    /// A file; `*` in `path` stands for the device.
    pub(super) const fn file(spec: Spec, path: &'static str) -> Self {
        Self { spec, place: Place::Path(path), offers: Offers::Nothing, bound: None }
    }

    /// The file lists its choices and marks the one in force.
    pub(super) const fn marked(mut self) -> Self {
        self.offers = Offers::Itself;
        self
    }

    /// The choices are in another file.
    pub(super) const fn offered_in(mut self, path: &'static str) -> Self {
        self.offers = Offers::File(path);
        self
    }

    /// The largest number that the device takes is in another file.
    pub(super) const fn at_most_in(mut self, path: &'static str) -> Self {
        self.bound = Some(path);
        self
    }

    fn path(&self, target: &str) -> String {
        match self.place {
            Place::Sysctl => format!("/proc/sys/{}", self.spec.name.replace('.', "/")),
            Place::Path(path) => path.replace('*', target),
        }
    }
}

impl Knob for Attribute {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let Place::Path(path) = self.place else { return Ok(vec![String::new()]) };
        let Some((folder, rest)) = path.split_once("/*/") else { return Ok(vec![String::new()]) };
        let mut targets = Vec::new();
        for name in root.list(folder)? {
            if root.exists(&format!("{folder}/{name}/{rest}"))? {
                targets.push(name);
            }
        }
        Ok(targets)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        use nix::errno::Errno::{EBUSY, EINVAL, EIO, EOPNOTSUPP};
        match root.read(&self.path(target)) {
            Ok(text) => Ok(text.map(|text| Form::of_file(&text))),
            // A file for a feature that this very device lacks (wbt_lat_usec without throttling) answers so.
            Err(RootError::Refused { errno: EINVAL | EOPNOTSUPP | EIO | EBUSY, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let value = self.spec.form.canonical(asked)?;
        if let Some(bound) = self.bound
            && let Some(Ok(max)) =
                root.read(&bound.replace('*', target))?.map(|text| text.trim().parse::<i64>())
            && let Ok(given) = value.parse::<i64>()
            && given > max
        {
            return Err(FormError::Range { given, min: 0, max }.into());
        }
        let list = match self.offers {
            Offers::Nothing => None,
            Offers::Itself => root.read(&self.path(target))?,
            Offers::File(path) => root.read(&path.replace('*', target))?,
        };
        let Some(list) = list else { return Ok(value) };
        let offered = list.split_whitespace().map(|word| word.trim_start_matches('[').trim_end_matches(']'));
        Ok(one_of(&value, offered)?)
    }

    fn files(&self, target: &str) -> Vec<String> {
        vec![self.path(target)]
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        // An empty write is no write to the kernel, so that it would look accepted.
        if value.is_empty() {
            return Err(FormError::Special { given: value.to_owned(), expected: "a value" }.into());
        }
        Ok(root.write(&self.path(target), value)?)
    }
}
