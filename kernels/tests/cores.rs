//! A stream on several cores: what is refused, and the bits of a stream on one.
#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use std::process::Command;

use diapason_kernels::lstm::{
    CompileOptions, Executable, Head, Lstm, Precision, Spec, Stream, StreamError, StreamOptions, Wait,
};
use diapason_tests::need::met;
use diapason_tests::{Need, require};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The first two cores of this process.
fn cores() -> Option<[usize; 2]> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut cores = (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap());
    let two = cores.next().zip(cores.next());
    met(Need::Cores, two.is_none().then(|| "there is one".to_owned())).then(|| two.unwrap().into())
}

/// Runs on a thread that is pinned to one core, as a caller of such streams should be.
fn pinned(core: usize, work: impl FnOnce() + Send) {
    let work = || {
        let mut set = CpuSet::new();
        set.set(core).unwrap();
        sched_setaffinity(Pid::from_raw(0), &set).unwrap();
        work();
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap());
}

fn compiled(hidden: usize, precision: Precision) -> Executable {
    let spec = Spec { input: 12, hidden, layers: 2, output: 3, head: Head::Softmax };
    // One thread: those of a pool that has just begun give way some times before they sleep, which is a system call.
    let options = CompileOptions { precision, threads: 1, ..CompileOptions::default() };
    Lstm::new(spec, 0).unwrap().compile(&options).unwrap()
}

fn run(mut stream: Stream, ticks: usize) -> Vec<Option<Vec<f32>>> {
    let tick = |tick: usize| {
        let row: [f32; 12] = std::array::from_fn(|x| ((tick * 7 + x * 3) % 19) as f32 * 0.1 - 1.0);
        let out = stream.push(0, &row).unwrap().map(<[f32]>::to_vec);
        stream.prepare(0).unwrap();
        out
    };
    (0..ticks).map(tick).collect()
}

#[test]
fn two_pinned_cores_give_the_bits_of_one() {
    let Some([here, there]) = cores() else { return };
    for precision in Precision::ALL {
        let executable = compiled(100, precision);
        for (window, wait) in [(None, Wait::Spin), (Some(7), Wait::Spin), (Some(7), Wait::Park)] {
            let alone = StreamOptions { window, ahead: true, ..StreamOptions::default() };
            let both = StreamOptions { cores: vec![there], wait, ..alone.clone() };
            let wanted = run(executable.stream(&alone).unwrap(), 60);
            pinned(here, || {
                assert_eq!(run(executable.stream(&both).unwrap(), 60), wanted, "{precision}, {both:?}");
            });
        }
    }
}

#[test]
fn a_stream_ends_when_dropped_at_any_time_and_moves_between_threads() {
    let Some([_, there]) = cores() else { return };
    let executable = compiled(32, Precision::F32);
    for wait in [Wait::Park, Wait::Spin] {
        for ticks in 0..4 {
            let options = StreamOptions { cores: vec![there], wait, ahead: true, ..StreamOptions::default() };
            let mut stream = executable.stream(&options).unwrap();
            for _ in 0..ticks {
                stream.push(0, &[0.1; 12]).unwrap();
            }
            std::thread::spawn(move || {
                stream.push(0, &[0.2; 12]).unwrap();
                stream.prepare(0).unwrap();
            })
            .join()
            .unwrap();
        }
    }
}

/// What this process does between two files that it asks for in vain, of which a trace tells.
fn marked(work: impl FnOnce()) {
    assert!(std::fs::metadata("/ticks-begin").is_err());
    work();
    assert!(std::fs::metadata("/ticks-end").is_err());
}

#[test]
fn no_thread_makes_a_system_call_in_a_tick() {
    let Some([here, there]) = cores() else { return };
    if std::env::var_os("TICKS_ARE_TRACED").is_some() {
        let options =
            StreamOptions { window: Some(3), ahead: true, cores: vec![there], ..StreamOptions::default() };
        let executable = compiled(100, Precision::Bf16);
        return pinned(here, || {
            let mut stream = executable.stream(&options).unwrap();
            let mut ticks = || {
                for _ in 0..500 {
                    stream.push(0, &[0.1; 12]).unwrap();
                    stream.prepare(0).unwrap();
                }
            };
            ticks();
            marked(ticks);
        });
    }
    require!(Strace);
    let trace = std::env::temp_dir().join(format!("diapason-ticks-{}", std::process::id()));
    let ran = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "no_thread_makes_a_system_call_in_a_tick"])
        .env("TICKS_ARE_TRACED", "1")
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    std::fs::remove_file(&trace).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    let (_, after) = text.split_once("/ticks-begin").unwrap();
    let (ticks, _) = after.split_once("/ticks-end").unwrap();
    // The rest of the first line, and the beginning of the last.
    assert_eq!(ticks.lines().count(), 2, "{ticks}");
}

#[test]
fn cores_that_cannot_be_are_refused() {
    let executable = compiled(33, Precision::F32);
    let stream = |cores: &[usize]| {
        let cores = cores.to_vec();
        executable.stream(&StreamOptions { cores, wait: Wait::Park, ..StreamOptions::default() }).map(drop)
    };
    assert_eq!(
        stream(&[0, 0]).unwrap_err().to_string(),
        "core 0 is given twice; each thread of a stream needs one of its own"
    );
    assert_eq!(
        stream(&[0, 1, 2]).unwrap_err().to_string(),
        "3 cores are too many: a layer has 3 groups of 16 units, and the calling thread takes some; give at most 2"
    );
    for nowhere in [1023, 5_000_000] {
        assert_eq!(
            stream(&[nowhere]).unwrap_err().to_string(),
            format!(
                "no thread can be pinned to core {nowhere} (EINVAL: Invalid argument); give cores that exist and that this process may use"
            )
        );
    }
    let here = (0..CpuSet::count())
        .find(|&core| sched_getaffinity(Pid::from_raw(0)).unwrap().is_set(core).unwrap())
        .unwrap();
    pinned(here, || assert_eq!(stream(&[here]), Err(StreamError::CoreOfCaller { core: here })));
}
