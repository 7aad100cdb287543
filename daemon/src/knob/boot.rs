//! Arguments for the kernel's command line, one instance a boot loader: `boot.grub.cmdline`, `boot.systemd-boot.cmdline`.
//!
//! GRUB takes a drop-in of its own, which goes as it came. kernel-install(8), which writes the entries of systemd-boot
//! (the boot loader specification, type 1), has no drop-ins: /etc/kernel/cmdline is the whole line, so the arguments
//! are put at its end, and the original of the knob is the whole file. In both they stand behind [`MARK`], an argument
//! that means nothing to the kernel (a parameter of a module that does not exist): by it they are told from the
//! administrator's own, in the file and in /proc/cmdline.
//!
//! Nothing here runs a program, so the entries of the boot loader are made by whoever reads what is still to be done.
//! Arguments are given to the ordinary entries only (`GRUB_CMDLINE_LINUX_DEFAULT`): the recovery entry stays as it was.
//!
//! What chooses what is booted (`root=`, `init=`) is refused: a profile tunes a machine and does not replace it.

use super::drop_in::{self, WRITTEN};
use super::form::FormError;
use super::identity::Identity;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const EXPECTED: &str = "a list of kernel arguments such as `nohz_full=2-7 rcu_nocbs=2-7`, without quotes";
const GRUB: &str = "grub";
const SYSTEMD: &str = "systemd-boot";
const GRUB_FILE: &str = "/etc/default/grub.d/60-diapason.cfg";
const SYSTEMD_FILE: &str = "/etc/kernel/cmdline";
/// Where systemd-boot keeps its settings, by where the boot partition is mounted.
const LOADERS: &[&str] =
    &["/boot/loader/loader.conf", "/efi/loader/loader.conf", "/boot/efi/loader/loader.conf"];
/// What comes after it is ours.
const MARK: &str = "diapason.added";
/// Arguments that say what is booted, or that end in a shell.
const REFUSED: &[&str] = &[
    "root",
    "rootfstype",
    "rootflags",
    "init",
    "rdinit",
    "initrd",
    "BOOT_IMAGE",
    "resume",
    "single",
    "emergency",
    "rescue",
    "systemd.unit",
    "systemd.debug_shell",
    "systemd.debug-shell",
    "rd.break",
    "rd.systemd.unit",
    "break",
    MARK,
];

pub(super) static KNOBS: &[&dyn Knob] = &[&CommandLine {
    spec: Spec::new("boot.cmdline", Form::Special(EXPECTED))
        .why("arguments that the kernel gets when it boots: for what cannot be changed while it runs")
        .risk(
            Risk::High,
            "a wrong argument may keep the machine from booting; the recovery entry of GRUB does not have them",
        )
        .from("kernel Documentation/admin-guide/kernel-parameters.txt; kernel-install(8)")
        .class(Class::NeedsReboot)
        .per_device(Identity::Machine, &[])
        .persistent(),
}];

struct CommandLine {
    spec: Spec,
}

/// The arguments of a profile, as they will stand in the line.
fn arguments(asked: &str) -> Result<Vec<&str>, KnobError> {
    let bad = || FormError::Special { given: asked.to_owned(), expected: EXPECTED };
    // The drop-in is read by a shell: nothing that means something to one.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,=:/+@%^".contains(&byte);
    let words: Vec<&str> = asked.split_whitespace().collect();
    for word in &words {
        let name = word.split('=').next().unwrap_or(word);
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !begins || !word.bytes().all(plain) || (name.len() == 1 && !word.contains('=')) {
            return Err(bad().into());
        }
        if REFUSED.contains(&name) {
            return Err(KnobError::ChoosesSystem { argument: (*word).to_owned() });
        }
    }
    if words.is_empty() { Err(bad().into()) } else { Ok(words) }
}

/// The line before our arguments.
fn without_ours(line: &str) -> Vec<&str> {
    line.split_whitespace().take_while(|word| *word != MARK).collect()
}

