//! Fragments of clients' packets, as LBs with an entry send them: to the application of a flow that is here.
//!
//! Their checksum can't be looked at, so they change nothing but an entry's age.

use daemon::DropReason;
use flow_table::NoFlow;
use packet_io::PacketBuf;
use srh::parse::{next_header, Packet, Tcp, Upper};
use srh::{Flow, Function};

use super::arrival::Arrival;
use super::client::is_known;
use super::state::State;
use super::{Done, Engine, Event, Given, Stop};

impl Engine {
    pub(super) fn client_fragment(
        &mut self,
        frame: &mut PacketBuf,
        arrival: &Arrival,
        given: &Given,
    ) -> Result<Done, Stop> {
        if arrival.function != Function::AckStickiness {
            return Err(DropReason::Fragment.into());
        }
        let flow = self.flow_of_fragment(arrival, given)?;
        let is_udp = flow.protocol == next_header::UDP;
        if !is_udp && !self.has_settled(flow, &arrival.client, given) {
            return Err(DropReason::FragmentNoEntry.into());
        }
        let udp = is_udp.then(|| self.udp_subject(flow, given));
        if udp.is_some_and(|subject| subject.entry.is_none()) {
            return Err(DropReason::FragmentNoEntry.into());
        }
        arrival.take_off(frame)?;
        self.events.add(Event::FragmentsDelivered);
        if let Some(first) = arrival.client.fragment.filter(|f| f.offset == 0) {
            self.fragments.begin(&flow, &first, given.now);
        }
        if let Some((subject, mut entry)) = udp.and_then(|s| s.entry.map(|entry| (s, entry))) {
            entry.renew(given.now, self.udp_life(entry.state()));
            self.keep_udp(&subject, entry, given);
        }
        Ok(Done::Deliver { steer: false })
    }

    /// Does the table alone say that a TCP flow is ours? A first fragment has numbers, the others follow it.
    fn has_settled(&self, flow: Flow, client: &Packet, given: &Given) -> bool {
        let subject = self.subject(flow, given.now);
        match (subject.state, client.tcp()) {
            (State::Wait | State::Direct, Some(tcp)) => {
                is_known(&subject, tcp, &self.contract.limits)
            }
            (State::Wait | State::Direct, None) | (State::Closing, _) => true,
            (State::None | State::Loser | State::Hunted, _) => false,
        }
    }

    /// A first fragment has ports; the others belong to the flow of theirs, for a moment.
    fn flow_of_fragment(&self, arrival: &Arrival, given: &Given) -> Result<Flow, DropReason> {
        let (client, vip) = (&arrival.client, arrival.vip);
        let fragment = client.fragment.ok_or(DropReason::Fragment)?;
        let flow = match client.upper {
            // A handshake or a reset of which nobody can tell whether it is right.
            Upper::Tcp(tcp) if tcp.flags & (Tcp::SYN | Tcp::RST) != 0 => None,
            Upper::LaterFragment(_) => {
                let flow = self
                    .fragments
                    .flow_of(client.src, vip, &fragment, given.now);
                return flow.map_err(reason);
            }
            _ => client.flow_from_client(vip),
        };
        let flow = flow.ok_or(DropReason::Fragment)?;
        let begins = self.fragments.may_begin(&flow, &fragment, given.now);
        begins.map(|()| flow).map_err(reason)
    }
}

fn reason(error: NoFlow) -> DropReason {
    match error {
        NoFlow::NoFirst => DropReason::FragmentNoFirst,
        NoFlow::Overlap => DropReason::FragmentOverlap,
    }
}
