//! The cache of results: made once by however many ask, whole after any death, bounded, and never a failure.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use diapason_loader::cache::{Counts, Key, Outcome, Sink, Store};

fn key(name: &str) -> Key {
    Key::of(&[("name", name.as_bytes())])
}

/// The values of the result `name`.
fn values(name: &str, count: usize) -> Vec<f32> {
    (0..count).map(|at| (at * name.len() % 977) as f32).collect()
}

fn push(sink: &mut Sink, name: &str, count: usize) -> Result<(), Infallible> {
    values(name, count).chunks(1000).for_each(|part| sink.push(part));
    Ok(())
}

fn get(store: &Store, name: &str, count: usize) -> Outcome {
    store.get_or_make(key(name), |sink| push(sink, name, count)).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn made_once_and_mapped_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("a/b"), 1 << 20).unwrap();
    for count in [0, 1, 5000] {
        let name = format!("of {count}");
        assert!(store.get(key(&name)).is_none());
        let Outcome::Made(made) = get(&store, &name, count) else { panic!("{count}") };
        assert_eq!(made.values(), values(&name, count));
        let Outcome::Hit(hit) = get(&Store::open(folder.path().join("a/b"), 1 << 20).unwrap(), &name, count)
        else {
            panic!("{count}")
        };
        assert_eq!(hit.values(), values(&name, count));
        assert_eq!(hit.values().as_ptr().addr() % 64, 0);
    }
    assert!(files(&folder.path().join("a/b")).iter().all(|name| name.ends_with(".f32")));
    assert_eq!(store.counts(), Counts { made: 3, ..Counts::default() });
    // What a part is called and where it ends are a part of the key.
    let keys = [
        Key::of(&[("a", b"bc")]),
        Key::of(&[("ab", b"c")]),
        Key::of(&[("a", b"b"), ("", b"c")]),
        Key::of(&[("a", b"b"), ("c", b"")]),
    ];
    assert!((0..4).all(|a| (0..a).all(|b| keys[a] != keys[b])));
}

#[test]
fn of_many_who_ask_one_makes() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = Store::open(folder.path(), 1 << 20).unwrap();
                let outcome = store.get_or_make(key("shared"), |sink| {
                    made.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    push(sink, "shared", 3000)
                });
                match outcome.unwrap() {
                    Outcome::Hit(found) | Outcome::Made(found) => {
                        assert_eq!(found.values(), values("shared", 3000));
                    }
                    Outcome::Bypassed(error) => panic!("{error}"),
                }
            });
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn the_longest_unused_go_first() {
    let folder = tempfile::tempdir().unwrap();
    // Each takes a page and 4,000 bytes.
    let store = Store::open(folder.path(), 3 * 8096 + 100).unwrap();
    let wait = || std::thread::sleep(std::time::Duration::from_millis(5));
    for name in ["one", "two", "three"] {
        get(&store, name, 1000);
        wait();
    }
    let held = store.get(key("one")).unwrap();
    wait();
    let lost = store.get(key("two")).unwrap();
    wait();
    store.get(key("one")).unwrap();
    wait();
    get(&store, "four", 1000);
    assert!(store.get(key("three")).is_none());
    get(&store, "five", 1000);
    assert!(store.get(key("two")).is_none());
    assert_eq!(store.counts().evicted, 2);
    // What is mapped stays.
    assert_eq!(lost.values(), values("two", 1000));
    assert_eq!(held.values(), values("one", 1000));
    let Outcome::Bypassed(why) = get(&store, "large", 100_000) else { panic!("it does not fit") };
    assert!(why.to_string().contains("larger than the cache"), "{why}");
    assert_eq!(files(folder.path()).len(), 3);
}

#[test]
fn a_broken_file_is_made_again_and_an_error_of_the_maker_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 20).unwrap();
    get(&store, "it", 100);
    let path = folder.path().join(&files(folder.path())[0]);
    let whole = std::fs::read(&path).unwrap();
    for broken in
        [&whole[..0], &whole[..50], &whole[..whole.len() - 1], &whole[..whole.len() - 4], &[1; 5000]]
    {
        std::fs::write(&path, broken).unwrap();
        let Outcome::Made(made) = get(&store, "it", 100) else { panic!("{} bytes", broken.len()) };
        assert_eq!(made.values(), values("it", 100));
    }
    let refused = store.get_or_make(key("other"), |sink| {
        sink.push(&[1.0]);
        Err("no")
    });
    assert!(matches!(refused, Err("no")));
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_disk_that_refuses_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    // A folder where the new file should be.
    let name = blake3::Hash::from_bytes(bytes_of(&folder, &store)).to_hex().to_string();
    std::fs::create_dir(folder.path().join(format!("{name}.new"))).unwrap();
    let Outcome::Bypassed(why) = get(&store, "it", 100) else { panic!("there is a folder in its place") };
    assert!(why.to_string().contains("directory"), "{why}");
    assert_eq!(store.counts().bypassed, 1);
}

/// The key of "it", learnt from the name of its file.
fn bytes_of(folder: &tempfile::TempDir, store: &Store) -> [u8; 32] {
    get(store, "it", 1);
    let name = files(folder.path()).remove(0);
    std::fs::remove_file(folder.path().join(&name)).unwrap();
    *blake3::Hash::from_hex(name.strip_suffix(".f32").unwrap()).unwrap().as_bytes()
}

#[test]
fn a_full_disk_is_a_bypass() {
    // The full device of the kernel stands for a full disk.
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    let name = blake3::Hash::from_bytes(bytes_of(&folder, &store)).to_hex().to_string();
    std::os::unix::fs::symlink("/dev/full", folder.path().join(format!("{name}.new"))).unwrap();
    let Outcome::Bypassed(why) = get(&store, "it", 100) else { panic!("the disk is full") };
    assert_eq!(why.raw_os_error(), Some(nix::libc::ENOSPC));
    // The link is gone, and the next time it is kept.
    assert!(matches!(get(&store, "it", 100), Outcome::Made(_)));
}

const CHILD: &str = "CACHE_TEST_FOLDER";

/// Not a test of its own: what the next one starts and kills.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    for round in 0.. {
        let store = Store::open(&folder, 1 << 20).unwrap();
        for name in ["a", "bc", "def"] {
            let name = format!("{name}{}", round % 5);
            store
                .get_or_make::<Infallible>(key(&name), |sink| {
                    for part in values(&name, 20_000).chunks(500) {
                        sink.push(part);
                    }
                    Ok(())
                })
                .unwrap();
            let _ = std::fs::remove_file(Path::new(&folder).join("nothing"));
        }
        if round % 5 == 4 {
            for file in files(Path::new(&folder)).iter().filter(|name| name.ends_with(".f32")) {
                let _ = std::fs::remove_file(Path::new(&folder).join(file));
            }
        }
    }
}

#[test]
fn whole_or_nothing_after_any_death() {
    let folder = tempfile::tempdir().unwrap();
    for death in 0..40u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_micros(4000 + death * 1777));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(folder.path(), 1 << 20).unwrap();
        assert!(files(folder.path()).iter().all(|name| !name.ends_with(".new")), "death {death}");
        for name in ["a", "bc", "def"] {
            for round in 0..5 {
                let name = format!("{name}{round}");
                if let Some(found) = store.get(key(&name)) {
                    assert_eq!(found.values(), values(&name, 20_000), "death {death}");
                }
            }
        }
        let (Outcome::Hit(after) | Outcome::Made(after)) = get(&store, "a0", 20_000) else {
            panic!("death {death}")
        };
        assert_eq!(after.values(), values("a0", 20_000));
    }
}
