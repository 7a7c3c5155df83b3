//! An engine with its flows, and one pass over a ring of packets.

use std::time::{Duration, Instant as Clock};

use anyhow::{ensure, Context, Result};
use flow_table::Pages;
use packet_io::{Instant, PacketBuf};
use srlb_lb::engine::{Engine, Event, Verdict, TICK_MS};

use super::case::{Case, Way};
use super::flows::{owner, Flows};
use super::{packets, setup};

/// Packets in the ring that are worked on one after the other: with their buffers, far more than a second-level cache has.
pub const RING: usize = 16_384;
/// Flows of a table in which a ring's packets displace a share of entries that matters.
const SMALL: u64 = 16 * RING as u64;
/// The table's share of entries that come and go at a time, where packets make entries.
const COMING: usize = 16;
/// Longer than an entry lives that no client confirms.
const UNTIL_UNCONFIRMED_END: Duration = Duration::from_millis(2 * TICK_MS);
/// Calls of `poll` in which the whole table is swept.
const SWEEP_POLLS: usize = 600;

/// What one pass over the ring has taken.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Packets.
    pub packets: usize,
    /// Time.
    pub took: Duration,
}

impl Pass {
    /// Nanoseconds a packet.
    pub fn ns(&self) -> f64 {
        self.took.as_nanos() as f64 / self.packets as f64
    }
}

/// Asked while something takes long; an error ends it.
pub type Check<'a> = dyn Fn() -> Result<()> + 'a;

/// An engine that knows some flows, and its own clock. It stands still while packets are worked on.
pub struct Rig {
    way: Way,
    servers: u16,
    engine: Engine,
    flows: Flows,
    /// Has it its table alone?
    is_alone: bool,
    /// Is every entry refreshed in this tick that has to be in the steady state, and no other one?
    is_steady: bool,
    now: Instant,
    verdicts: Vec<Verdict>,
}

impl Rig {
    /// One whose table is made for `flows` flows, and has them.
    pub fn new(way: Way, servers: u16, flows: u64) -> Result<Rig> {
        Rig::filled(way, servers, flows, &|| Ok(()))
    }

    /// The same with many flows: `check` is asked time and again whether to go on.
    pub fn filled(way: Way, servers: u16, flows: u64, check: &Check) -> Result<Rig> {
        let max_flows = usize::try_from(flows).context("more flows than memory has bytes")?;
        let engine = setup::engine(way, servers, max_flows)?;
        let mut rig = Rig {
            way,
            servers,
            engine,
            flows: Flows::new(flows),
            is_alone: true,
            is_steady: false,
            now: Instant::from_secs(1_000),
            verdicts: Vec::new(),
        };
        rig.pin_all(check)?;
        Ok(rig)
    }

    /// One more engine on the same table, for worker number `worker` of `workers`. It does not bring that into the steady
    /// state itself: [`Rig::steady_like`].
    pub fn for_worker(&self, worker: u64, workers: u64) -> Result<Rig> {
        Ok(Rig {
            engine: setup::beside(&self.engine, self.way, self.servers)?,
            flows: self.flows.for_worker(worker, workers),
            is_alone: false,
            verdicts: Vec::new(),
            ..*self
        })
    }

    /// Takes over the clock of a rig on the same table that has just been brought into the steady state.
    pub fn steady_like(&mut self, other: &Rig) {
        self.now = other.now;
        self.is_steady = other.is_steady;
        self.flows.settle();
    }

    /// Every flow is claimed by its server; with Maglev the first packet makes the entry, and the second one confirms it.
    fn pin_all(&mut self, check: &Check) -> Result<()> {
        let (way, servers) = (self.way, self.servers);
        if way == Way::MaglevGre {
            self.work_through(self.flows.all(), packets::data, check)?;
            self.work_through(self.flows.all(), packets::data, check)?;
            return Ok(());
        }
        let claim = |flow, frame: &mut PacketBuf| {
            packets::claim(flow, owner(flow, servers), way.encoding(), frame);
        };
        self.work_through(self.flows.all(), claim, check)?;
        Ok(())
    }