/// Our arguments in a line; `None` where it has none.
fn ours(line: &str) -> Option<Vec<&str>> {
    let mut words = line.split(|letter: char| letter.is_whitespace() || letter == '"');
    words.find(|word| *word == MARK)?;
    Some(words.filter(|word| !word.is_empty()).collect())
}

impl CommandLine {
    fn file(target: &str) -> &'static str {
        if target == SYSTEMD { SYSTEMD_FILE } else { GRUB_FILE }
    }

    /// What kernel-install(8) would use: the administrator's line, else the distribution's, else the running kernel's.
    fn base(root: &Root) -> Result<String, KnobError> {
        for path in [SYSTEMD_FILE, "/usr/lib/kernel/cmdline"] {
            if let Some(text) = root.read(path)? {
                return Ok(without_ours(&text).join(" "));
            }
        }
        let running = root.read("/proc/cmdline")?.unwrap_or_default();
        let loaders = |word: &&str| !word.starts_with("BOOT_IMAGE=") && !word.starts_with("initrd=");
        Ok(without_ours(&running).into_iter().filter(loaders).collect::<Vec<_>>().join(" "))
    }
}

impl Knob for CommandLine {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let mut targets = Vec::new();
        if root.exists("/etc/default/grub")? {
            targets.push(GRUB.to_owned());
        }
        for path in std::iter::once(&SYSTEMD_FILE).chain(LOADERS) {
            if root.exists(path)? {
                targets.push(SYSTEMD.to_owned());
                break;
            }
        }
        Ok(targets)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        if ![GRUB, SYSTEMD].contains(&target) {
            return Ok(None);
        }
        drop_in::read(root, Self::file(target))
    }

    fn files(&self, target: &str) -> Vec<String> {
        vec![Self::file(target).to_owned()]
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let added = arguments(asked)?.join(" ");
        Ok(if target == SYSTEMD {
            format!("file\n{} {MARK} {added}\n", Self::base(root)?)
        } else {
            let variable = "GRUB_CMDLINE_LINUX_DEFAULT";
            format!("file\n{WRITTEN}{variable}=\"${variable} {MARK} {added}\"\n")
        })
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        drop_in::write(root, Self::file(target), value)
    }

    /// Whether the running kernel was booted with it.
    fn remark(&self, root: &Root, target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        let Some(value) = current else { return Ok(None) };
        let running = root.read("/proc/cmdline")?.unwrap_or_default();
        let has: Vec<&str> = running.split_whitespace().collect();
        let what = match ours(value) {
            Some(wanted) => {
                let missing: Vec<&str> = wanted.into_iter().filter(|word| !has.contains(word)).collect();
                (!missing.is_empty())
                    .then(|| format!("the running kernel was booted without {}", missing.join(" ")))
            }
            None => ours(&running).map(|left| format!("the running kernel still has {}", left.join(" "))),
        };
        let Some(what) = what else { return Ok(None) };
        let release = root.read("/proc/sys/kernel/osrelease")?.unwrap_or_default();
        let release = release.trim();
        let command = if target == SYSTEMD {
            format!("kernel-install add {release} /boot/vmlinuz-{release}")
        } else if root.exists("/usr/sbin/update-grub")? {
            "update-grub".to_owned()
        } else {
            "grub-mkconfig -o /boot/grub/grub.cfg".to_owned()
        };
        Ok(Some(format!("written, not in force: {what}; run `{command}` and reboot")))
    }
}

