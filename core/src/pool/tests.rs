use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{chunks, map, pass, run};

#[test]
fn every_share_runs_once_in_jobs_that_follow_each_other() {
    pass(|| {
        for round in 0..2000usize {
            let shares = round % 37;
            let counts: Vec<AtomicUsize> = (0..shares).map(|_| AtomicUsize::new(0)).collect();
            run(shares, |i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "round {round}");
        }
    });
}

#[test]
fn passes_of_several_threads_do_not_mix() {
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            scope.spawn(move || {
                for round in 0..300usize {
                    let values = pass(|| map(17, |i| i * thread + round));
                    assert_eq!(values, (0..17).map(|i| i * thread + round).collect::<Vec<_>>());
                }
            });
        }
    });
}

#[test]
fn jobs_within_shares_run() {
    let total = AtomicUsize::new(0);
    run(5, |_| {
        run(7, |_| {
            total.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(total.into_inner(), 35);
}

#[test]
fn chunks_cover_a_slice() {
    let mut items = vec![0usize; 1003];
    chunks(&mut items, 10, |index, chunk| chunk.fill(index + 1));
    assert!(items.iter().enumerate().all(|(i, &value)| value == i / 10 + 1));
    chunks(&mut Vec::<u8>::new(), 3, |_, _| panic!("nothing to do"));
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    for share in [0, 13] {
        let caught = std::panic::catch_unwind(|| run(14, |i| assert!(i != share, "share {share} fails")));
        let message = caught.expect_err("a panic").downcast::<String>().expect("a text");
        assert_eq!(*message, format!("share {share} fails"));
    }
    assert_eq!(map(3, |i| i), [0, 1, 2]);
    assert!(helps(), "a panic took the helpers away");
}

/// Whether helpers take shares: other tests may have them, or a core, for a while.
fn helps() -> bool {
    super::threads() == 1
        || (0..2000).any(|_| {
            let threads = Mutex::new(HashSet::new());
            run(64, |_| {
                threads.lock().expect("no panic").insert(std::thread::current().id());
                std::thread::sleep(Duration::from_micros(100));
            });
            threads.into_inner().expect("no panic").len() > 1
        })
}
