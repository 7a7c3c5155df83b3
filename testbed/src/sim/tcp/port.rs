//! The "device" between a smoltcp interface and the world: one packet in, some packets out.

use packet_io::PacketBuf;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use srh::Frame;

/// The MTU of every host's interface.
pub const MTU_BYTES: usize = 1_500;

/// Packets on their way into an interface and out of it.
#[derive(Debug, Default)]
pub struct Port {
    /// The packet that is to be taken in.
    pub inbound: Option<PacketBuf>,
    /// What was sent.
    pub outbound: Vec<PacketBuf>,
}

/// The packet to be taken in.
pub struct Inbound(PacketBuf);

/// Room for one packet to be sent.
pub struct Outbound<'a>(&'a mut Vec<PacketBuf>);

impl RxToken for Inbound {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0.bytes())
    }
}

impl TxToken for Outbound<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = PacketBuf::with_capacity(len);
        let mut result = None;
        frame.fill(|room| {
            result = Some(f(&mut room[..len]));
            len
        });
        self.0.push(frame);
        result.expect("fill calls back")
    }
}

impl Device for Port {
    type RxToken<'a> = Inbound;
    type TxToken<'a> = Outbound<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Inbound, Outbound<'_>)> {
        let frame = self.inbound.take()?;
        Some((Inbound(frame), Outbound(&mut self.outbound)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outbound<'_>> {
        Some(Outbound(&mut self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU_BYTES;
        capabilities
    }
}
