//! Options of mounts on the real kernel, in mount and process namespaces of their own, beside findmnt(8).
//!
//! The test runs itself again below unshare(1): there its shell is process 1, whose mounts are those that the daemon
//! looks at, and none of them is the machine's.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

use std::path::Path;
use std::process::Command;

use diapason_daemon::knob::{Instance, KnobError};
use diapason_daemon::root::Root;
use diapason_tests::need::met;
use diapason_tests::{Need, require};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The mount namespace of the machine, handed to the test inside.
const OUTSIDE: &str = "DIAPASON_MOUNTS_OUTSIDE";

fn namespace() -> String {
    std::fs::read_link("/proc/thread-self/ns/mnt").unwrap().display().to_string()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Whether findmnt shows an option, of the mount or of its file system.
fn shows(point: &str, option: &str) -> bool {
    run("findmnt", &["--noheadings", "--output", "OPTIONS", point]).split(',').any(|one| one == option)
}

fn set(name: &str, asked: &str) -> Result<String, KnobError> {
    let (root, instance) = (Root::new("/"), Instance::find(name).unwrap());
    let wanted = instance.knob.settle(&root, &instance.target, asked)?;
    instance.write(&root, &wanted)?;
    Ok(instance.read(&root)?.unwrap())
}

/// The place whose mount a process with few rights is to change.
const POOR: &str = "DIAPASON_MOUNTS_POOR";

#[test]
fn options_go_and_come_back() {
    require!(Root);
    if let Ok(place) = std::env::var(POOR) {
        set(&named(Path::new(&place), "atime"), "strictatime").unwrap();
        return;
    }
    let Ok(outside) = std::env::var(OUTSIDE) else {
        let tools =
            ["unshare", "findmnt"].into_iter().find(|tool| Command::new(tool).arg("-V").output().is_err());
        if !met(Need::Root, tools.map(|tool| format!("{tool} is not installed"))) {
            return;
        }
        let own = std::env::current_exe().unwrap();
        let walls = ["--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"];
        let mut inside = Command::new("unshare");
        inside.args(walls).arg(own).args(["--exact", "options_go_and_come_back", "--nocapture"]);
        let status = inside.env(OUTSIDE, namespace()).status().unwrap();
        assert!(status.success(), "inside of the namespaces");
        return;
    };
    assert_ne!(namespace(), outside, "the test must not change the machine");
    assert_eq!(std::fs::read_link("/proc/1/ns/mnt").unwrap().display().to_string(), namespace());
    let folder = tempfile::tempdir().unwrap();
    mount(Some("none"), folder.path(), Some("tmpfs"), MsFlags::MS_NOSUID, None::<&str>).unwrap();
    memory(folder.path());
    from_another_namespace(folder.path());
    disk(folder.path());
}

fn named(point: &Path, attribute: &str) -> String {
    let word = run("systemd-escape", &["--path", point.to_str().unwrap()]);
    format!("mount.{word}.{attribute}")
}

/// A file system in memory: what every one has.
fn memory(point: &Path) {
    let place = point.to_str().unwrap();
    let atime = named(point, "atime");
    assert_eq!(set(&atime, "noatime").unwrap(), "noatime");
    assert!(shows(place, "noatime") && shows(place, "nosuid"), "and no other option is lost");
    assert_eq!(set(&atime, "strictatime").unwrap(), "strictatime");
    assert!(!shows(place, "noatime") && !shows(place, "relatime"));
    assert_eq!(set(&atime, "relatime").unwrap(), "relatime");
    assert!(shows(place, "relatime") && shows(place, "nosuid"));
    for (attribute, option) in [("nodiratime", "nodiratime"), ("lazytime", "lazytime")] {
        assert_eq!(set(&named(point, attribute), "1").unwrap(), "1");
        assert!(shows(place, option) && shows(place, "relatime"), "{option}");
        assert_eq!(set(&named(point, attribute), "0").unwrap(), "0");
        assert!(!shows(place, option), "{option}");
    }
    let said = set(&named(point, "commit"), "9").unwrap_err().to_string();
    assert_eq!(said, format!("{place} is tmpfs, which has no mount.commit; leave this mount out"));
}

/// A service that is walled off has copies of all mounts; the change has to reach those of process 1.
fn from_another_namespace(point: &Path) {
    let name = named(point, "atime");
    let before = namespace();
    std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        assert_ne!(namespace(), before);
        set(&name, "noatime").unwrap()
    })
    .join()
    .unwrap();
    let place = point.to_str().unwrap();
    assert!(shows(place, "noatime"));
    // The rights of diapason-admin.service are enough for it.
    let rights = "--bounding-set=-all,+sys_admin,+sys_chroot,+sys_ptrace";
    let own = std::env::current_exe().unwrap();
    let walled = ["unshare", "--mount", own.to_str().unwrap(), "--exact", "options_go_and_come_back"];
    let status = Command::new("setpriv").arg(rights).args(walled).env(POOR, place).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    assert!(!shows(place, "noatime") && !shows(place, "relatime"));
    run("mount", &["-o", "remount,noatime", place]);
}

/// ext4 in a file: what the journal of a file system adds.
fn disk(folder: &Path) {
    let (image, point) = (folder.join("image"), folder.join("disk"));
    std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    std::fs::create_dir(&point).unwrap();
    let (image, place) = (image.to_str().unwrap(), point.to_str().unwrap());
    let made = Command::new("mkfs.ext4").args(["-q", image]).status().is_ok_and(|status| status.success());
    // The loop device is given back with the mount, that is, with the namespace.
    let mounted = made
        && Command::new("mount")
            .args(["-o", "loop,nosuid,errors=remount-ro", image, place])
            .status()
            .unwrap()
            .success();
    if !met(Need::Root, (!mounted).then(|| "no ext4 in a file can be made and mounted".to_owned())) {
        return;
    }
    let commit = named(&point, "commit");
    let original = Instance::find(&commit).unwrap().read(&Root::new("/")).unwrap();
    assert_eq!(original.as_deref(), Some("5"));
    assert_eq!(set(&commit, "60").unwrap(), "60");
    assert!(shows(place, "commit=60") && shows(place, "nosuid") && shows(place, "errors=remount-ro"));
    assert_eq!(set(&commit, "5").unwrap(), "5");
    let discard = named(&point, "discard");
    let before = Instance::find(&discard).unwrap().read(&Root::new("/")).unwrap().unwrap();
    let other = if before == "on" { "off" } else { "on" };
    assert_eq!(set(&discard, other).unwrap(), other);
    assert_eq!(shows(place, "discard"), other == "on");
    assert_eq!(set(&discard, &before).unwrap(), before);
    let lazytime = named(&point, "lazytime");
    assert_eq!(set(&lazytime, "1").unwrap(), "1");
    assert!(shows(place, "lazytime") && shows(place, "rw"));
    assert_eq!(set(&lazytime, "0").unwrap(), "0");
    // A file system that is read only stays so.
    run("mount", &["-o", "remount,ro", place]);
    assert_eq!(set(&commit, "30").unwrap(), "30");
    assert!(shows(place, "ro"));
    assert_eq!(run("umount", &[place]), "");
}
