//! What is known of one connection, from both its ends.

use crate::sim::dialogue::{Act, ConnectionSpec, Side};
use crate::sim::nodes::Node;
use crate::sim::outcome::{ConnectionResult, End};
use crate::sim::tcp::report::{Gone, Report};

/// How long a connection may stand still without any reason: 3 s, and the way there and back.
const GRACE_US: u64 = 3_200_000;
/// The longest that TCP waits between two retransmissions.
const LONGEST_TIMER_US: u64 = 60_000_000;
/// A delayed ACK may hide the retransmission timer that long, after round trips through both links.
const TIMER_SHOWS_US: u64 = 500_000;
/// The shortest retransmission timer.
const SHORTEST_TIMER_US: u64 = 1_000_000;
/// A timer this close may be a delayed ACK's.
const DELAYED_ACK_US: u64 = 10_000;

/// A time in which nothing went on although something was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When it began.
    pub since_us: u64,
    /// How long it took.
    pub took_us: u64,
    /// Packets of the connection that were lost in this time.
    pub lost: u32,
    /// The whole of the retransmission timer at its beginning.
    pub timer_us: u64,
}

impl Stall {
    /// How long TCP may take: each loss may have been a retransmission, and doubles the timer.
    pub fn allowed_us(&self) -> u64 {
        let mut timer = self.timer_us;
        let mut sum = GRACE_US;
        for _ in 0..=self.lost {
            sum += timer;
            timer = (timer * 2).min(LONGEST_TIMER_US);
        }
        sum
    }
}

/// The retransmission timer of an end. Half of it may be over when a connection comes to a standstill, and the next one takes
/// twice the whole.
#[derive(Clone, Copy, Debug, Default)]
struct Timer {
    due_us: u64,
    takes_us: u64,
}

impl Timer {
    /// An end says how long it is until its next timer.
    fn saw(&mut self, now_us: u64, left_us: Option<u64>) {
        match left_us {
            None => *self = Timer::default(),
            Some(0..=DELAYED_ACK_US) => {}
            Some(left_us) if now_us + left_us == self.due_us => {}
            Some(left_us) => {
                *self = Timer {
                    due_us: now_us + left_us,
                    takes_us: left_us,
                }
            }
        }
    }
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    client: Option<Report>,
    server_end: Option<Report>,
    opened_us: Option<u64>,
    /// Servers that made a socket for it, with the number of their SYN-ACK.
    takers: Vec<(u32, u16)>,
    aborts: Option<Side>,
    progress: (u64, u64),
    stands_since_us: Option<u64>,
    timer_us: u64,
    /// Of the client's end and the server's.
    timers: [Timer; 2],
    /// Packets lost since it stands still.
    pub lost: u32,
    /// Has a kernel dropped its SYN, because too many wait?
    pub queue_was_full: bool,
    /// Was a wrong byte seen?
    pub wrong: bool,
    /// The longest time without progress.
    pub longest_stall_us: u64,
    /// How it ended.
    pub result: Option<ConnectionResult>,
}

impl Connection {
    /// Before its start.
    pub fn new(spec: &ConnectionSpec) -> Self {
        let abort = spec.turns.iter().find(|turn| turn.act == Act::Abort);
        Connection {
            client: None,
            server_end: None,
            opened_us: None,
            takers: Vec::new(),
            aborts: abort.map(|turn| turn.side),
            progress: (0, 0),
            stands_since_us: None,
            timer_us: SHORTEST_TIMER_US,
            timers: Default::default(),
            lost: 0,
            queue_was_full: false,
            wrong: false,
            longest_stall_us: 0,
            result: None,
        }
    }

    /// The client opens it.
    pub fn opened(&mut self, now_us: u64) {
        self.opened_us = Some(now_us);
    }

    /// Was it ever opened?
    pub fn was_opened(&self) -> bool {
        self.opened_us.is_some()
    }

    /// When it was opened.
    pub fn opened_us(&self) -> u64 {
        self.opened_us.unwrap_or(0)
    }

    /// The number of the SYN-ACK that the client has accepted.
    pub fn server_number(&self) -> Option<u32> {
        let client = self.client.filter(|report| report.established);
        client.map(|report| report.server_number)
    }

