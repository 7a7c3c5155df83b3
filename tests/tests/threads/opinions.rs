//! What the LB's engines think of a server, in many of the orders in which two of them may come to think it.

use packet_io::Instant;
use shuttle::scheduler::RandomScheduler;
use shuttle::sync::Arc;
use shuttle::{thread, Config, Runner};

use crate::contract::Limits;
use crate::health::{Health, Opinion};

/// A poll looks at 256 records, and may be interrupted at each: all orders are far too many.
const SCHEDULES: usize = 1_000;
const SERVER: u16 = 3;
const NOW: Instant = Instant::from_secs(100);

/// One that has been suspected and asked until it counts as dead.
fn with_a_dead_one() -> Health {
    let health = Health::new(Limits::default());
    health.make_room(4);
    health.suspect(SERVER, Instant::ZERO);
    (0..5).for_each(|at| health.ask_suspects(Instant::from_secs(at), |_| ()));
    assert_eq!(health.of(SERVER), Opinion::Dead);
    health
}

fn both<L: 'static, R: Send + 'static>(
    before: fn() -> Health,
    left: fn(&Health) -> L,
    right: fn(&Health) -> R,
    after: fn(&Health, L, R),
) {
    let run = move || {
        let health = Arc::new(before());
        let there = {
            let health = Arc::clone(&health);
            thread::spawn(move || right(&health))
        };
        let left = left(&health);
        let right = there.join().unwrap();
        assert_eq!(health.is_dead(SERVER), health.of(SERVER) == Opinion::Dead);
        after(&health, left, right);
    };
    let mut config = Config::new();
    // Records of 256 servers are made there.
    config.stack_size = 4 << 20;
    Runner::new(RandomScheduler::new(SCHEDULES), config).run(run);
}

/// Packets that bypassed it while it was dead are under way when it speaks: nobody sees it alive and not bypassed.
#[test]
fn one_that_comes_back_was_bypassed_for_everybody() {
    both(
        with_a_dead_one,
        |health| health.was_bypassed(SERVER, NOW),
        |health| health.heard(SERVER, NOW),
        |health, was_bypassed, news| {
            assert!(was_bypassed && news);
            assert_eq!(health.of(SERVER), Opinion::Alive);
            assert!(health.was_bypassed(SERVER, NOW));
        },
    );
}

/// The news is one thread's, and no word is lost behind a strike: what remains is a strike at most.
#[test]
fn a_word_is_news_to_one_and_is_not_lost_among_strikes() {
    let fresh = || {
        let health = Health::new(Limits::default());
        health.make_room(4);
        health.strike(SERVER, NOW);
        health.strike(SERVER, NOW);
        health
    };
    both(
        fresh,
        |health| health.strike(SERVER, NOW),
        |health| health.heard(SERVER, NOW),
        |health, (), news| {
            assert_eq!(
                health.of(SERVER),
                Opinion::Alive,
                "it has spoken after it was suspected, or before the strike"
            );
            assert!(health.spoke_after(SERVER, Instant::ZERO));
            let _ = news;
        },
    );
    both(
        with_a_dead_one,
        |health| health.heard(SERVER, NOW),
        |health| health.heard(SERVER, NOW),
        |_, left, right| assert!(left != right),
    );
}

/// Whoever takes the last word back, the dead are counted.
#[test]
fn none_is_dead_once_all_is_forgotten() {
    both(
        with_a_dead_one,
        |health| health.forget(|_| true),
        |health| health.heard(SERVER, NOW),
        |health, (), _| assert!(!health.is_dead(SERVER)),
    );
}

/// Of two that poll one asks; and who becomes suspect during a poll is asked in that one or in the next.
#[test]
fn every_suspect_is_asked_once() {
    let suspect = || {
        let health = Health::new(Limits::default());
        health.make_room(4);
        health.suspect(SERVER, NOW);
        health
    };
    let poll = |health: &Health| {
        let mut asked = 0;
        health.ask_suspects(NOW, |_| asked += 1);
        asked
    };
    both(suspect, poll, poll, |_, left, right| {
        assert_eq!(left + right, 1);
    });
    let doubt = |health: &Health| health.doubt(SERVER - 1, NOW);
    both(suspect, doubt, poll, |health, (), asked| {
        let mut later = 0;
        health.ask_suspects(NOW, |_| later += 1);
        assert_eq!(asked + later, 2);
    });
}
