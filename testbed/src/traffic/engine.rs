//! The client's loop: one thread, one poll, any number of connections.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use super::connection::{blank_record, Connection, Ending};
use super::record::{Class, Outcome, Record};
use super::script::{Script, Shape};
use super::timers::{Due, Timers};
use crate::clock::now_ms;
use crate::opener::Opener;
use crate::rng::Rng;
use crate::signals::Interrupt;

/// How often progress is told.
const TELL_EVERY_MS: f64 = 200.0;
/// Whoever lost a connection tries again about so much later.
const AGAIN_AFTER_MS: f64 = 200.0;
/// The seed's stream for starts; connections have their own numbers' streams.
const STARTS: u64 = u64::MAX;

/// What to do.
#[derive(Clone, Debug)]
pub struct Params {
    /// Opens the connections.
    pub opener: Opener,
    /// How many connections of each class at any time; short ones come at their rate instead.
    pub counts: BTreeMap<Class, usize>,
    /// Short requests a second on average.
    pub short_rate_per_s: f64,
    /// Sizes and rhythms.
    pub shape: Shape,
    /// The same seed gives the same requests.
    pub seed: u64,
    /// New work begins for so long.
    pub run: Duration,
    /// The first connections are opened over so long.
    pub ramp: Duration,
    /// What runs at the end may take so long to finish.
    pub drain: Duration,
    /// A connection without progress is given up after so long.
    pub timeout: Duration,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Time since the start, in seconds.
    pub elapsed_s: f64,
    /// Connections open now, or being opened.
    pub open: u64,
    /// Connections over, whatever the end.
    pub ended: u64,
    /// Connections over that did not complete.
    pub failed: u64,
}

struct Active {
    id: u64,
    connection: Connection,
    /// When the timers will bring us here.
    look_ms: f64,
}

struct Engine<'a> {
    params: Params,
    host: Arc<str>,
    poll: Poll,
    start_ms: f64,
    end_ms: f64,
    rng: Rng,
    timers: Timers,
    active: Vec<Option<Active>>,
    free: Vec<usize>,
    next_id: u64,
    records: Vec<Record>,
    failed: u64,
    told_ms: f64,
    tell: &'a mut dyn FnMut(Progress),
}

