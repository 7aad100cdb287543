//! The usual knob: one kernel file, one value. Most families are tables of these.

use super::form::{Form, FormError, one_of};
use super::{Knob, KnobError, Spec};
use crate::cpu_set::CpuSet;
use crate::root::Root;

/// CPUs that could ever be plugged in.
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// A knob that is one file.
pub(super) struct Attribute {
    spec: Spec,
    place: Place,
    offers: Offers,
    /// The file that holds the largest number the device takes; `*` stands for the device.
    bound: Option<&'static str>,
    /// Words that say that this machine lacks the setting.
    lacking: &'static [&'static str],
    /// Whether CPUs are a mask in the file, not a list.
    mask: bool,
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
    /// In the file itself: `a (b) c`.
    Parentheses,
    /// In a file beside it; `*` stands for the device.
    File(&'static str),
}

impl Attribute {
    /// A sysctl, found by its name.
    pub(super) const fn sysctl(spec: Spec) -> Self {
        Self::at(spec, Place::Sysctl)
    }

    /// A file; `*` in `path` stands for the device.
    pub(super) const fn file(spec: Spec, path: &'static str) -> Self {
        Self::at(spec, Place::Path(path))
    }

    const fn at(spec: Spec, place: Place) -> Self {
        Self { spec, place, offers: Offers::Nothing, lacking: &[], mask: false, bound: None }
    }

    /// The CPUs of the file are a mask `ff,ffffffff`; the value is a list all the same.
    pub(super) const fn mask(mut self) -> Self {
        self.mask = true;
        self
    }