    /// The server that the client is connected to.
    pub fn server(&self) -> Option<u16> {
        let number = self.server_number()?;
        let taker = self.takers.iter().find(|(n, _)| *n == number);
        taker.map(|(_, server)| *server)
    }

    /// Did its server's kernel give the handshake up, because the client's ACKs were lost and it had nothing to say?
    pub fn has_expired_handshake(&self) -> bool {
        let gone = self.server_end.and_then(|report| report.gone);
        gone == Some(Gone::HalfOpen)
    }

    /// An end says how it stands. Returns a stall that this has ended.
    pub fn take(&mut self, now_us: u64, node: Node, report: &Report) -> Option<Stall> {
        match (report.side, node) {
            (Side::Client, _) => {
                self.client = Some(*report);
                self.timers[0].saw(now_us, report.timer_us);
            }
            (Side::Server, Node::Server(n)) => {
                let taker = (report.server_number, n);
                if !self.takers.contains(&taker) {
                    self.takers.push(taker);
                }
                if self.server_number() == Some(report.server_number) {
                    self.server_end = Some(*report);
                    self.timers[1].saw(now_us, report.timer_us);
                }
            }
            _ => {}
        }
        self.look_at_progress(now_us)
    }

    /// Has another server than that of the client completed a handshake with it?
    pub fn has_two_owners(&self, node: Node, report: &Report) -> bool {
        let is_stray = self.server_number() != Some(report.server_number);
        matches!(node, Node::Server(_)) && report.established && is_stray
    }

    fn look_at_progress(&mut self, now_us: u64) -> Option<Stall> {
        let ends = [self.client, self.server_end];
        let made = ends.map(|end| {
            end.map_or(0, |r| {
                let marks = [r.established, r.other_ended, r.done, r.gone.is_some()];
                r.received + marks.iter().filter(|&&mark| mark).count() as u64
            })
        });
        let made = (made[0], made[1]);
        let queued = self.server_end.is_some_and(|r| r.queued);
        let is_due = !queued && ends.iter().flatten().any(|r| r.outstanding);
        let stall = (made != self.progress || !is_due)
            .then(|| self.stall_so_far(now_us))
            .flatten();
        if made != self.progress || !is_due {
            self.progress = made;
            self.stands_since_us = None;
        }
        if is_due && self.stands_since_us.is_none() {
            self.timer_us = SHORTEST_TIMER_US;
            self.stands_since_us = Some(now_us);
            self.lost = 0;
        }
        let since_us = self.stands_since_us.unwrap_or(now_us);
        if is_due && now_us - since_us <= TIMER_SHOWS_US {
            let [client, server] = self.timers.map(|timer| timer.takes_us);
            let timer_us = client.max(server).min(LONGEST_TIMER_US);
            self.timer_us = self.timer_us.max(timer_us);
        }
        stall
    }

    /// How long it has been standing still, if it is.
    pub fn stall_so_far(&self, now_us: u64) -> Option<Stall> {
        let since_us = self.stands_since_us?;
        Some(Stall {
            since_us,
            took_us: now_us - since_us,
            lost: self.lost,
            timer_us: self.timer_us,
        })
    }

    /// How it has ended, if it has just done so.
    pub fn has_ended(&self) -> Option<End> {
        if self.result.is_some() {
            return None;
        }
        let client = self.client?;
        let gone = |end: Option<Report>| end.and_then(|r| r.gone);
        let both_done = client.done && self.server_end.is_some_and(|r| r.done);
        match (gone(self.client), gone(self.server_end)) {
            _ if both_done && self.aborts.is_none() => Some(End::Completed),
            (Some(Gone::Aborted), _) | (_, Some(Gone::Aborted)) => Some(End::Aborted),
            (Some(Gone::Refused), _) => Some(End::Refused),
            (Some(Gone::TimedOut), _) => Some(End::TimedOut),
            (Some(Gone::Reset | Gone::Killed), _) => Some(End::Reset(Side::Client)),
            (_, Some(Gone::Reset)) => Some(End::Reset(Side::Server)),
            // the client learns of it by a RST, or never
            _ => None,
        }
    }

    /// The state of both ends, for an error message.
    pub fn describe(&self) -> String {
        format!("client {:?}, server {:?}", self.client, self.server_end)
    }
}
