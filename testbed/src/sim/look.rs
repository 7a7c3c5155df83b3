//! Looks at each packet before and after an engine works on it.

use packet_io::PacketBuf;
use srh::Function;
use srlb_lb::engine as lb_engine;

use super::nodes::Node;
use super::watch::at_lb::AtLb;
use super::watch::at_router::{AtRouter, Became, Left};
use super::watch::opinion::Offer;
use super::watch::said::Said;
use super::world::World;

/// Whom a packet offers a flow to first, if it does. `is_again`: the LB takes its SYN for one seen again.
pub(super) fn offer(frame: &PacketBuf, is_again: bool) -> Option<Offer> {
    let sent = Said::read(frame)?;
    let is_offer = matches!(
        sent.function,
        Some(Function::ConnectAvail | Function::ConnectForce | Function::ConnectFinal)
    );
    match sent.to {
        Some(Node::Server(n)) if is_offer => Some(Offer {
            first: n - 1,
            is_again,
        }),
        _ => None,
    }
}

impl World<'_> {
    /// A packet is about to enter LB `n`.
    pub(super) fn before_lb(&self, n: u16, from: Node, said: Option<Said>) -> Option<AtLb> {
        let said = said?;
        let host = &self.lbs[usize::from(n) - 1];
        let engine = host.engine.as_ref()?;
        // The word of a dead server brings its pins back.
        let is_dead = |n: u16| engine.opinion(n - 1) == lb_engine::Opinion::Dead;
        if matches!(from, Node::Server(n) if is_dead(n)) {
            return None;
        }
        Some(AtLb {
            before: engine.kept(&said.flow, host.local(self.now_us)),
            said,
            from,
            idle_ms: host.spec.idle_timeout_ms as i32,
        })
    }

    /// It has.
    pub(super) fn after_lb(
        &mut self,
        n: u16,
        at: Option<AtLb>,
        frame: &PacketBuf,
        verdict: lb_engine::Verdict,
    ) {
        let host = &self.lbs[usize::from(n) - 1];
        let (Some(at), Some(engine)) = (at, &host.engine) else {
            return;
        };
        let after = engine.kept(&at.said.flow, host.local(self.now_us));
        let broken = at.broken(verdict, frame, after);
        self.tell(Node::Lb(n), &at.said, broken);
    }

    /// What LB `n` has seen of the servers by a packet, and what it thinks of them. `offer`: the packet leaves as this one.
    pub(super) fn after_word(
        &mut self,
        n: u16,
        from: Node,
        said: Option<Said>,
        verdict: lb_engine::Verdict,
        offer: Option<Offer>,
    ) {
        let host = &self.lbs[usize::from(n) - 1];
        let Some(engine) = &host.engine else {
            return;
        };
        let now = host.local(self.now_us);
        let seeing = self.watch.seeing(n, host.life);
        let is_unknown = verdict == lb_engine::Verdict::Drop(daemon::DropReason::UnknownSender);
        if let (Node::Server(server), false) = (from, is_unknown) {
            seeing.heard(server - 1, now);
        }
        let (Some(said), lb_engine::Verdict::Transmit) = (said, verdict) else {
            return;
        };
        let tells = matches!(
            said.function,
            Some(Function::CreateStickiness | Function::RemoveStickiness)
        );
        if tells {
            seeing.answered(&said.flow);
        }
        let (Node::Client(_), Some(offer)) = (from, offer) else {
            return;
        };
        let vip = &engine.pool().vips()[0];
        let candidates = vip.tables.candidates(vip.tables.bucket(&said.flow.key()));
        let broken = seeing.offered(now, said.flow, candidates, offer);
        let broken = broken.or_else(|| seeing.opinions(|server| engine.opinion(server)));
        self.tell(Node::Lb(n), &said, broken);
    }

    /// LB `n` has looked at its timers, and sends these.
    pub(super) fn after_poll(&mut self, n: u16, out: &[PacketBuf]) {
        let host = &self.lbs[usize::from(n) - 1];
        let Some(engine) = &host.engine else {
            return;
        };
        let now = host.local(self.now_us);
        let seeing = self.watch.seeing(n, host.life);
        let mut broken = None;
        for frame in out {
            let packet = srh::parse::packet(srh::Frame::bytes(frame)).ok();
            if let Some(Node::Server(server)) = packet.and_then(|packet| Node::at(packet.dst)) {
                broken = broken.or(seeing.probed(now, server - 1));
            }
        }
        let broken = broken.or_else(|| seeing.opinions(|server| engine.opinion(server)));
        if let Some((promise, what)) = broken {
            let what = format!("lb{n}: {what}");
            self.watch.broken(self.now_us, promise, None, what);
        }
    }

    /// A packet is about to enter the router of server `n`.
    pub(super) fn before_router(&self, n: u16, frame: &PacketBuf) -> Option<AtRouter> {
        let said = Said::read(frame)?;
        let host = &self.servers[usize::from(n) - 1];
        let (engine, kernel) = (host.engine.as_ref()?, host.kernel.as_ref()?);
        let (before, peer) = engine.flow_state(host.local(self.now_us), &said.flow);
        Some(AtRouter {
            ends_socket: kernel.obeys_reset(&said.flow, &said.tcp),
            said,
            before,
            has_peer: peer.is_some(),
        })
    }

    /// It has.
    pub(super) fn after_router(&mut self, n: u16, at: Option<AtRouter>, left: &Left) {
        let host = &self.servers[usize::from(n) - 1];
        let (Some(at), Some(engine)) = (at, &host.engine) else {
            return;
        };
        let state_at = |time| engine.flow_state(time, &at.said.flow).0;
        let became = Became {
            left,
            now: host.local(self.now_us),
            state_at: &state_at,
        };
        let told = self.watch.told(n, host.router_life, at.said.flow);
        let broken = at.broken(told, &became);
        self.tell(Node::Server(n), &at.said, broken);
    }

    fn tell(&mut self, node: Node, said: &Said, broken: Option<super::watch::Broken>) {
        if let Some((promise, what)) = broken {
            let connection = self.watch.of_flow(&said.flow);
            let what = format!("{node}: {what}");
            self.watch.broken(self.now_us, promise, connection, what);
        }
    }
}
