//! A real Apache whose APR shares memory by shmget (`scripts/sysv-apr.sh` builds one), through its life.

mod common;

use std::fs;
use std::path::Path;

use apache_probe::layout::Memory;
use apache_probe::{Event, Target, Watcher};
use common::{next_event, sysv_apr, wait_until, wait_up, Apache, Config, PREFORK, THREADED};

/// Prints why and returns from the test where such an Apache cannot be run; else the folder with its APR.
macro_rules! sysv_or_skip {
    () => {{
        skip_without_apache!();
        match sysv_apr() {
            Some(folder) => folder,
            None => {
                println!("skipped: no APR that uses shmget; scripts/sysv-apr.sh builds one");
                return;
            }
        }
    }};
}

fn start(apr: &Path, config: &Config) -> Apache {
    let mut apache = Apache::configure(config).with_apr(apr);
    apache.start();
    apache
}

/// By the file where there is one, by the pid file where there is none.
fn target(apache: &Apache, config: &Config) -> Target {
    match &config.score_board_file {
        Some(_) => Target::score_board_file(apache.score_board_file()),
        None => Target::pid_file(apache.pid_file()),
    }
}

fn watch(target: Target) -> Watcher {
    let mut watcher = Watcher::new(target);
    assert_eq!(next_event(&mut watcher), Event::Started);
    wait_up(&mut watcher);
    watcher
}

/// Every MPM with a named board and with an anonymous one.
fn configs() -> Vec<Config> {
    [
        ("prefork", PREFORK),
        ("worker", THREADED),
        ("event", THREADED),
    ]
    .into_iter()
    .flat_map(|(mpm, limits)| [true, false].map(|is_named| Config::new(mpm, limits, is_named)))
    .collect()
}

#[test]
fn requests_show_as_busy_workers() {
    let apr = sysv_or_skip!();
    for config in configs() {
        let apache = start(&apr, &config);
        let mut watcher = watch(target(&apache, &config));
        let board = watcher.board().expect("up");
        assert_eq!(board.geometry().memory(), Memory::Segment, "{}", config.mpm);
        let held: Vec<_> = (0..3).map(|_| apache.half_request()).collect();
        wait_until("three busy workers", || {
            watcher.check();
            watcher
                .board()
                .is_some_and(|board| board.counts().busy == 3)
        });
        drop(held);
        wait_until("no busy worker", || {
            watcher.check();
            watcher
                .board()
                .is_some_and(|board| board.counts().busy == 0)
        });
    }
}

#[test]
fn restarts_stops_and_kills_are_told() {
    let apr = sysv_or_skip!();
    for config in configs() {
        let mut apache = start(&apr, &config);
        let what = format!(
            "{}, named: {}",
            config.mpm,
            config.score_board_file.is_some()
        );
        let mut watcher = watch(target(&apache, &config));
        apache.signal("USR1");
        let graceful = Event::GracefulRestart { generation: 1 };
        assert_eq!(next_event(&mut watcher), graceful, "{what}");
        wait_up(&mut watcher);
        apache.signal("HUP");
        let hard = Event::HardRestart { generation: 2 };
        assert_eq!(next_event(&mut watcher), hard, "{what}");
        wait_up(&mut watcher);

        apache.stop();
        assert_eq!(next_event(&mut watcher), Event::Stopped, "{what}");
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Started, "{what}");
        wait_up(&mut watcher);
        apache.stop();
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Restarted, "{what}");
        wait_up(&mut watcher);

        apache.kill_parent();
        assert_eq!(next_event(&mut watcher), Event::Killed, "{what}");
        assert_eq!(watcher.check(), Event::Unchanged, "{what}");
        apache.kill_orphans();
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Restarted, "{what}");
        wait_up(&mut watcher);
    }
}

/// A named segment is found by the pid file as well: through the parent's own mappings.
#[test]
fn a_named_segment_by_pid_file() {
    let apr = sysv_or_skip!();
    let config = Config::new("event", THREADED, true);
    let mut apache = start(&apr, &config);
    assert_eq!(
        fs::metadata(apache.score_board_file()).expect("it").len(),
        8
    );
    let mut watcher = watch(Target::pid_file(apache.pid_file()));
    apache.stop();
    assert_eq!(next_event(&mut watcher), Event::Stopped);
}

/// A pid does not lead astray: the parent is the one that has this very segment.
#[test]
fn two_apaches_are_told_apart() {
    let apr = sysv_or_skip!();
    let config = Config::new("prefork", PREFORK, false);
    let mut first = start(&apr, &config);
    let second = start(&apr, &config);
    let mut watcher = watch(Target::pid_file(first.pid_file()));
    first.kill_parent();
    assert_eq!(next_event(&mut watcher), Event::Killed);
    first.kill_orphans();
    let other = watch(Target::pid_file(second.pid_file()));
    assert_eq!(other.snapshot().expect("up").parent_pid, Some(second.pid()));
}
