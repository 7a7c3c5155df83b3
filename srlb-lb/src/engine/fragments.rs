//! Fragments of clients' packets: to the server of their flow's entry, or nowhere.
//!
//! Their checksum can't be looked at, so they change nothing but an entry's age.

use daemon::DropReason;
use flow_table::NoFlow;
use packet_io::{Instant, PacketBuf};
use srh::parse::{Packet, Tcp, Upper};
use srh::Flow;

use super::state::{Next, State};
use super::{Done, Engine, Event, Outcome};

impl Engine {
    pub(super) fn client_fragment(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        vip: usize,
    ) -> Outcome {
        let flow = self.flow_of_fragment(packet, vip, now)?;
        let subject = self.subject(flow, vip, None, now);
        if self.tracing {
            self.note.flow = Some(flow);
            self.note.before = Some(subject.state());
            self.note.pinned = subject.pin.map(|pin| pin.server());
        }
        let pin = subject.pin.ok_or(DropReason::FragmentNoEntry)?;
        let done = self.steer(now, frame, packet, &subject, &pin)?;
        if matches!(done, Done::Forwarded) {
            self.events.add(Event::FragmentsSteered);
            if let Some(first) = packet.fragment.filter(|f| f.offset == 0) {
                self.fragments.begin(&flow, &first, now);
            }
            if subject.state() == (State::Steer { confirmed: true }) {
                self.write(&subject, Next::Confirmed, None, now);
            }
        }
        Ok(done)
    }

    /// A first fragment has ports; the others belong to the flow of theirs, for a moment.
    fn flow_of_fragment(
        &self,
        packet: &Packet,
        vip: usize,
        now: Instant,
    ) -> Result<Flow, DropReason> {
        let fragment = packet.fragment.ok_or(DropReason::Fragment)?;
        let vip = self.pool.vips()[vip].address;
        let flow = match packet.upper {
            // A handshake or a reset of which nobody can tell whether it is right.
            Upper::Tcp(tcp) if tcp.flags & (Tcp::SYN | Tcp::RST) != 0 => None,
            Upper::LaterFragment(_) => {
                let flow = self.fragments.flow_of(packet.src, vip, &fragment, now);
                return flow.map_err(reason);
            }
            _ => packet.flow_from_client(vip),
        };
        let flow = flow.ok_or(DropReason::Fragment)?;
        let begins = self.fragments.may_begin(&flow, &fragment, now);
        begins.map(|()| flow).map_err(reason)
    }
}

fn reason(error: NoFlow) -> DropReason {
    match error {
        NoFlow::NoFirst => DropReason::FragmentNoFirst,
        NoFlow::Overlap => DropReason::FragmentOverlap,
    }
}
