//! Living through a story, and what must hold at every moment of it.
//!
//! 1. After an act and its recovery every file of the machine is as before the act or as after it, all of them the
//!    same way, unless somebody else wrote it meanwhile.
//! 2. Rolled back, every file has its original content, byte for byte, unless somebody else wrote it while it was
//!    held; then it has what they wrote, and a report said so.
//! 3. A second recovery makes no change at all.
//! 4. What the journals say does not depend on whether the daemon was restarted in between.
//! 5. A switch writes no file whose content is the same before and after.
//!
//! That an intent is on record before its knob is written is checked on the system calls (`every_syscall`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diapason_daemon::apply::Tuning;
use diapason_daemon::apply::report::{Ending, Fate};
use diapason_daemon::journal::{Kind, Ledger};
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::Profile;
use diapason_daemon::root::{Break, Fuse};

use crate::machine::{Machine, Tree, is_persistent};
use crate::story::{Act, Deed, Story, Trouble};

/// What happened in some stories.
#[derive(Default)]
pub struct Tally {
    pub stories: usize,
    pub acts: usize,
    pub deaths: usize,
    pub refusals: usize,
    pub power_cuts: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.stories += other.stories;
        self.acts += other.acts;
        self.deaths += other.deaths;
        self.refusals += other.refusals;
        self.power_cuts += other.power_cuts;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stories, acts, deaths, refusals, power_cuts } = self;
        write!(
            formatter,
            "{deaths} deaths ({power_cuts} of them power cuts) and {refusals} refused changes in {acts} acts of {stories} stories: lost originals = 0"
        )
    }
}

/// What is done to the machine.
#[derive(Clone, Copy)]
enum Operation<'a> {
    Apply(&'a Profile),
    Rollback,
}

/// How it went; nothing when the journal refused.
struct Told {
    ending: Option<Ending>,
    foreign: bool,
    words: String,
}

struct Life<'a> {
    story: &'a Story,
    machine: Machine,
    pristine: Tree,
    /// What a complete rollback brings back.
    originals: Tree,
    /// What somebody else wrote while something was held.
    theirs: BTreeMap<PathBuf, BTreeSet<Option<Option<Vec<u8>>>>>,
    /// What an operation has changed since the last complete rollback.
    ours: BTreeSet<PathBuf>,
    /// What somebody else wrote while it was held, as the journal says.
    to_tell: BTreeSet<PathBuf>,
    foreign_told: bool,
    /// Folders in which somebody else did something: whose they are nobody can say.
    meddled: BTreeSet<PathBuf>,
    /// How many changes were refused in the last act, if the daemon lived through it.
    refusals: usize,
    fuse: Arc<Fuse>,
    tuning: Option<Tuning>,
    tally: Tally,
    /// Where the story is, for a message.
    at: String,
}

/// Lives through a story; panics where something does not hold.
pub fn live(story: &Story) -> Tally {
    let machine = Machine::new();
    let pristine = machine.tree();
    let mut life = Life {
        story,
        originals: pristine.clone(),
        pristine,
        machine,
        theirs: BTreeMap::new(),
        ours: BTreeSet::new(),
        to_tell: BTreeSet::new(),
        foreign_told: false,
        meddled: BTreeSet::new(),
        refusals: 0,
        fuse: Arc::new(Fuse::of(Vec::new())),
        tuning: None,
        tally: Tally { stories: 1, ..Tally::default() },
        at: String::new(),
    };
    for (number, act) in story.acts.iter().enumerate() {
        life.at = format!("act {number}: {act:?}");
        life.tally.acts += 1;
        match act {
            Act::Apply(profile, trouble) => {
                life.operate(Operation::Apply(&story.profiles[*profile]), trouble);
            }
            Act::Rollback(trouble) => life.operate(Operation::Rollback, trouble),
            Act::Foreign(deed) => drop(life.deed(*deed)),
            Act::Restart => life.restart(),
            Act::Reboot => life.reboot(),
        }
    }
    life.at = "the end".to_owned();
    life.end();
    life.tally
}

