//! What this LB has seen of the servers, in-band: one LB's opinion. It orders candidates and
//! never changes who they are (the paper's footnote 3).
//!
//! All engines of an LB share it: a client's packets come to one of them, its server's to another one.

mod record;

use std::sync::OnceLock;

use packet_io::Instant;

use super::contract::Limits;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use record::Record;

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

/// Servers whose records lie together.
const BLOCK: usize = 256;
/// Enough for every number.
const BLOCKS: usize = (u16::MAX as usize + 1) / BLOCK;

/// What is kept of some servers. Every client packet reads a word of the first array, every server's packet writes to the second one: they
/// lie apart, so that the first stays in every core's cache.
struct Block {
    records: [AtomicU64; BLOCK],
    /// When it spoke last, in microseconds, and one more; 0: never.
    heard: [AtomicU64; BLOCK],
    /// It was dead, and packets that were sent while it was may be under way until then, in microseconds.
    bypassed_until: [AtomicU64; BLOCK],
}

impl Block {
    fn new() -> Box<Self> {
        let zeros = || [const { AtomicU64::new(0) }; BLOCK];
        Box::new(Block {
            records: zeros(),
            heard: zeros(),
            bypassed_until: zeros(),
        })
    }
}

/// The opinions of all servers, by their numbers.
///
/// No call waits for another thread. Each record changes as a whole; of several threads that change one, all changes count, in some order.
pub struct Health {
    limits: Limits,
    blocks: [OnceLock<Box<Block>>; BLOCKS],
    /// May there be one to be asked? Where there is none, a poll has nothing to do.
    asks: AtomicBool,
    /// How many are dead, modulo 2^64: mostly nobody is, and then no packet has to ask for its server.
    dead: AtomicU64,
    /// The same of all that are not alive, for new flows.
    in_doubt: AtomicU64,
}

impl Default for Health {
    fn default() -> Self {
        Health::new(Limits::default())
    }
}

impl Health {
    /// Without servers.
    pub fn new(limits: Limits) -> Self {
        Health {
            limits,
            blocks: [const { OnceLock::new() }; BLOCKS],
            asks: AtomicBool::new(false),
            dead: AtomicU64::new(0),
            in_doubt: AtomicU64::new(0),
        }
    }

    /// Makes room for `servers` servers at least; new ones are alive.
    pub fn make_room(&self, servers: usize) {
        let needed = servers.div_ceil(BLOCK).min(BLOCKS);
        for block in &self.blocks[..needed] {
            block.get_or_init(Block::new);
        }
    }

    fn place(&self, server: u16) -> Option<(&Block, usize)> {
        let (block, at) = (usize::from(server) / BLOCK, usize::from(server) % BLOCK);
        Some((self.blocks[block].get()?, at))
    }

    fn record(&self, server: u16) -> Record {
        let place = self.place(server);
        place.map_or(Record::default(), |(block, at)| {
            Record(block.records[at].load(Ordering::Acquire))
        })
    }

    /// Changes a record, as often as others come in between; returns what it was. None stays, or there is no such server.
    fn change(&self, server: u16, change: impl Fn(Record) -> Option<Record>) -> Option<Record> {
        let (block, at) = self.place(server)?;
        let changed = |old| change(Record(old)).map(|new| new.0);
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        let old = block.records[at].fetch_update(success, failure, changed);
        let old = old.ok().map(Record)?;
        // The same again: what it becomes depends on nothing else.
        self.count(old, change(old).unwrap_or(old));
        Some(old)
    }

    /// A record has become another one.
    fn count(&self, old: Record, new: Record) {
        let (old, new) = (old.opinion(), new.opinion());
        let is_dead = |opinion| u64::from(opinion == Opinion::Dead);
        let is_in_doubt = |opinion| u64::from(opinion != Opinion::Alive);
        for (count, more) in [
            (&self.dead, is_dead(new).wrapping_sub(is_dead(old))),
            (
                &self.in_doubt,
                is_in_doubt(new).wrapping_sub(is_in_doubt(old)),
            ),
        ] {
            if more != 0 {
                count.fetch_add(more, Ordering::AcqRel);
            }
        }
    }

    /// The opinion of a server.
    pub fn of(&self, server: u16) -> Opinion {
        self.record(server).opinion()
    }

    /// Is that [`Opinion::Dead`]? For who asks for every packet.
    #[inline]
    pub fn is_dead(&self, server: u16) -> bool {
        self.dead.load(Ordering::Acquire) != 0 && self.of(server) == Opinion::Dead
    }