/// Runs the traffic and returns every connection's record, in the order of opening.
///
/// Interrupted, it ends at once; what was under way is recorded as unfinished.
pub fn run(
    params: Params,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Record>> {
    let start_ms = now_ms();
    let mut engine = Engine {
        host: params.opener.target.to_string().into(),
        poll: Poll::new().context("cannot poll")?,
        start_ms,
        end_ms: start_ms + params.run.as_secs_f64() * 1e3,
        rng: Rng::new(params.seed, STARTS),
        timers: Timers::default(),
        active: Vec::new(),
        free: Vec::new(),
        next_id: 0,
        records: Vec::new(),
        failed: 0,
        told_ms: 0.0,
        params,
        tell,
    };
    engine.plan_starts();
    engine.play(interrupt)?;
    engine.give_up();
    engine.tell_progress(f64::INFINITY);
    engine.records.sort_by_key(|record| record.id);
    Ok(engine.records)
}

impl Engine<'_> {
    fn plan_starts(&mut self) {
        let ramp_ms = self.params.ramp.as_secs_f64() * 1e3;
        for (class, count) in self.params.counts.clone() {
            for i in 0..count {
                let share = i as f64 / count as f64;
                let at_ms = self.start_ms + ramp_ms * share;
                self.timers.add(at_ms, Due::Open(class));
            }
        }
        self.plan_short(self.start_ms);
    }

    /// The next short request of the Poisson stream.
    fn plan_short(&mut self, after_ms: f64) {
        let rate = self.params.short_rate_per_s;
        if rate > 0.0 {
            let at_ms = after_ms + self.rng.exponential(1e3 / rate);
            self.timers.add(at_ms, Due::Open(Class::Short));
        }
    }

    /// Until all is over that was begun in time, or the drain has lasted long enough.
    fn play(&mut self, interrupt: &Interrupt) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        let last_ms = self.end_ms + self.params.drain.as_secs_f64() * 1e3;
        let mut draining = false;
        while !interrupt.is_set() {
            let now = now_ms();
            if now >= self.end_ms && !draining {
                draining = true;
                // Whoever pauses or holds back hears that the time is over.
                (0..self.active.len()).for_each(|slot| self.look(slot));
            }
            if draining && (self.is_empty() || now >= last_ms) {
                break;
            }
            while let Some(due) = self.timers.take(now) {
                self.happen(due, now)?;
            }
            self.tell_progress(now);
            let until_ms = if draining { last_ms } else { self.end_ms };
            self.wait(until_ms, &mut events)?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.active.len()
    }

    fn happen(&mut self, due: Due, now: f64) -> Result<()> {
        match due {
            Due::Open(_) if now >= self.end_ms => {}
            Due::Open(class) => {
                if class == Class::Short {
                    self.plan_short(now);
                }
                self.open(class, now)?;
            }
            Due::Look { slot, id } => {
                if self.active[slot].as_ref().is_some_and(|a| a.id == id) {
                    self.look(slot);
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, class: Class, now: f64) -> Result<()> {
        let (client, opened) = self.params.opener.open()?;
        let id = self.next_id;
        self.next_id += 1;
        let record = blank_record(id, class, client, now);
        let stream = match opened {
            Ok(stream) => stream,
            Err(e) => {
                self.finish(Record {
                    outcome: Outcome::Failed,
                    error: Some(e.to_string()),
                    ..record
                });
                return Ok(());
            }
        };
        let (shape, seed) = (self.params.shape, self.params.seed);
        let script = Script::new(class, shape, self.host.clone(), seed, id);
        let mut connection = Connection::new(stream, script, record);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.active.push(None);
            self.active.len() - 1
        });
        let both = Interest::READABLE | Interest::WRITABLE;
        (self.poll.registry())
            .register(connection.stream(), Token(slot), both)
            .context("cannot watch a connection")?;
        self.active[slot] = Some(Active {
            id,
            connection,
            look_ms: f64::INFINITY,
        });
        self.look(slot);
        Ok(())
    }

    /// Lets a connection go on and notes when to look again.
    fn look(&mut self, slot: usize) {
        let now = now_ms();
        let timeout_ms = self.params.timeout.as_secs_f64() * 1e3;
        let Some(Some(active)) = self.active.get_mut(slot) else {
            return;
        };
        if active.look_ms <= now {
            active.look_ms = f64::INFINITY;
        }
        if let Some(ending) = active.connection.step(now, self.end_ms, timeout_ms) {
            return self.end(slot, ending, now);
        }
        let wake = active.connection.wake_ms(now, timeout_ms);
        if let Some(at_ms) = wake.filter(|at_ms| *at_ms < active.look_ms) {
            active.look_ms = at_ms;
            let id = active.id;
            self.timers.add(at_ms, Due::Look { slot, id });
        }
    }

    fn end(&mut self, slot: usize, ending: Ending, now: f64) {
        if let Some(active) = self.active[slot].take() {
            self.free.push(slot);
            self.finish(active.connection.into_record(ending, now));
        }
    }

    /// Keeps the record, and plans the connection that takes this one's place.
    fn finish(&mut self, record: Record) {
        let completed = record.outcome.is_completed();
        self.failed += u64::from(!completed);
        if record.class != Class::Short {
            let pause_ms = match completed {
                true => 0.0,
                false => self.rng.exponential(AGAIN_AFTER_MS),
            };
            self.timers
                .add(record.ended_ms + pause_ms, Due::Open(record.class));
        }
        self.records.push(record);
    }

    /// The end of the drain, or of our patience: whoever still runs is unfinished.
    fn give_up(&mut self) {
        let now = now_ms();
        for slot in 0..self.active.len() {
            self.end(slot, (Outcome::Unfinished, None), now);
        }
    }

    /// Waits for the network or for the next thing that is due.
    fn wait(&mut self, until_ms: f64, events: &mut Events) -> Result<()> {
        let now = now_ms();
        let next_ms = self.timers.next_ms().unwrap_or(until_ms).min(until_ms);
        let timeout_ms = (next_ms - now).clamp(0.0, TELL_EVERY_MS);
        let timeout = Duration::from_secs_f64(timeout_ms / 1e3);
        match self.poll.poll(events, Some(timeout)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other.context("cannot poll")?,
        }
        for event in events.iter() {
            self.look(event.token().0);
        }
        Ok(())
    }

    fn tell_progress(&mut self, now: f64) {
        if now < self.told_ms + TELL_EVERY_MS {
            return;
        }
        self.told_ms = now;
        (self.tell)(Progress {
            elapsed_s: (now_ms() - self.start_ms) / 1e3,
            open: (self.active.len() - self.free.len()) as u64,
            ended: self.records.len() as u64,
            failed: self.failed,
        });
    }
}