#[cfg(test)]
mod tests {
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
    fn grub_gets_a_drop_in_that_a_shell_reads_as_meant() {
        let (folder, root) = machine(&[
            ("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
            ("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n"),
        ]);
        let knob = KNOBS[0];
        assert_eq!(knob.targets(&root).unwrap(), [GRUB]);
        let wanted = knob.settle(&root, GRUB, "nohz_full=2-7  isolcpus=managed_irq,2-7").unwrap();
        knob.write(&root, GRUB, &wanted).unwrap();
        let script =
            ". ./etc/default/grub; . ./etc/default/grub.d/60-diapason.cfg; echo $GRUB_CMDLINE_LINUX_DEFAULT";
        let shell = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let line = String::from_utf8(shell.stdout).unwrap();
        assert_eq!(line, "quiet diapason.added nohz_full=2-7 isolcpus=managed_irq,2-7\n");
        let said = knob.remark(&root, GRUB, Some(&wanted)).unwrap().unwrap();
        assert_eq!(
            said,
            "written, not in force: the running kernel was booted without nohz_full=2-7 isolcpus=managed_irq,2-7; \
             run `grub-mkconfig -o /boot/grub/grub.cfg` and reboot"
        );
        std::fs::write(folder.path().join("proc/cmdline"), format!("root=/dev/sda1 ro {line}")).unwrap();
        assert_eq!(knob.remark(&root, GRUB, Some(&wanted)).unwrap(), None);
        knob.write(&root, GRUB, "no folder").unwrap();
        assert!(!folder.path().join("etc/default/grub.d").exists());
        let said = knob.remark(&root, GRUB, Some("no folder")).unwrap().unwrap();
        assert!(said.contains("still has nohz_full=2-7"), "{said}");
    }

    #[test]
    fn systemd_boot_gets_the_whole_line_with_ours_at_its_end() {
        let knob = KNOBS[0];
        let (_one, root) = machine(&[("etc/kernel/cmdline", "root=LABEL=x  ro\nquiet\n")]);
        assert_eq!(knob.targets(&root).unwrap(), [SYSTEMD]);
        let original = knob.read(&root, SYSTEMD).unwrap().unwrap();
        let first = knob.settle(&root, SYSTEMD, "skew_tick=1").unwrap();
        assert_eq!(first, "file\nroot=LABEL=x ro quiet diapason.added skew_tick=1\n");
        knob.write(&root, SYSTEMD, &first).unwrap();
        let second = knob.settle(&root, SYSTEMD, "nosoftlockup").unwrap();
        assert_eq!(
            second, "file\nroot=LABEL=x ro quiet diapason.added nosoftlockup\n",
            "not one after the other"
        );
        assert_eq!(knob.settle(&root, SYSTEMD, "skew_tick=1").unwrap(), first);
        knob.write(&root, SYSTEMD, &original).unwrap();
        assert_eq!(root.read(SYSTEMD_FILE).unwrap().as_deref(), Some("root=LABEL=x  ro\nquiet\n"));

        let (_two, root) = machine(&[
            ("boot/efi/loader/loader.conf", "timeout 3\n"),
            ("proc/cmdline", "initrd=\\x BOOT_IMAGE=y root=LABEL=x ro\n"),
            ("etc/hostname", "x\n"),
        ]);
        assert_eq!(knob.read(&root, SYSTEMD).unwrap().as_deref(), Some("no folder"));
        let wanted = knob.settle(&root, SYSTEMD, "skew_tick=1").unwrap();
        assert_eq!(wanted, "file\nroot=LABEL=x ro diapason.added skew_tick=1\n");
    }

    #[test]
    fn what_is_booted_is_not_a_profiles_affair() {
        for bad in
            ["init=/bin/sh", "root=/dev/sdb", "single", "systemd.unit=rescue.target", "1", "s", "rd.break"]
        {
            assert!(arguments(bad).is_err(), "{bad}");
        }
        for bad in
            ["", "a=\"b c\"", "a=$(id)", "a=`id`", "a;b", "-x", "a=b\\", "diapason.added", "a='b'", "a=*"]
        {
            assert!(arguments(bad).is_err(), "{bad}");
        }
        let said = arguments("quiet init=/bin/sh").unwrap_err().to_string();
        assert_eq!(
            said,
            "init=/bin/sh chooses what is booted; a profile only tunes it, so leave it to the administrator"
        );
    }
}
