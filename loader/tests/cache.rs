//! The cache of results: made once by however many ask, whole after any death, bounded, and never a failure.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use diapason_loader::cache::{Changed, Counts, Key, Outcome, Sink, Store};

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
        assert_eq!(made.values::<f32>(), values(&name, count));
        let Outcome::Hit(hit) = get(&Store::open(folder.path().join("a/b"), 1 << 20).unwrap(), &name, count)
        else {
            panic!("{count}")
        };
        assert_eq!(hit.values::<f32>(), values(&name, count));
        assert_eq!(hit.bytes().as_ptr().addr() % 64, 0);
    }
    assert!(files(&folder.path().join("a/b")).iter().all(|name| name.ends_with(".result")));
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
                        assert_eq!(found.values::<f32>(), values("shared", 3000));
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
    assert_eq!(lost.values::<f32>(), values("two", 1000));
    assert_eq!(held.values::<f32>(), values("one", 1000));
    let Outcome::Bypassed(why) = get(&store, "large", 100_000) else { panic!("it does not fit") };
    assert!(why.to_string().contains("larger than the cache"), "{why}");
    // Who says beforehand how much will come writes nothing in vain.
    let outcome = store.get_or_make::<Infallible>(key("said"), |sink| {
        sink.expect(1 << 40);
        assert!(!sink.is_kept());
        push(sink, "said", 10)
    });
    assert!(matches!(outcome, Ok(Outcome::Bypassed(_))));
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
        assert_eq!(made.values::<f32>(), values("it", 100));
    }
    let refused = store.get_or_make(key("other"), |sink| {
        sink.push(&[1.0f32]);
        Err("no")
    });
    assert!(matches!(refused, Err("no")));
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn other_types_and_changed_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 20).unwrap();
    let numbers: Vec<u64> = (0..50_000).map(|at| at * at).collect();
    let outcome = store.get_or_make::<Infallible>(key("numbers"), |sink| {
        numbers.chunks(333).for_each(|part| sink.push(part));
        sink.push(b"end");
        Ok(())
    });
    let Ok(Outcome::Made(made)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(made.values::<u64>(), numbers);
    assert_eq!(&made.bytes()[400_000..], b"end");
    made.check().unwrap();
    let mut copy = vec![7; 400_010];
    made.copy_to(&mut copy).unwrap();
    assert_eq!((&copy[..400_003], &copy[400_003..]), (made.bytes(), &[7; 7][..]));
    // What is let go comes back.
    for bytes in [0..400_003, 0..usize::MAX, 5..6, 400_003..400_003] {
        made.release(bytes);
        assert_eq!(made.values::<u64>(), numbers);
    }
    drop(made);
    // A bit that turned on the disk is found by who looks, and the result is made again.
    let path = folder.path().join(&files(folder.path())[0]);
    let mut whole = std::fs::read(&path).unwrap();
    whole[200_000] ^= 4;
    std::fs::write(&path, &whole).unwrap();
    let turned = store.get(key("numbers")).unwrap();
    assert_eq!((turned.check(), turned.copy_to(&mut copy)), (Err(Changed), Err(Changed)));
    store.remove(key("numbers"));
    assert!(store.get(key("numbers")).is_none());
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
    *blake3::Hash::from_hex(name.strip_suffix(".result").unwrap()).unwrap().as_bytes()
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
const SLOW: &str = "CACHE_TEST_SLOW";

/// Not a test of its own: one of the processes of the next one.
#[test]
fn makes_slowly() {
    let Some(folder) = std::env::var_os(SLOW) else { return };
    let folder = Path::new(&folder);
    let store = Store::open(folder.join("cache"), 1 << 20).unwrap();
    let outcome = store.get_or_make(key("shared"), |sink| {
        let mut made = std::fs::File::options().append(true).create(true).open(folder.join("made")).unwrap();
        std::io::Write::write_all(&mut made, b"x").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150));
        push(sink, "shared", 3000)
    });
    let (Outcome::Hit(found) | Outcome::Made(found)) = outcome.unwrap() else { panic!("it was not kept") };
    assert_eq!(found.values::<f32>(), values("shared", 3000));
}

#[test]
fn of_many_processes_one_makes_and_another_takes_over_when_it_dies() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "makes_slowly"])
            .env(SLOW, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let made = || std::fs::read(folder.path().join("made")).unwrap_or_default().len();
    let mut first = start();
    while made() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let others: Vec<_> = (0..5).map(|_| start()).collect();
    std::thread::sleep(std::time::Duration::from_millis(40));
    first.kill().unwrap();
    first.wait().unwrap();
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    // Who was killed had begun; one of the others made it, once.
    assert_eq!(made(), 2);
    assert_eq!(files(&folder.path().join("cache")).len(), 1);
}

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
            for file in files(Path::new(&folder)).iter().filter(|name| name.ends_with(".result")) {
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
                    assert_eq!(found.values::<f32>(), values(&name, 20_000), "death {death}");
                }
            }
        }
        let (Outcome::Hit(after) | Outcome::Made(after)) = get(&store, "a0", 20_000) else {
            panic!("death {death}")
        };
        assert_eq!(after.values::<f32>(), values("a0", 20_000));
    }
}
