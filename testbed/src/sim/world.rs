//! The world: everything that exists, and the events that make it go on.

use std::collections::HashMap;

use packet_io::PacketBuf;
use srh::parse::{self, Tcp};
use srh::{Flow, Frame};

use super::dialogue::Side;
use super::edge::Edge;
use super::hosts::{LbHost, ServerHost, Settings};
use super::links::{self, Copies};
use super::nodes::{flow, Node, VIP};
use super::pool::Pools;
use super::queue::Queue;
use super::rows::Rows;
use super::scenario::Scenario;
use super::tally::Tally;
use super::tcp::kernel::Kernel;
use super::tcp::path_mtu;
use super::tcp::report::{Around, Wake};
use super::trace::{Fate, Trace};
use super::watch::Watch;
use crate::rng::Rng;

/// How often an engine looks at its timers.
pub const POLL_EVERY_US: u64 = 100_000;
/// How long a client waits before it tries again to open a port that is in use.
const PORT_AGAIN_US: u64 = 100_000;
/// How long it tries: somewhat longer than TIME_WAIT.
pub const PORT_PATIENCE_MS: u64 = 70_000;

/// A packet under way.
pub struct Wire {
    /// Who has sent it.
    pub from: Node,
    /// Where it goes.
    pub to: Node,
    /// How many engines it has passed.
    pub hops: u16,
    /// Its bytes.
    pub frame: PacketBuf,
}

/// Something that will happen.
pub enum Event {
    /// A packet arrives.
    Arrive(Wire),
    /// A connection wishes to be woken.
    Wake(Node, Wake),
    /// A client opens a connection.
    Open(usize),
    /// A fault of the scenario, by its place.
    Fault(usize),
    /// An engine looks at its timers.
    Poll(Node),
    /// A version of the pool's file has reached an LB.
    File(super::pool::Delivery),
    /// The edge has found out that an LB is gone. It counts for this life of the LB only.
    Withdraw(u16, u64),
    /// An LB that was stopped exits.
    LbExit(u16, u64),
    /// A router starts again, if nothing else has happened to it since.
    RouterStart(u16, u64),
    /// The edge takes another hash.
    Rehash(u64),
}

/// Everything.
pub struct World<'a> {
    /// What is to happen.
    pub scenario: &'a Scenario,
    /// What all hosts share.
    pub settings: Settings,
    /// Virtual time.
    pub now_us: u64,
    /// How many events there were.
    pub events: u64,
    /// What will happen.
    pub queue: Queue<Event>,
    /// Draws for links.
    pub luck: Rng,
    /// Draws for what hosts begin with.
    pub secrets: Rng,
    /// Client `n` is `clients[n - 1]`.
    pub clients: Vec<Kernel>,
    /// LB `n` is `lbs[n - 1]`.
    pub lbs: Vec<LbHost>,
    /// Server `n` is `servers[n - 1]`.
    pub servers: Vec<ServerHost>,
    /// The pool's files.
    pub pools: Pools,
    /// Files on their way to LBs.
    pub files_under_way: usize,
    /// The edge router.
    pub edge: Edge,
    /// Until when how many packets of a million get lost.
    pub bursts: Vec<(u64, u32)>,
    /// Which connection a SYN opens, by flow and number.
    pub opened: HashMap<(Flow, u32), usize>,
    /// Which server has made a SYN-ACK, by flow and number.
    pub answered: HashMap<(Flow, u32), u16>,
    /// Packets under way.
    pub in_flight: usize,
    /// Which rows of their state tables the engines have used.
    pub rows: Rows,
    /// Of an LB's last packet.
    pub verdicts: Vec<srlb_lb::engine::Verdict>,
    /// What the engines have counted.
    pub tally: Tally,
    /// Who looks at it all.
    pub watch: Watch,
    /// What happened.
    pub trace: Trace,
}

