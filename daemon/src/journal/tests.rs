use super::*;

fn folder() -> (tempfile::TempDir, Root, Root) {
    // In memory where there is such a place: a thousand fsyncs on a disk take their time.
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let root = Root::new(folder.path());
    root.make_folder("/run").unwrap();
    root.make_folder("/state").unwrap();
    let (run, state) = (root.beside(folder.path().join("run")), root.beside(folder.path().join("state")));
    (folder, run, state)
}

fn change(journal: &mut Journal, knob: &str, from: &str, to: &str) {
    let lifetime = crate::knob::Instance::find(knob).unwrap().knob.spec().lifetime;
    let tx = journal.begin(Kind::Apply, Some("p")).unwrap();
    let original = Record::Original { tx, knob: knob.into(), identity: None, value: from.into() };
    let intent = Record::Intent { tx, step: 0, knob: knob.into(), from: from.into(), to: Some(to.into()) };
    let done = Record::Done { tx, knob: knob.into(), value: to.into() };
    journal.record(lifetime, &[original, intent, done]).unwrap();
    journal.end(&Record::Commit { tx, profile: Some("p".into()) }).unwrap();
}

#[test]
fn the_first_original_wins() {
    let (_folder, run, state) = folder();
    let mut journal = Journal::open(run.clone(), state.clone(), "boot").unwrap();
    change(&mut journal, "vm.swappiness", "60", "10");
    change(&mut journal, "vm.swappiness", "10", "1");
    drop(journal);
    let journal = Journal::open(run, state, "boot").unwrap();
    let held = journal.ledger().held("vm.swappiness").unwrap();
    assert_eq!((held.original.as_str(), held.written.as_str()), ("60", "1"));
    assert!(journal.same_boot() && journal.found().is_empty());
}

#[test]
fn another_boot_ends_volatile_knobs_and_keeps_files() {
    let (_folder, run, state) = folder();
    let mut journal = Journal::open(run.clone(), state.clone(), "one").unwrap();
    change(&mut journal, "vm.swappiness", "60", "10");
    change(&mut journal, "systemd.environment", "no file", "file\nx");
    drop(journal);
    let journal = Journal::open(run, state, "two").unwrap();
    let held: Vec<_> = journal.ledger().held.iter().map(|held| held.knob.as_str()).collect();
    assert_eq!(held, ["systemd.environment"]);
    assert_eq!(journal.ledger().profile.as_deref(), Some("p"));
    assert!(!journal.same_boot());
}

#[test]
fn two_daemons_are_one_too_many() {
    let (_folder, run, state) = folder();
    let journal = Journal::open(run.clone(), state.clone(), "boot").unwrap();
    assert!(matches!(Journal::open(run, state, "boot"), Err(JournalError::Busy { .. })));
    drop(journal);
}

#[test]
fn a_long_log_is_written_anew_and_says_the_same() {
    let (_folder, run, state) = folder();
    let mut journal = Journal::open(run.clone(), state.clone(), "boot").unwrap();
    let mut value = 60;
    while journal.volatile.bytes() + 1_000 < LOG_BYTES_MAX {
        change(&mut journal, "vm.swappiness", &value.to_string(), &(value + 1).to_string());
        value += 1;
    }
    for _ in 0..4 {
        change(&mut journal, "vm.swappiness", &value.to_string(), &(value + 1).to_string());
        value += 1;
    }
    assert!(journal.volatile.bytes() < 10_000);
    let before = journal.ledger().clone();
    drop(journal);
    let journal = Journal::open(run, state, "boot").unwrap();
    assert_eq!(*journal.ledger(), before);
    assert_eq!(journal.ledger().held[0].original, "60");
}

#[test]
fn damage_is_counted_and_the_rest_still_counts() {
    let (folder, run, state) = folder();
    let mut journal = Journal::open(run.clone(), state.clone(), "boot").unwrap();
    change(&mut journal, "vm.swappiness", "60", "10");
    change(&mut journal, "vm.stat_interval", "1", "10");
    drop(journal);
    let path = folder.path().join("run/journal");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == b"\"commit\"").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let journal = Journal::open(run, state, "boot").unwrap();
    assert_eq!(journal.damaged(), 1);
    assert_eq!(journal.ledger().held.len(), 2);
}

#[test]
fn an_apply_that_touches_no_file_reaches_the_disk_once() {
    let (folder, run, state) = folder();
    let mut journal = Journal::open(run.clone(), state.clone(), "boot").unwrap();
    let persistent = folder.path().join("state/journal");
    let before = std::fs::read(&persistent).unwrap();
    let tx = journal.begin(Kind::Apply, Some("p")).unwrap();
    assert_eq!(std::fs::read(&persistent).unwrap(), before, "what has changed nothing can wait");
    journal.end(&Record::Commit { tx, profile: Some("p".into()) }).unwrap();
    assert_eq!(std::fs::read(&persistent).unwrap()[before.len()..].split(|byte| *byte == b'\n').count(), 3);
    let tx = journal.begin(Kind::Rollback, None).unwrap();
    drop(journal);
    let journal = Journal::open(run, state, "another boot").unwrap();
    let open = journal.ledger().open.as_ref().map(|open| (open.tx, open.kind));
    assert_eq!(open, Some((tx, Kind::Rollback)), "a rollback survives a power cut from its first moment");
}

#[test]
fn a_profile_outlives_an_apply_that_another_boot_interrupts() {
    let (_folder, run, state) = folder();
    let mut journal = Journal::open(run.clone(), state.clone(), "one").unwrap();
    change(&mut journal, "vm.swappiness", "60", "10");
    drop(journal);
    let mut journal = Journal::open(run.clone(), state.clone(), "two").unwrap();
    journal.begin(Kind::Apply, Some("p")).unwrap();
    drop(journal);
    let journal = Journal::open(run, state, "two").unwrap();
    assert_eq!(journal.ledger().profile.as_deref(), Some("p"));
    assert!(journal.ledger().open.is_some());
}

#[test]
fn what_waits_is_in_front_of_what_comes_next() {
    let (folder, run, state) = folder();
    let mut journal = Journal::open(run.clone(), state.clone(), "boot").unwrap();
    let tx = journal.begin(Kind::Apply, Some("p")).unwrap();
    let knob = || "vm.swappiness".to_owned();
    let intent = |step| Record::Intent { tx, step, knob: knob(), from: "60".into(), to: Some("10".into()) };
    journal.record(Lifetime::Volatile, &[intent(0)]).unwrap();
    let length = || std::fs::metadata(folder.path().join("run/journal")).unwrap().len();
    let before = length();
    journal.later(Lifetime::Volatile, &Record::Done { tx, knob: knob(), value: "10".into() });
    assert_eq!(length(), before);
    assert!(!journal.ledger().held[0].open, "it counts already");
    journal.record(Lifetime::Volatile, &[intent(1)]).unwrap();
    drop(journal);
    let journal = Journal::open(run, state, "boot").unwrap();
    let open = journal.ledger().open.as_ref().unwrap();
    let done: Vec<_> = open.intents.iter().map(|intent| intent.done.as_deref()).collect();
    assert_eq!(done, [Some("10"), None]);
}
