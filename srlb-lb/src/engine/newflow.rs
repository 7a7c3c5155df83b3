//! The short way of new flows: SYNs without options of IPv6's, of a client, that nothing is known of, while all is well.
//!
//! It does what [`Engine::process`] does with such a SYN and nothing else. Whatever asks for a decision (an entry, a SYN seen again, a candidate who is not
//! well, a header that doesn't fit) sends it the long way, before anything has changed.

use std::net::Ipv6Addr;
use std::ops::Range;

use daemon::DropReason;
use flow_table::Unhashed;
use packet_io::PacketBuf;
use srh::carry::{self, Sender};
use srh::parse::{next_header, PlainTcp, Tcp};
use srh::rewrite::{RewriteError, Shape};
use srh::{checksum, Encoding, Frame, Function, Locator, Segments};

use super::batch::{Look, Looks};
use super::order::{self, ORDER};
use super::plain::{self, Moment, Near};
use super::state::{self, Action, Next, State};
use super::Engine;

/// The SYN of a flow that has no entry, as far as is known.
#[derive(Clone, Copy)]
pub(super) struct NewFlow {
    vip: u16,
    len: u16,
    bucket: u32,
    /// So many of the batch's new flows come before it.
    pub nth: u8,
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
        tcp: PlainTcp<'_>,
        bytes: &[u8],
        near: &mut Option<Near>,
    ) -> Option<(NewFlow, Unhashed)> {
        if tcp.flags() & (Tcp::SYN | Tcp::ACK | Tcp::RST) != Tcp::SYN {
            return None;
        }
        let vip = self.near_to(tcp.dst(), near)?;
        // At the last hop the client gets an answer.
        if tcp.hop_limit() <= 1 || !self.may_be_client(tcp.src()) {
            return None;
        }
        let packet = bytes.get(..tcp.len_bytes())?;
        if !checksum::is_right_plain(packet, next_header::TCP) {
            return None;
        }
        let flow = plain::flow_of(tcp);
        let bucket = self.bucket_soon(usize::from(vip.number), &flow);
        let new = NewFlow {
            vip: vip.number,
            len: u16::try_from(tcp.len_bytes()).ok()?,
            bucket,
            nth: 0,
        };
        Some((new, Unhashed::new(vip.state, &flow)))
    }

    /// Offers SYNs to their candidates: those with these numbers, until one comes that is not offered. The number of that is returned, and why it is
    /// dropped, if it is; else it has to go the long way, and nothing has been done with it.
    pub(super) fn offer_some(
        &mut self,
        moment: &Moment,
        frames: &mut [PacketBuf],
        looks: &Looks,
        numbers: Range<usize>,
    ) -> (usize, Option<DropReason>) {
        for number in numbers.clone() {
            if let Err(refused) = self.offer_new(moment, &mut frames[number], looks, number) {
                return (number, refused);
            }
        }
        (numbers.end, None)
    }

    /// Does so with one; an error if it is not offered, with the reason if it is dropped.
    #[inline(always)]
    fn offer_new(
        &mut self,
        moment: &Moment,
        frame: &mut PacketBuf,
        looks: &Looks,
        number: usize,
    ) -> Result<(), Option<DropReason>> {
        let Look::New(new) = looks.all[number] else {
            return Err(None);
        };
        let hash = looks.flows.hash(number);
        if !self.flows.view().is_absent(hash) {
            return Err(None);
        }
        let tables = &self.pool.vips()[usize::from(new.vip)].tables;
        let candidates = tables.candidates(new.bucket);
        let first = *candidates.first().ok_or(None)?;
        let (encoding, len) = (self.config.encoding, usize::from(new.len));
        let added = encoding.overhead_bytes(candidates.len(), false);
        let fits = len + added <= self.config.fabric_mtu_bytes;
        if candidates.len() > ORDER || !fits || !self.health.are_alive(candidates) {
            return Err(None);
        }
        let place = self.sketch.place_for(hash.tag()).ok_or(None)?;
        frame.truncate(len);
        if self.hunts.is_empty() {
            // Those before it in this batch have had theirs.
            let may_come = looks.new - u32::from(new.nth);
            self.hunts = self.unpinned.take_hunts(may_come, moment.now);
        }
        if !self.hunts.use_up() {
            if let Err(reason) = self.unpinned.may(Action::Hunt, hash, moment.now) {
                return Err(Some(reason));
            }
        }
        let label = hash.flow_label();
        let put_on = match *candidates {
            [one] => {
                let sids = [self.sid_of(one, Function::ConnectForce)];
                self.headers.put_on(frame, sids, encoding, label)
            }
            [one, other] => {
                let first = self.sid_of(one, Function::ConnectAvail);
                let sids = [first, self.sid_of(other, Function::ConnectForce)];
                self.headers.put_on(frame, sids, encoding, label)
            }
            _ => self.put_many_on(frame, candidates, encoding, label),
        };
        put_on.map_err(|error| Some(DropReason::from(error)))?;
        place.take(hash.tag(), first, 0, moment.now);
        Ok(())
    }

    #[inline]
    fn sid_of(&self, server: u16, function: Function) -> Ipv6Addr {
        Locator::of(self.ack_sids[usize::from(server)]).sid(function)
    }

    /// Sends it to more candidates than are usual.
    #[inline(never)]
    fn put_many_on(
        &self,
        frame: &mut PacketBuf,
        candidates: &[u16],
        encoding: Encoding,
        label: u32,
    ) -> Result<(), RewriteError> {
        let (mut segments, force) = (Segments::default(), Function::ConnectForce);
        let must = candidates.len().saturating_sub(1);
        order::offer(candidates, &mut segments, &self.pool, must, force);
        let (node, keys) = (self.config.locator, None);
        let (sender, shape) = (Sender { node, keys }, Shape::plain(frame.len()));
        carry::put_on(frame, shape, sender, encoding, &segments, label)
    }
}
