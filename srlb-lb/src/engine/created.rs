//! The short way of what makes nearly every entry: createStickiness on a SYN-ACK, unsigned, for a flow that has none.
//!
//! It does what [`Engine::process`] does with such a packet and nothing else; whatever is otherwise takes the long way, untouched.

use std::ops::Range;

use flow_table::Unhashed;
use packet_io::PacketBuf;
use srh::carry::node_of;
use srh::parse::{self, next_header, Tcp};
use srh::{plain, Encoding, Flow, Function};

use super::batch::{Look, Looks};
use super::pin::{Pin, ShortNumber};
use super::plain::{Moment, Near};
use super::state::{self, Action, Next, Sender, State};
use super::Engine;

/// A member's SYN-ACK with createStickiness.
#[derive(Clone, Copy)]
pub(super) struct Created {
    server: u16,
    /// With the function.
    len: u16,
    number: ShortNumber,
    encoding: Encoding,
}

impl Engine {
    /// Does nothing stand against the short way? Not if packets are signed or shown to somebody, or if a baseline or another state table is in
    /// force (in measurements and mutation tests).
    pub(super) fn may_be_created(&self) -> bool {
        let event = state::Event::CreateOnSynAck {
            sender: Sender::Other,
            same_number: false,
        };
        let said = self.contract.table.get(State::None, event);
        !self.tracing
            && self.config.hmac.is_none()
            && self.selector.is_by_bucket()
            && said == (Action::ToClient, Next::PinUnconfirmed)
    }

    /// Is it such a packet? Whether its flow has an entry is not known yet.
    #[inline]
    pub(super) fn look_created(
        &self,
        bytes: &[u8],
        near: &mut Option<Near>,
    ) -> Option<(Created, Unhashed)> {
        let tcp = parse::carried_tcp(bytes)?;
        let is_syn_ack = tcp.flags() & (Tcp::SYN | Tcp::ACK | Tcp::RST) == Tcp::SYN | Tcp::ACK;
        if !is_syn_ack || tcp.function() != self.config.locator.sid(Function::CreateStickiness) {
            return None;
        }
        let vip = self.near_to(tcp.src(), near)?;
        let server = self.pool.server_at(node_of(tcp.sender())?)?;
        let tables = &self.pool.vips()[usize::from(vip.number)].tables;
        if !tables.is_member(server) || !self.may_be_client(tcp.dst()) {
            return None;
        }
        if !tcp.has_right_checksum() {
            return None;
        }
        let flow = Flow {
            protocol: next_header::TCP,
            client: tcp.dst(),
            client_port: tcp.dst_port(),
            vip: tcp.src(),
            vip_port: tcp.src_port(),
        };
        let created = Created {
            server,
            len: u16::try_from(tcp.len_bytes()).ok()?,
            number: ShortNumber::of(tcp.ack()),
            encoding: tcp.encoding(),
        };
        Some((created, Unhashed::new(vip.state, &flow)))
    }

    /// Pins flows and sends the packets on to their clients: those with these numbers, until one comes that has to go the long way, and nothing has been
    /// done with. Its number is returned.
    pub(super) fn pin_some(
        &mut self,
        moment: &Moment,
        frames: &mut [PacketBuf],
        looks: &Looks,
        mut numbers: Range<usize>,
    ) -> usize {
        let end = numbers.end;
        let mut is_for_long_way = |&number: &usize| {
            let frame = &mut frames[number];
            self.pin_created(moment, frame, looks, number).is_none()
        };
        numbers.find(&mut is_for_long_way).unwrap_or(end)
    }

    /// Does so with one.
    #[inline(always)]
    fn pin_created(
        &mut self,
        moment: &Moment,
        frame: &mut PacketBuf,
        looks: &Looks,
        number: usize,
    ) -> Option<()> {
        let Look::Created(created) = looks.all[number] else {
            return None;
        };
        let hash = looks.flows.hash(number);
        if !self.flows.view().is_absent(hash) {
            return None;
        }
        let (server, encoding) = (created.server, created.encoding);
        plain::take_off(frame, usize::from(created.len), encoding).ok()?;
        self.server_is_alive(server, moment.now);
        self.sketch.answered(hash.tag());
        let life = self.contract.limits.unconfirmed_life;
        let pin = Pin::unconfirmed(server, created.number, encoding, life, moment.now);
        let inserted = self.flows.insert_absent(hash, pin, moment.now);
        self.count_pinned(inserted);
        Some(())
    }
}
