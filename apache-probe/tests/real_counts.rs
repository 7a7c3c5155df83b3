//! Finding and counting, on a real Apache with each MPM.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use apache_probe::{locate, render, shm_name, Board, Counts, Error, Mpm, Status, Target, Watcher};
use common::{wait_until, wait_up, Apache, Config, PREFORK, THREADED};

fn watch(target: Target) -> Watcher {
    let mut watcher = Watcher::new(target);
    wait_up(&mut watcher);
    watcher
}

fn wait_counts(board: &Board, what: &str, condition: impl Fn(&Counts) -> bool) {
    let mut counts = board.counts();
    wait_until(what, || {
        counts = board.counts();
        condition(&counts)
    });
}

/// Opens `wanted` half requests and expects exactly as many busy workers, then none.
fn busy_follows_connections(apache: &Apache, target: Target, mpm: Mpm) {
    let watcher = watch(target);
    let board = watcher.board().expect("up");
    wait_counts(board, "nothing starting, nothing busy", |counts| {
        counts.busy == 0 && counts.starting == 0 && counts.idle >= 6
    });
    for wanted in [1, 4] {
        let held: Vec<TcpStream> = (0..wanted).map(|_| apache.half_request()).collect();
        wait_counts(board, "as many busy as held open", |counts| {
            counts.busy == wanted
        });
        let counts = board.counts();
        assert_eq!(counts.total, counts.busy + counts.idle);
        assert_eq!(counts.unknown, 0);
        let snapshot = watcher.snapshot().expect("up");
        assert_eq!(snapshot.mpm, mpm);
        assert_eq!(snapshot.parent_pid, Some(apache.pid()));
        let reading = snapshot.letters().matches('R').count();
        assert_eq!(reading, wanted as usize, "{}", render(&snapshot));
        drop(held);
        wait_counts(board, "none busy", |counts| counts.busy == 0);
    }
}

#[test]
fn prefork_busy_follows_connections() {
    skip_without_apache!();
    let apache = Apache::named("prefork", PREFORK);
    let target = Target::score_board_file(apache.score_board_file());
    busy_follows_connections(&apache, target, Mpm::Prefork);
}

#[test]
fn worker_busy_follows_connections() {
    skip_without_apache!();
    let apache = Apache::named("worker", THREADED);
    let target = Target::score_board_file(apache.score_board_file());
    busy_follows_connections(&apache, target, Mpm::Worker);
}

#[test]
fn event_busy_follows_connections() {
    skip_without_apache!();
    let apache = Apache::named("event", THREADED);
    let target = Target::score_board_file(apache.score_board_file());
    busy_follows_connections(&apache, target, Mpm::Event);
}

/// Without the directive the memory has no name: it is found through the parent.
#[test]
fn anonymous_board_is_found_by_pid_and_by_pid_file() {
    skip_without_apache!();
    for (mpm, limits, expected) in [
        ("prefork", PREFORK, Mpm::Prefork),
        ("event", THREADED, Mpm::Event),
    ] {
        let mut apache = Apache::configure(&Config {
            mpm,
            score_board_file: None,
            limits,
        });
        apache.start();
        busy_follows_connections(&apache, Target::pid(apache.pid()), expected);
        busy_follows_connections(&apache, Target::pid_file(apache.pid_file()), expected);
    }
}

/// A named board is found through the parent too, and then under its own name.
#[test]
fn named_board_is_found_by_pid() {
    skip_without_apache!();
    let apache = Apache::named("prefork", PREFORK);
    let watcher = watch(Target::pid(apache.pid()));
    assert_eq!(watcher.board().expect("up").path(), apache.object());
}

/// An idle keep-alive takes a prefork worker.
#[test]
fn prefork_keepalive_is_busy() {
    skip_without_apache!();
    let apache = Apache::named("prefork", PREFORK);
    let watcher = watch(Target::score_board_file(apache.score_board_file()));
    let board = watcher.board().expect("up");
    let mut stream = apache.connect();
    stream
        .write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("send");
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).expect("a reply");
    assert!(reply.starts_with(b"HTTP/1.1 "));
    wait_counts(board, "the keep-alive", |counts| counts.busy == 1);
    wait_until("its letter", || {
        watcher
            .snapshot()
            .is_some_and(|snapshot| snapshot.letters().contains(Status::Keepalive.letter()))
    });
}

/// More connections than workers: every worker busy, also those that Apache starts on the way.
#[test]
fn a_saturated_apache_is_all_busy() {
    skip_without_apache!();
    for (mpm, limits, workers) in [("prefork", PREFORK, 12), ("event", THREADED, 32)] {
        let apache = Apache::named(mpm, limits);
        let watcher = watch(Target::score_board_file(apache.score_board_file()));
        let board = watcher.board().expect("up");
        let _held: Vec<TcpStream> = (0..workers + 6).map(|_| apache.half_request()).collect();
        wait_counts(board, "all busy", |counts| counts.busy == workers);
        assert_eq!(board.counts().idle, 0);
        if mpm == "event" {
            wait_counts(board, "processes full", |counts| counts.not_accepting == 4);
        }
    }
}

/// APR's object names, for paths that are spelled in every way. The oracle is the Apache that makes the object.
#[test]
fn object_names_are_aprs() {
    skip_without_apache!();
    for file in [
        "scoreboard",
        "a-much-longer-name.of-a-scoreboard_file",
        "run/../x//./board",
        "br\u{e4}tt \u{2603}",
    ] {
        let mut apache = Apache::configure(&Config {
            mpm: "prefork",
            score_board_file: Some(file.into()),
            limits: PREFORK,
        });
        let expected = apache.object();
        assert!(!expected.exists());
        apache.start();
        wait_until(&format!("an object for {file:?}"), || expected.exists());
        let maps = fs::read_to_string(format!("/proc/{}/maps", apache.pid())).expect("maps");
        assert!(maps.contains(&expected.display().to_string()), "{file:?}");
        apache.stop();
        assert!(!expected.exists());
    }
}

#[test]
fn a_process_that_is_no_apache_has_no_scoreboard() {
    let error = locate(&Target::pid(std::process::id())).expect_err("a test is no Apache");
    assert!(
        matches!(error, Error::NoScoreboard { .. } | Error::Access { .. }),
        "{error}"
    );
}

#[test]
fn the_name_of_a_known_path() {
    // Taken from a Debian Apache, so that the hashes are held also where none is installed.
    assert_eq!(
        shm_name(Path::new("/run/apache2/scoreboard")).as_deref(),
        Some("ShM.3ea90d1aH8f5d7936")
    );
}