    /// Are all of these [`Opinion::Alive`]? For who asks for every new flow.
    #[inline]
    pub fn are_alive(&self, servers: &[u16]) -> bool {
        let is_alive = |&server: &u16| self.of(server) == Opinion::Alive;
        self.in_doubt.load(Ordering::Acquire) == 0 || servers.iter().all(is_alive)
    }

    /// Has the server spoken after `at`?
    pub fn spoke_after(&self, server: u16, at: Instant) -> bool {
        let place = self.place(server);
        place.is_some_and(|(block, slot)| {
            block.heard[slot].load(Ordering::Relaxed) > at.micros().saturating_add(1)
        })
    }

    /// A SYN that went to this server has been seen again, with no word from it in between.
    pub fn strike(&self, server: u16, now: Instant) {
        let struck = |record: Record| Some(record.struck(&self.limits, now));
        self.change(server, struck);
        self.see_to(server);
    }

    /// There is a sign that the server is out of reach.
    pub fn suspect(&self, server: u16, now: Instant) {
        self.change(server, |record| Some(record.suspected(now)));
        self.see_to(server);
    }

    /// A datagram that went to this server first has been seen again, with no answer in between. There may
    /// be none to come: it is asked whether it is there, and keeps its place until it doesn't say so.
    pub fn doubt(&self, server: u16, now: Instant) {
        self.change(server, |record| Some(record.doubted(now)));
        self.see_to(server);
    }

    /// Behind every change that may make one to be asked: whoever polls next looks at all of them.
    fn see_to(&self, server: u16) {
        if self.record(server).is_asked() {
            self.asks.store(true, Ordering::Release);
        }
    }

    /// The server has spoken. True if that is news.
    pub fn heard(&self, server: u16, now: Instant) -> bool {
        let Some((block, at)) = self.place(server) else {
            return false;
        };
        let heard = now.micros().saturating_add(1);
        // Another core's clock may be a batch ahead.
        if block.heard[at].load(Ordering::Relaxed) < heard {
            block.heard[at].fetch_max(heard, Ordering::Relaxed);
        }
        if self.record(server).is_calm() {
            return false;
        }
        let old = self.change(server, |record| {
            if record.opinion() == Opinion::Dead {
                // Before it counts as alive: nobody may see the one without the other.
                let until = now + self.limits.under_way;
                block.bypassed_until[at].fetch_max(until.micros(), Ordering::Release);
            }
            Some(record.heard())
        });
        old.is_some_and(|old| old.opinion() != Opinion::Alive)
    }

    /// May a packet that is under way have bypassed this server, because it counted as dead?
    pub fn was_bypassed(&self, server: u16, now: Instant) -> bool {
        let Some((block, at)) = self.place(server) else {
            return false;
        };
        self.of(server) == Opinion::Dead
            || now.micros() < block.bypassed_until[at].load(Ordering::Acquire)
    }

    /// Forgets what was thought of some servers.
    pub fn forget(&self, whom: impl Fn(u16) -> bool) {
        for server in self.servers().filter(|&server| whom(server)) {
            let Some((block, at)) = self.place(server) else {
                continue;
            };
            if self.record(server) != Record::default() {
                let old = Record(block.records[at].swap(0, Ordering::AcqRel));
                self.count(old, Record::default());
            }
            for word in [&block.heard[at], &block.bypassed_until[at]] {
                // Those that nobody ever thought anything of stay in everybody's cache.
                if word.load(Ordering::Relaxed) != 0 {
                    word.store(0, Ordering::Release);
                }
            }
        }
    }

    /// Which servers are to be asked now. Asking once too often without a reply makes a suspect
    /// dead. Of several threads that poll, one asks.
    pub fn ask_suspects(&self, now: Instant, mut ask: impl FnMut(u16)) {
        if !self.asks.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut any = false;
        for server in self.servers() {
            any |= self.record(server).is_asked();
            let probed = |record: Record| record.probed(&self.limits, now);
            if self.change(server, probed).is_some() {
                ask(server);
            }
        }
        if any {
            self.asks.store(true, Ordering::Release);
        }
    }

    /// All numbers that there is room for.
    fn servers(&self) -> impl Iterator<Item = u16> + '_ {
        let there = |block: &usize| self.blocks[*block].get().is_some();
        let numbers = |block: usize| (block * BLOCK..(block + 1) * BLOCK).map(|n| n as u16);
        (0..BLOCKS).filter(there).flat_map(numbers)
    }
}
