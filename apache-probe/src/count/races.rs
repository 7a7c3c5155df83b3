//! A reader that counts while Apache writes, in every order that the memory model allows (loom): which counts it may report.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use loom::sync::atomic::{AtomicU32, Ordering};

use super::{count, Counts};
use crate::layout::{Geometry, KNOWN};
use crate::memory::Loads;
use crate::status::Status;

/// A board of which only the fields exist that are counted, as loom's atomics: the order in which a reader meets two of
/// Apache's writes is any that relaxed loads and stores allow.
struct Memory {
    fields: Vec<(usize, AtomicU32)>,
}

impl Memory {
    fn field(&self, offset: usize) -> &AtomicU32 {
        let found = self.fields.iter().find(|(at, _)| *at == offset);
        &found.expect("a field that is counted").1
    }

    /// What httpd does to a field: a plain store.
    fn store(&self, offset: usize, value: u32) {
        self.field(offset).store(value, Ordering::Relaxed);
    }
}

impl Loads for Memory {
    fn load_u8(&self, offset: usize) -> u8 {
        self.load_u32(offset) as u8
    }

    fn load_u32(&self, offset: usize) -> u32 {
        self.field(offset).load(Ordering::Relaxed)
    }
}

/// A board of `servers` processes with one worker each.
#[derive(Clone, Copy)]
struct Board(Geometry);

impl Board {
    fn new(servers: u32) -> Self {
        Board(Geometry::new(&KNOWN[0], servers, 1).expect("limits that httpd allows"))
    }

    fn pid(self, slot: u32) -> usize {
        self.0.process(slot).pid()
    }

    fn generation(self, slot: u32) -> usize {
        self.0.process(slot).generation()
    }

    fn status(self, slot: u32) -> usize {
        self.0.worker(slot, 0).status()
    }

    /// Everybody is there, of generation 0, in these statuses.
    fn memory(self, statuses: &[Status]) -> Memory {
        let mut fields = vec![(self.0.generation_at(), AtomicU32::new(0))];
        for (slot, &status) in (0u32..).zip(statuses) {
            let process = self.0.process(slot);
            let values = [
                (process.pid(), 100 + slot),
                (process.generation(), 0),
                (process.quiescing(), 0),
                (process.not_accepting(), 0),
                (self.status(slot), status as u32),
            ];
            fields.extend(values.map(|(at, value)| (at, AtomicU32::new(value))));
        }
        Memory { fields }
    }
}

/// Every count that a reader can report while `write` is under way, as (busy, idle, starting, leaving).
fn seen(
    board: Board,
    statuses: &'static [Status],
    write: fn(Board, &Memory),
) -> BTreeSet<[u32; 4]> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let all = seen.clone();
    loom::model(move || {
        let memory = loom::sync::Arc::new(board.memory(statuses));
        let apache = memory.clone();
        let writer = loom::thread::spawn(move || write(board, &apache));
        let Counts {
            busy,
            idle,
            total,
            starting,
            leaving,
            unknown,
            ..
        } = count(&*memory, &board.0);
        writer.join().unwrap();
        assert_eq!((total, unknown), (busy + idle, 0));
        assert!(total + starting + leaving <= board.0.server_limit());
        all.lock().unwrap().insert([busy, idle, starting, leaving]);
    });
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// One request ends and another one begins elsewhere. There is never more than one busy worker, and a reader may see two, or
/// none: one too many or too few for each change during its pass. Nobody is lost or counted twice: the sum is right.
#[test]
fn a_change_during_the_pass_costs_one_worker_at_most() {
    let seen = seen(
        Board::new(2),
        &[Status::Ready, Status::Write],
        |board, memory| {
            memory.store(board.status(1), Status::Ready as u32);
            memory.store(board.status(0), Status::Read as u32);
        },
    );
    let expected = [[0, 2, 0, 0], [1, 1, 0, 0], [2, 0, 0, 0]];
    assert_eq!(seen, BTreeSet::from(expected));
}

/// A worker that goes through a whole request counts as what it was at one of the moments: busy or idle, never both.
#[test]
fn one_worker_is_one_worker_whatever_it_does() {
    let seen = seen(Board::new(1), &[Status::Ready], |board, memory| {
        for status in [Status::Read, Status::Write, Status::Log, Status::Ready] {
            memory.store(board.status(0), status as u32);
        }
    });
    assert_eq!(seen, BTreeSet::from([[0, 1, 0, 0], [1, 0, 0, 0]]));
}

/// A graceful restart takes a process's slot for one of the new generation. A reader may miss the worker, or take it for one that
/// leaves; what it can't report is an idle worker that starts as well, or two in one slot.
#[test]
fn a_slot_that_is_given_to_a_new_process() {
    let seen = seen(Board::new(1), &[Status::Ready], |board, memory| {
        memory.store(board.0.generation_at(), 1);
        memory.store(board.status(0), Status::Dead as u32);
        memory.store(board.pid(0), 0);
        memory.store(board.generation(0), 1);
        memory.store(board.status(0), Status::Starting as u32);
        memory.store(board.pid(0), 200);
    });
    let expected = [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]];
    assert_eq!(seen, BTreeSet::from(expected));
}
