//! Options of mounts, changed where they are: nothing is unmounted and no other option is touched.
//!
//! The device is the place, written as systemd-escape(1) writes it: `mount.-.atime` is that of `/`,
//! `mount.var-lib.commit` that of `/var/lib`. A profile means a mount only when it names it. What /etc/fstab says comes
//! back with the next boot.

use super::form::FormError;
use super::identity::Identity;
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::{Mount, Remount, Root};

const MOUNT: &str = "mount(8)";
const EXT4: &str = "ext4(5); btrfs(5)";

const fn spec(name: &'static str, form: Form, source: &'static str) -> Spec {
    Spec::new(name, form).from(source).per_device(Identity::Mount, &["*"])
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &MountOption {
        spec: spec("mount.atime", Form::Choice(ACCESS_TIMES), MOUNT)
            .why("whether reading a file writes down when: strictatime always, relatime once a day or after a change, noatime never")
            .risk(Risk::Low, "programs that look for unread mail or unused files are misled by noatime"),
        kind: Kind::AccessTime,
    },
    &MountOption {
        spec: spec("mount.nodiratime", Form::flag(), MOUNT)
            .why("whether listing a folder does not write down when; noatime says the same for all files")
            .risk(Risk::Low, "without effect under noatime"),
        kind: Kind::NoFolderTime,
    },
    &MountOption {
        spec: spec("mount.lazytime", Form::flag(), MOUNT)
            .why("whether times of files stay in memory until something else of the file is written, or a day has passed")
            .risk(Risk::Low, "a power cut loses a day of times; all mounts of the file system get it"),
        kind: Kind::LazyTime,
    },
    &MountOption {
        spec: spec("mount.discard", Form::Choice(&["off", "on", "async"]), EXT4)
            .why("whether a flash disk is told of freed blocks at once; off leaves it to fstrim(8)")
            .risk(Risk::Low, "on stalls deleting on some disks; async is btrfs alone"),
        kind: Kind::Discard,
    },
    &MountOption {
        spec: spec("mount.commit", Form::integer(1, 3_600), EXT4)
            .why("how often the journal of the file system is written, in seconds")
            .risk(Risk::Medium, "a power cut loses that much"),
        kind: Kind::Commit,
    },
];

const ACCESS_TIMES: &[&str] = &["strictatime", "relatime", "noatime"];

struct MountOption {
    spec: Spec,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    AccessTime,
    NoFolderTime,
    LazyTime,
    Discard,
    Commit,
}

impl Kind {
    /// The value of a mount; `None` where its file system has no such option.
    fn of(self, mount: &Mount) -> Option<String> {
        let mine = |option: &str| mount.options.iter().any(|one| one == option);
        let shared = |name: &str| mount.shared.iter().find(|one| one.split('=').next() == Some(name));
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        match self {
            Self::AccessTime if mine("noatime") => Some("noatime".to_owned()),
            Self::AccessTime if mine("relatime") => Some("relatime".to_owned()),
            Self::AccessTime => Some("strictatime".to_owned()),
            Self::NoFolderTime => Some(flag(mine("nodiratime"))),
            Self::LazyTime => Some(flag(shared("lazytime").is_some())),
            Self::Discard => ["ext4", "btrfs", "f2fs", "vfat"].contains(&mount.kind.as_str()).then(|| {
                match shared("discard").map(String::as_str) {
                    None => "off",
                    Some("discard=async") => "async",
                    Some(_) => "on",
                }
                .to_owned()
            }),
            Self::Commit => {
                let usual = usual_commit(&mount.kind)?;
                let set = shared("commit").and_then(|option| Some(option.split_once('=')?.1.to_owned()));
                Some(set.unwrap_or_else(|| usual.to_string()))
            }
        }
    }

    /// The change that brings a mount to a value, which is in canonical form.
    fn change(self, mount: &Mount, value: &str) -> Option<Remount> {
        let shared =
            |told: String, shows: Option<String>, replaces| Some(Remount::Shared { told, shows, replaces });
        match (self, value) {
            (Self::AccessTime, _) => {
                Some(Remount::AccessTime(ACCESS_TIMES.iter().find(|word| **word == value)?))
            }
            (Self::NoFolderTime, _) => Some(Remount::NoFolderTime(value == "1")),
            (Self::LazyTime, "1") => shared("lazytime".to_owned(), Some("lazytime".to_owned()), "lazytime"),
            (Self::LazyTime, _) => shared("nolazytime".to_owned(), None, "lazytime"),
            (Self::Discard, "off") => shared("nodiscard".to_owned(), None, "discard"),
            (Self::Discard, "async") => {
                shared("discard=async".to_owned(), Some("discard=async".to_owned()), "discard")
            }
            (Self::Discard, _) if mount.kind == "btrfs" => {
                shared("discard=sync".to_owned(), Some("discard".to_owned()), "discard")
            }
            (Self::Discard, _) => shared("discard".to_owned(), Some("discard".to_owned()), "discard"),
            (Self::Commit, seconds) => {
                let told = format!("commit={seconds}");
                let is_usual = usual_commit(&mount.kind).is_some_and(|usual| usual.to_string() == seconds);
                shared(told.clone(), (!is_usual).then_some(told), "commit")
            }
        }
    }
}

