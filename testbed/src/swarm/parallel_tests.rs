//! The same work on many numbers. Every schedule of it: `tests/tests/threads/swarm.rs`.

use std::ops::ControlFlow;

use super::parallel::each;

#[test]
fn every_number_is_done_once() {
    for threads in [1, 2, 5] {
        let mut seen = Vec::new();
        each(
            500,
            threads,
            |n| n,
            |n| {
                seen.push(n);
                ControlFlow::Continue(())
            },
        );
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
    }
}

#[test]
fn a_break_ends_it() {
    let mut taken = 0;
    each(
        u64::MAX / 2,
        2,
        |n| n,
        |_| {
            taken += 1;
            if taken >= 10 {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        },
    );
    assert!(taken >= 10);
}

#[test]
fn nothing_to_do_is_done() {
    each(0, 2, |n| n, |_| panic!("there is nothing"));
}
