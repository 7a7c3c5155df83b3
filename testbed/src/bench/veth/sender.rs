//! The generator: packets of pinned flows, in random order, until it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{anyhow, Context, Result};
use packet_io::lab::{Frames, Generator, Order};
use packet_io::PacketBuf;
use srh::Frame;

use super::bed::{self, Machine, GENERATOR_MAC, IN_MAC};
use super::polls;
use crate::bench::packets::{self, PACKET_BYTES};
use crate::signals::Interrupt;

/// Bytes of an Ethernet header.
pub const ETHERNET_BYTES: usize = 14;
/// More than the generator makes in a microsecond. One call is to last as long as a case is measured, because the kernel stands still for milliseconds where one ends and
/// another one begins.
const PACKETS_A_US: u64 = 4;
/// How long it may take to begin.
const PATIENCE: Duration = Duration::from_secs(3);

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

/// A generator for a machine. It makes no packets yet.
pub fn generator(
    namespace: &str,
    machine: &Machine,
    frames: &Frames,
    order: Order,
) -> Result<Generator> {
    bed::inside(namespace, || {
        let index = bed::if_index(machine.generator())?;
        Generator::new(frames, index, order).context("loading the generator")
    })
}

/// A generator at work. Dropped, it stops.
pub struct Sender {
    stop: Arc<AtomicBool>,
    generator: Arc<Generator>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Sender {
    /// Starts one.
    ///
    /// It has begun to send when this returns, and is made to send for `duration`.
    pub fn start(
        namespace: &str,
        generator: &Arc<Generator>,
        duration: Duration,
        interrupt: &Interrupt,
    ) -> Result<Sender> {
        let before = generator.sent()?;
        generator.set_stopped(false).context("starting to send")?;
        let packets = PACKETS_A_US.saturating_mul(duration.as_micros() as u64);
        let packets = u32::try_from(packets).unwrap_or(u32::MAX);
        let stop = Arc::<AtomicBool>::default();
        let (namespace, stopped) = (namespace.to_owned(), Arc::clone(&stop));
        let working = Arc::clone(generator);
        let thread = std::thread::spawn(move || {
            polls::bind(polls::OUTSIDE)?;
            polls::set_rank(None, polls::WORK)?;
            bed::enter(&namespace)?;
            while !stopped.load(Ordering::Relaxed) {
                working.run(packets).context("sending")?;
            }
            Ok(())
        });
        let sender = Sender {
            stop,
            generator: Arc::clone(generator),
            thread: Some(thread),
        };
        interrupt.wait_for("the generator does not begin", PATIENCE, || {
            let ended = sender.thread.as_ref().is_some_and(JoinHandle::is_finished);
            Ok(ended || generator.sent()? > before)
        })?;
        Ok(sender)
    }

    /// Stops it, and says what went wrong.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.generator
            .set_stopped(true)
            .context("stopping to send")?;
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
