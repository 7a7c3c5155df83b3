//! What this LB has seen of the servers, in-band: one LB's opinion. It orders candidates and
//! never changes who they are (the paper's footnote 3).

use packet_io::Instant;

use super::contract::Limits;

/// An LB's opinion of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Opinion {
    /// It answers, or nobody has had reason to doubt it.
    #[default]
    Alive,
    /// SYNs offered to it were seen again: it goes last in hunts, and is asked by echo requests.
    Suspect,
    /// It didn't answer those either: its pins are bypassed, it goes last everywhere.
    Dead,
}

impl Opinion {
    /// The name in `status`.
    pub const fn name(self) -> &'static str {
        match self {
            Opinion::Alive => "alive",
            Opinion::Suspect => "suspect",
            Opinion::Dead => "dead",
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Record {
    opinion: Opinion,
    strikes: u8,
    unanswered: u8,
    next_probe: Instant,
    /// It is asked whether it is there, and nothing is held against it until it doesn't answer.
    doubted: bool,
    /// It was dead, and packets that were sent while it was may still be under way.
    bypassed_until: Instant,
    /// When it spoke last.
    heard_at: Option<Instant>,
}

impl Record {
    fn is_asked(&self) -> bool {
        self.opinion != Opinion::Alive || self.doubted
    }
}

/// The opinions of all servers, by their numbers.
#[derive(Default)]
pub struct Health {
    limits: Limits,
    records: Vec<Record>,
    /// How many are to be asked: where there are none, a poll has nothing to do.
    asked: usize,
}

impl Health {
    /// Without servers.
    pub fn new(limits: Limits) -> Self {
        Health {
            limits,
            ..Health::default()
        }
    }

    /// Makes room for `servers` servers; new ones are alive.
    pub fn resize(&mut self, servers: usize) {
        self.records.resize(servers, Record::default());
    }

    /// The opinion of a server.
    pub fn of(&self, server: u16) -> Opinion {
        self.records
            .get(usize::from(server))
            .map_or(Opinion::Alive, |r| r.opinion)
    }

    /// Has the server spoken after `at`?
    pub fn spoke_after(&self, server: u16, at: Instant) -> bool {
        let record = self.records.get(usize::from(server));
        record.is_some_and(|r| r.heard_at.is_some_and(|heard_at| heard_at > at))
    }

    /// A SYN that went to this server has been seen again, with no word from it in between.
    pub fn strike(&mut self, server: u16, now: Instant) {
        if let Some(record) = self.records.get_mut(usize::from(server)) {
            record.strikes = record.strikes.saturating_add(1);
            if record.strikes >= self.limits.signs_until_suspect {
                self.suspect(server, now);
            }
        }
    }

    /// There is a sign that the server is out of reach.
    pub fn suspect(&mut self, server: u16, now: Instant) {
        let Some(record) = self.records.get_mut(usize::from(server)) else {
            return;
        };
        if record.opinion == Opinion::Alive {
            self.asked += usize::from(!record.is_asked());
            *record = Record {
                opinion: Opinion::Suspect,
                next_probe: now,
                bypassed_until: record.bypassed_until,
                heard_at: record.heard_at,
                ..Record::default()
            };
        }
    }

    /// A datagram that went to this server first has been seen again, with no answer in between. There may
    /// be none to come: it is asked whether it is there, and keeps its place until it doesn't say so.
    pub fn doubt(&mut self, server: u16, now: Instant) {
        let Some(record) = self.records.get_mut(usize::from(server)) else {
            return;
        };
        if !record.is_asked() {
            record.doubted = true;
            record.next_probe = record.next_probe.max(now);
            self.asked += 1;
        }
    }

    /// The server has spoken. True if that is news.
    pub fn heard(&mut self, server: u16, now: Instant) -> bool {
        let Some(record) = self.records.get_mut(usize::from(server)) else {
            return false;
        };
        let news = record.opinion != Opinion::Alive;
        let bypassed_until = match record.opinion {
            Opinion::Dead => now + self.limits.under_way,
            _ => record.bypassed_until,
        };
        self.asked -= usize::from(record.is_asked());
        *record = Record {
            bypassed_until,
            next_probe: record.next_probe,
            heard_at: Some(now),
            ..Record::default()
        };
        news
    }

    /// May a packet that is under way have bypassed this server, because it counted as dead?
    pub fn was_bypassed(&self, server: u16, now: Instant) -> bool {
        let record = self.records.get(usize::from(server));
        record.is_some_and(|r| r.opinion == Opinion::Dead || now < r.bypassed_until)
    }

    /// Forgets what was thought of some servers.
    pub fn forget(&mut self, whom: impl Fn(u16) -> bool) {
        for (server, record) in (0u16..).zip(&mut self.records) {
            if whom(server) {
                self.asked -= usize::from(record.is_asked());
                *record = Record::default();
            }
        }
    }

    /// Which servers are to be asked now. Asking once too often without a reply makes a suspect
    /// dead.
    pub fn ask_suspects(&mut self, now: Instant, mut ask: impl FnMut(u16)) {
        if self.asked == 0 {
            return;
        }
        for (server, record) in (0u16..).zip(&mut self.records) {
            if !record.is_asked() || record.next_probe > now {
                continue;
            }
            if record.unanswered >= self.limits.probes_until_dead {
                record.opinion = Opinion::Dead;
            }
            record.unanswered = record.unanswered.saturating_add(1);
            record.next_probe = now + self.limits.probe_interval;
            ask(server);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(health: &mut Health, at: u64) -> Vec<u16> {
        let mut asked = Vec::new();
        health.ask_suspects(Instant::from_secs(at), |s| asked.push(s));
        asked
    }

    #[test]
    fn three_strikes_make_a_suspect_and_three_silent_probes_a_dead_one() {
        let mut health = Health::default();
        health.resize(4);
        for _ in 0..2 {
            health.strike(2, Instant::ZERO);
        }
        assert_eq!(health.of(2), Opinion::Alive);
        assert!(probed(&mut health, 0).is_empty());
        health.strike(2, Instant::ZERO);
        assert_eq!(health.of(2), Opinion::Suspect);
        for at in 0..3 {
            assert_eq!(probed(&mut health, at), [2]);
            assert!(probed(&mut health, at).is_empty());
            assert_eq!(health.of(2), Opinion::Suspect);
        }
        assert_eq!(probed(&mut health, 3), [2]);
        assert_eq!(health.of(2), Opinion::Dead);
        assert!(health.heard(2, Instant::ZERO));
        assert_eq!(health.of(2), Opinion::Alive);
        assert!(probed(&mut health, 9).is_empty());
        assert!(!health.heard(2, Instant::ZERO));
    }

    #[test]
    fn a_doubt_is_a_question_once_a_second_and_silence_makes_dead() {
        let mut health = Health::default();
        health.resize(2);
        for at in 5..8 {
            health.doubt(1, Instant::from_secs(at));
            assert_eq!(probed(&mut health, at), [1]);
            health.heard(1, Instant::from_secs(at));
            health.doubt(1, Instant::from_secs(at));
            assert!(probed(&mut health, at).is_empty(), "asked just now");
            assert_eq!(health.of(1), Opinion::Alive);
        }
        for at in 8..11 {
            health.doubt(1, Instant::from_secs(at));
            assert_eq!(probed(&mut health, at), [1]);
            assert_eq!(health.of(1), Opinion::Alive);
        }
        assert_eq!(probed(&mut health, 11), [1]);
        assert_eq!(health.of(1), Opinion::Dead);
        health.heard(1, Instant::from_secs(11));
        assert!(probed(&mut health, 20).is_empty());
    }

    #[test]
    fn an_answer_in_between_takes_the_strikes_back() {
        let mut health = Health::default();
        health.resize(1);
        for _ in 0..10 {
            health.strike(0, Instant::ZERO);
            health.heard(0, Instant::ZERO);
        }
        assert_eq!(health.of(0), Opinion::Alive);
    }
}
