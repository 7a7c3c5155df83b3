//! Where a flow would go, and why: the answer to `srlb-lb explain`.

use packet_io::Instant;
use srh::parse::next_header;
use srh::Flow;

use super::order::Order;
use super::state::{self, State};
use super::{udp, Engine, Opinion, ShortNumber};

/// Everything that decides about one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The VIP's name.
    pub vip: String,
    /// The flow's bucket.
    pub bucket: u32,
    /// Names of the candidates, in hunting order, with this LB's opinion of them.
    pub candidates: Vec<(String, Opinion)>,
    /// Names of the recovery list.
    pub recovery: Vec<String>,
    /// Does the history reach back far enough for a last word?
    pub complete: bool,
    /// State of the entry, its server and how long it lives, in milliseconds.
    pub entry: Option<(State, String, i32)>,
    /// Is the pin passed over, because its server is no member any more or thought to be dead?
    pub bypassed: bool,
    /// Is every packet of this client refused, because of its address?
    pub refused: bool,
    /// What a SYN would meet; TCP only.
    pub on_syn: Option<state::Action>,
    /// What any other packet would meet; TCP only.
    pub on_other: Option<state::Action>,
    /// What a datagram would meet; UDP only.
    pub on_datagram: Option<udp::Action>,
}

/// What is kept for a TCP flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// STEER or CLOSING.
    pub state: State,
    /// The server's number in the pool.
    pub server: u16,
    /// Of the SYN-ACK that made the entry, if one did.
    pub number: ShortNumber,
    /// How long it has to live, in milliseconds.
    pub ends_in_ms: i32,
}

impl Engine {
    /// The entry that a packet of this flow would meet.
    pub fn kept(&self, flow: &Flow, now: Instant) -> Option<Kept> {
        let vip = self.pool.vip_at(flow.vip)?;
        let pin = self.subject(*flow, vip, None, now).pin?;
        Some(Kept {
            state: pin.state(),
            server: pin.server(),
            number: pin.number(),
            ends_in_ms: pin.left_ms(now),
        })
    }

    /// Explains a flow; `None` if there is no such VIP. Nothing changes by it.
    pub fn explain(&self, flow: Flow, now: Instant) -> Option<Explanation> {
        let vip = self.pool.vip_at(flow.vip)?;
        let subject = self.subject(flow, vip, None, now);
        let bucket = self.bucket(&subject);
        let vip = self.vip(&subject);
        let kept = self.flows.get(subject.hash, now);
        let name = |server: u16| self.pool.servers()[usize::from(server)].name.clone();
        let mut order = Order::of(vip.tables.candidates(bucket));
        order.by_health(&self.health);
        let candidates = order.as_slice().iter();
        let is_udp = flow.protocol == next_header::UDP;
        let tcp = |event| {
            let (action, _) = self.contract.table.get(subject.state(), event);
            (!is_udp).then_some(action)
        };
        let udp_state = udp::State::of_entry(subject.state());
        let (on_datagram, _) = self.contract.udp.get(udp_state, udp::Event::Client);
        Some(Explanation {
            vip: vip.name.clone(),
            bucket,
            candidates: candidates.map(|&s| (name(s), self.health.of(s))).collect(),
            recovery: vip
                .tables
                .recovery(bucket)
                .iter()
                .map(|&s| name(s))
                .collect(),
            complete: vip.tables.complete(),
            bypassed: kept.is_some() && subject.pin.is_none(),
            refused: !self.may_be_client(flow.client),
            entry: kept.map(|pin| (pin.state(), name(pin.server()), pin.left_ms(now))),
            on_syn: tcp(state::Event::ClientSyn),
            on_other: tcp(state::Event::ClientOther),
            on_datagram: is_udp.then_some(on_datagram),
        })
    }
}