    /// A packet of each flow that it knows: how long they take, and how many find their entry.
    pub fn every_flow(&mut self, check: &Check) -> Result<(Duration, u64)> {
        let before = self.engine.events().get(Event::Steered);
        let took = self.work_through(self.flows.all(), packets::data, check)?;
        let found = self.engine.events().get(Event::Steered) - before;
        Ok((took, found))
    }

    /// Brings the table into the steady state, in a new tick: the flows that are settled get a packet, so that
    /// the caches are as warm as they are, too.
    pub fn settle(&mut self) -> Result<()> {
        self.now = self.now + Duration::from_millis(TICK_MS);
        self.flows.settle();
        self.is_steady = true;
        self.work_through(0..self.flows.settled(), packets::data, &|| Ok(()))?;
        Ok(())
    }

    /// One packet for each of these flows; gives how long they take together.
    fn work_through(
        &mut self,
        mut flows: impl Iterator<Item = u64>,
        put: impl Fn(u64, &mut PacketBuf),
        check: &Check,
    ) -> Result<Duration> {
        let mut took = Duration::ZERO;
        let mut ring = ring(1_024);
        loop {
            check()?;
            let mut filled = 0;
            for (frame, flow) in ring.iter_mut().zip(&mut flows) {
                put(flow, frame);
                filled += 1;
            }
            if filled == 0 {
                return Ok(took);
            }
            took += self.work(64, &mut ring[..filled])?;
        }
    }

    /// Fills the ring with packets of this case, and works on them in batches. Only the work is timed.
    pub fn pass(&mut self, case: Case, batch: usize, ring: &mut [PacketBuf]) -> Result<Pass> {
        let packets = self.fill(case, ring)?;
        let took = self.work_on(case, batch, &mut ring[..packets])?;
        self.clean_up(case)?;
        Ok(Pass { packets, took })
    }

    /// Works on packets of a case. Where each makes an entry, these expire whenever they are a sixteenth of the table, and the next ones
    /// take their places.
    pub fn work_on(
        &mut self,
        case: Case,
        batch: usize,
        ring: &mut [PacketBuf],
    ) -> Result<Duration> {
        let fills = self.way.fills(case);
        let pinned = usize::try_from(self.flows.pinned()).unwrap_or(usize::MAX);
        let at_a_time = match fills {
            true => (pinned / COMING).clamp(1, ring.len()),
            false => ring.len(),
        };
        let mut took = Duration::ZERO;
        for coming in ring.chunks_mut(at_a_time) {
            took += self.work(batch, coming)?;
            if fills {
                self.now = self.now + UNTIL_UNCONFIRMED_END;
            }
        }
        Ok(took)
    }

    /// Takes out what packets of this case have put into the table, and gives flows that had to make room for them their entries back: of a
    /// small table it would soon be so many that pinned packets are none any more.
    pub fn clean_up(&mut self, case: Case) -> Result<()> {
        let fills = self.way.fills(case);
        if fills || self.way == Way::MaglevGre && case == Case::Mixed {
            self.forget_unconfirmed();
        }
        if fills && self.flows.pinned() <= SMALL {
            self.pin_all(&|| Ok(()))?;
        }
        Ok(())
    }

    /// Fills the ring with packets of this case, as far as it has that many, and says how many those are. The table is as it
    /// has to be then.
    pub fn fill(&mut self, case: Case, ring: &mut [PacketBuf]) -> Result<usize> {
        let packets = packets_of(case, self.flows.pinned(), ring.len());
        if case == Case::Refresh {
            self.now = self.now + Duration::from_millis(TICK_MS);
            self.is_steady = false;
        }
        let is_ready = self.is_steady && self.flows.has_due(packets) && !case.settles_first();
        if self.is_alone && case.is_steady() && !is_ready {
            self.settle()?;
        }
        for frame in &mut ring[..packets] {
            self.flows.next(case, self.way, self.servers, frame);
        }
        Ok(packets)
    }

