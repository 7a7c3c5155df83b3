//! The generator: packets of pinned flows, in random order, until it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{anyhow, Context, Result};
use packet_io::lab::{Frames, Generator};
use packet_io::PacketBuf;
use srh::Frame;

use super::bed::{GENERATOR_MAC, IN_MAC};
use super::polls;
use crate::bench::packets::{self, PACKET_BYTES};
use crate::bench::place::enter;

/// Bytes of an Ethernet header.
pub const ETHERNET_BYTES: usize = 14;
/// How often the generator looks in one call whether a packet is due: half a second. The kernel stands still for milliseconds where one call ends and another one begins, and looks
/// that are left when it is to end are gone through, too.
const LOOKS: u32 = 1 << 23;

/// An Ethernet header in front of a packet.
pub fn framed(to: [u8; 6], from: [u8; 6], packet: &[u8]) -> Vec<u8> {
    [&to[..], &from, &[0x86, 0xdd], packet].concat()
}

/// Packets of so many flows.
pub fn frames(flows: u32) -> Result<Frames> {
    let frames = Frames::new(flows, ETHERNET_BYTES + PACKET_BYTES).context("making BPF maps")?;
    let mut packet = PacketBuf::with_capacity(PACKET_BYTES);
    for flow in 0..flows {
        packets::data(flow.into(), &mut packet);
        let frame = framed(IN_MAC, GENERATOR_MAC, packet.bytes());
        frames.set(flow, &frame).context("filling a BPF map")?;
    }
    Ok(frames)
}

/// A generator at work. Dropped, it stops.
pub struct Sender {
    stop: Arc<AtomicBool>,
    generator: Arc<Generator>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Sender {
    /// Starts one, in the namespace where the generators' ends of cables are. It sends where it is aimed.
    pub fn start(namespace: &str, generator: Generator) -> Sender {
        let stop = Arc::<AtomicBool>::default();
        let generator = Arc::new(generator);
        let (namespace, stopped) = (namespace.to_owned(), Arc::clone(&stop));
        let working = Arc::clone(&generator);
        let thread = std::thread::spawn(move || {
            polls::bind(polls::OUTSIDE)?;
            polls::set_rank(None, polls::WORK)?;
            enter(&namespace)?;
            while !stopped.load(Ordering::Relaxed) {
                working.run(LOOKS).context("sending")?;
            }
            Ok(())
        });
        Sender {
            stop,
            generator,
            thread: Some(thread),
        }
    }

    /// Aims it at an interface.
    pub fn aim(&self, if_index: u32) -> Result<()> {
        self.generator.aim(Some(if_index)).context("aiming")
    }

    /// Packets sent so far, lost ones too.
    pub fn sent(&self) -> Result<u64> {
        self.generator.sent().context("asking the generator")
    }

    /// Stops it, and says what went wrong.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.generator.aim(None).context("stopping to send")?;
        match self.thread.take() {
            Some(thread) => thread
                .join()
                .map_err(|_| anyhow!("the generator panicked"))?,
            None => Ok(()),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Whoever wants to know asks `stop`.
        let _ = self.end();
    }
}