impl Life<'_> {
    /// The daemon, started without trouble if it does not run.
    fn daemon(&mut self) -> &mut Tuning {
        if self.tuning.is_none() {
            self.fuse.renew(Vec::new());
            let tuning = self.machine.open(&self.fuse).unwrap();
            self.note(Some(&tuning));
            self.tuning = Some(tuning);
        }
        self.tuning.as_mut().unwrap()
    }

    fn operate(&mut self, operation: Operation<'_>, trouble: &Trouble) {
        // A rollback that the journal refused to end is finished by the next start.
        let open = self.daemon().journal().ledger().open.clone();
        if open.is_some_and(|open| open.kind == Kind::Rollback) {
            self.tuning = None;
        }
        if matches!(operation, Operation::Apply(_)) {
            // A profile may want the very value that somebody else has set.
            self.to_tell.clear();
        }
        let name = self.daemon().profile().map(str::to_owned);
        let before = (self.machine.tree(), name);
        let (after, changes) = self.rehearse(operation, &before.0);
        let place =
            |(index, kind): &(proptest::sample::Index, Break)| (index.index(changes.max(1)) as u64, *kind);
        let faults: Vec<(u64, Break)> = trouble.faults.iter().map(place).collect();
        self.fuse.renew(faults.clone());
        let told = done(self.tuning.as_mut().unwrap(), &self.machine, operation);
        self.foreign_told |= told.foreign;
        let (died, mut refusals) = (self.fuse.is_dead(), refused(&self.fuse, &faults));
        let mut touched = BTreeSet::new();
        if died {
            self.tally.deaths += 1;
            self.tuning = None;
            touched = trouble.meanwhile.iter().flat_map(|deed| self.deed(*deed)).collect();
            if trouble.power_cut {
                self.tally.power_cuts += 1;
                self.start_anew();
            }
            refusals += self.recover(trouble);
        }
        if std::env::var_os("CRASH_SEED").is_some() {
            println!("{}\ndied: {died}\n{}\n", self.at, told.words);
        }
        self.tally.refusals += refusals;
        self.refusals = if died { 0 } else { refusals };
        let name = self.daemon().profile().map(str::to_owned);
        if matches!(operation, Operation::Rollback) && !died && refusals == 0 {
            self.given_back(&told);
        }
        let (now, words) = (self.machine.tree(), told.words);
        let cut = died && trouble.power_cut;
        let counts = |path: &Path| {
            let theirs = touched.iter().any(|file: &PathBuf| file.starts_with(path));
            // What somebody else set may be the original again, if the process died while it was announced as ours.
            let theirs = theirs || self.theirs.contains_key(path);
            let ended = cut && !is_persistent(path);
            // Folders that drop-ins of ours share may be left for the last of them to take away.
            let shared = path.extension().is_some_and(|extension| extension == "d");
            !theirs && !ended && !shared
        };
        let same = |one: &Tree| differences(one, &now, &counts);
        let (as_before, as_after) = (same(&before.0), same(&after.0));
        let is_before = as_before.is_empty() && name == before.1;
        let is_after = as_after.is_empty() && name == after.1;
        let at = &self.at;
        match (died, refusals) {
            (_, 0) => assert!(
                is_before || is_after,
                "{at}\n{words}\nin force: {name:?}\nfrom before:\n{as_before}from after:\n{as_after}"
            ),
            (false, 1) if matches!(told.ending, None | Some(Ending::Undone | Ending::Refused)) => {
                assert!(is_before || matches!(operation, Operation::Rollback), "{at}\n{words}\n{as_before}");
            }
            (_, 1) => {
                // The list of swap areas is of several knobs, each of which may be as before or as after; a queue's
                // depth may be what the kernel chose, if setting it again was what was refused.
                let neither = |path: &&PathBuf| {
                    let counts = |path: &Path| {
                        counts(path)
                            && !["swaps", "nr_requests", "min_free_kbytes"]
                                .iter()
                                .any(|name| path.ends_with(name))
                    };
                    let now = now.get(*path);
                    counts(path) && now != before.0.get(*path) && now != after.0.get(*path)
                };
                let strays: Vec<_> =
                    before.0.keys().chain(after.0.keys()).chain(now.keys()).filter(neither).collect();
                assert!(
                    strays.is_empty(),
                    "{at}\n{words}\n{strays:?}\nfrom before:\n{as_before}from after:\n{as_after}"
                );
            }
            // What was refused twice may be in between; the end of the story shows that it is not lost.
            _ => {}
        }
        if cut {
            self.resume();
        }
    }

    /// The operation without trouble on a copy: the tree and the profile after it, and how many changes it makes.
    fn rehearse(&mut self, operation: Operation<'_>, before: &Tree) -> ((Tree, Option<String>), usize) {
        let (copy, fuse) = (self.machine.copy(), Arc::new(Fuse::of(Vec::new())));
        let mut tuning = copy.open(&fuse).unwrap();
        let ended = self.tuning.as_ref().is_none_or(|tuning| tuning.journal().ledger().open.is_none());
        // A journal that was refused twice could not clear away what the first refusal left.
        let ended = ended && self.refusals <= 1;
        assert!(
            !ended || fuse.changes() == 0,
            "{}: a start after an orderly stop changes {}: {:?}",
            self.at,
            fuse.changes(),
            tuning.found()
        );
        let inodes = copy.inodes();
        fuse.renew(Vec::new());
        let told = done(&mut tuning, &copy, operation);
        let changes = usize::try_from(fuse.changes()).unwrap();
        let (after, profile) = (copy.tree(), tuning.profile().map(str::to_owned));
        let ledger = sorted(tuning.journal().ledger());
        drop(tuning);
        let again = copy.open(&fuse).unwrap();
        assert_eq!(
            sorted(again.journal().ledger()),
            ledger,
            "{}\n{}: a restart says the same",
            self.at,
            told.words
        );
        let written = copy.inodes();
        let paths = || before.keys().chain(after.keys());
        let changed = |path: &&PathBuf| {
            before.get(*path) != after.get(*path) || inodes.get(*path) != written.get(*path)
        };
        self.ours.extend(paths().filter(changed).cloned());
        if !told.foreign {
            let moved = |path: &&PathBuf| {
                // The kernel changes the depth of a queue along with its scheduler, and it is set again.
                let queue = path.parent().unwrap().join("scheduler");
                // Of a limit of dirty memory and its twin the kernel zeroes one, huge pages make it choose the free
                // reserve, a zram device is made anew for a new priority, and an order has no value.
                let name = path.to_string_lossy();
                // And its reserve of memory along with huge pages.
                let pages = PathBuf::from("sys/kernel/mm/transparent_hugepage/enabled");
                let reserve = name.ends_with("/min_free_kbytes") && after.get(&pages) != before.get(&pages);
                reserve
                    || after.get(&queue) != before.get(&queue)
                    || name.contains("/dirty_")
                    || name.contains("zram0")
                    || name.ends_with("/min_free_kbytes")
                    || name.ends_with("/reset")
            };
            let needless = inodes.keys().filter(|path| {
                before[*path].is_some()
                    && before.get(*path) == after.get(*path)
                    && inodes.get(*path) != written.get(*path)
            });
            let needless: Vec<_> = needless.filter(|path| !moved(path)).collect();
            assert!(
                needless.is_empty(),
                "{}\n{}: written with what they had: {needless:?}",
                self.at,
                told.words
            );
        }
        ((after, profile), changes)
    }

    /// Starts until one start has no fault; how many changes were refused.
    fn recover(&mut self, trouble: &Trouble) -> usize {
        let mut refusals = 0;
        for faults in &trouble.starts {
            self.fuse.renew(faults.clone());
            let opened = self.machine.open(&self.fuse);
            refusals += refused(&self.fuse, faults);
            self.tally.deaths += usize::from(self.fuse.is_dead());
            self.note(opened.as_ref().ok());
        }
        self.fuse.renew(Vec::new());
        let opened = self.machine.open(&self.fuse).unwrap();
        self.note(Some(&opened));
        drop(opened);
        let tree = self.machine.tree();
        self.fuse.renew(Vec::new());
        self.tuning = Some(self.machine.open(&self.fuse).unwrap());
        assert_eq!(self.fuse.changes(), 0, "{}: a second recovery changes something", self.at);
        assert_eq!(differences(&tree, &self.machine.tree(), &|_| true), "", "{}: a second recovery", self.at);
        refusals
    }

    fn note(&mut self, opened: Option<&Tuning>) {
        let found = opened.map(Tuning::found).unwrap_or_default();
        self.foreign_told |= found.iter().any(|line| line.contains("was not undone"));
    }

    /// Does it, and returns the paths that differ now.
    fn deed(&mut self, deed: Deed) -> Vec<PathBuf> {
        let before = self.machine.tree();
        self.machine.foreign(deed.path, deed.what);
        let after = self.machine.tree();
        let names: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        // Whoever sets one limit of dirty memory sets its twin to zero, though it may be that already.
        let twin = |name: &PathBuf| {
            deed.knob == "vm.dirty" && ["dirty_bytes", "dirty_ratio"].iter().any(|leaf| name.ends_with(leaf))
        };
        let differs = |name: &PathBuf| before.get(name) != after.get(name);
        let touched: Vec<_> = names
            .iter()
            .filter(|name| differs(name) || (twin(name) && names.iter().any(differs)))
            .cloned()
            .collect();
        let running = self.tuning.as_ref().map(|tuning| tuning.journal().ledger());
        if running.is_some_and(|ledger| ledger.open.is_none() && ledger.held(deed.knob).is_some()) {
            let its_own = |name: &&PathBuf| name.ends_with(deed.path.trim_start_matches('/'));
            self.to_tell.extend(touched.iter().filter(its_own).cloned());
        }
        for name in &touched {
            let content = after.get(name).cloned();
            let ours = self.ours.contains(name);
            self.meddled.extend(name.ancestors().skip(1).map(Path::to_owned));
            match content {
                // Not a matter of ours so far: what is there now is the original.
                Some(content) if !ours => drop(self.originals.insert(name.clone(), content)),
                None if !ours => drop(self.originals.remove(name)),
                content => drop(self.theirs.entry(name.clone()).or_default().insert(content)),
            }
        }
        touched
    }

    fn restart(&mut self) {
        let before = sorted(self.daemon().journal().ledger());
        self.tuning = None;
        self.fuse.renew(Vec::new());
        let after = sorted(self.daemon().journal().ledger());
        // What the journal refused to end is ended by the start.
        assert!(before.open.is_some() || before == after, "{}: {before:?}\n{after:?}", self.at);
    }

    fn reboot(&mut self) {
        self.tuning = None;
        self.start_anew();
        self.resume();
    }

    fn start_anew(&mut self) {
        self.machine.reboot(&self.pristine);
        let volatile =
            |tree: &Tree| tree.clone().into_iter().filter(|(path, _)| !is_persistent(path)).collect::<Tree>();
        self.originals.retain(|path, _| is_persistent(path));
        self.originals.extend(volatile(&self.pristine));
        self.theirs.retain(|path, _| is_persistent(path));
        self.ours.retain(|path| is_persistent(path));
        self.to_tell.retain(|path| is_persistent(path));
    }

    /// After a restart of the machine the daemon applies the profile in force again.
    fn resume(&mut self) {
        let Some(name) = self.daemon().profile().map(str::to_owned) else { return };
        let profile = self.story.profiles.iter().find(|profile| profile.name == name).unwrap();
        self.fuse.renew(Vec::new());
        let before = self.machine.inodes();
        let told = done(self.tuning.as_mut().unwrap(), &self.machine, Operation::Apply(profile));
        self.foreign_told |= told.foreign;
        let written =
            self.machine.inodes().into_iter().filter(|(path, inode)| before.get(path) != Some(inode));
        self.ours.extend(written.map(|(path, _)| path));
        assert_eq!(told.ending, Some(Ending::Applied), "{}: {}", self.at, told.words);
    }

    /// Everything is given back.
    fn end(&mut self) {
        self.daemon();
        self.fuse.renew(Vec::new());
        let told = done(self.tuning.as_mut().unwrap(), &self.machine, Operation::Rollback);
        self.given_back(&told);
        let again = self.tuning.as_mut().unwrap().rollback().unwrap();
        assert!(again.outcomes.is_empty() && again.profile.is_none(), "{again:?}");
    }

    /// Compares with the originals after a rollback, from which on everything is an original.
    fn given_back(&mut self, told: &Told) {
        assert_eq!(told.ending, Some(Ending::Applied), "{}: {}", self.at, told.words);
        self.foreign_told |= told.foreign;
        let now = self.machine.tree();
        let is_theirs = |path: &Path| {
            self.theirs.get(path).is_some_and(|contents| contents.contains(&now.get(path).cloned()))
                || self.meddled.contains(path)
        };
        // A journal that refuses to record an undo, and a death between the two calls that take a drop-in away, leave
        // its empty folder behind, told as somebody else's. No value is lost.
        let is_empty_folder = |path: &Path| {
            self.tally.refusals > 0
                && path.extension().is_some_and(|extension| extension == "d")
                && now.keys().all(|other| other == path || !other.starts_with(path))
        };
        let counts = |path: &Path| !is_theirs(path) && !is_empty_folder(path);
        let lost = differences(&self.originals, &now, &counts);
        assert_eq!(lost, "", "{}: lost originals; {}", self.at, told.words);
        let kept = differences(&self.originals, &now, &|path| self.to_tell.contains(path));
        assert!(kept.is_empty() || self.foreign_told, "{}: nobody said that this is kept: {kept}", self.at);
        self.originals = now;
        self.theirs.clear();
        self.meddled.clear();
        self.ours.clear();
        self.to_tell.clear();
        self.foreign_told = false;
    }
}

