//! The short way of what nearly all packets are: TCP without options of IPv6's, of a client, for a flow that is pinned and confirmed.
//!
//! It does what [`Engine::process`] does with such a packet and nothing else; at the first thing that is not as it mostly is, the packet takes the
//! long way, untouched.

use std::net::Ipv6Addr;

use daemon::DropReason;
use flow_table::{FlowHash, Hint, Unhashed, VipState};
use packet_io::{Instant, PacketBuf};
use srh::parse::{self, next_header, PlainTcp, Tcp};
use srh::rewrite::RewriteError;
use srh::{Flow, Frame};

use super::pin::{End, Tick};
use super::state::{self, Action, Next, State};
use super::{Engine, Opinion, Verdict};

/// What a batch has in common.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub now: Instant,
    pub tick: Tick,
    /// When entries end that are refreshed now.
    pub idle_end: End,
}

/// A plain packet of a flow.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    pub vip: u16,
    pub len: u16,
}

/// The service that the packet before was for: most likely that of the next one, too.
#[derive(Clone, Copy)]
pub(super) struct Near {
    pub number: u16,
    address: Ipv6Addr,
    pub state: VipState,
}

const CONFIRMED: State = State::Steer { confirmed: true };

impl Engine {
    /// Does nothing stand against the short way? Not if packets are signed or shown to somebody, or if another state table is in force (in mutation
    /// tests).
    pub(super) fn may_be_plain(&self) -> bool {
        let said = self
            .contract
            .table
            .get(CONFIRMED, state::Event::ClientOther);
        !self.tracing && self.config.hmac.is_none() && said == (Action::ToPinned, Next::Confirmed)
    }

    /// The service with this number, if there is one.
    pub(super) fn near(&self, vip: usize) -> Option<Near> {
        Some(Near {
            number: u16::try_from(vip).ok()?,
            address: self.pool.vips().get(vip)?.address,
            state: *self.vip_states.get(vip)?,
        })
    }

    /// The service at this address, if there is one.
    #[inline]
    pub(super) fn near_to(&self, address: Ipv6Addr, near: &mut Option<Near>) -> Option<Near> {
        if near.is_none_or(|near| near.address != address) {
            *near = self.near(self.pool.vip_at(address)?);
        }
        *near
    }

    /// Is it such a packet? Whether its flow is pinned is not known yet.
    #[inline]
    pub(super) fn look_plain(
        &self,
        bytes: &[u8],
        near: &mut Option<Near>,
    ) -> Option<(Plain, Unhashed)> {
        let tcp = parse::plain_tcp(bytes)?;
        // SYN and RST have rows of their own in the state table.
        if tcp.flags() & (Tcp::SYN | Tcp::RST) != 0 {
            return None;
        }
        let vip = self.near_to(tcp.dst(), near)?;
        if !self.may_be_client(tcp.src()) {
            return None;
        }
        let plain = Plain {
            vip: vip.number,
            len: u16::try_from(tcp.len_bytes()).ok()?,
        };
        Some((plain, Unhashed::new(vip.state, &flow_of(tcp))))
    }

    /// Sends it to its server, along its SID or (the baseline) by GRE; `None`, and nothing is done, if it has to go the long way.
    #[inline]
    pub(super) fn steer_plain<const GRE: bool>(
        &self,
        moment: &Moment,
        frame: &mut PacketBuf,
        plain: Plain,
        (hash, hint): (FlowHash, Hint),
    ) -> Option<Verdict> {
        let entry = self.flows.view().entry(hash, hint)?;
        let pin = entry.value();
        let (server, encoding) = (pin.server(), pin.encoding());
        let vip = &self.pool.vips()[usize::from(plain.vip)];
        let is_steered = pin.is_confirmed_at(moment.tick)
            && vip.tables.is_member(server)
            && self.health.of(server) != Opinion::Dead;
        let len = usize::from(plain.len);
        let fits = len + encoding.overhead_bytes(1, false) <= self.config.fabric_mtu_bytes;
        if !is_steered || !fits {
            return None;
        }
        let sid = *self.ack_sids.get(usize::from(server))?;
        frame.truncate(len);
        let label = hash.flow_label();
        let put_on = match GRE {
            false => self.prebuilt.put_on(frame, sid, encoding, label),
            true => self.put_gre_on(frame, sid, label),
        };
        match put_on {
            Ok(()) => {}
            Err(RewriteError::HopLimit) => return None,
            Err(error) => return Some(Verdict::Drop(DropReason::from(error))),
        }
        let renewed = pin.confirmed_until(moment.idle_end);
        if !entry.replace(renewed) {
            // Another worker was faster.
            let renew = |pin: super::Pin| pin.confirmed_until(moment.idle_end);
            self.flows.update(hash, moment.now, renew);
        }
        Some(Verdict::Transmit)
    }
}

#[inline]
pub(super) fn flow_of(tcp: PlainTcp<'_>) -> Flow {
    Flow {
        protocol: next_header::TCP,
        client: tcp.src(),
        client_port: tcp.src_port(),
        vip: tcp.dst(),
        vip_port: tcp.dst_port(),
    }
}
