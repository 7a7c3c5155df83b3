//! What a watcher says while a real Apache is restarted, stopped, started and killed.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;

use apache_probe::{Event, Target, Watcher};
use common::{next_event, wait_until, wait_up, Apache, Config, PREFORK, THREADED};

/// A watcher that has reported the start.
fn watch(target: Target) -> Watcher {
    let mut watcher = Watcher::new(target);
    assert_eq!(next_event(&mut watcher), Event::Started);
    wait_up(&mut watcher);
    watcher
}

fn anonymous(mpm: &'static str, limits: &'static str) -> Apache {
    let mut apache = Apache::configure(&Config {
        mpm,
        score_board_file: None,
        limits,
    });
    apache.start();
    apache
}

#[test]
fn absent_then_started() {
    skip_without_apache!();
    let mut apache = Apache::configure(&Config {
        mpm: "prefork",
        score_board_file: Some("scoreboard".into()),
        limits: PREFORK,
    });
    let mut watcher = Watcher::new(Target::score_board_file(apache.score_board_file()));
    assert_eq!(watcher.check(), Event::Stopped);
    assert_eq!(watcher.check(), Event::Unchanged);
    assert!(watcher.reason().is_some());
    apache.start();
    assert_eq!(next_event(&mut watcher), Event::Started);
    assert!(watcher.is_up());
    assert!(watcher.reason().is_none());
}

#[test]
fn graceful_and_hard_restarts_keep_the_board() {
    skip_without_apache!();
    for (mpm, limits) in [
        ("prefork", PREFORK),
        ("worker", THREADED),
        ("event", THREADED),
    ] {
        let apache = Apache::named(mpm, limits);
        let mut watcher = watch(Target::score_board_file(apache.score_board_file()));
        let inode = fs::metadata(apache.object()).expect("object").ino();
        // A request that is under way stays busy through a graceful restart.
        let held = apache.half_request();
        let is_busy =
            |watcher: &Watcher| watcher.board().is_some_and(|board| board.counts().busy > 0);
        wait_until("a busy worker", || is_busy(&watcher));

        apache.signal("USR1");
        assert_eq!(
            next_event(&mut watcher),
            Event::GracefulRestart { generation: 1 },
            "{mpm}"
        );
        assert!(watcher.is_up());
        drop(held);
        wait_up(&mut watcher);

        apache.signal("HUP");
        assert_eq!(
            next_event(&mut watcher),
            Event::HardRestart { generation: 2 },
            "{mpm}"
        );
        wait_up(&mut watcher);
        assert_eq!(fs::metadata(apache.object()).expect("object").ino(), inode);
    }
}

#[test]
fn stop_and_start() {
    skip_without_apache!();
    for (mpm, limits) in [("prefork", PREFORK), ("event", THREADED)] {
        let mut apache = Apache::named(mpm, limits);
        let mut watcher = watch(Target::score_board_file(apache.score_board_file()));
        apache.stop();
        assert_eq!(next_event(&mut watcher), Event::Stopped, "{mpm}");
        assert!(!watcher.is_up() && watcher.board().is_none());
        assert_eq!(watcher.check(), Event::Unchanged);
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Started, "{mpm}");
        wait_up(&mut watcher);
        // Slower than the checks: the watcher sees the new board only.
        apache.stop();
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Restarted, "{mpm}");
        wait_up(&mut watcher);
        assert_eq!(
            watcher.snapshot().expect("up").parent_pid,
            Some(apache.pid())
        );
    }
}

/// While it runs down after a graceful stop, Apache takes no connections but its board is still there.
#[test]
fn graceful_stop_ends_as_stopped() {
    skip_without_apache!();
    let mut apache = Apache::named("prefork", PREFORK);
    let mut watcher = watch(Target::score_board_file(apache.score_board_file()));
    let held = apache.half_request();
    wait_until("a busy worker", || {
        watcher
            .board()
            .is_some_and(|board| board.counts().busy == 1)
    });
    apache.signal("WINCH");
    wait_until("the end of all idle workers", || {
        assert_eq!(watcher.check(), Event::Unchanged);
        let counts = watcher.board().expect("still there").counts();
        counts.idle == 0 && counts.busy == 1
    });
    drop(held);
    apache.reap();
    assert_eq!(next_event(&mut watcher), Event::Stopped);
}

