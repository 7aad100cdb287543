//! The exchange of results between the threads of a stream, in every order of execution that the memory model allows.
//!
//! The mailbox is the product's own file, with loom's atomics in the place of the standard library's.

use std::sync::Arc;

mod sync {
    pub use loom::sync::atomic::{AtomicU64, Ordering};
}

#[path = "../src/lstm/stream/mailbox.rs"]
mod mailbox;

use mailbox::Mailbox;

/// To loom, somebody who waits lets the others run.
fn wait() -> impl FnMut() -> bool {
    || {
        loom::thread::yield_now();
        true
    }
}

/// Each puts and takes in turn, as streams do: nobody finds values of another turn, though there are only two sets of lines.
#[test]
fn an_exchange_gives_the_values_of_its_turn() {
    loom::model(|| {
        let boxes = Arc::new([Mailbox::new(1).unwrap(), Mailbox::new(1).unwrap()]);
        let work = |own: usize| {
            let boxes = Arc::clone(&boxes);
            move || {
                for turn in 1..=3 {
                    let value = |seat: usize| (10 * turn) as f32 + seat as f32;
                    boxes[own].put(turn, &[value(own)]);
                    let mut theirs = [0.0];
                    assert!(boxes[1 - own].take(turn, &mut theirs, &mut wait()));
                    assert_eq!(theirs, [value(1 - own)]);
                }
            }
        };
        let other = loom::thread::spawn(work(1));
        work(0)();
        other.join().unwrap();
    });
}

/// Orders go one way, and the caller may be ahead by two; the counter that it looks at then is as good as an exchange.
#[test]
fn an_order_is_not_overwritten_before_it_is_taken() {
    use loom::sync::atomic::{AtomicU64, Ordering};
    loom::model(|| {
        let shared = Arc::new((Mailbox::new(1).unwrap(), Mailbox::new(3).unwrap(), AtomicU64::new(0)));
        let worker = {
            let shared = Arc::clone(&shared);
            loom::thread::spawn(move || {
                let (orders, rows, done) = &*shared;
                for number in 1..=3 {
                    assert_eq!(orders.take_word(number, &mut wait()), Some(number << 3));
                    let mut row = [0.0; 3];
                    assert!(rows.take(number, &mut row, &mut wait()));
                    assert_eq!(row, [number as f32, 0.5, -1.0]);
                    done.store(number, Ordering::Release);
                }
            })
        };
        let (orders, rows, done) = &*shared;
        for number in 1..=3_u64 {
            while number > done.load(Ordering::Acquire) + 2 {
                loom::thread::yield_now();
            }
            orders.put_word(number, number << 3);
            rows.put(number, &[number as f32, 0.5, -1.0]);
        }
        worker.join().unwrap();
    });
}

/// What the model above is worth: a third order without that look is found.
#[test]
#[should_panic(expected = "overwritten")]
fn the_model_finds_an_order_that_came_too_early() {
    loom::model(|| {
        let orders = Arc::new(Mailbox::new(1).unwrap());
        let worker = {
            let orders = Arc::clone(&orders);
            loom::thread::spawn(move || {
                let mut looks = 0;
                let mut give_up = || {
                    looks += 1;
                    loom::thread::yield_now();
                    looks < 4
                };
                assert!(orders.take_word(1, &mut give_up).is_some(), "overwritten");
            })
        };
        orders.put_word(1, 8);
        orders.put_word(2, 16);
        orders.put_word(3, 24);
        worker.join().unwrap();
    });
}
