//! The generator: whole packets through a raw socket, as fast as one core can, or at a given rate.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::net::{
    connect, ipproto, sendmmsg, socket_with, AddressFamily, MMsgHdr, SendAncillaryBuffer,
    SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use super::packets::{Kind, Packets};
use crate::signals::Interrupt;

/// Packets handed to the kernel in one call.
const BATCH: usize = 64;
/// After how long a packet is sent again, if it is: as a kernel does it with a SYN.
const AGAIN: Duration = Duration::from_secs(1);

/// What to send.
#[derive(Clone, Debug)]
pub struct Flood {
    /// Of what.
    pub kind: Kind,
    /// To whom.
    pub target: Ipv6Addr,
    /// To which port.
    pub port: u16,
    /// For how long.
    pub time: Duration,
    /// At most so many packets a second; none: as fast as it goes.
    pub rate_pps: Option<f64>,
    /// The same seed gives the same packets.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// Packets that the kernel took.
    pub packets: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Sent {
    /// Packets a second.
    pub fn pps(&self) -> f64 {
        self.packets as f64 / self.seconds
    }
}

impl Flood {
    /// Sends until the time is over.
    pub fn run(&self, interrupt: &Interrupt) -> Result<Sent> {
        let socket = open(self.target)?;
        let mut packets = self.packets();
        let mut again = Again::of(self);
        let packet_bytes = packets.bytes();
        let mut bytes = vec![0; BATCH * packet_bytes];
        let start = Instant::now();
        let mut sent = 0;
        loop {
            let elapsed = start.elapsed();
            if elapsed >= self.time || interrupt.check().is_err() {
                return Ok(Sent {
                    packets: sent,
                    seconds: elapsed.as_secs_f64(),
                });
            }
            if let Some(rate) = self.rate_pps {
                let ahead = sent as f64 / rate - elapsed.as_secs_f64();
                if ahead > 0.0 {
                    std::thread::sleep(Duration::from_secs_f64(ahead.min(0.01)));
                    continue;
                }
            }
            let now = Instant::now();
            let next = match again.as_mut().and_then(|again| again.due(now)) {
                Some(repeated) => repeated,
                None => {
                    again
                        .iter_mut()
                        .for_each(|again| again.sent_at.push_back(now));
                    &mut packets
                }
            };
            for packet in bytes.chunks_exact_mut(packet_bytes) {
                next.write(packet);
            }
            sent += send(&socket, &bytes, packet_bytes)?;
        }
    }

    fn packets(&self) -> Packets {
        Packets::new(self.kind, self.target, self.port, self.seed)
    }
}

/// The same packets a second time, batch by batch.
struct Again {
    packets: Packets,
    /// When each batch was sent that has not been sent again.
    sent_at: VecDeque<Instant>,
}

impl Again {
    fn of(flood: &Flood) -> Option<Again> {
        let packets = flood.kind.is_twice().then(|| flood.packets())?;
        Some(Again {
            packets,
            sent_at: VecDeque::new(),
        })
    }

    /// The packets to send again now, if it is time for a batch.
    fn due(&mut self, now: Instant) -> Option<&mut Packets> {
        let oldest = *self.sent_at.front()?;
        if now.saturating_duration_since(oldest) < AGAIN {
            return None;
        }
        self.sent_at.pop_front();
        Some(&mut self.packets)
    }
}

/// A raw socket that takes packets with their IPv6 header, so with any source.
fn open(target: Ipv6Addr) -> Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::INET6,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(ipproto::RAW),
    )
    .context("cannot open a raw socket")?;
    connect(&socket, &SocketAddrV6::new(target, 0, 0, 0)).context("no way to the target")?;
    Ok(socket)
}

/// Hands over one batch; says how many packets were taken.
fn send(socket: &OwnedFd, bytes: &[u8], packet_bytes: usize) -> Result<u64> {
    let slices: Vec<_> = bytes
        .chunks_exact(packet_bytes)
        .map(|packet| [IoSlice::new(packet)])
        .collect();
    let mut controls: Vec<_> = slices
        .iter()
        .map(|_| SendAncillaryBuffer::default())
        .collect();
    let mut messages: Vec<_> = slices
        .iter()
        .zip(&mut controls)
        .map(|(slice, control)| MMsgHdr::new(slice, control))
        .collect();
    match sendmmsg(socket, &mut messages, SendFlags::empty()) {
        Ok(taken) => Ok(taken as u64),
        // A full queue on the way: what real floods meet too.
        Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::AGAIN) => Ok(0),
        Err(error) => Err(error).context("cannot send"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_is_due_again_once_and_is_the_same() {
        let flood = |kind| Flood {
            kind,
            target: Ipv6Addr::LOCALHOST,
            port: 80,
            time: AGAIN,
            rate_pps: None,
            seed: 1,
        };
        assert!(Again::of(&flood(Kind::Syn)).is_none());
        let flood = flood(Kind::SynTwice);
        let mut again = Again::of(&flood).unwrap();
        let start = Instant::now();
        again.sent_at.push_back(start);
        assert!(again.due(start).is_none());
        let repeated = again.due(start + AGAIN).expect("it is time");
        let (mut first, mut second) = (vec![0; repeated.bytes()], vec![0; repeated.bytes()]);
        repeated.write(&mut second);
        flood.packets().write(&mut first);
        assert_eq!(first, second);
        assert!(again.due(start + 2 * AGAIN).is_none(), "once only");
    }
}