impl<'a> World<'a> {
    /// The world at its beginning.
    pub fn new(scenario: &'a Scenario, settings: Settings, trace: Trace) -> Self {
        let clients = scenario.connections.iter().map(|c| c.client).max();
        let mut secrets = Rng::new(scenario.seed, 2);
        let new_client = |_| Kernel::new(secrets.next_u64(), None);
        let clients = (0..clients.unwrap_or(0)).map(new_client).collect();
        let mut world = World {
            scenario,
            settings,
            now_us: 0,
            events: 0,
            queue: Queue::default(),
            luck: Rng::new(scenario.seed, 1),
            secrets,
            clients,
            lbs: scenario.lbs.iter().map(|&spec| LbHost::new(spec)).collect(),
            servers: scenario
                .servers
                .iter()
                .map(|&spec| ServerHost::new(spec))
                .collect(),
            pools: Pools::new(scenario),
            files_under_way: 0,
            edge: Edge::default(),
            bursts: Vec::new(),
            opened: HashMap::new(),
            answered: HashMap::new(),
            in_flight: 0,
            rows: Rows::default(),
            verdicts: Vec::new(),
            tally: Tally::default(),
            watch: Watch::new(scenario),
            trace,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let scenario = self.scenario;
        for (n, spec) in (1..).zip(&scenario.lbs) {
            self.queue.push(self.phase_us(n), Event::Poll(Node::Lb(n)));
            if spec.starts_up {
                self.start_lb(n);
            }
        }
        for (n, spec) in (1..).zip(&scenario.servers) {
            self.queue
                .push(self.phase_us(n), Event::Poll(Node::Server(n)));
            if spec.starts_up {
                self.start_server(n);
            } else {
                self.watch.causes.application(0, n, false);
            }
        }
        for (place, connection) in scenario.connections.iter().enumerate() {
            self.queue
                .push(connection.start_ms * 1_000, Event::Open(place));
        }
        for (place, fault) in scenario.faults.iter().enumerate() {
            self.queue.push(fault.at_ms * 1_000, Event::Fault(place));
        }
    }

    /// Hosts do not look at their timers at the same moment.
    fn phase_us(&self, n: u16) -> u64 {
        u64::from(n) * 7_919 % POLL_EVERY_US
    }

    /// The next thing happens. False if nothing will.
    pub fn step(&mut self) -> bool {
        let Some((at_us, event)) = self.queue.pop() else {
            return false;
        };
        self.now_us = at_us;
        self.events += 1;
        match event {
            Event::Arrive(wire) => {
                self.in_flight -= 1;
                self.arrive(wire);
            }
            Event::Wake(node, wake) => self.wake(node, &wake),
            Event::Open(connection) => self.open(connection),
            Event::Fault(place) => self.fault(place),
            Event::Poll(node) => self.poll(node),
            Event::File(delivery) => self.file(delivery),
            Event::Withdraw(lb, life) => self.withdraw(lb, life),
            Event::LbExit(lb, life) => self.lb_exit(lb, life),
            Event::RouterStart(server, life) => self.router_start(server, life),
            Event::Rehash(salt) => self.rehash(salt),
        }
        true
    }

    fn open(&mut self, connection: usize) {
        let spec = &self.scenario.connections[connection];
        let flow = flow(spec.client, spec.port);
        let client = usize::from(spec.client) - 1;
        if !self.clients[client].is_free(&flow, self.now_us) {
            if self.now_us > (spec.start_ms + PORT_PATIENCE_MS) * 1_000 {
                return self.watch.never_opened(self.now_us, connection);
            }
            let again = self.now_us + PORT_AGAIN_US;
            return self.queue.push(again, Event::Open(connection));
        }
        let number = connection as u64;
        self.trace.event(self.now_us, [1, number, 0], || {
            format!("connection {connection} is opened: {flow}")
        });
        self.watch.opened(self.now_us, connection, flow);
        self.note_candidates(connection, &flow);
        // The client's number is known once the SYN is made, and only then can a server recognise it.
        let mut around = self.around();
        let syn = self.clients[client].open(flow, connection, &mut around);
        let done = Done::of(around);
        self.opened.insert((flow, syn), connection);
        self.settle(Node::Client(spec.client), done);
    }

    /// What kernels are given.
    pub fn around(&self) -> Around<'a> {
        Around::new(self.now_us, &self.scenario.connections)
    }

    fn wake(&mut self, node: Node, wake: &Wake) {
        let mut around = self.around();
        let kernel = match node {
            Node::Client(n) => self.clients.get_mut(usize::from(n) - 1),
            Node::Server(n) => self.servers[usize::from(n) - 1].kernel.as_mut(),
            Node::Lb(_) => None,
        };
        if let Some(kernel) = kernel {
            kernel.wake(wake, &mut around);
        }
        self.settle(node, Done::of(around));
    }

    /// What a kernel has done takes effect.
    pub fn settle(&mut self, node: Node, done: Done) {
        for wake in done.wakes {
            self.queue.push(wake.at_us, Event::Wake(node, wake));
        }
        for report in &done.reports {
            self.watch
                .report(self.now_us, node, report, &self.scenario.connections);
        }
        for frame in done.out {
            match node {
                Node::Server(n) => self.kernel_sends(n, frame),
                Node::Client(n) => {
                    let mtu_bytes = self.clients[usize::from(n) - 1].path_mtu_bytes;
                    path_mtu::cut(frame, mtu_bytes, |piece| self.transmit(node, piece, 0));
                }
                Node::Lb(_) => {}
            }
        }
    }

