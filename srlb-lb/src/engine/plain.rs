//! The short way of what nearly all packets are: TCP without options of IPv6's, of a client, for a flow that is pinned and confirmed.
//!
//! It does what [`Engine::process`] does with such a packet and nothing else; at the first thing that is not as it mostly is, the packet takes the
//! long way, untouched.

use std::net::Ipv6Addr;
use std::ops::Range;

use flow_table::{FlowHash, Unhashed, View, VipState};
use packet_io::{Instant, PacketBuf};
use srh::parse::{next_header, PlainTcp};
use srh::{Encoding, Flow, Frame};

use super::batch::{Look, Looks};
use super::pin::{End, Tick};
use super::state::{self, Action, Next, State};
use super::{Engine, Pin, Vip};

/// What a batch has in common.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub now: Instant,
    tick: Tick,
    /// When entries end that are refreshed now.
    idle_end: End,
    /// May pinned packets go the short way?
    pub may_be_plain: bool,
    /// May new flows?
    pub may_be_new: bool,
    /// May createStickiness on SYN-ACKs?
    pub may_be_created: bool,
}

/// A plain packet of a flow.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    pub vip: u16,
    len: u16,
}

/// What plain packets that come one after the other need, looked up once.
struct Steering<'a> {
    flows: View<'a, Pin>,
    sids: &'a [Ipv6Addr],
    /// The packets are for this one, and it has this number.
    vip: Option<(u16, &'a Vip)>,
    /// How long packets may be, by the encoding.
    most_bytes: [usize; 2],
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
    pub(super) fn moment(&self, now: Instant) -> Moment {
        let (tick, idle_end) = (Tick::of(now), End::after(self.config.idle_timeout, now));
        Moment {
            now,
            tick,
            idle_end,
            // What is refreshed lives on: then an entry that ends so needn't be asked whether it does.
            may_be_plain: self.may_be_plain() && idle_end.is_after(tick),
            may_be_new: self.may_be_new(),
            may_be_created: self.may_be_created(),
        }
    }

    /// Does nothing stand against the short way? Not if packets are signed or shown to somebody, or if another state table is in force (in mutation
    /// tests).
    fn may_be_plain(&self) -> bool {
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

    /// Is it such a packet, as its flags say? Whether its flow is pinned is not known yet.
    #[inline]
    pub(super) fn look_plain(
        &self,
        tcp: PlainTcp<'_>,
        near: &mut Option<Near>,
    ) -> Option<(Plain, Unhashed)> {
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

    /// Sends plain packets to their servers, along their SIDs or (the baseline) by GRE: those with these numbers, until one comes that has to go the
    /// long way, and nothing has been done with. Its number is returned.
    #[inline(never)]
    pub(super) fn steer_some<const GRE: bool>(
        &self,
        moment: &Moment,
        frames: &mut [PacketBuf],
        looks: &Looks,
        mut numbers: Range<usize>,
    ) -> usize {
        let most = |encoding: Encoding| {
            let overhead = encoding.overhead_bytes(1, false);
            self.config.fabric_mtu_bytes.saturating_sub(overhead)
        };
        let mut steering = Steering {
            flows: self.flows.view(),
            sids: &self.ack_sids,
            vip: None,
            most_bytes: [most(Encoding::Encap), most(Encoding::Insert)],
        };
        let mut is_for_long_way = |&number: &usize| {
            let frame = &mut frames[number];
            self.steer_plain::<GRE>(moment, &mut steering, frame, looks, number)
                .is_none()
        };
        let end = numbers.end;
        numbers.find(&mut is_for_long_way).unwrap_or(end)
    }

    /// Does so with one.
    #[inline(always)]
    fn steer_plain<'a, const GRE: bool>(
        &'a self,
        moment: &Moment,
        steering: &mut Steering<'a>,
        frame: &mut PacketBuf,
        looks: &Looks,
        number: usize,
    ) -> Option<()> {
        let Look::Plain(plain) = looks.all[number] else {
            return None;
        };
        let len = usize::from(plain.len);
        let hash = looks.flows.hash(number);
        let vip = match steering.vip {
            Some((number, vip)) if number == plain.vip => vip,
            _ => {
                let vip = self.pool.vips().get(usize::from(plain.vip))?;
                steering.vip.insert((plain.vip, vip)).1
            }
        };
        let entry = steering.flows.entry(hash, looks.hints.of(number))?;
        let pin = entry.value();
        let (server, encoding) = (pin.server(), pin.encoding());
        let is_fresh = pin.is_confirmed_until(moment.idle_end);
        let is_steered = (is_fresh || pin.is_confirmed_at(moment.tick))
            && vip.tables.is_member(server)
            && !self.health.is_dead(server);
        if !is_steered {
            return None;
        }
        let sid = steering.sids.get(usize::from(server))?;
        let label = hash.flow_label();
        let [most_encap, most_insert] = steering.most_bytes;
        // What can't be done is left to the long way, too, which says why.
        match encoding {
            Encoding::Encap if len <= most_encap => {
                frame.truncate(len);
                match GRE {
                    false => self
                        .headers
                        .put_on(frame, [*sid], Encoding::Encap, label)
                        .ok()?,
                    true => self.put_gre_on(frame, *sid, label).ok()?,
                }
            }
            Encoding::Insert if len <= most_insert && !GRE => {
                frame.truncate(len);
                self.headers
                    .put_on(frame, [*sid], Encoding::Insert, label)
                    .ok()?;
            }
            _ => return None,
        }
        if !is_fresh && !entry.replace(pin.confirmed_until(moment.idle_end)) {
            self.refresh(hash, moment);
        }
        Some(())
    }

    /// Refreshes an entry that another worker has just changed.
    #[cold]
    fn refresh(&self, hash: FlowHash, moment: &Moment) {
        let renew = |pin: Pin| pin.confirmed_until(moment.idle_end);
        self.flows.update(hash, moment.now, renew);
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
