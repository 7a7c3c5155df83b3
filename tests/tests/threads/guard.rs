//! The BPF guard's program runs on every processor at once, on the same cells and counters. What that may come to, in every schedule: a
//! model of `packet-io/src/guard/program.rs`, step by step with its loads and stores, because shuttle can't run BPF. Loads and stores are
//! taken to be in one order (they are on x86, but for a store that is seen late).

use std::collections::BTreeSet;
use std::sync::Mutex;

use shuttle::sync::atomic::{AtomicU64, Ordering::SeqCst};
use shuttle::sync::Arc;
use shuttle::thread;

/// What `first_knock` counts, and when it last saw a flood.
struct Window {
    number: AtomicU64,
    firsts: AtomicU64,
    flood_at: AtomicU64,
}

/// No flood yet.
const NEVER: u64 = u64::MAX;

impl Window {
    /// The window before has passed, and was full.
    fn full() -> Self {
        Window {
            number: AtomicU64::new(0),
            firsts: AtomicU64::new(9),
            flood_at: AtomicU64::new(NEVER),
        }
    }

    /// `first_knock`: does a stranger pass, in window `now`?
    fn takes(&self, now: u64, limit: u64) -> bool {
        if self.number.load(SeqCst) != now {
            self.number.store(now, SeqCst);
            self.firsts.store(0, SeqCst);
        }
        self.firsts.fetch_add(1, SeqCst);
        if self.firsts.load(SeqCst) > limit {
            self.flood_at.store(now, SeqCst);
            return false;
        }
        self.flood_at.load(SeqCst) == NEVER
    }
}

/// How many strangers can pass when two processors bring two each at a window's beginning.
fn passed(limit: u64) -> BTreeSet<usize> {
    let seen = std::sync::Arc::new(Mutex::new(BTreeSet::new()));
    let all = seen.clone();
    let run = move || {
        let window = Arc::new(Window::full());
        let bring = move |window: Arc<Window>| (0..2).filter(|_| window.takes(1, limit)).count();
        let there = window.clone();
        let other = thread::spawn(move || bring(there));
        let here = bring(window);
        all.lock().unwrap().insert(here + other.join().unwrap());
    };
    shuttle::check_dfs(run, None);
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// A processor that still sees the window before sets the count back: what came until then is not counted, and three of four pass
/// where one should. Two that add before either looks see each other's, and none passes. A limit of none is looked at elsewhere.
#[test]
fn a_window_counts_anew_for_a_processor_that_is_late() {
    assert_eq!(passed(1), BTreeSet::from([0, 1, 2, 3]));
}

/// One cell for clients: mark in the upper half, time in the lower, always written whole.
struct Cell(AtomicU64);

impl Cell {
    /// `find_client` and `write_cell`: is this client known? Then its cell is younger now.
    fn knows(&self, mark: u64, now: u64) -> bool {
        let known = self.0.load(SeqCst) >> 32 == mark;
        if known {
            self.0.store(mark << 32 | now, SeqCst);
        }
        known
    }

    /// The end of `second_knock`: a client becomes known in the place of whoever was there.
    fn admit(&self, mark: u64, now: u64) {
        self.0.store(mark << 32 | now, SeqCst);
    }
}

/// A client's packet and a newcomer who is given the same cell: the cell is one of the two's, whole, never a mixture. Who loses it is a
/// stranger again and has to knock; nobody is let in who has not knocked.
#[test]
fn a_cell_is_always_somebodys() {
    const OLD: u64 = 7;
    const NEW: u64 = 8;
    let run = || {
        let cell = Arc::new(Cell(AtomicU64::new(OLD << 32 | 1)));
        let there = cell.clone();
        let newcomer = thread::spawn(move || there.admit(NEW, 3));
        cell.knows(OLD, 2);
        newcomer.join().unwrap();
        let whole = [OLD << 32 | 2, NEW << 32 | 3];
        assert!(whole.contains(&cell.0.load(SeqCst)));
        assert!(!cell.knows(9, 4), "a third one");
    };
    shuttle::check_dfs(run, None);
}
