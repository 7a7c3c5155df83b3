//! How soon packets see another pool: from the request to reload to the first packet that goes by the new file, with the real daemon.
//!
//! ```text
//!            one network namespace
//!  this process ── TUN ── kernel ── TUN ── srlb-lb
//! ```
//!
//! The daemon has a VIP with [`SERVERS`] servers and [`GENERATIONS`] generations. In each round its file gets a new generation, in which one server is
//! another one. New flows that only this one can get come all the time; the first that it does get is what counts. [`pools`] writes the files and finds such
//! flows.

mod args;
mod pools;
mod show;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use packet_io::tun::Tun;
use packet_io::{Driver, PacketBuf};
use serde_json::{json, Value};
use srh::{Frame, Locator};

use super::packets;
use super::place::{inside, Place};
use super::running::{put, Running, CONTROL, PROGRAM};
use super::spread::Spread;
use super::veth::leftovers;
use crate::shell;
use crate::signals::Interrupt;
use crate::tools;

pub use args::ReloadArgs;
pub use pools::{GENERATIONS, SERVERS};
pub use show::{as_json, table};

use pools::Pools;

/// Our end: clients and servers are behind it.
const OUTSIDE: &str = "outside0";
/// Between two packets, but for what the kernel takes to wake a process: the least that a figure can tell apart.
const PACE: Duration = Duration::from_micros(150);
/// Packets that are taken in together.
const BATCH: usize = 64;

/// What came out.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// From the request to the first packet that goes by the new pool, in milliseconds.
    pub seen_ms: Spread,
    /// From the request to the daemon's answer that all is done.
    pub answered_ms: Spread,
    /// Reloads that this is of.
    pub rounds: u32,
}

/// Reloads that often, after one to warm up. `done` is called after each.
pub fn measure(rounds: u32, interrupt: &Interrupt, mut done: impl FnMut()) -> Result<Reloaded> {
    leftovers::remove()?;
    let place = Place::build(&["0".to_owned()])?;
    let namespace = &place.namespaces[0];
    let mut pools = Pools::new()?;
    let mut outside = inside(namespace, || Ok(Tun::create(OUTSIDE, 1_500)?))?;
    route(namespace)?;
    let balancer = Balancer::start(&place, &pools, interrupt)?;
    let (mut seen, mut answered) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (first, all) = balancer.reload(&mut pools, &mut outside, interrupt)?;
        if round > 0 {
            seen.push(first.as_secs_f64() * 1e3);
            answered.push(all.as_secs_f64() * 1e3);
            done();
        }
    }
    Ok(Reloaded {
        seen_ms: Spread::of(&seen),
        answered_ms: Spread::of(&answered),
        rounds,
    })
}

/// Clients and servers are behind our device.
fn route(namespace: &str) -> Result<()> {
    let lines = format!(
        "link set lo up\n\
         route add 2001:db8:c::/48 dev {OUTSIDE}\n\
         route add fd00:5e::/32 dev {OUTSIDE}\n"
    );
    shell::ip_batch(Some(namespace), &lines)
}

/// A daemon that runs, and where its files are.
struct Balancer<'a> {
    running: Running,
    folder: &'a Path,
}

impl<'a> Balancer<'a> {
    fn start(place: &'a Place, pools: &Pools, interrupt: &Interrupt) -> Result<Balancer<'a>> {
        let folder = &place.folder;
        put(folder, "pool.toml", &pools.file())?;
        put(folder, "lb.toml", &lb_file())?;
        let program = tools::own_binary(PROGRAM)?;
        let command = shell::command_in(&place.namespaces[0], &program);
        let running = Running::start(command, folder, interrupt)?;
        Ok(Balancer { running, folder })
    }

    /// One round: how long it took until a packet went by the new pool, and until the daemon said that all was done.
    fn reload(
        &self,
        pools: &mut Pools,
        outside: &mut Tun,
        interrupt: &Interrupt,
    ) -> Result<(Duration, Duration)> {
        let newcomer = pools.replace_one()?;
        let mut flows = pools.flows_of_newcomer()?.into_iter();
        put(self.folder, "pool.toml", &pools.file())?;
        let mut client = self.running.client()?;
        let mut line = Line::new(outside, newcomer);
        // Packets come before, too, and none may get there: the old pool hasn't this server.
        for flow in flows.by_ref().take(20) {
            if line.send(flow)? {
                bail!("a packet went by a pool that nobody has asked for");
            }
        }
        let began = Instant::now();
        thread::scope(|scope| {
            let answer = scope.spawn(move || -> Result<(Value, Duration)> {
                Ok((
                    client.request(&json!({ "cmd": "reload" }))?,
                    began.elapsed(),
                ))
            });
            let seen = loop {
                let flow = flows.next().context("no packet goes by the new pool")?;
                if line.send(flow)? {
                    break began.elapsed();
                }
                interrupt.check()?;
            };
            let (_, answered) = answer.join().expect("it doesn't panic")?;
            Ok((seen, answered))
        })
    }
}

/// The way through the daemon and back.
struct Line<'a> {
    outside: &'a mut Tun,
    /// Whose packets count.
    newcomer: Locator,
    sent: [PacketBuf; 1],
    taken: Vec<PacketBuf>,
}

impl<'a> Line<'a> {
    fn new(outside: &'a mut Tun, newcomer: Locator) -> Self {
        let buffer = PacketBuf::with_capacity(2_000);
        Line {
            outside,
            newcomer,
            sent: [buffer.clone()],
            taken: vec![buffer; BATCH],
        }
    }

    /// Sends a flow's first packet, waits a moment, and looks at what has come back: has the newcomer got any?
    fn send(&mut self, flow: u64) -> Result<bool> {
        packets::syn(flow, &mut self.sent[0]);
        self.outside.transmit(&self.sent)?;
        thread::sleep(PACE);
        let mut has = false;
        loop {
            let count = self.outside.receive(&mut self.taken)?;
            let mut to = self.taken[..count].iter().filter_map(destination);
            has |= to.any(|to| to == self.newcomer);
            if count < BATCH {
                return Ok(has);
            }
        }
    }
}

/// Where a packet goes.
fn destination(packet: &PacketBuf) -> Option<Locator> {
    let bytes = packet.bytes().get(24..40)?;
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(Locator::of(bytes.into()))
}

/// All bounds on new flows are out of the way.
fn lb_file() -> String {
    format!(
        "name = \"lb\"\nlocator = \"{}\"\npool = \"pool.toml\"\nencoding = \"encap\"\n\
         domain_interfaces = [\"{OUTSIDE}\"]\ndriver = \"tun\"\ncontrol_socket = \"{CONTROL}\"\n\
         \n[flows]\nmax = 100000\n\
         \n[guard]\nstrangers_pps = 0\nnewcomers_pps = 1\nhunts_pps = 1000000\n",
        packets::lb(),
    )
}
