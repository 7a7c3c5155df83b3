//! The short way of new flows: SYNs without options of IPv6's, of a client, that nothing is known of, while all is well.
//!
//! It does what [`Engine::process`] does with such a SYN and nothing else. Whatever asks for a decision (an entry, a SYN seen again, a candidate who is not
//! well, a header that doesn't fit) sends it the long way, before anything has changed.

use packet_io::PacketBuf;
use srh::carry::{self, Sender};
use srh::parse::{self, next_header, Tcp, IPV6_BYTES};
use srh::rewrite::Shape;
use srh::{checksum, Frame, Function, Segments};

use daemon::DropReason;
use flow_table::{FlowHash, Unhashed};

use super::order::{self, ORDER};
use super::plain::{self, Moment, Near};
use super::state::{self, Action, Next, State};
use super::{Engine, Verdict};

/// The SYN of a flow that has no entry, as far as is known.
#[derive(Clone, Copy)]
pub(super) struct NewFlow {
    vip: u16,
    len: u16,
    bucket: u32,
}

impl Engine {
    /// Does nothing stand against the short way? Not if packets are signed or shown to somebody, or if a baseline or another state table is in
    /// force (in measurements and mutation tests).
    pub(super) fn may_be_new(&self) -> bool {
        let table = &self.contract.table;
        let said = table.get(State::None, state::Event::ClientSyn);
        let is_ours = !self.maglev.is_on() && self.selector.is_by_bucket();
        !self.tracing
            && self.config.hmac.is_none()
            && is_ours
            && said == (Action::Hunt, Next::Unchanged)
    }

    /// Is it such a SYN? Its bucket's candidates are asked for.
    #[inline]
    pub(super) fn look_new(
        &self,
        bytes: &[u8],
        near: &mut Option<Near>,
    ) -> Option<(NewFlow, Unhashed)> {
        let tcp = parse::plain_tcp(bytes)?;
        if tcp.flags() & (Tcp::SYN | Tcp::ACK | Tcp::RST) != Tcp::SYN {
            return None;
        }
        let vip = self.near_to(tcp.dst(), near)?;
        // At the last hop the client gets an answer.
        if tcp.hop_limit() <= 1 || !self.may_be_client(tcp.src()) {
            return None;
        }
        let segment = &bytes[IPV6_BYTES..tcp.len_bytes()];
        if checksum::over(tcp.src(), tcp.dst(), next_header::TCP, segment) != 0 {
            return None;
        }
        let flow = plain::flow_of(tcp);
        let bucket = self.bucket_soon(usize::from(vip.number), &flow);
        let new = NewFlow {
            vip: vip.number,
            len: u16::try_from(tcp.len_bytes()).ok()?,
            bucket,
        };
        Some((new, Unhashed::new(vip.state, &flow)))
    }

    /// Offers it to its candidates; `None`, and nothing is done, if it has to go the long way. So many of them may `still` come in this batch, this one
    /// included.
    #[inline]
    pub(super) fn offer_new(
        &mut self,
        moment: &Moment,
        frame: &mut PacketBuf,
        (new, still): (NewFlow, u32),
        hash: FlowHash,
    ) -> Option<Verdict> {
        if !self.flows.view().is_absent(hash) {
            return None;
        }
        let tables = &self.pool.vips()[usize::from(new.vip)].tables;
        let candidates = tables.candidates(new.bucket);
        let (first, count) = (*candidates.first()?, candidates.len());
        let (encoding, len) = (self.config.encoding, usize::from(new.len));
        let fits = len + encoding.overhead_bytes(count, false) <= self.config.fabric_mtu_bytes;
        if count > ORDER || !fits || !self.health.are_alive(candidates) {
            return None;
        }
        let place = self.sketch.place_for(hash.tag())?;
        frame.truncate(len);
        if self.hunts.is_empty() {
            self.hunts = self.unpinned.take_hunts(still, moment.now);
        }
        if !self.hunts.use_up() {
            if let Err(reason) = self.unpinned.may(Action::Hunt, hash, moment.now) {
                return Some(Verdict::Drop(reason));
            }
        }
        let mut segments = Segments::default();
        let force = Function::ConnectForce;
        order::offer(candidates, &mut segments, &self.pool, count - 1, force);
        let (node, keys) = (self.config.locator, None);
        let sender = Sender { node, keys };
        let (shape, label) = (Shape::plain(len), hash.flow_label());
        if let Err(error) = carry::put_on(frame, shape, sender, encoding, &segments, label) {
            return Some(Verdict::Drop(DropReason::from(error)));
        }
        place.take(hash.tag(), first, 0, moment.now);
        Some(Verdict::Transmit)
    }
}
