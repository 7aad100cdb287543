//! Who else sets the knobs of this machine, who wins at boot, and what to do about it.
//!
//! `layered -> claim -> sysctl_d -> (boot, udev, tmpfiles, tuned), rival -> Conflicts`
//!
//! A boot says things in an order: the kernel command line, options of modules, udev rules when devices appear,
//! sysctl.d, tmpfiles.d, then diapasond, whose unit is ordered after them. Services such as TuneD have no order
//! against it: there the last one to start wins, which may be another one at the next boot. Nothing is written and
//! nothing need run; configuration that only root may read is named as unread.

mod layered;

mod claim;

mod sysctl_d;

mod boot;
mod tmpfiles;
mod tuned;
mod udev;

mod rival;

pub use claim::{Claim, Stage};
pub use rival::RivalFound;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::knob::{self, Instance};
use crate::pattern::covers;
use crate::plan::{Plan, State};
use crate::root::{Root, RootError};
use claim::Files;

/// How a profile stands beside the others' words about a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// No profile was given, or it does not set this knob.
    NotOurs,
    /// All say the same.
    Agree,
    /// diapasond speaks last at boot; the other value comes back when its owner is run again.
    OursAtBoot,
    /// Nothing orders the two; the last one to start wins.
    Race,
}

/// One knob and everybody who sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contest {
    /// The full name.
    pub knob: String,
    /// The value now.
    pub current: Option<String>,
    /// What the profile wants, where it sets the knob.
    pub wanted: Option<String>,
    /// What others say, in the order of a boot.
    pub claims: Vec<Claim>,
    /// How that ends.
    pub verdict: Verdict,
    /// Who has the last word at boot, and what to do.
    pub outcome: String,
}

/// Everything that others say about the knobs of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conflicts {
    /// The profile that was compared with.
    pub profile: Option<String>,
    /// Knobs that others set; with a profile, only those that it sets as well.
    pub contests: Vec<Contest>,
    /// Programs that set knobs while the machine runs.
    pub rivals: Vec<RivalFound>,
    /// TuneD's active profiles, whether it runs or not.
    pub tuned_profiles: Vec<String>,
    /// Files that could not be read, with the reason.
    pub unread: Vec<String>,
}

impl Conflicts {
    /// What others say about the knobs of a machine, beside `plan` where one is given.
    ///
    /// # Errors
    /// When a folder is there and cannot be listed.
    pub fn find(root: &Root, host: &Host, plan: Option<&Plan>) -> Result<Self, RootError> {
        let (knobs, names) = knobs(root);
        let mut unread = Vec::new();
        let rivals = rival::found(root, host)?;
        let mut claims = boot::command_line(host.kernel.command_line.as_deref().unwrap_or_default(), &knobs);
        claims.extend(boot::modules(&layered::files(root, "modprobe.d", ".conf", &mut unread)?, &knobs));
        claims.extend(udev::claims(
            &layered::files(root, "udev/rules.d", ".rules", &mut unread)?,
            &knobs,
            root,
        ));
        claims.extend(sysctl(&layered::files(root, "sysctl.d", ".conf", &mut unread)?, &knobs));
        claims.extend(tmpfiles::claims(&layered::files(root, "tmpfiles.d", ".conf", &mut unread)?, &knobs));
        if rivals.iter().any(|rival| rival.name.starts_with("tuned")) {
            claims.extend(tuned::claims(root, &knobs, &names)?);
        }
        let mut by_knob: BTreeMap<(usize, String), Vec<Claim>> = BTreeMap::new();
        for claim in claims {
            let rank = knob::find(&claim.knob).map_or(usize::MAX, |named| knob::rank(named.knob()));
            by_knob.entry((rank, claim.knob.clone())).or_default().push(claim);
        }
        let contest = |((_, knob), claims): ((usize, String), Vec<Claim>)| contest(root, knob, claims, plan);
        let contests = by_knob.into_iter().map(contest);
        let contests = contests.filter(|contest| plan.is_none() || contest.wanted.is_some()).collect();
        let sets = |rival: &RivalFound| {
            let Some(plan) = plan else { return true };
            let own = |pattern: &String| plan.changes.iter().any(|change| covers(pattern, &change.knob));
            rival.writes.iter().any(own)
        };
        Ok(Self {
            profile: plan.map(|plan| plan.profile.clone()),
            contests,
            rivals: rivals.into_iter().filter(sets).collect(),
            tuned_profiles: tuned::active(root)?,
            unread,
        })
    }

    /// What others say about one knob, on every device.
    #[must_use]
    pub fn about(&self, knob: &str) -> Vec<&Contest> {
        let own = |contest: &&Contest| {
            contest.knob == knob
                || knob::find(&contest.knob).is_ok_and(|named| named.knob().spec().name == knob)
        };
        self.contests.iter().filter(own).collect()
    }

    /// Whether something may take a knob of the profile away.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        let lost = |contest: &Contest| matches!(contest.verdict, Verdict::Race | Verdict::OursAtBoot);
        !self.rivals.is_empty() || self.contests.iter().any(lost)
    }
}

