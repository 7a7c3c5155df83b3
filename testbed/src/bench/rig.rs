//! An engine with its flows, and one pass over a ring of packets.

use std::time::{Duration, Instant as Clock};

use anyhow::{ensure, Context, Result};
use consistent_hash::{ClusterKey, Generation, Member, Recipe, State, VipTables};
use flow_table::HashKey;
use packet_io::{Instant, PacketBuf};
use srlb_lb::engine::{Config, Engine, Pool, Server, Verdict, Vip};

use super::case::{owner, Case, Flows, Way};
use super::packets;

/// Packets in the ring that are worked on one after the other: with their buffers, far more than a second-level cache has.
pub const RING: usize = 16_384;
/// The table's share of entries that come and go while createStickiness is measured.
const COMING: u64 = 16;
const BUCKETS: u32 = 65_537;
const CHOICES: usize = 2;
/// Longer than all that is measured takes on the engine's clock, so that no flow expires.
const IDLE: Duration = Duration::from_secs(86_400);
/// Longer than an entry lives that no client confirms.
const UNTIL_UNCONFIRMED_END: Duration = Duration::from_secs(76);
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

/// An engine that knows some flows, and its own clock.
pub struct Rig {
    way: Way,
    servers: u16,
    engine: Engine,
    flows: Flows,
    now: Instant,
    verdicts: Vec<Verdict>,
    batch: usize,
}

impl Rig {
    /// One whose table is made for `flows` flows, and has them.
    pub fn new(way: Way, servers: u16, flows: u64, batch: usize) -> Result<Rig> {
        let max_flows = usize::try_from(flows).context("more flows than memory has bytes")?;
        let engine = Engine::new(
            config(way, max_flows),
            pool(servers)?,
            HashKey(*b"a key to measure"),
        );
        let mut rig = Rig {
            way,
            servers,
            engine,
            flows: Flows::new(flows, flows),
            now: Instant::from_secs(1_000),
            verdicts: Vec::with_capacity(batch),
            batch,
        };
        rig.pin_all()?;
        Ok(rig)
    }

    /// Every flow is claimed by its server.
    fn pin_all(&mut self) -> Result<()> {
        let mut ring = ring(1_024);
        let (mut flow, end) = (0, self.flows.pinned());
        while flow < end {
            let mut filled = 0;
            for frame in ring.iter_mut().take((end - flow) as usize) {
                let server = owner(flow, self.servers);
                packets::claim(flow, server, self.way.encoding(), frame);
                flow += 1;
                filled += 1;
            }
            self.work(&mut ring[..filled])?;
        }
        Ok(())
    }

    /// Fills the ring with packets of this case, and works on them. Only the work is timed.
    pub fn pass(&mut self, case: Case, ring: &mut [PacketBuf]) -> Result<Pass> {
        let packets = match case {
            Case::CreateStickiness => {
                let coming = (self.flows.pinned() / COMING) as usize;
                coming.clamp(1, ring.len())
            }
            _ => ring.len(),
        };
        let ring = &mut ring[..packets];
        for frame in &mut *ring {
            self.flows.next(case, self.way, self.servers, frame);
        }
        let took = self.work(ring)?;
        if case == Case::CreateStickiness {
            self.forget_unconfirmed();
        }
        Ok(Pass { packets, took })
    }

    /// Works on packets in batches. Every one must go on, else the figures would be those of something else.
    fn work(&mut self, ring: &mut [PacketBuf]) -> Result<Duration> {
        let mut sent = 0;
        let began = Clock::now();
        for batch in ring.chunks_mut(self.batch) {
            self.engine
                .process_batch(self.now, batch, &mut self.verdicts);
            for verdict in &self.verdicts {
                sent += usize::from(*verdict == Verdict::Transmit);
            }
            self.now = self.now + Duration::from_micros(2);
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
        self.now = self.now + UNTIL_UNCONFIRMED_END;
        let mut out = Vec::new();
        for _ in 0..SWEEP_POLLS {
            self.engine.poll(self.now, &mut out);
            out.clear();
        }
    }

    /// Entries in the table.
    pub fn entries(&self) -> usize {
        self.engine.entries()
    }

    /// Bytes of the table.
    pub fn table_bytes(&self) -> usize {
        self.engine.table_size().1
    }
}

/// Buffers as a driver has them.
pub fn ring(packets: usize) -> Vec<PacketBuf> {
    vec![PacketBuf::with_capacity(2 * packets::PACKET_BYTES); packets]
}

fn config(way: Way, max_flows: usize) -> Config {
    Config {
        locator: packets::lb(),
        encoding: way.encoding(),
        fabric_mtu_bytes: 1_500,
        domain: Vec::new(),
        max_flows,
        idle_timeout: IDLE,
        udp_idle_timeout: IDLE,
        packet_too_big: true,
        icmp_rate_pps: 100,
        // What is measured is the way of a packet, not the bound on strangers.
        hunts_pps: u32::MAX,
        recoveries_pps: u32::MAX,
        hmac: None,
    }
}

fn pool(servers: u16) -> Result<Pool> {
    let recipe = Recipe::new(ClusterKey::from([3; 16]), BUCKETS, CHOICES)?;
    let names: Vec<String> = (0..servers).map(|n| format!("s{n}")).collect();
    let member = |server| Member {
        server,
        weight: 1,
        draining: false,
    };
    let history = [Generation {
        number: 1,
        state: State::Active,
        members: (0..servers).map(member).collect(),
    }];
    let vip = Vip {
        name: "web".into(),
        address: packets::vip(),
        tables: VipTables::build(&recipe, &names, &history, true)?,
    };
    let server = |(number, name): (u16, String)| Server {
        name,
        locator: packets::server(number),
        listed: true,
    };
    let servers = (0..).zip(names).map(server).collect();
    Ok(Pool::new(vec![vip], servers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use srh::Encoding;

    #[test]
    fn each_case_is_what_it_says() {
        for encoding in [Encoding::Encap, Encoding::Insert] {
            for case in Case::ALL {
                let mut rig = Rig::new(Way::Srv6(encoding), 7, 1_000, 64).unwrap();
                assert_eq!(rig.entries(), 1_000, "all flows are pinned");
                let before = rig.engine.events().clone();
                let mut frames = ring(512);
                let pass = rig.pass(case, &mut frames).unwrap();
                let grown = |event| rig.engine.events().get(event) - before.get(event);
                use srlb_lb::engine::Event;
                let counts = [
                    Event::Steered,
                    Event::Hunted,
                    Event::Recovered,
                    Event::Pinned,
                ]
                .map(grown);
                let expected = match case {
                    Case::Pinned => [512, 0, 0, 0],
                    Case::NewFlow => [0, 512, 0, 0],
                    Case::Recovery => [0, 0, 512, 0],
                    Case::CreateStickiness => [0, 0, 0, pass.packets as u64],
                    Case::Mixed => [512 - counts[1], counts[1], 0, 0],
                };
                assert_eq!(counts, expected, "{encoding:?} {case:?}");
                if case == Case::Mixed {
                    assert!((1..30).contains(&counts[1]), "{}", counts[1]);
                }
                assert_eq!(rig.entries(), 1_000, "what came has gone again");
            }
        }
    }
}
