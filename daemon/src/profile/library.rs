//! Where profiles are found: the administrator's folder, the package's folder, the program itself.

use std::path::Path;

use super::problem::Problem;
use super::{Entry, Include, Listed, Machine, Profile, ProfileError, parse};
use crate::knob::nearest;
use crate::root::Root;

/// Folders in the order of search; a file hides those of the same name behind it.
const FOLDERS: &[&str] = &["/etc/diapason/profiles", "/usr/share/diapason/profiles"];

/// The profiles that are part of the program, so that a bare binary has them.
const BUILT_IN: &[(&str, &str)] = &[
    ("balanced", include_str!("../../../profiles/balanced.toml")),
    ("gpu-training", include_str!("../../../profiles/gpu-training.toml")),
    ("nvme-loader", include_str!("../../../profiles/nvme-loader.toml")),
    ("power-saver", include_str!("../../../profiles/power-saver.toml")),
    ("trading-isolated", include_str!("../../../profiles/trading-isolated.toml")),
    ("trading-low-latency", include_str!("../../../profiles/trading-low-latency.toml")),
    ("training-throughput", include_str!("../../../profiles/training-throughput.toml")),
    ("virtual-guest", include_str!("../../../profiles/virtual-guest.toml")),
];

/// A chain of includes longer than this is a mistake.
const DEPTH_MAX: usize = 8;

/// All profiles of a machine.
#[derive(Clone, Debug)]
pub struct Library {
    root: Root,
    /// A folder that is searched before all others, as a root of its own.
    first: Option<Root>,
}

impl Library {
    /// The profiles of the machine or tree `root`.
    #[must_use]
    pub fn new(root: &Root) -> Self {
        Self { root: root.clone(), first: None }
    }

    /// The same, with `folder` searched before all others.
    #[must_use]
    pub fn with_folder(mut self, folder: Root) -> Self {
        self.first = Some(folder);
        self
    }

    /// What the machine's own file says.
    ///
    /// # Errors
    /// When it is there and wrong, or cannot be read.
    pub fn machine(&self) -> Result<Machine, ProfileError> {
        Machine::read(&self.root)
    }

    /// The profile of a name, with its includes and without the machine's own words.
    ///
    /// # Errors
    /// When there is none, or it or an included one is wrong.
    pub fn bare(&self, name: &str) -> Result<Profile, ProfileError> {
        self.chained(name, &mut Vec::new())
    }

    /// Every folder in the order of search: a root, and the path in it.
    fn folders(&self) -> impl Iterator<Item = (&Root, &'static str)> {
        self.first.iter().map(|first| (first, "")).chain(FOLDERS.iter().map(|folder| (&self.root, *folder)))
    }

    /// The names of all profiles, sorted.
    ///
    /// # Errors
    /// When a folder is there but cannot be read.
    pub fn names(&self) -> Result<Vec<String>, ProfileError> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        for (root, folder) in self.folders() {
            let files = root.list(&format!("{folder}/"))?;
            names.extend(files.iter().filter_map(|file| file.strip_suffix(".toml")).map(str::to_owned));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Every profile with its one line, sorted by name.
    ///
    /// # Errors
    /// When one of them is wrong; it is named.
    pub fn list(&self) -> Result<Vec<Listed>, ProfileError> {
        let listed = |name: String| {
            let profile = self.bare(&name)?;
            Ok(Listed { name, summary: profile.summary, origin: profile.origin })
        };
        self.names()?.into_iter().map(listed).collect()
    }

    /// The profile of a name, or of a path (anything with a `/`), with its includes.
    ///
    /// A path is read with the rights of this process: a daemon that acts for others takes names only, through
    /// [`Library::named`].
    ///
    /// # Errors
    /// When there is none, or it or an included one is wrong.
    pub fn load(&self, name_or_path: &str) -> Result<Profile, ProfileError> {
        if !name_or_path.contains('/') {
            return self.named(name_or_path);
        }
        let path = Path::new(name_or_path);
        let (folder, file) = (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default());
        let file = file.to_string_lossy();
        let none = |known| ProfileError::NoFile { path: name_or_path.to_owned(), known };
        let text = Root::new(folder).read(&format!("/{file}"))?;
        let text = text.ok_or(()).or_else(|()| Err(none(self.names()?)))?;
        let name = file.strip_suffix(".toml").unwrap_or(&file);
        let alone = parse::parse(name, name_or_path, &text)?;
        self.settled(self.joined(alone, &mut vec![name_or_path.to_owned()])?)
    }

    /// The profile of a name, with its includes.
    ///
    /// # Errors
    /// When there is none, or it or an included one is wrong.
    pub fn named(&self, name: &str) -> Result<Profile, ProfileError> {
        self.settled(self.bare(name)?)
    }

    fn chained(&self, name: &str, chain: &mut Vec<String>) -> Result<Profile, ProfileError> {
        let circle = chain.iter().any(|earlier| earlier == name) || chain.len() >= DEPTH_MAX;
        chain.push(name.to_owned());
        if circle {
            return Err(ProfileError::Circle { chain: std::mem::take(chain) });
        }
        let profile = self.joined(self.alone(name)?, chain)?;
        chain.pop();
        Ok(profile)
    }

    fn alone(&self, name: &str) -> Result<Profile, ProfileError> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(letters) || name.starts_with('.') {
            return Err(ProfileError::Name { name: name.to_owned() });
        }
        for (root, folder) in self.folders() {
            let path = format!("{folder}/{name}.toml");
            if let Some(text) = root.read(&path)? {
                let shown = root.prefix().join(path.trim_start_matches('/')).display().to_string();
                return parse::parse(name, &shown, &text);
            }
        }
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return parse::parse(name, &format!("built in {name}"), text);
        }
        let known = self.names()?;
        let suggestion = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        Err(ProfileError::Unknown { name: name.to_owned(), suggestion, known })
    }

    /// The profile on top of what it includes: its entries for a knob replace all included ones for it, those
    /// with a condition only where it holds.
    fn joined(&self, mut profile: Profile, chain: &mut Vec<String>) -> Result<Profile, ProfileError> {
        let mut entries = Vec::new();
        let mut variables = Vec::new();
        for include in &profile.include {
            let base = self.included(include, chain)?;
            stack(&mut entries, base.entries);
            variables.extend(base.variables);
        }
        stack(&mut entries, std::mem::take(&mut profile.entries));
        variables.append(&mut profile.variables);
        // The last one of a name that holds everywhere hides all before it.
        let hidden = |at: usize| {
            let this: &super::Variable = &variables[at];
            variables[at + 1..].iter().any(|later| later.name == this.name && later.when.is_empty())
        };
        let shown = (0..variables.len()).filter(|at| !hidden(*at)).map(|at| variables[at].clone()).collect();
        Ok(Profile { entries, variables: shown, ..profile })
    }

    fn included(&self, include: &Include, chain: &mut Vec<String>) -> Result<Profile, ProfileError> {
        self.chained(&include.name, chain).map_err(|error| match error {
            ProfileError::Unknown { name, suggestion, known } if name == include.name => ProfileError::At {
                place: include.place.clone(),
                excerpt: include.excerpt.clone(),
                problem: Box::new(Problem::Include { name, suggestion, known }),
            },
            other => other,
        })
    }

    /// The profile with what the machine's own file says on top.
    fn settled(&self, mut profile: Profile) -> Result<Profile, ProfileError> {
        profile.machine = self.machine()?;
        stack(&mut profile.entries, profile.machine.entries.clone());
        Ok(profile)
    }
}