    /// The file is there and says with one of these words that the machine lacks the setting.
    pub(super) const fn lacking(mut self, words: &'static [&'static str]) -> Self {
        self.lacking = words;
        self
    }

    /// The file lists its choices and puts the one in force in parentheses.
    pub(super) const fn parenthesised(mut self) -> Self {
        self.offers = Offers::Parentheses;
        self
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

impl Attribute {
    /// The value that the text of the file means.
    fn value(&self, text: &str) -> Result<Option<String>, KnobError> {
        let value = match (self.spec.form, &self.offers) {
            (Form::Cpus, _) if self.mask => CpuSet::parse_mask(text).map_err(FormError::from)?.to_string(),
            (Form::Cpus, _) => CpuSet::parse_list(text).map_err(FormError::from)?.to_string(),
            // A setting that this platform lacks may read as nothing (sched_energy_aware).
            _ if text.trim().is_empty() => return Ok(None),
            (_, Offers::Parentheses) => {
                let marked = |word: &str| Some(word.strip_prefix('(')?.strip_suffix(')')?.to_owned());
                text.split_whitespace().find_map(marked).unwrap_or_else(|| text.trim().to_owned())
            }
            _ => Form::of_file(text),
        };
        Ok((!self.lacking.contains(&value.as_str())).then_some(value))
    }

    fn write_cpus(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let path = self.path(target);
        let cpus = CpuSet::parse_list(value).map_err(FormError::from)?;
        if self.mask {
            // As wide as the kernel prints it, so that what is written is what is read.
            let sample = root.read(&path)?.unwrap_or_default();
            return Ok(root.write(&path, &cpus.mask_like(&sample))?);
        }
        // No CPU is an empty line: an empty write is no write to the kernel.
        let text = if cpus.is_empty() { "\n".to_owned() } else { cpus.to_string() };
        Ok(root.write(&path, &text)?)
    }
}

/// `list`, if this machine could have all of its CPUs.
pub(super) fn possible(root: &Root, list: &str) -> Result<String, KnobError> {
    let cpus = CpuSet::parse_list(list).map_err(FormError::from)?;
    let Some(text) = root.read(POSSIBLE)? else { return Ok(cpus.to_string()) };
    let possible = CpuSet::parse_list(&text).map_err(FormError::from)?;
    let beyond = cpus.difference(&possible);
    if beyond.is_empty() {
        return Ok(cpus.to_string());
    }
    Err(FormError::NoSuchCpus { given: list.to_owned(), beyond, possible }.into())
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
        root.read(&self.path(target))?.map_or(Ok(None), |text| self.value(&text))
    }

    fn remark(&self, root: &Root, target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        if current.is_some() || self.lacking.is_empty() {
            return Ok(None);
        }
        let text = root.read(&self.path(target))?;
        Ok(text.map(|text| format!("{} says {:?}", self.path(target), text.trim())))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let value = self.spec.form.canonical(asked)?;
        if self.spec.form == Form::Cpus {
            return possible(root, &value);
        }
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
            Offers::Itself | Offers::Parentheses => root.read(&self.path(target))?,
            Offers::File(path) => root.read(&path.replace('*', target))?,
        };
        let Some(list) = list else { return Ok(value) };
        let offered = list.split_whitespace().map(|word| word.trim_matches(['[', ']', '(', ')']));
        Ok(one_of(&value, offered)?)
    }

    fn files(&self, target: &str) -> Vec<String> {
        vec![self.path(target)]
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        if self.spec.form == Form::Cpus {
            return self.write_cpus(root, target, value);
        }
        // An empty write is no write to the kernel, so that it would look accepted.
        if value.is_empty() {
            return Err(FormError::Special { given: value.to_owned(), expected: "a value" }.into());
        }
        Ok(root.write(&self.path(target), value)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Spec;
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root::new(folder.path());
        (folder, root)
    }

    #[test]
    fn a_mask_is_a_list_and_keeps_its_width() {
        let mask = Attribute::file(Spec::new("x.mask", Form::Cpus), "/mask").mask();
        let (_folder, root) =
            machine(&[("mask", "00ff,ffffffff\n"), ("sys/devices/system/cpu/possible", "0-39\n")]);
        assert_eq!(mask.read(&root, "").unwrap().as_deref(), Some("0-39"));
        assert_eq!(mask.settle(&root, "", "32, 0-1").unwrap(), "0-1,32");
        assert_eq!(
            mask.settle(&root, "", "38-41").unwrap_err().to_string(),
            "\"38-41\" names the CPUs 40-41, and this machine has 0-39; leave them out"
        );
        mask.write(&root, "", "0-1,32").unwrap();
        assert_eq!(root.read("/mask").unwrap().as_deref(), Some("0001,00000003\n"));
        mask.write(&root, "", "0-39").unwrap();
        assert_eq!(root.read("/mask").unwrap().as_deref(), Some("00ff,ffffffff\n"));
    }

    #[test]
    fn a_list_may_become_empty_again() {
        let list = Attribute::file(Spec::new("x.list", Form::Cpus), "/x_cpus");
        let (_folder, root) = machine(&[("x_cpus", "\n")]);
        assert_eq!(list.read(&root, "").unwrap().as_deref(), Some(""));
        list.write(&root, "", "3").unwrap();
        list.write(&root, "", "").unwrap();
        assert_eq!(root.read("/x_cpus").unwrap().as_deref(), Some("\n"));
    }

    #[test]
    fn choices_in_parentheses_and_words_for_absence() {
        let preempt = Attribute::file(Spec::new("x.preempt", Form::Word), "/preempt").parenthesised();
        let smt = Attribute::file(Spec::new("x.smt", Form::Choice(&["on", "off"])), "/smt")
            .lacking(&["notsupported"]);
        let files = [("preempt", "none voluntary (full) \n"), ("smt", "notsupported\n")];
        let (_folder, root) = machine(&files);
        assert_eq!(preempt.read(&root, "").unwrap().as_deref(), Some("full"));
        assert!(preempt.settle(&root, "", "lazy").is_err());
        preempt.write(&root, "", "none").unwrap();
        assert_eq!(root.read("/preempt").unwrap().as_deref(), Some("(none) voluntary full \n"));
        assert_eq!(smt.read(&root, "").unwrap(), None);
    }
}