/// The files of every knob on every device of this machine, and the full names. A knob that cannot be listed is not there.
fn knobs(root: &Root) -> (Files, Vec<String>) {
    let (mut entries, mut names) = (Vec::new(), Vec::new());
    for knob in knob::all() {
        for target in knob.targets(root).unwrap_or_default() {
            let name = Instance { knob, target: target.clone() }.name();
            for path in knob.files(&target) {
                entries.push((path, name.clone(), target.clone()));
            }
            names.push(name);
        }
    }
    (Files::new(entries), names)
}

/// What sysctl.d says: every line about a knob, and which of them are replaced.
fn sysctl(files: &[layered::File], knobs: &Files) -> Vec<Claim> {
    let all = sysctl_d::read(files);
    let merged = sysctl_d::merged(&all);
    let mut claims = Vec::new();
    for (key, knob) in knobs.below("/proc/sys/") {
        let winner = sysctl_d::winner(&merged, key);
        for assignment in all.iter().filter(|one| crate::pattern::covers_path(&one.key, key)) {
            let Some(value) = &assignment.value else { continue };
            // The kernel keeps the member of a pair that is not in force at 0.
            if value == "0" && knob.starts_with("vm.dirty") && key.contains("dirty_") && is_pair(knob) {
                continue;
            }
            claims.push(Claim {
                knob: knob.to_owned(),
                stage: Stage::Sysctl,
                place: assignment.place.clone(),
                value: worded(knob, key, value),
                replaced: winner != Some(assignment),
                condition: None,
            });
        }
    }
    claims
}

fn is_pair(knob: &str) -> bool {
    matches!(knob, "vm.dirty" | "vm.dirty_background")
}

/// A value in the words of a knob that stands for a pair of files, by the name of the file.
fn worded(knob: &str, file: &str, value: &str) -> String {
    match (is_pair(knob), file.ends_with("ratio")) {
        (true, true) => format!("ratio {value}"),
        (true, false) => format!("bytes {value}"),
        (false, _) => value.to_owned(),
    }
}

fn contest(root: &Root, knob: String, mut claims: Vec<Claim>, plan: Option<&Plan>) -> Contest {
    claims.sort_by_key(|claim| claim.stage);
    let instance = Instance::find(&knob).ok();
    let current = instance.as_ref().and_then(|instance| instance.read(root).ok().flatten());
    let change = plan.and_then(|plan| plan.changes.iter().find(|change| change.knob == knob));
    let wanted = change.filter(|change| change.state != State::Refused).map(|change| change.wanted.clone());
    let canonical = |text: &str| {
        let settled = instance.as_ref().map(|one| one.knob.settle(root, &one.target, text));
        settled.and_then(Result::ok).unwrap_or_else(|| text.trim().to_owned())
    };
    let mut verdict = if wanted.is_some() { Verdict::Agree } else { Verdict::NotOurs };
    for claim in claims.iter().filter(|claim| !claim.replaced) {
        let Some(wanted) = &wanted else { break };
        // Of several words each one will do.
        if claim.value.split('|').any(|value| canonical(value) == *wanted) {
            continue;
        }
        verdict = match (verdict, claim.stage) {
            (Verdict::Race, _) | (_, Stage::Service) => Verdict::Race,
            _ => Verdict::OursAtBoot,
        };
    }
    let outcome = outcome(verdict, &claims);
    Contest { knob, current, wanted, claims, verdict, outcome }
}

fn outcome(verdict: Verdict, claims: &[Claim]) -> String {
    let last = claims.iter().rfind(|claim| !claim.replaced);
    let Some(last) = last else { return "every line is replaced by a later one".to_owned() };
    let Claim { stage, place, value, .. } = last;
    match verdict {
        Verdict::NotOurs => format!("{} has the last word at boot: {value} ({place})", stage.who()),
        Verdict::Agree => "all say the same".to_owned(),
        Verdict::Race => {
            format!("the last one to start wins: switch the other off, or leave the knob to it ({place})")
        }
        Verdict::OursAtBoot => {
            let again = match stage {
                Stage::Sysctl => "`sysctl --system`, or a package that runs it,",
                Stage::Udev => "the next event of the device",
                Stage::Tmpfiles => "`systemd-tmpfiles --create`",
                Stage::Modprobe => "loading the module again",
                Stage::CommandLine | Stage::Service => "the next boot, until diapasond starts,",
            };
            format!("diapasond wins at boot; {again} brings {value} back: change or remove {place}")
        }
    }
}

/// What the fuzzer and its test do with any text, read as a file of each of the forms that say who sets what.
#[cfg(any(test, fuzzing))]
pub(crate) fn examine(text: &str) {
    let files = [layered::File { path: "/fuzz".to_owned(), text: text.to_owned() }];
    let assignments = sysctl_d::read(&files);
    let merged = sysctl_d::merged(&assignments);
    for assignment in &assignments {
        let _ = sysctl_d::winner(&merged, &assignment.key);
        let _ = sysctl_d::normal(&assignment.key);
    }
    let knobs = Files::new(vec![(
        "/sys/block/sda/queue/scheduler".to_owned(),
        "block.scheduler".to_owned(),
        "sda".to_owned(),
    )]);
    let _ = udev::claims(&files, &knobs, &Root::nowhere());
}

#[cfg(test)]
mod tests;
