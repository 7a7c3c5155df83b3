//! The two TUN devices: packets come from the first; what is written into the second has the answers of its
//! flow steered through us for a moment (see `daemon::host`).

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use packet_io::tun::Tun;
use packet_io::{Batch, Driver, PacketBuf};

use crate::config::Settings;
use crate::engine::Verdict;

/// Both devices.
pub(super) struct Devices {
    main: Tun,
    steering: Tun,
    lost: u64,
}

impl Devices {
    pub(super) fn create(
        settings: &Settings,
        registry: &Registry,
        token: Token,
    ) -> anyhow::Result<Self> {
        let main = Tun::create(&settings.tun, settings.fabric_mtu_bytes)?;
        let name = settings.host().steering_tun();
        let steering = Tun::create(&name, settings.fabric_mtu_bytes)?;
        let fd = main.raw_fd().context("the TUN device has no descriptor")?;
        registry
            .register(&mut SourceFd(&fd), token, Interest::READABLE)
            .context("watching the TUN device")?;
        Ok(Devices {
            main,
            steering,
            lost: 0,
        })
    }

    /// Takes in the next batch. Nothing is ever routed into the second device.
    pub(super) fn receive(&mut self, batch: &mut Batch) -> anyhow::Result<usize> {
        Ok(batch.receive(&mut self.main)?)
    }

    /// Does what the engine has decided about a packet.
    pub(super) fn carry_out(&mut self, verdict: Verdict, packet: &PacketBuf) -> anyhow::Result<()> {
        let device = match verdict {
            Verdict::Transmit | Verdict::Deliver { steer: false } => &mut self.main,
            Verdict::Deliver { steer: true } => &mut self.steering,
            Verdict::Drop(_) | Verdict::LookUp(_) => return Ok(()),
        };
        let taken = device.transmit(std::slice::from_ref(packet))?;
        self.lost += u64::from(taken == 0);
        Ok(())
    }

    /// Packets that a device did not take.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}