#[test]
fn killed_parent_with_living_children() {
    skip_without_apache!();
    for (mpm, limits) in [("prefork", PREFORK), ("event", THREADED)] {
        let mut apache = Apache::named(mpm, limits);
        let target = Target::score_board_file(apache.score_board_file());
        let mut watcher = watch(target.clone());
        apache.kill_parent();
        assert!(!apache.pids().is_empty(), "its children live on");
        assert_eq!(next_event(&mut watcher), Event::Killed, "{mpm}");
        assert!(!watcher.is_up() && watcher.board().is_none());
        assert!(watcher.snapshot().is_some(), "to be looked at all the same");
        assert_eq!(watcher.check(), Event::Unchanged);

        // A watcher that comes later sees it too, with and without the pid file that was left behind.
        for target in [target.clone(), target.with_pid_file(apache.pid_file())] {
            assert_eq!(Watcher::new(target).check(), Event::Killed, "{mpm}");
        }
        apache.kill_orphans();
        assert_eq!(watcher.check(), Event::Unchanged);
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Restarted, "{mpm}");
        wait_up(&mut watcher);
    }
}

#[test]
fn killed_with_all_children_leaves_its_board_behind() {
    skip_without_apache!();
    let mut apache = Apache::named("prefork", PREFORK);
    let target = Target::score_board_file(apache.score_board_file());
    let mut watcher = watch(target.clone());
    apache.kill_parent();
    apache.kill_orphans();
    assert_eq!(next_event(&mut watcher), Event::Killed);
    assert_eq!(Watcher::new(target).check(), Event::Killed);
    fs::remove_file(apache.object()).expect("the object was left behind");
    assert_eq!(next_event(&mut watcher), Event::Stopped);
}

#[test]
fn anonymous_board_through_its_life() {
    skip_without_apache!();
    for (mpm, limits) in [("prefork", PREFORK), ("event", THREADED)] {
        let mut apache = anonymous(mpm, limits);
        let mut watcher = watch(Target::pid_file(apache.pid_file()));
        apache.signal("USR1");
        assert_eq!(
            next_event(&mut watcher),
            Event::GracefulRestart { generation: 1 },
            "{mpm}"
        );
        wait_up(&mut watcher);
        apache.stop();
        assert_eq!(next_event(&mut watcher), Event::Stopped, "{mpm}");
        apache.start();
        wait_up(&mut watcher);
        apache.stop();
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Restarted, "{mpm}");
        wait_up(&mut watcher);
        apache.kill_parent();
        assert_eq!(next_event(&mut watcher), Event::Killed, "{mpm}");
        assert_eq!(watcher.check(), Event::Unchanged);
        apache.kill_orphans();
        apache.start();
        assert_eq!(next_event(&mut watcher), Event::Restarted, "{mpm}");
    }
}

/// Only the pid file is known, but the board has a name all the same.
#[test]
fn killed_parent_of_a_named_board_by_pid_file() {
    skip_without_apache!();
    let mut apache = Apache::named("prefork", PREFORK);
    let mut watcher = watch(Target::pid_file(apache.pid_file()));
    apache.kill_parent();
    assert_eq!(next_event(&mut watcher), Event::Killed);
    assert_eq!(watcher.check(), Event::Unchanged);
    apache.kill_orphans();
    apache.start();
    assert_eq!(next_event(&mut watcher), Event::Restarted);
    wait_up(&mut watcher);
    apache.stop();
    assert_eq!(next_event(&mut watcher), Event::Stopped);
}

/// By pid there is no way back after a stop, and no false one.
#[test]
fn by_pid_a_stop_is_final() {
    skip_without_apache!();
    let mut apache = anonymous("prefork", PREFORK);
    let mut watcher = watch(Target::pid(apache.pid()));
    apache.stop();
    assert_eq!(next_event(&mut watcher), Event::Stopped);
    apache.start();
    assert_eq!(watcher.check(), Event::Unchanged);
}
