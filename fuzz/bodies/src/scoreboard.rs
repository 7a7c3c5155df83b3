//! `scoreboard`: any bytes as a board, and a board on which anything is written while it is mapped and watched. Counts are
//! compared with a naive count over the file's bytes.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use apache_probe::layout::{Layout, KNOWN};
use apache_probe::synthetic::Synthetic;
use apache_probe::{locate, render, Board, Counts, Event, Snapshot, Target, Watcher};

use crate::place;
use crate::tape::Tape;

/// One board's worth of trouble.
pub fn run(input: &[u8]) {
    let mut tape = Tape::new(input);
    match tape.flip() {
        false => any_bytes(tape.rest()),
        true => watched(&mut tape),
    }
}

/// A file that somebody says is a scoreboard.
fn any_bytes(bytes: &[u8]) {
    let path = place::write("any", bytes);
    let target = Target::score_board_file(&path).ignoring_parent();
    match locate(&target).and_then(|found| Board::map(&found)) {
        Ok(board) => {
            read_everything(&board);
            assert_eq!(board.counts(), naive(&board, bytes));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let mut watcher = Watcher::new(target);
    let event = watcher.check();
    assert_eq!(watcher.is_up(), event == Event::Started);
}

/// Limits small enough to be quick.
struct Shape {
    layout: &'static Layout,
    servers: u32,
    threads: u32,
}

impl Shape {
    fn create(&self, path: &Path) {
        place::remove(path);
        Synthetic::create(path, self.layout, self.servers, self.threads).expect("a made-up board");
    }
}

/// A board under a watcher, written to between looks.
fn watched(tape: &mut Tape) {
    let shape = Shape {
        layout: &KNOWN[tape.below(KNOWN.len())],
        servers: 1 + tape.byte() as u32 % 12,
        threads: 1 + tape.byte() as u32 % 4,
    };
    let path = place::file("watched");
    shape.create(&path);
    let mut watcher = Watcher::new(Target::score_board_file(&path).ignoring_parent());
    assert_eq!(watcher.check(), Event::Started);
    for _ in 0..64 {
        if tape.is_at_end() {
            break;
        }
        change(tape, &path, &shape);
        look(&mut watcher, &path);
    }
}

/// Something happens to the file.
fn change(tape: &mut Tape, path: &Path, shape: &Shape) {
    let kind = tape.below(10);
    if kind == 0 {
        return shape.create(path);
    }
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else {
        return;
    };
    match kind {
        1 => place::remove(path),
        // Shorter or longer; the watcher looks before anybody reads.
        2 => drop(file.set_len(u64::from(tape.word()) % (1 << 15))),
        // Fields of the head: limits, generation, restart time.
        3 => put(&file, 8 + 4 * tape.below(6), &tape.long().to_ne_bytes()),
        4 => put(&file, 16, &u32::from(tape.byte() % 4).to_ne_bytes()),
        // A process: pid, generation, flags.
        5 => {
            let slot = tape.below(shape.servers as usize);
            let at = 8 + shape.layout.global_bytes + slot * shape.layout.process_bytes;
            put(&file, at, &u32::from(tape.byte()).to_ne_bytes());
            put(&file, at + 4, &u32::from(tape.byte() % 4).to_ne_bytes());
            put(&file, at + 8, &[tape.byte() % 3, tape.byte() % 3]);
        }
        // Workers' statuses, mostly those that httpd has.
        6..=8 => {
            let index = tape.below((shape.servers * shape.threads) as usize);
            let processes = shape.servers as usize * shape.layout.process_bytes;
            let at = 8 + shape.layout.global_bytes + processes + index * shape.layout.worker_bytes;
            put(&file, at + 20, &[tape.byte() % 13]);
        }
        _ => put(&file, usize::from(tape.word()), &[tape.byte()]),
    }
}

/// Writes inside the file only: a board doesn't grow by being written to.
fn put(file: &File, at: usize, bytes: &[u8]) {
    let len = file.metadata().map_or(0, |metadata| metadata.len());
    if (at + bytes.len()) as u64 <= len {
        file.write_all_at(bytes, at as u64)
            .expect("a write into the board");
    }
}

fn look(watcher: &mut Watcher, path: &Path) {
    let event = watcher.check();
    assert!(!event.to_string().is_empty());
    assert_eq!(watcher.is_up(), watcher.board().is_some());
    match event {
        Event::Started
        | Event::Restarted
        | Event::GracefulRestart { .. }
        | Event::HardRestart { .. } => {
            assert!(watcher.is_up());
        }
        Event::Stopped | Event::Killed | Event::Refused(_) => assert!(!watcher.is_up()),
        Event::Unchanged => {}
    }
    if let Some(board) = watcher.board() {
        read_everything(board);
        let bytes = std::fs::read(path).expect("a board that is up is there");
        assert_eq!(board.counts(), naive(board, &bytes));
        assert_eq!(board.counts().unknown, 0, "what is up has been looked at");
    } else {
        assert!(watcher.snapshot().is_none(), "nobody was killed here");
    }
}

/// What every board must satisfy, whatever is on it.
fn read_everything(board: &Board) {
    let counts = board.counts();
    let slots = board.geometry().server_limit() * board.geometry().thread_limit();
    assert_eq!(counts.total, counts.busy + counts.idle);
    assert!(counts.total + counts.starting + counts.leaving + counts.unknown <= slots);
    assert!(counts.not_accepting <= board.geometry().server_limit());
    let snapshot = Snapshot::of(board, None);
    assert_eq!(snapshot.letters().len(), slots as usize);
    assert!(!render(&snapshot).is_empty());
}

/// The counts once more, from the bytes and httpd's header files.
fn naive(board: &Board, bytes: &[u8]) -> Counts {
    let layout = board.geometry().layout();
    let long = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (servers, threads) = (
        board.geometry().server_limit() as usize,
        board.geometry().thread_limit() as usize,
    );
    let processes = 8 + layout.global_bytes;
    let workers = processes + servers * layout.process_bytes;
    let running = long(16);
    let mut counts = Counts::default();
    for slot in 0..servers {
        let process = processes + slot * layout.process_bytes;
        if long(process) == 0 {
            continue;
        }
        let quiescing = bytes[process + 8] != 0;
        if !quiescing && bytes[process + 9] != 0 {
            counts.not_accepting += 1;
        }
        for thread in 0..threads {
            let worker = workers + (slot * threads + thread) * layout.worker_bytes;
            match bytes[worker + 20] {
                0 => {}
                11.. => counts.unknown += 1,
                _ if quiescing => counts.leaving += 1,
                1 => counts.starting += 1,
                2 if long(process + 4) == running => counts.idle += 1,
                2 | 10 => counts.leaving += 1,
                _ => counts.busy += 1,
            }
        }
    }
    counts.total = counts.busy + counts.idle;
    counts
}
