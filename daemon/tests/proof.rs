//! Journal and recovery as a state machine: random machines' lives with a death at any change.
//!
//! A [`story`] is a list of what happens to one machine: profiles are applied, switched and rolled back, somebody
//! else sets knobs, the machine refuses, the process dies, recovery dies as well, the power is cut. Each act is
//! first done without trouble on a copy, which says what it should come to; then it is done with its trouble, and
//! the machine has to be as before the act or as after it, whatever happened ([`life`]).
//!
//! `cargo test` runs some random stories and the first ones of `tests/crash/seeds`; `make crash-test` runs all of
//! them, 100,000 deaths. A seed gives the same story every time: `CRASH_SEED=0123abcd cargo test -p
//! diapason-daemon --test proof one_seed -- --nocapture` tells and runs it.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it ran")]

#[path = "proof/machine.rs"]
mod machine;

#[path = "proof/story.rs"]
mod story;

#[path = "proof/life.rs"]
mod life;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use diapason_tests::need::repository;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use life::{Tally, live};
use story::{Story, story};

/// The story of a seed.
fn of_seed(seed: u32) -> Story {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    story().new_tree(&mut runner).unwrap().current()
}

fn seeds() -> Vec<u32> {
    let text = std::fs::read_to_string(repository().join("tests/crash/seeds")).unwrap();
    text.split_whitespace().map(|word| u32::from_str_radix(word, 16).unwrap()).collect()
}

/// Runs the stories of `seeds` on every processor and adds up what happened.
fn run(seeds: &[u32]) -> Tally {
    let (next, sum) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let told = std::panic::catch_unwind(|| live(&of_seed(*seed)));
                    let tally = told.unwrap_or_else(|panic| {
                        eprintln!("the seed is {seed:08x}");
                        std::panic::resume_unwind(panic)
                    });
                    let mut sum = sum.lock().unwrap();
                    sum.add(&tally);
                    if sum.stories % 500 == 0 && seeds.len() > 500 {
                        println!("{sum} so far");
                    }
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

proptest! {
    #![proptest_config(Config { cases: 32, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_original_is_lost(story in story()) {
        live(&story);
    }
}

#[test]
fn the_first_seeds() {
    let tally = run(&seeds()[..50]);
    println!("{tally}");
    assert!(tally.deaths > 300, "the stories have become harmless: {tally}");
}

/// What `make crash-test` runs.
#[test]
#[ignore = "takes minutes; make crash-test runs it"]
fn every_seed() {
    let start = std::time::Instant::now();
    let tally = run(&seeds());
    println!("{tally}, in {:.0?}", start.elapsed());
    assert!(tally.deaths >= 100_000, "{tally}");
}

#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("CRASH_SEED") else { return };
    let story = of_seed(u32::from_str_radix(&seed, 16).unwrap());
    println!("{story:#?}");
    println!("{}", live(&story));
}