/// Puts `upper` on top of `lower`: what holds everywhere replaces what is below it, the rest lies in a layer above.
fn stack(lower: &mut Vec<Entry>, upper: Vec<Entry>) {
    let replaced = |knob: &str| upper.iter().any(|entry| entry.knob == knob && entry.when.is_empty());
    lower.retain(|entry| !replaced(&entry.knob));
    let base = lower.iter().map(|entry| entry.layer + 1).max().unwrap_or(0);
    lower.extend(upper.into_iter().map(|entry| Entry { layer: entry.layer + base, ..entry }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(files: &[(&str, &str)]) -> (tempfile::TempDir, Library) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("etc/diapason/profiles");
        std::fs::create_dir_all(&place).unwrap();
        for (name, text) in files {
            std::fs::write(place.join(format!("{name}.toml")), text).unwrap();
        }
        let library = Library::new(&Root::new(folder.path()));
        (folder, library)
    }

    fn knob(name: &str, value: u32) -> String {
        format!("[knob.\"{name}\"]\nvalue = {value}\nreason = \"r\"\nsource = \"s\"\n")
    }

    #[test]
    fn every_shipped_profile_loads_and_its_file_is_listed() {
        let library = Library::new(&Root::nowhere());
        let shipped = library.names().unwrap();
        for name in &shipped {
            let profile = library.load(name).unwrap_or_else(|error| panic!("{error}"));
            assert!(!profile.entries.is_empty(), "{name}");
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles");
        let files = Root::new(folder).list("/").unwrap();
        let files: Vec<_> = files.iter().filter_map(|file| file.strip_suffix(".toml")).collect();
        assert_eq!(files, shipped, "profiles/ and the list in library.rs differ");
    }

    #[test]
    fn the_examples_of_the_page_load() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adding-a-profile.md");
        let page = std::fs::read_to_string(page).unwrap();
        let examples: Vec<&str> =
            page.split("```toml\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
        assert_eq!(examples.len(), 2);
        parse::parse("example", "example.toml", examples[0])
            .unwrap_or_else(|error| panic!("{}", error.with_excerpt()));
        Machine::parse("machine.toml", examples[1])
            .unwrap_or_else(|error| panic!("{}", error.with_excerpt()));
    }

    #[test]
    fn includes_are_replaced_knob_by_knob_and_circles_are_found() {
        let base = format!("summary = \"b\"\n{}{}", knob("vm.swappiness", 60), knob("vm.stat_interval", 10));
        let top = format!("summary = \"t\"\ninclude = \"base\"\n{}", knob("vm.swappiness", 1));
        let (_folder, library) = library(&[
            ("base", base.as_str()),
            ("top", top.as_str()),
            ("a", "summary = \"a\"\ninclude = \"b\"\n"),
            ("b", "summary = \"b\"\ninclude = \"a\"\n"),
            ("balanced", "summary = \"mine\"\n"),
        ]);
        let top = library.load("top").unwrap();
        let asks: Vec<_> = top.entries.iter().map(|entry| (entry.knob.as_str(), entry.ask.text())).collect();
        assert_eq!(asks, [("vm.stat_interval", "10".to_owned()), ("vm.swappiness", "1".to_owned())]);
        assert_eq!(library.load("balanced").unwrap().summary, "mine");
        let said = |name| library.load(name).unwrap_err().to_string();
        assert_eq!(
            said("a"),
            "profiles include each other in a circle: a -> b -> a; remove one of the includes"
        );
        assert!(said("tradign-low-latency").contains("did you mean \"trading-low-latency\"?"));
        assert!(said("a b").contains("is no profile name"));
        assert!(said("/nowhere/x.toml").starts_with("there is no profile at /nowhere/x.toml"));
    }
}