    /// Works on packets in batches. Every one must go on, else the figures would be those of something else.
    pub fn work(&mut self, batch: usize, ring: &mut [PacketBuf]) -> Result<Duration> {
        let mut sent = 0;
        let began = Clock::now();
        for batch in ring.chunks_mut(batch) {
            self.engine
                .process_batch(self.now, batch, &mut self.verdicts);
            for verdict in &self.verdicts {
                sent += usize::from(*verdict == Verdict::Transmit);
            }
        }
        let took = began.elapsed();
        ensure!(
            sent == ring.len(),
            "{} of {} packets were dropped, the last verdict was {:?}",
            ring.len() - sent,
            ring.len(),
            self.verdicts.last()
        );
        Ok(took)
    }

    /// Lets the entries expire that no client has confirmed, and has them taken out.
    fn forget_unconfirmed(&mut self) {
        self.is_steady = false;
        self.now = self.now + UNTIL_UNCONFIRMED_END;
        let mut out = Vec::new();
        for _ in 0..SWEEP_POLLS {
            self.engine.poll(self.now, &mut out);
            out.clear();
        }
    }

    /// What goes in front of its packets.
    pub fn way(&self) -> Way {
        self.way
    }

    /// How many flows it knows.
    pub fn flows(&self) -> u64 {
        self.flows.pinned()
    }

    /// Entries in the table.
    pub fn entries(&self) -> usize {
        self.engine.entries()
    }

    /// On which pages the table lies.
    pub fn table_pages(&self) -> Pages {
        self.engine.table_pages()
    }

    /// Bytes of the table.
    pub fn table_bytes(&self) -> usize {
        self.engine.table_size().1
    }
}

/// How many packets of a case come in one pass over a ring, with `pinned` flows in the table.
pub fn packets_of(case: Case, pinned: u64, ring: usize) -> usize {
    let pinned = usize::try_from(pinned).unwrap_or(usize::MAX);
    match case {
        Case::Refresh => pinned.min(ring),
        _ => ring,
    }
}

/// Buffers as a driver has them.
pub fn ring(packets: usize) -> Vec<PacketBuf> {
    vec![PacketBuf::with_capacity(2 * packets::PACKET_BYTES); packets]
}

#[cfg(test)]
mod tests {
    use super::*;
    use srh::Encoding;

    use srlb_lb::engine::Pin;

    fn rig(encoding: Encoding) -> Rig {
        Rig::new(Way::Srv6(encoding), 7, 1_000).unwrap()
    }

    #[test]
    fn each_case_is_what_it_says() {
        for encoding in [Encoding::Encap, Encoding::Insert] {
            for case in Case::ALL {
                let mut rig = rig(encoding);
                let pinned = rig.entries();
                assert!(pinned >= 997, "all flows but those displaced");
                let mut frames = ring(512);
                let filled = rig.fill(case, &mut frames).unwrap();
                let before = rig.engine.events().clone();
                rig.work_on(case, 64, &mut frames[..filled]).unwrap();
                let grown = |event| rig.engine.events().get(event) - before.get(event);
                let mut counts = [
                    Event::Steered,
                    Event::Hunted,
                    Event::Recovered,
                    Event::Pinned,
                ]
                .map(grown);
                if case != Case::Recovery {
                    let displaced = std::mem::take(&mut counts[2]);
                    assert!(displaced < 10, "{displaced}");
                    counts[0] += displaced;
                }
                let expected = match case {
                    Case::Pinned | Case::Settled | Case::Refresh => [512, 0, 0, 0],
                    Case::NewFlow => [0, 512, 0, 0],
                    Case::Recovery => [0, 0, 512, 0],
                    Case::CreateStickiness => [0, 0, 0, 512],
                    Case::Mixed => [512 - counts[1], counts[1], 0, 0],
                };
                assert_eq!(counts, expected, "{encoding:?} {case:?}");
                if case == Case::Mixed {
                    assert!((1..30).contains(&counts[1]), "{}", counts[1]);
                }
                rig.clean_up(case).unwrap();
                assert!(rig.entries() <= pinned, "what came has gone again");
            }
        }
    }

