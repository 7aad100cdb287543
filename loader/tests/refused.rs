//! io_uring and direct reads that are refused, at every step: the same bytes by the next best way, which is said and counted.
//!
//! strace refuses the calls to a child. The child reads a file whole, past the page cache if it can, checks each byte and tells how
//! it read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use diapason_loader::source::uring::{self, Access};
use diapason_loader::source::{self, Backend, Span};
use diapason_tests::{Need, need, require};

const CHILD: &str = "REFUSED_FILE";
const BYTES: u64 = 3 << 20;

fn content() -> Vec<u8> {
    (0..BYTES).map(|place| (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// Not a test of its own: what the next one starts.
#[test]
fn reads_the_file_whole() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let content = content();
    let source = source::open(Path::new(&path), Backend::Automatic, Access::Direct).unwrap();
    // In two goes, so that the second meets what became of the first.
    for from in [0, BYTES / 2] {
        let spans: Vec<Span> = (from..from + BYTES / 2)
            .step_by(100_001)
            .map(|offset| Span { offset, bytes: 100_001.min((BYTES - offset) as usize) })
            .collect();
        let mut seen = 0;
        source.read_each(&spans, &mut Vec::new(), &mut |number, bytes| {
            let span = spans[number];
            assert!(bytes.unwrap() == &content[span.offset as usize..][..span.bytes]);
            seen += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(seen, spans.len());
    }
    println!("TOLD {}", source.account().choice);
    println!("TOLD {:?}", source.account().ways);
}

/// What the child told, with these refusals.
fn told(folder: &Path, refusals: &[&str]) -> String {
    let path = folder.join("sample");
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, content()).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    file.sync_all().unwrap();
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "signal=none"]);
    let calls: Vec<&str> = refusals.iter().map(|refusal| refusal.split(':').next().unwrap()).collect();
    command.args(["-e", &format!("trace={}", calls.join(","))]);
    for refusal in refusals {
        command.args(["-e", &format!("inject={refusal}")]);
    }
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "reads_the_file_whole", "--nocapture"]).env(CHILD, &path);
    let ran = command.output().unwrap();
    let output = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{refusals:?}: {output}{}", String::from_utf8_lossy(&ran.stderr));
    output.lines().filter_map(|line| Some(line.split_once("TOLD ")?.1)).collect::<Vec<_>>().join("\n")
}

/// Reads that went a way.
fn reads(told: &str, way: &str) -> u64 {
    let rest = told.split_once(&format!("{way}: Way {{ reads: ")).unwrap().1;
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn every_refusal_gives_the_same_bytes_and_is_told() {
    require!(Strace);
    if !need::met(Need::Uring, uring::probe().err().map(|reason| reason.to_string())) {
        return;
    }
    // Where this program is, which is on a disk more likely than the folder of temporary files.
    let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
    let told = |refusals: &[&str]| told(folder.path(), refusals);

    let free = told(&["io_uring_setup:delay_enter=1"]);
    assert!(free.starts_with("io_uring: what the page cache holds is read at once"), "{free}");
    assert_eq!(reads(&free, "pread"), 0, "{free}");
    let has_direct = free.contains("past the page cache");

    // Switched off, by a seccomp filter or altogether; and a filter that lets the set-up pass.
    for (refusal, words) in [
        ("io_uring_setup:error=EPERM", "io_uring is refused (EPERM)"),
        ("io_uring_setup:error=ENOSYS", "this kernel has no io_uring"),
        ("io_uring_setup:error=ENOMEM", "no memory for a ring"),
        ("io_uring_enter:error=EPERM", "io_uring is refused (EPERM)"),
    ] {
        let told = told(&[refusal]);
        assert!(told.starts_with("pread(2), for ") && told.contains(words), "{refusal}: {told}");
        assert!(reads(&told, "pread") > 20 && reads(&told, "direct") == 0, "{refusal}: {told}");
    }
    // After the probe, the first or a later call fails: pread goes on where the ring left off.
    for when in ["2+", "4+"] {
        let told = told(&[&format!("io_uring_enter:error=EPERM:when={when}")]);
        assert!(told.starts_with("io_uring: ") && reads(&told, "pread") > 0, "{when}: {told}");
    }
    // The ring of the probe is there, no other can be had.
    let told_late = told(&["io_uring_setup:error=ENOMEM:when=2+"]);
    assert!(reads(&told_late, "pread") > 0 && reads(&told_late, "direct") == 0, "{told_late}");
    if has_direct {
        // What a limit on locked memory does.
        let limited = told(&["io_uring_register:error=ENOMEM"]);
        assert!(limited.contains("rings_unregistered: 1") && reads(&limited, "direct") > 0, "{limited}");
        assert_eq!(reads(&limited, "pread"), 0, "{limited}");
        // A file system that cannot read without waiting only loses the short cut.
        let old = told(&["preadv2:error=EOPNOTSUPP"]);
        assert!(reads(&old, "cached") == 0 && reads(&old, "direct") > 0, "{old}");
    }
}
