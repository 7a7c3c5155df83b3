//! The load generator's loop: starts what is due, watches what runs, gives up what is old.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use super::connection::{Connection, Step};
use super::http;
use super::record::{Outcome, Record};
use super::schedule::{Arrival, Schedule, Sources};
use crate::opener::Opener;
use crate::signals::Interrupt;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What to do.
#[derive(Clone, Debug)]
pub struct Params {
    /// Whom to ask.
    pub target: SocketAddr,
    /// Where from.
    pub sources: Sources,
    /// When an unanswered request is given up.
    pub timeout: Duration,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Time since the start, in seconds.
    pub elapsed_s: f64,
    /// Requests started.
    pub started: u64,
    /// Requests over, whatever the end.
    pub ended: u64,
    /// Requests over with a failure.
    pub failed: u64,
}

/// A request under way.
struct Active {
    connection: Connection,
    record: Record,
}

struct Engine<'a> {
    opener: Opener,
    timeout: Duration,
    host: String,
    start: Instant,
    poll: Poll,
    active: Vec<Option<Active>>,
    free: Vec<usize>,
    /// When to give up whom, in order: the timeout is the same for all.
    deadlines: VecDeque<(Duration, usize, u64)>,
    records: Vec<Record>,
    progress: Progress,
    told: Duration,
    tell: &'a mut dyn FnMut(Progress),
}

/// Plays the schedule and returns every request's record, in the order of their starts.
/// Interrupted, it ends at once and returns an error.
pub fn run(
    schedule: Schedule,
    params: Params,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Record>> {
    let mut engine = Engine {
        host: params.target.to_string(),
        opener: Opener {
            target: params.target,
            sources: params.sources,
            buffer_bytes: None,
        },
        timeout: params.timeout,
        start: Instant::now(),
        poll: Poll::new().context("cannot poll")?,
        active: Vec::new(),
        free: Vec::new(),
        deadlines: VecDeque::new(),
        records: Vec::new(),
        progress: Progress::default(),
        told: Duration::ZERO,
        tell,
    };
    let mut coming = schedule.enumerate().peekable();
    let mut events = Events::with_capacity(1024);
    loop {
        interrupt.check()?;
        while let Some((id, arrival)) = coming.next_if(|(_, a)| a.at <= engine.start.elapsed()) {
            engine.begin(id as u64, arrival)?;
        }
        engine.give_up_old();
        engine.tell_progress();
        if coming.peek().is_none() && engine.free.len() == engine.active.len() {
            break;
        }
        engine.wait(coming.peek().map(|(_, arrival)| arrival.at), &mut events)?;
    }
    engine.told = Duration::ZERO;
    engine.tell_progress();
    engine.records.sort_by_key(|record| record.id);
    Ok(engine.records)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Engine<'_> {
    /// Starts one request.
    fn begin(&mut self, id: u64, arrival: Arrival) -> Result<()> {
        let now = self.start.elapsed();
        let (source, opened) = self.opener.open()?;
        let record = Record {
            id,
            source,
            service_ms: ms(arrival.service),
            scheduled_ms: ms(arrival.at),
            started_ms: ms(now),
            connected_ms: None,
            first_byte_ms: None,
            ended_ms: ms(now),
            outcome: Outcome::Timeout,
            server: None,
        };
        self.progress.started += 1;
        let stream = match opened {
            Ok(stream) => stream,
            Err(e) => {
                self.finish(record, Outcome::Other(e.to_string()));
                return Ok(());
            }
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.active.push(None);
            self.active.len() - 1
        });
        let request = http::request(&self.host, id, arrival.service.as_micros());
        let mut connection = Connection::new(stream, request);
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(connection.stream(), Token(slot), both)
            .context("cannot watch a connection")?;
        self.deadlines.push_back((now + self.timeout, slot, id));
        self.active[slot] = Some(Active { connection, record });
        Ok(())
    }

    /// Waits for the network or for the next thing that is due.
    fn wait(&mut self, next_start: Option<Duration>, events: &mut Events) -> Result<()> {
        let now = self.start.elapsed();
        let due = [next_start, self.deadlines.front().map(|(at, ..)| *at)];
        let due = due
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + PROGRESS_EVERY);
        let timeout = due.saturating_sub(now).min(PROGRESS_EVERY);
        match self.poll.poll(events, Some(timeout)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other.context("cannot poll")?,
        }
        for event in events.iter() {
            self.step(event.token().0);
        }
        Ok(())
    }

    fn step(&mut self, slot: usize) {
        let now = ms(self.start.elapsed());
        let Some(Some(active)) = self.active.get_mut(slot) else {
            return;
        };
        let step = active.connection.step();
        if active.connection.is_connected() {
            active.record.connected_ms.get_or_insert(now);
        }
        if !active.connection.answer().is_empty() {
            active.record.first_byte_ms.get_or_insert(now);
        }
        match step {
            Step::Pending => {}
            Step::Broken(outcome) => self.end(slot, outcome),
            Step::Closed => {
                let outcome = match http::check(active.connection.answer(), active.record.id) {
                    Ok(server) => {
                        active.record.server = server;
                        Outcome::Ok
                    }
                    Err(why) => Outcome::WrongAnswer(why),
                };
                self.end(slot, outcome);
            }
        }
    }

    fn give_up_old(&mut self) {
        let now = self.start.elapsed();
        while let Some(&(at, slot, id)) = self.deadlines.front() {
            if at > now {
                break;
            }
            self.deadlines.pop_front();
            let same = |active: &Active| active.record.id == id;
            if self.active[slot].as_ref().is_some_and(same) {
                self.end(slot, Outcome::Timeout);
            }
        }
    }

    fn end(&mut self, slot: usize, outcome: Outcome) {
        let Some(active) = self.active[slot].take() else {
            return;
        };
        self.free.push(slot);
        self.finish(active.record, outcome);
    }

    fn finish(&mut self, mut record: Record, outcome: Outcome) {
        record.ended_ms = ms(self.start.elapsed());
        self.progress.ended += 1;
        self.progress.failed += u64::from(!outcome.is_ok());
        record.outcome = outcome;
        self.records.push(record);
    }

    fn tell_progress(&mut self) {
        let now = self.start.elapsed();
        if now >= self.told {
            self.told = now + PROGRESS_EVERY;
            self.progress.elapsed_s = now.as_secs_f64();
            (self.tell)(self.progress);
        }
    }
}