    #[test]
    fn however_many_flows_came_the_pinned_ones_are_pinned() {
        for way in [Way::Srv6(Encoding::Encap), Way::MaglevGre] {
            let mut rig = Rig::new(way, 7, 1_000).unwrap();
            let comes = match way {
                Way::MaglevGre => Case::NewFlow,
                Way::Srv6(_) => Case::CreateStickiness,
            };
            let mut frames = ring(4_096);
            for _ in 0..8 {
                rig.pass(comes, 64, &mut frames).unwrap();
            }
            let filled = rig.fill(Case::Settled, &mut frames).unwrap();
            let before = rig.engine.events().get(Event::Steered);
            rig.work_on(Case::Settled, 64, &mut frames[..filled])
                .unwrap();
            let steered = rig.engine.events().get(Event::Steered) - before;
            assert!(steered >= 4_080, "{way:?}: {steered}");
        }
    }

    #[test]
    fn maglev_has_an_entry_for_each_flow_and_forgets_those_that_come() {
        let mut rig = Rig::new(Way::MaglevGre, 7, 1_000).unwrap();
        let pinned = rig.entries();
        assert!(pinned >= 997, "{pinned}");
        let mut frames = ring(512);
        for case in Case::ALL
            .into_iter()
            .filter(|&case| Way::MaglevGre.has(case))
        {
            let before = rig.engine.events().clone();
            rig.pass(case, 64, &mut frames).unwrap();
            let grown = |event| rig.engine.events().get(event) - before.get(event);
            let made = grown(Event::Pinned);
            let expected = match case {
                Case::NewFlow => 512..=512,
                Case::Mixed => 1..=30,
                _ => 0..=10,
            };
            assert!(expected.contains(&made), "{case:?}: {made}");
            assert!(rig.entries() <= 1_000, "what came has gone again");
        }
    }

    /// How many entries the packets of a case change, and how many packets those are.
    fn written(rig: &mut Rig, case: Case, frames: &mut [PacketBuf]) -> (usize, usize) {
        let entries = |rig: &Rig| -> Vec<Pin> { rig.engine.flows().iter().collect() };
        let filled = rig.fill(case, frames).unwrap();
        let before = entries(rig);
        rig.work(64, &mut frames[..filled]).unwrap();
        let after = entries(rig);
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b);
        (changed.count(), filled)
    }

    #[test]
    fn as_many_entries_are_written_as_the_case_says() {
        let mut rig = Rig::new(Way::Srv6(Encoding::Encap), 7, 200_000).unwrap();
        let mut frames = ring(4_096);
        let expected_share = super::super::flows::share_due(200_000);
        assert!((0.05..0.1).contains(&expected_share));
        // over and over, beyond the flows that are due at once
        for _ in 0..3 {
            let (pinned, of) = written(&mut rig, Case::Pinned, &mut frames);
            let share = pinned as f64 / of as f64;
            assert!((share / expected_share - 1.0).abs() < 0.3, "{share}");
            assert_eq!(written(&mut rig, Case::Settled, &mut frames).0, 0);
            let (refreshed, of) = written(&mut rig, Case::Refresh, &mut frames);
            // but those few that others have displaced
            assert!(of == 4_096 && refreshed > 4_080, "{refreshed} of {of}");
        }
    }

    #[test]
    fn workers_share_a_table_in_the_steady_state() {
        let mut rig = Rig::new(Way::Srv6(Encoding::Encap), 7, 200_000).unwrap();
        let mut frames = ring(4_096);
        let mut workers = [0, 1].map(|worker| rig.for_worker(worker, 2).unwrap());
        rig.settle().unwrap();
        for worker in &mut workers {
            worker.steady_like(&rig);
            let (written, _) = written(worker, Case::Pinned, &mut frames);
            assert!((150..500).contains(&written), "{written}");
            assert_eq!(worker.entries(), rig.entries(), "it is one table");
        }
    }
}
