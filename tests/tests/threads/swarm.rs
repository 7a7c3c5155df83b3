//! The swarm's worlds on several threads.

use std::ops::ControlFlow;
use std::sync::Mutex;

/// In the place of the swarm's own `sync`.
mod sync {
    pub use shuttle::sync::atomic::{AtomicU64, Ordering};
    pub use shuttle::sync::mpsc;
    pub use shuttle::thread;
}

#[path = "../../../testbed/src/swarm/parallel.rs"]
mod parallel;

use parallel::each;

const THREADS: usize = 2;

/// Every number is worked on once and its result handed over once, whoever does it.
#[test]
fn every_number_is_done_once() {
    let run = || {
        let (begun, mut taken) = (Mutex::new(Vec::new()), Vec::new());
        let work = |number| {
            begun.lock().unwrap().push(number);
            number
        };
        each(3, THREADS, work, |number| {
            taken.push(number);
            ControlFlow::Continue(())
        });
        let mut begun = begun.into_inner().unwrap();
        begun.sort_unstable();
        taken.sort_unstable();
        assert_eq!((begun, taken), (vec![0, 1, 2], vec![0, 1, 2]));
    };
    shuttle::check_dfs(run, Some(20_000));
}

/// After a break nobody begins a number but those that a thread had taken already; all that was begun is handed over, and it ends.
#[test]
fn a_break_ends_it() {
    let run = || {
        let begun = Mutex::new(0);
        let mut taken = 0;
        let work = |_| *begun.lock().unwrap() += 1;
        each(u64::MAX / 2, THREADS, work, |()| {
            taken += 1;
            ControlFlow::Break(())
        });
        assert_eq!(taken, begun.into_inner().unwrap());
    };
    shuttle::check_random(run, 2_000);
}