/// The seconds between commits that a file system does not show, because it came with them.
fn usual_commit(kind: &str) -> Option<u32> {
    match kind {
        "ext3" | "ext4" => Some(5),
        "btrfs" => Some(30),
        _ => None,
    }
}

impl Knob for MountOption {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let mounts = root.mounts()?.into_iter();
        Ok(mounts.filter(|mount| self.kind.of(mount).is_some()).map(|mount| escaped(&mount.point)).collect())
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        Ok(find(root, target)?.and_then(|mount| self.kind.of(&mount)))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let value = self.spec.form.canonical(asked)?;
        let Some(mount) = find(root, target)? else { return Ok(value) };
        let is_known = self.kind.of(&mount).is_some();
        let is_btrfs_word = self.kind == Kind::Discard && value == "async";
        if !is_known || (is_btrfs_word && mount.kind != "btrfs") {
            let setting = self.spec.name;
            return Err(KnobError::OtherFileSystem { point: mount.point, kind: mount.kind, setting });
        }
        Ok(value)
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let bad = || FormError::Special { given: value.to_owned(), expected: "an option of a mount" };
        let mount = find(root, target)?.ok_or_else(bad)?;
        let change = self.kind.change(&mount, value).ok_or_else(bad)?;
        Ok(root.remount(&mount, &change)?)
    }
}

/// The mount at the place that `target` stands for.
fn find(root: &Root, target: &str) -> Result<Option<Mount>, KnobError> {
    Ok(root.mounts()?.into_iter().find(|mount| escaped(&mount.point) == target))
}

/// A path as one word: slashes become hyphens, and what is neither letter, digit, `:`, `_` nor `.` becomes `\xNN`
/// (systemd.unit(5), "String escaping for inclusion in unit names").
pub(super) fn escaped(path: &str) -> String {
    let inner = path.trim_matches('/');
    if inner.is_empty() {
        return "-".to_owned();
    }
    let mut word = String::new();
    for (place, byte) in inner.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b":_.".contains(&byte);
        match byte {
            b'/' => word.push('-'),
            b'.' if place == 0 => word.push_str("\\x2e"),
            _ if is_plain => word.push(char::from(byte)),
            _ => word.push_str(&format!("\\x{byte:02x}")),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
                         40 22 8:17 / /var/lib rw,nosuid,noatime shared:9 - btrfs /dev/sdb1 rw,commit=60,discard=async\n\
                         41 22 0:30 / /run rw shared:3 - tmpfs tmpfs rw,mode=755\n";

    #[test]
    fn one_option_changes_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("proc/1/mountinfo");
        std::fs::create_dir_all(table.parent().unwrap()).unwrap();
        std::fs::write(&table, TABLE).unwrap();
        let root = Root::new(folder.path());
        for (knob, target, original, value) in [
            (KNOBS[0], "-", "relatime", "noatime"),
            (KNOBS[0], "run", "strictatime", "relatime"),
            (KNOBS[1], "-", "0", "1"),
            (KNOBS[2], "-", "0", "1"),
            (KNOBS[3], "-", "off", "on"),
            (KNOBS[3], "var-lib", "async", "off"),
            (KNOBS[3], "var-lib", "async", "on"),
            (KNOBS[4], "-", "5", "60"),
            (KNOBS[4], "var-lib", "60", "30"),
        ] {
            let name = knob.spec().name;
            assert_eq!(knob.read(&root, target).unwrap().as_deref(), Some(original), "{name} {target}");
            let wanted = knob.settle(&root, target, value).unwrap();
            knob.write(&root, target, &wanted).unwrap();
            assert_eq!(knob.read(&root, target).unwrap().as_deref(), Some(value), "{name} {target}");
            knob.write(&root, target, original).unwrap();
            let words = |text: &str| {
                let mut words: Vec<String> = text.split([' ', ',', '\n']).map(str::to_owned).collect();
                words.sort();
                words
            };
            assert_eq!(words(&std::fs::read_to_string(&table).unwrap()), words(TABLE), "{name} {target}");
        }
        let said = KNOBS[4].settle(&root, "run", "9").unwrap_err().to_string();
        assert_eq!(said, "/run is tmpfs, which has no mount.commit; leave this mount out");
        assert_eq!(KNOBS[4].targets(&root).unwrap(), ["-", "var-lib"]);
        assert_eq!(KNOBS[0].read(&root, "none").unwrap(), None);
    }

    #[test]
    fn places_are_written_as_systemd_does() {
        for (path, word) in
            [("/", "-"), ("/var/lib", "var-lib"), ("/a b/c-d", "a\\x20b-c\\x2dd"), ("/.x", "\\x2ex")]
        {
            assert_eq!(escaped(path), word);
            let judged = std::process::Command::new("systemd-escape").args(["--path", path]).output();
            // The judge is systemd; where it is not installed there is nothing to compare with.
            let Ok(judged) = judged else { continue };
            assert_eq!(String::from_utf8(judged.stdout).unwrap().trim(), word);
        }
    }
}