    /// A packet leaves a node.
    pub fn transmit(&mut self, from: Node, frame: PacketBuf, hops: u16) {
        let Ok(packet) = parse::packet(frame.bytes()) else {
            let what = format!("{from} sends what is no packet");
            return self.watch.broken(self.now_us, "nobody", None, what);
        };
        let to = match (from, packet.dst) {
            (Node::Client(_), VIP) => match packet.flow_from_client(VIP) {
                Some(flow) => match self.edge.pick(&flow) {
                    Some(lb) => Node::Lb(lb),
                    None => return self.lose(from, from, &frame, Fate::Nobody),
                },
                None => return self.lose(from, from, &frame, Fate::Nobody),
            },
            (_, dst) => match Node::at(dst) {
                Some(node) => node,
                None => {
                    let what = format!("{from} sends a packet to {dst}");
                    return self.watch.broken(self.now_us, "nobody", None, what);
                }
            },
        };
        if hops > super::watch::MOST_HOPS {
            let what = format!("a packet from {from} to {to} has passed {hops} engines");
            return self.watch.broken(self.now_us, "loop", None, what);
        }
        self.send(from, to, frame, hops);
    }

    fn send(&mut self, from: Node, to: Node, frame: PacketBuf, hops: u16) {
        let copies = self.on_the_way(from, to);
        self.tally.packets += 1;
        let Some((&first, more)) = copies.split_first() else {
            return self.lose(from, to, &frame, Fate::Lost);
        };
        self.trace
            .packet(self.now_us, from, to, frame.bytes(), Fate::Arrives);
        for &delay_us in more {
            let frame = frame.clone();
            self.put_on_wire(
                delay_us,
                Wire {
                    from,
                    to,
                    hops,
                    frame,
                },
            );
        }
        self.put_on_wire(
            first,
            Wire {
                from,
                to,
                hops,
                frame,
            },
        );
    }

    fn put_on_wire(&mut self, delay_us: u64, wire: Wire) {
        self.in_flight += 1;
        self.queue.push(self.now_us + delay_us, Event::Arrive(wire));
    }

    /// After which times copies of a packet arrive.
    fn on_the_way(&mut self, from: Node, to: Node) -> Copies {
        let now_us = self.now_us;
        self.bursts.retain(|(until_us, _)| now_us < *until_us);
        let loss_ppm = self.bursts.iter().map(|(_, ppm)| *ppm).max().unwrap_or(0);
        let calm = now_us >= self.scenario.calm_ms * 1_000;
        let links = &self.scenario.links;
        let is_client = |node| matches!(node, Node::Client(_));
        let link = match is_client(from) || is_client(to) {
            true => &links.wan,
            false => &links.fabric,
        };
        links::pass(link, calm, loss_ppm, &mut self.luck)
    }

    /// A packet ends here.
    pub fn lose(&mut self, from: Node, to: Node, frame: &PacketBuf, fate: Fate) {
        self.trace
            .packet(self.now_us, from, to, frame.bytes(), fate);
        self.tally.lost += 1;
        if let Some(flow) = flow_inside(frame.bytes()) {
            self.watch.lost(&flow);
        }
    }
}

/// What a kernel has done.
#[derive(Default)]
pub struct Done {
    /// Packets that it sends.
    pub out: Vec<PacketBuf>,
    /// When its connections want to be woken.
    pub wakes: Vec<Wake>,
    /// How they stand.
    pub reports: Vec<super::tcp::report::Report>,
    /// It has dropped the packet, because it had too much to do.
    pub dropped: bool,
}

impl Done {
    /// All that was written down.
    pub fn of(around: Around) -> Self {
        Done {
            out: around.out,
            wakes: around.wakes,
            reports: around.reports,
            dropped: around.dropped,
        }
    }
}

/// A client's segment and its flow, functions on it or not.
pub fn client_segment(bytes: &[u8]) -> Option<(Flow, Tcp)> {
    let packet = parse::packet(bytes).ok()?;
    if packet.upper == parse::Upper::Ipv6 {
        return client_segment(&bytes[packet.upper_at..packet.len]);
    }
    Some((packet.flow_from_client(VIP)?, *packet.tcp()?))
}

/// The flow that a packet belongs to, functions on it or not.
pub fn flow_inside(bytes: &[u8]) -> Option<Flow> {
    let packet = parse::packet(bytes).ok()?;
    if packet.upper == parse::Upper::Ipv6 {
        return flow_inside(&bytes[packet.upper_at..packet.len]);
    }
    let side = match packet.src == VIP {
        true => Side::Server,
        false => Side::Client,
    };
    match side {
        Side::Client => packet.flow_from_client(VIP),
        // an inserted SRH leads to the LB first
        Side::Server => {
            let last = packet.srh.and_then(|srh| srh.final_destination(bytes));
            packet.flow_from_server(last.unwrap_or(packet.dst))
        }
    }
}