fn done(tuning: &mut Tuning, machine: &Machine, operation: Operation<'_>) -> Told {
    let (ending, outcomes, words) = match operation {
        Operation::Apply(profile) => {
            let held = |knob: &str| tuning.journal().ledger().held(knob).map(|held| held.original.clone());
            let plan = Plan::over(profile, &machine.host, &machine.root(), &held).unwrap();
            match tuning.apply(&plan) {
                Ok(report) => (Some(report.ending), report.outcomes.clone(), format!("{report:?}")),
                Err(error) => (None, Vec::new(), error.to_string()),
            }
        }
        Operation::Rollback => match tuning.rollback() {
            Ok(report) => {
                let ending = if report.complete { Ending::Applied } else { Ending::Stuck };
                (Some(ending), report.outcomes.clone(), format!("{report:?}"))
            }
            Err(error) => (None, Vec::new(), error.to_string()),
        },
    };
    let foreign = outcomes.iter().any(|outcome| outcome.fate == Fate::Foreign)
        || (ending.is_none() && tuning.found().iter().any(|line| line.contains("was not undone")));
    Told { ending, foreign, words }
}

/// How many refusals a fuse has come to.
fn refused(fuse: &Fuse, faults: &[(u64, Break)]) -> usize {
    let met = |(at, kind): &&(u64, Break)| {
        *at < fuse.changes() && matches!(kind, Break::Refuse | Break::RefuseAfter(_))
    };
    faults.iter().filter(met).map(|(at, _)| at).collect::<BTreeSet<_>>().len()
}

/// A ledger whose order does not depend on which log was read first.
fn sorted(ledger: &Ledger) -> Ledger {
    let mut ledger = ledger.clone();
    ledger.held.sort_by(|one, other| one.knob.cmp(&other.knob));
    ledger
}

/// Where two trees differ, in words, among the paths that count.
fn differences(expected: &Tree, actual: &Tree, counts: &dyn Fn(&Path) -> bool) -> String {
    let text = |content: Option<&Option<Vec<u8>>>| match content {
        None => "absent".to_owned(),
        Some(None) => "a folder".to_owned(),
        Some(Some(bytes)) if bytes.len() > 200 => format!("{} bytes", bytes.len()),
        Some(Some(bytes)) => format!("{:?}", String::from_utf8_lossy(bytes)),
    };
    let names: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    let differing = names.into_iter().filter(|name| expected.get(*name) != actual.get(*name) && counts(name));
    let line = |name: &PathBuf| {
        format!("{}: expected {}, is {}\n", name.display(), text(expected.get(name)), text(actual.get(name)))
    };
    differing.map(line).collect()
}
