//! What happens where a packet arrives.

use std::collections::btree_map::Entry;

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::parse::{self, Packet, Tcp};
use srh::Frame;
use srlb_lb::engine as lb_engine;
use srlb_server::engine as server_engine;

use super::look;
use super::nodes::{Node, VIP};
use super::outcome::Cause;
use super::tcp::path_mtu;
use super::tcp::report::Around;
use super::trace::Fate;
use super::watch::at_router::Left;
use super::watch::said::Said;
use super::world::{client_segment, flow_inside, Done, Event, Wire, World, POLL_EVERY_US};

/// For how long a recovered flow's packets go through the router.
const STEER_US: u64 = 1_000_000;

impl World<'_> {
    /// A packet arrives.
    pub fn arrive(&mut self, wire: Wire) {
        match wire.to {
            Node::Client(n) => self.at_client(n, wire),
            Node::Lb(n) => self.at_lb(n, wire),
            Node::Server(n) => self.at_server(n, wire),
        }
    }

    fn at_client(&mut self, n: u16, wire: Wire) {
        let frame = wire.frame;
        let bytes = frame.bytes();
        let parsed = parse::packet(bytes).ok();
        let good = parsed.filter(|packet| {
            packet.src == VIP && packet.srh.is_none() && srh::checksum::is_right(bytes, packet)
        });
        let Some(packet) = good else {
            let what = format!("c{n} gets {}", srh::Describe(bytes));
            return self.watch.broken(self.now_us, "client_packets", None, what);
        };
        let Some(kernel) = self.clients.get_mut(usize::from(n) - 1) else {
            return;
        };
        // A SYN-ACK that no router has seen promises too much room.
        if let Some(told_bytes) = path_mtu::told_bytes(&packet) {
            kernel.path_mtu_bytes = kernel.path_mtu_bytes.min(told_bytes);
        }
        let (Some(&tcp), Some(flow)) = (packet.tcp(), packet.flow_from_server(packet.dst)) else {
            return;
        };
        let mut around = Around::new(self.now_us, &self.scenario.connections);
        kernel.receive(flow, &tcp, frame, &self.opened, &mut around);
        self.settle(Node::Client(n), Done::of(around));
    }

    /// An LB has sent a client's SYN on, perhaps as an offer, or a SYN-ACK to the client.
    fn note_handshake(&mut self, lb: u16, frame: &PacketBuf, is_offer: bool) {
        use lb_engine::state::Event::{ClientSyn, CreateOnSynAck, ReturnOther, ReturnSyn};
        use lb_engine::state::Sender::Pinned;
        let host = &self.lbs[usize::from(lb) - 1];
        let Some(engine) = &host.engine else {
            return;
        };
        let note = engine.note();
        match note.event {
            Some(ReturnSyn(Pinned) | ReturnOther(Pinned)) => {
                self.watch.pin_ends(lb, note.flow);
            }
            // CLOSING, or the pinned server is thought dead: whether that is so is another promise's matter (`entry`, `order`).
            Some(ClientSyn) if is_offer => self.watch.pin_ends(lb, note.flow),
            Some(ClientSyn) => {
                if let Some((flow, tcp)) = client_segment(frame.bytes()) {
                    self.watch.syn(lb, flow, tcp.seq);
                }
            }
            // An LB that has lost entries knows no better.
            Some(CreateOnSynAck { .. }) if engine.events().get(lb_engine::Event::Evicted) == 0 => {
                let through = (lb, host.life, host.spec.idle_timeout_ms);
                self.note_syn_ack(through, frame);
            }
            _ => {}
        }
    }

    fn note_syn_ack(&mut self, through: (u16, u64, u32), frame: &PacketBuf) {
        let packet = parse::packet(frame.bytes()).ok();
        let segment = packet.and_then(|p| Some((*p.tcp()?, p.flow_from_server(p.dst)?)));
        let Some((tcp, flow)) = segment else {
            return;
        };
        if let Some(&server) = self.answered.get(&(flow, tcp.seq)) {
            self.watch
                .syn_ack(self.now_us, through, flow, tcp.ack, server);
        }
    }

    fn at_lb(&mut self, n: u16, wire: Wire) {
        let Wire {
            from,
            mut frame,
            hops,
            ..
        } = wire;
        let said = Said::read(&frame);
        let before = self.before_lb(n, from, said);
        let host = &mut self.lbs[usize::from(n) - 1];
        let now = host.local(self.now_us);
        let Some(engine) = &mut host.engine else {
            return self.lose(from, Node::Lb(n), &frame, Fate::Nobody);
        };
        let seen_again = engine.events().get(lb_engine::Event::Reordered);
        // As a worker does it: only batches have the short ways.
        engine.process_batch(now, std::slice::from_mut(&mut frame), &mut self.verdicts);
        let [verdict] = self.verdicts[..] else {
            unreachable!("a verdict for each packet");
        };
        self.rows.note_lb(engine.note());
        let is_again = engine.events().get(lb_engine::Event::Reordered) > seen_again;
        self.after_lb(n, before, &frame, verdict);
        let offer = look::offer(&frame, is_again);
        self.after_word(n, from, said, verdict, offer);
        match verdict {
            lb_engine::Verdict::Transmit => {
                self.note_handshake(n, &frame, offer.is_some());
                self.transmit(Node::Lb(n), frame, hops + 1);
            }
            lb_engine::Verdict::Drop(reason) => self.engine_drops(Node::Lb(n), reason, &frame),
        }
    }

    /// An engine drops a packet. Some reasons cost the connection a retransmission by design.
    fn engine_drops(&mut self, node: Node, reason: DropReason, frame: &PacketBuf) {
        let numbers = [2, node.code(), reason.index() as u64];
        self.trace.event(self.now_us, numbers, || {
            format!(
                "{node} drops: {}  {}",
                reason.name(),
                srh::Describe(frame.bytes())
            )
        });
        let costs = matches!(reason, DropReason::UnknownNumber | DropReason::LookupRate);
        if let Some(flow) = flow_inside(frame.bytes()).filter(|_| costs) {
            self.watch.lost(&flow);
        }
    }

    fn at_server(&mut self, n: u16, wire: Wire) {
        let host = &self.servers[usize::from(n) - 1];
        if host.kernel.is_none() || host.engine.is_none() {
            return self.lose(wire.from, Node::Server(n), &wire.frame, Fate::Nobody);
        }
        self.note_forgotten(n, &wire.frame);
        self.through_router(n, wire.frame, wire.hops);
    }

    /// A router that was restarted, or has let entries go in a full table, knows no numbers of what it had: docs/protocol.md, "Known
    /// residue". If a packet comes for such a flow:
    ///
    /// - It is taken for a socket of an earlier connection of the ports, and lost to its own.
    /// - It waits for the last ACK of a server in TIME_WAIT, which takes nothing but SYNs then. Only a list with a last word brings it there.
    /// - If a SYN cookie is all that the kernel has given the client, nobody knows that the flow is here: only a packet that is brought
    ///   to the kernel at the end of a list completes the handshake, and those behind it may be faster.
    fn note_forgotten(&mut self, n: u16, frame: &PacketBuf) {
        let now_us = self.now_us;
        let host = &self.servers[usize::from(n) - 1];
        let (Some(engine), Some(kernel)) = (&host.engine, &host.kernel) else {
            return;
        };
        if host.router_life == 1 && engine.events().get(server_engine::Event::Evicted) == 0 {
            return;
        }
        let segment = client_segment(frame.bytes()).filter(|(_, tcp)| !tcp.is_syn());
        let Some((flow, tcp)) = segment else {
            return;
        };
        let is_known = engine.knows_numbers(host.local(now_us), &flow);
        let Some(connection) = self.watch.of_flow(&flow).filter(|_| !is_known) else {
            return;
        };
        if kernel.takes_cookie(&flow, &tcp, now_us) {
            let socket = (connection, tcp.ack.wrapping_sub(1));
            self.watch
                .causes
                .sockets_lost([socket], Cause::CookieForgotten);
        }
        if kernel.has_older_socket(&flow, connection) || kernel.is_in_time_wait(&flow) {
            self.watch.lost(&flow);
        }
    }

    fn through_router(&mut self, n: u16, mut frame: PacketBuf, hops: u16) {
        let node = Node::Server(n);
        let before = self.before_router(n, &frame);
        let host = &mut self.servers[usize::from(n) - 1];
        let (now, app) = (host.local(self.now_us), host.app());
        let (Some(engine), Some(kernel)) = (&mut host.engine, &host.kernel) else {
            return;
        };
        let ownerless = engine.events().get(server_engine::Event::OwnerNotFound);
        let (mut extra, mut looked_up) = (Vec::new(), None);
        let mut verdict = engine.process(now, &mut frame, &app, &mut extra);
        if let server_engine::Verdict::LookUp(query) = verdict {
            let answer = kernel.look_up(&query.flow, self.now_us);
            looked_up = Some(answer);
            self.trace.event(self.now_us, [3, node.code(), 0], || {
                format!("{node} looks up {}: {answer:?}", query.flow)
            });
            verdict = engine.resume(now, &mut frame, answer, &app, &mut extra);
        }
        self.rows.note_server(engine.note());
        let left = Left {
            verdict,
            frame: &frame,
            extra: &extra,
            answer: looked_up,
            is_ownerless: engine.events().get(server_engine::Event::OwnerNotFound) > ownerless,
        };
        self.after_router(n, before, &left);
        self.tally.extra += extra.len() as u64;
        for other in extra {
            self.transmit(node, other, hops + 1);
        }
        match verdict {
            server_engine::Verdict::Transmit => self.transmit(node, frame, hops + 1),
            server_engine::Verdict::Deliver { steer } => self.deliver(n, frame, steer),
            server_engine::Verdict::Drop(reason) => self.engine_drops(node, reason, &frame),
            server_engine::Verdict::LookUp(_) => {
                let what = format!("{node} wants a second look-up for one packet");
                self.watch.broken(self.now_us, "conservation", None, what);
            }
        }
    }

    /// The kernel of a server gets a packet from its router.
    pub(super) fn deliver(&mut self, n: u16, frame: PacketBuf, steer: bool) {
        let node = Node::Server(n);
        let bytes = frame.bytes();
        let parsed = parse::packet(bytes).ok();
        let is_good = |packet: &Packet| {
            let from_client = matches!(Node::at(packet.src), Some(Node::Client(_)));
            from_client
                && packet.dst == VIP
                && packet.srh.is_none()
                && srh::checksum::is_right(bytes, packet)
        };
        let Some(packet) = parsed.filter(is_good) else {
            let what = format!("{node}'s kernel gets {}", srh::Describe(bytes));
            return self.watch.broken(self.now_us, "server_packets", None, what);
        };
        let (Some(&tcp), Some(flow)) = (packet.tcp(), packet.flow_from_client(VIP)) else {
            return;
        };
        let numbers = [4, node.code(), steer.into()];
        self.trace.event(self.now_us, numbers, || {
            let how = if steer { " (answers are steered)" } else { "" };
            format!("{node} delivers{how}: {}", srh::Describe(bytes))
        });
        let host = &mut self.servers[usize::from(n) - 1];
        match steer {
            true => _ = host.steered.insert(flow, self.now_us + STEER_US),
            false => _ = host.steered.remove(&flow),
        }
        let Some(kernel) = &mut host.kernel else {
            return;
        };
        let number = tcp.ack.wrapping_sub(1);
        let is_ours = self.answered.get(&(flow, number)) == Some(&n);
        if let Some(cause) = kernel
            .loses_cookie(&flow, &tcp, self.now_us)
            .filter(|_| is_ours)
        {
            let socket = self
                .watch
                .of_flow(&flow)
                .map(|connection| (connection, number));
            self.watch.causes.sockets_lost(socket, cause);
        }
        let mut around = Around::new(self.now_us, &self.scenario.connections);
        kernel.receive(flow, &tcp, frame, &self.opened, &mut around);
        if around.dropped {
            self.watch.queue_is_full(&flow);
        }
        // Race 5: the client throws the old socket away, and opens its connection with its next SYN.
        let opens = self.opened.get(&(flow, tcp.seq)).copied();
        if around.syn_in_vain && opens == self.watch.of_flow(&flow) {
            self.watch.lost(&flow);
        }
        self.settle(node, Done::of(around));
    }

    /// The kernel of a server sends a packet: SYN, FIN and RST go through the router, the rest only for a
    /// moment after a recovery. Without a router nothing catches them.
    pub fn kernel_sends(&mut self, n: u16, frame: PacketBuf) {
        let node = Node::Server(n);
        let packet = parse::packet(frame.bytes()).ok();
        let Some((tcp, flow)) =
            packet.and_then(|packet| Some((*packet.tcp()?, packet.flow_from_server(packet.dst)?)))
        else {
            return self.transmit(node, frame, 0);
        };
        if tcp.is_syn_ack() {
            self.answered.insert((flow, tcp.seq), n);
        }
        let now_us = self.now_us;
        let host = &mut self.servers[usize::from(n) - 1];
        let is_steered = match host.steered.entry(flow) {
            Entry::Occupied(until) if *until.get() <= now_us => {
                until.remove();
                false
            }
            Entry::Occupied(_) => true,
            Entry::Vacant(_) => false,
        };
        let marked = tcp.flags & (Tcp::SYN | Tcp::FIN | Tcp::RST) != 0 || is_steered;
        if host.engine.is_none() || !marked {
            return self.transmit(node, frame, 0);
        }
        self.trace.event(now_us, [5, node.code(), 0], || {
            format!("{node} steers: {}", srh::Describe(frame.bytes()))
        });
        self.through_router(n, frame, 0);
    }

    /// An engine looks at its timers.
    pub fn poll(&mut self, node: Node) {
        let now_us = self.now_us;
        self.queue.push(now_us + POLL_EVERY_US, Event::Poll(node));
        match node {
            Node::Lb(n) => {
                let host = &mut self.lbs[usize::from(n) - 1];
                let now = host.local(now_us);
                let mut out = Vec::new();
                if let Some(engine) = &mut host.engine {
                    engine.poll(now, &mut out);
                }
                self.after_poll(n, &out);
                for frame in out {
                    self.transmit(node, frame, 0);
                }
            }
            Node::Server(n) => {
                let host = &mut self.servers[usize::from(n) - 1];
                let now = host.local(now_us);
                if let Some(engine) = &mut host.engine {
                    engine.poll(now);
                }
            }
            Node::Client(_) => {}
        }
    }
}
