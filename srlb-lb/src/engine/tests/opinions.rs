//! Opinions of servers alone, without packets.

use packet_io::Instant;

use crate::engine::health::{Health, Opinion};

fn probed(health: &Health, at: u64) -> Vec<u16> {
    let mut asked = Vec::new();
    health.ask_suspects(Instant::from_secs(at), |s| asked.push(s));
    asked
}

#[test]
fn three_strikes_make_a_suspect_and_three_silent_probes_a_dead_one() {
    let health = Health::default();
    health.make_room(4);
    for _ in 0..2 {
        health.strike(2, Instant::ZERO);
    }
    assert_eq!(health.of(2), Opinion::Alive);
    assert!(probed(&health, 0).is_empty());
    health.strike(2, Instant::ZERO);
    assert_eq!(health.of(2), Opinion::Suspect);
    for at in 0..3 {
        assert_eq!(probed(&health, at), [2]);
        assert!(probed(&health, at).is_empty());
        assert_eq!(health.of(2), Opinion::Suspect);
    }
    assert_eq!(probed(&health, 3), [2]);
    assert_eq!(health.of(2), Opinion::Dead);
    assert!(health.is_dead(2) && !health.is_dead(1));
    assert!(health.heard(2, Instant::ZERO));
    assert_eq!(health.of(2), Opinion::Alive);
    assert!(probed(&health, 9).is_empty());
    assert!(!health.heard(2, Instant::ZERO));
}

#[test]
fn a_doubt_is_a_question_once_a_second_and_silence_makes_dead() {
    let health = Health::default();
    health.make_room(2);
    for at in 5..8 {
        health.doubt(1, Instant::from_secs(at));
        assert_eq!(probed(&health, at), [1]);
        health.heard(1, Instant::from_secs(at));
        health.doubt(1, Instant::from_secs(at));
        assert!(probed(&health, at).is_empty(), "asked just now");
        assert_eq!(health.of(1), Opinion::Alive);
    }
    for at in 8..11 {
        health.doubt(1, Instant::from_secs(at));
        assert_eq!(probed(&health, at), [1]);
        assert_eq!(health.of(1), Opinion::Alive);
    }
    assert_eq!(probed(&health, 11), [1]);
    assert_eq!(health.of(1), Opinion::Dead);
    health.heard(1, Instant::from_secs(11));
    assert!(probed(&health, 20).is_empty());
}

#[test]
fn an_answer_in_between_takes_the_strikes_back() {
    let health = Health::default();
    health.make_room(1);
    for _ in 0..10 {
        health.strike(0, Instant::ZERO);
        health.heard(0, Instant::ZERO);
    }
    assert_eq!(health.of(0), Opinion::Alive);
}

#[test]
fn of_threads_that_poll_one_asks_and_all_of_them_count_strikes() {
    const SERVERS: u16 = 300;
    let health = Health::default();
    health.make_room(SERVERS.into());
    let work = || {
        let mut asked = Vec::new();
        for at in 0..5 {
            let now = Instant::from_secs(at);
            (0..SERVERS).for_each(|server| health.strike(server, now));
            for _ in 0..20 {
                health.ask_suspects(now, |server| asked.push((server, at)));
            }
        }
        asked
    };
    let mut asked = std::thread::scope(|scope| {
        let others: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        let mut asked = work();
        others
            .into_iter()
            .for_each(|other| asked.extend(other.join().unwrap()));
        asked
    });
    assert!((0..SERVERS).all(|server| health.of(server) != Opinion::Alive));
    // No thread waits for the others, so a second may pass without a question; none passes with two.
    asked.sort_unstable();
    let count = asked.len();
    asked.dedup_by_key(|(server, at)| (*server, *at));
    assert_eq!(asked.len(), count);
    assert!(count > 0);
}

#[test]
fn the_last_numbers_have_room_and_those_without_are_alive() {
    let health = Health::default();
    health.suspect(7, Instant::ZERO);
    assert_eq!(health.of(7), Opinion::Alive, "no such server");
    health.make_room(usize::from(u16::MAX) + 1);
    health.suspect(u16::MAX, Instant::ZERO);
    assert_eq!(probed(&health, 0), [u16::MAX]);
    health.forget(|server| server == u16::MAX);
    assert_eq!(health.of(u16::MAX), Opinion::Alive);
}
