//! Where a worker's packets come from and go to: its queue of the TUN device, and its lane of AF_XDP beside it if there is one.
//!
//! With AF_XDP the TUN device stays: what the XDP program leaves to the kernel comes by it, and what can't be sent past the kernel goes by it. So an
//! interface that goes away, or can't do AF_XDP, costs speed and no packets.

use std::io;
use std::os::fd::RawFd;

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use packet_io::tun::Tun;
use packet_io::xdp::{Lane, Sent};
use packet_io::{Batch, Driver, PacketBuf};

/// The devices.
pub(super) struct Wire {
    tun: Tun,
    lane: Option<Lane>,
    /// May the TUN device have packets?
    tun_ready: bool,
    /// Packets that no device took.
    lost: u64,
}

impl Wire {
    /// The TUN device alone; it is watched.
    pub fn new(tun: Tun, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let fd = tun.raw_fd().context("the TUN device has no descriptor")?;
        watch(registry, fd, token).context("watching the TUN device")?;
        Ok(Wire {
            tun,
            lane: None,
            tun_ready: true,
            lost: 0,
        })
    }

    /// Takes another lane, or none; it is watched.
    pub fn set_lane(
        &mut self,
        lane: Option<Lane>,
        registry: &Registry,
        token: Token,
    ) -> anyhow::Result<()> {
        for fd in lane.iter().flat_map(Lane::raw_fds) {
            watch(registry, fd, token).context("watching an AF_XDP socket")?;
        }
        self.lane = lane;
        Ok(())
    }

    /// Its lane of AF_XDP.
    pub fn lane(&self) -> Option<&Lane> {
        self.lane.as_ref()
    }

    /// There is news about the TUN device.
    pub fn wake(&mut self) {
        self.tun_ready = true;
    }

    /// The longest packet that may come.
    pub fn capacity_bytes(&self) -> usize {
        let fast = self.lane.as_ref().map_or(0, Lane::mtu_bytes);
        usize::from(self.tun.mtu_bytes()).max(fast as usize)
    }

    /// Makes sure that what was transmitted is on its way.
    pub fn flush(&mut self) {
        if let Some(lane) = &mut self.lane {
            lane.flush();
        }
    }

    /// Packets that no device took.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl Driver for Wire {
    fn receive(&mut self, into: &mut [PacketBuf]) -> io::Result<usize> {
        let Some(lane) = &mut self.lane else {
            let most = into.len().min(Batch::PACKETS);
            return self.tun.receive(&mut into[..most]);
        };
        let mut filled = 0;
        if self.tun_ready {
            // Each packet is a system call here, for which those of the lane wait; and neither of the two waits for ever.
            let most = into.len().div_ceil(2).min(Batch::PACKETS);
            filled = self.tun.receive(&mut into[..most])?;
            self.tun_ready = filled > 0;
        }
        Ok(filled + lane.receive(&mut into[filled..]))
    }

    fn transmit(&mut self, packets: &[PacketBuf]) -> io::Result<usize> {
        let mut taken = 0;
        for packet in packets {
            let sent = match &mut self.lane {
                Some(lane) => lane.send(packet),
                None => Sent::ByKernel,
            };
            taken += match sent {
                Sent::Yes => 1,
                Sent::Lost => 0,
                Sent::ByKernel => self.tun.transmit(std::slice::from_ref(packet))?,
            };
        }
        self.lost += (packets.len() - taken) as u64;
        Ok(taken)
    }

    /// There are several descriptors; [`Wire::new`] has them watched.
    fn raw_fd(&self) -> Option<RawFd> {
        None
    }
}

fn watch(registry: &Registry, fd: RawFd, token: Token) -> io::Result<()> {
    registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
}
