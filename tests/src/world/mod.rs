//! A client, LBs, servers and the network between them, in memory: the real engines, scripted
//! kernels, time and packet order in the hands of the test.

pub mod client;
pub mod kernel;
pub mod line;
pub mod pool;
pub mod socket;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use consistent_hash::VipTables;
use daemon::DropReason;
use flow_table::HashKey;
use packet_io::{Instant, PacketBuf};
use srh::hmac::Keys;
use srh::parse::{next_header, Packet, Tcp};
use srh::{Encoding, Flow, Frame, Locator};
use srlb_lb::engine as lb_engine;
use srlb_server::engine as server_engine;
use srlb_server::policy::Accept;

use crate::nodes::{lb, server, CLIENT, VIP};
use crate::packets::{self, parse};
use client::{flow, Client};
use kernel::Kernel;
pub use line::{line, Node};
use pool::Version;
use socket::{Out, Socket};

/// A packet under way.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Who sent it.
    pub from: Node,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A server: router, kernel and application.
pub struct ServerNode {
    /// The router.
    pub engine: server_engine::Engine,
    /// The kernel.
    pub kernel: Kernel,
    /// Is the machine there?
    pub alive: bool,
    /// Flows whose plain packets go through the router as well, and until when.
    steered: HashMap<Flow, Instant>,
}

/// An LB.
pub struct LbNode {
    /// Its engine.
    pub engine: lb_engine::Engine,
    /// Is the machine there?
    pub alive: bool,
}

/// Which packets do not arrive for now.
type Filter = Box<dyn Fn(&str) -> bool>;

/// Everything.
pub struct World {
    /// The time now.
    pub now: Instant,
    /// LB `n` is `lbs[n - 1]`.
    pub lbs: Vec<LbNode>,
    /// Server `n` is `servers[n - 1]`.
    pub servers: Vec<ServerNode>,
    /// The client.
    pub client: Client,
    /// The LB to which the edge sends the client's packets.
    pub edge: u16,
    /// Packets under way, oldest first.
    pub in_flight: VecDeque<Wire>,
    /// Packets that were held back.
    pub held: Vec<Wire>,
    /// Every packet that was sent, in order.
    pub wires: Vec<Wire>,
    /// What was sent to addresses that are nobody's here, spoofed ones among them.
    pub to_nobody: Vec<Wire>,
    /// May anything be sent to such an address? Without strangers in a test it is a mistake.
    pub has_strangers: bool,
    hold: Option<Filter>,
    lose: Option<Filter>,
    log: Vec<String>,
    choices: usize,
    history: Vec<Version>,
    tables: VipTables,
    encoding: Encoding,
}

/// More steps than any scenario takes: what needs more goes in circles.
const MOST_STEPS: usize = 2_000;

impl World {
    /// `lbs` LBs, and the servers of a history of the pool.
    pub fn new(encoding: Encoding, choices: usize, lbs: u16, history: &[Version]) -> Self {
        let mut world = World {
            now: Instant::from_secs(1_000),
            lbs: Vec::new(),
            servers: Vec::new(),
            client: Client::default(),
            edge: 1,
            in_flight: VecDeque::new(),
            held: Vec::new(),
            to_nobody: Vec::new(),
            has_strangers: false,
            wires: Vec::new(),
            hold: None,
            lose: None,
            log: Vec::new(),
            choices,
            history: history.to_vec(),
            tables: pool::tables(choices, history),
            encoding,
        };
        world.lbs = (1..=lbs).map(|n| world.new_lb(n)).collect();
        let most = history.iter().flat_map(|v| &v.members).max();
        world.servers = (1..=most.copied().unwrap_or(0)).map(new_server).collect();
        world
    }

    /// Two LBs and two servers, both of them candidates of every flow.
    pub fn two_by_two(encoding: Encoding) -> Self {
        World::new(encoding, 2, 2, &[Version::active(&[1, 2])])
    }

    fn new_lb(&self, n: u16) -> LbNode {
        let config = lb_engine::Config {
            locator: lb(n),
            encoding: self.encoding,
            fabric_mtu_bytes: 1_500,
            domain: domain(),
            max_flows: 1_000,
            idle_timeout: Duration::from_secs(3_600),
            udp_idle_timeout: Duration::from_secs(300),
            packet_too_big: true,
            icmp_rate_pps: 100,
            hunts_pps: 1_000_000,
            recoveries_pps: 1_000_000,
            hmac: None,
        };
        let pool = pool::pool(self.choices, &self.history);
        let key = HashKey([n as u8; 16]);
        LbNode {
            engine: lb_engine::Engine::new(config, pool, key),
            alive: true,
        }
    }

    /// LB `n` crashes and comes back with an empty table.
    pub fn restart_lb(&mut self, n: u16) {
        let keys = self.lb(n).engine.config().hmac.clone();
        self.lbs[usize::from(n) - 1] = self.new_lb(n);
        self.set_keys(Node::Lb(n), keys);
    }

    /// The router of server `n` crashes and comes back; the kernel goes on. It reads the sockets
    /// once, as the daemon does.
    pub fn restart_router(&mut self, n: u16) {
        let mut engine = new_server(n).engine;
        let node = &mut self.servers[usize::from(n) - 1];
        for (flow, socket) in &node.kernel.sockets {
            if socket.stage != socket::Stage::SynReceived {
                engine.seed_socket(self.now, flow);
            }
        }
        let keys = node.engine.config().hmac.clone();
        node.engine = engine;
        node.steered.clear();
        self.set_keys(Node::Server(n), keys);
    }

    /// Everybody signs with these keys from now on.
    pub fn sign_with(&mut self, keys: &Keys) {
        for node in self.nodes() {
            self.set_keys(node, Some(keys.clone()));
        }
    }

    /// An LB or a server reads its keys again.
    pub fn set_keys(&mut self, node: Node, hmac: Option<Keys>) {
        match node {
            Node::Lb(n) => {
                let engine = &mut self.lb(n).engine;
                let config = engine.config().clone();
                engine.set_config(lb_engine::Config { hmac, ..config });
            }
            Node::Server(n) => {
                let engine = &mut self.server(n).engine;
                let config = engine.config().clone();
                engine.set_config(server_engine::EngineConfig { hmac, ..config });
            }
            Node::Client => panic!("clients have no keys"),
        }
    }

    /// All LBs and servers.
    pub fn nodes(&self) -> Vec<Node> {
        let lbs = (1..).zip(&self.lbs).map(|(n, _)| Node::Lb(n));
        let servers = (1..).zip(&self.servers).map(|(n, _)| Node::Server(n));
        lbs.chain(servers).collect()
    }

    /// How many packets a node has dropped for this reason.
    pub fn drops(&mut self, node: Node, reason: DropReason) -> u64 {
        match node {
            Node::Lb(n) => self.lb(n).engine.drops().get(reason),
            Node::Server(n) => self.server(n).engine.drops().get(reason),
            Node::Client => 0,
        }
    }

    /// LB `n` reads a new pool.
    pub fn set_pool(&mut self, n: u16, history: &[Version]) {
        let pool = pool::pool(self.choices, history);
        self.lb(n).engine.set_pool(pool);
        let most = history.iter().flat_map(|v| &v.members).max();
        while self.servers.len() < usize::from(most.copied().unwrap_or(0)) {
            self.servers.push(new_server(self.servers.len() as u16 + 1));
        }
    }

    /// LB `n`.
    pub fn lb(&mut self, n: u16) -> &mut LbNode {
        &mut self.lbs[usize::from(n) - 1]
    }

    /// Server `n`.
    pub fn server(&mut self, n: u16) -> &mut ServerNode {
        &mut self.servers[usize::from(n) - 1]
    }

    /// A port of the client whose new flows are offered to exactly these servers, in this order.
    pub fn port_for(&self, candidates: &[u16]) -> u16 {
        (40_000..60_000)
            .find(|&port| self.candidates(port) == candidates)
            .expect("some bucket has these candidates")
    }

    /// To whom a new flow from this port is offered in the world's first pool, in this order.
    pub fn candidates(&self, port: u16) -> Vec<u16> {
        self.candidates_of(&flow(port))
    }

    fn candidates_of(&self, flow: &Flow) -> Vec<u16> {
        let bucket = self.tables.bucket(&flow.key());
        let list = self.tables.candidates(bucket);
        list.iter().map(|s| s + 1).collect()
    }

    /// To whom LB `n` would offer it now.
    pub fn candidates_at(&self, n: u16, port: u16) -> Vec<String> {
        let engine = &self.lbs[usize::from(n) - 1].engine;
        let explanation = engine.explain(flow(port), self.now).expect("the VIP");
        explanation
            .candidates
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let mut out = Vec::new();
        for (n, node) in (1..).zip(&mut self.lbs).filter(|(_, node)| node.alive) {
            node.engine.poll(self.now, &mut out);
            let wires = out.drain(..).map(|frame| (Node::Lb(n), frame));
            let wires: Vec<_> = wires.map(|(from, f)| (from, f.bytes().to_vec())).collect();
            for (from, bytes) in wires {
                self.in_flight.push_back(Wire { from, bytes });
            }
        }
        for node in self.servers.iter_mut().filter(|node| node.alive) {
            node.engine.poll(self.now);
        }
    }

    /// Keeps back the packets whose line says one of these words, until [`World::release`].
    pub fn hold(&mut self, words: &'static str) {
        self.hold = Some(Box::new(move |line| line.contains(words)));
    }

    /// Loses the packets whose line says this, until further notice.
    pub fn lose(&mut self, words: &'static str) {
        self.lose = Some(Box::new(move |line| line.contains(words)));
    }

    /// Nothing is lost any more.
    pub fn lose_nothing(&mut self) {
        self.lose = None;
    }

    /// What was held back goes on now.
    pub fn release(&mut self) {
        self.hold = None;
        self.in_flight.extend(self.held.drain(..));
    }

    /// A packet sets out.
    pub fn send(&mut self, from: Node, bytes: Vec<u8>) {
        let wire = Wire { from, bytes };
        self.wires.push(wire.clone());
        self.in_flight.push_back(wire);
    }

    /// All packets arrive, and what they cause, until nothing is under way. Returns what happened.
    #[track_caller]
    pub fn run(&mut self) -> Vec<String> {
        for _ in 0..MOST_STEPS {
            if !self.step(0) {
                return std::mem::take(&mut self.log);
            }
        }
        panic!(
            "it goes in circles: {:#?}",
            &self.log[self.log.len() - 20..]
        );
    }

    /// The packet at this place in the queue arrives. False if nothing is under way.
    pub fn step(&mut self, place: usize) -> bool {
        let Some(wire) = self.in_flight.remove(place) else {
            return false;
        };
        let said = line(wire.from, &wire.bytes);
        if self.hold.as_ref().is_some_and(|held| held(&said)) {
            self.held.push(wire);
            return true;
        }
        if self.lose.as_ref().is_some_and(|lost| lost(&said)) {
            self.log.push(format!("{said} -- lost"));
            return true;
        }
        self.log.push(said);
        self.arrive(wire);
        true
    }

    fn arrive(&mut self, wire: Wire) {
        let dst = parse(&wire.bytes).dst;
        match Node::of(Locator::of(dst)) {
            Some(Node::Lb(n)) => self.at_lb(n, wire.bytes),
            Some(Node::Server(n)) => self.at_server(n, wire.bytes),
            _ if dst == VIP && wire.from == Node::Client => self.at_lb(self.edge, wire.bytes),
            _ if dst == CLIENT => self.at_client(&wire.bytes),
            _ if self.has_strangers => self.to_nobody.push(wire),
            _ => panic!("from {} to nobody, {dst}", wire.from),
        }
    }

    fn at_client(&mut self, bytes: &[u8]) {
        let packet = parse(bytes);
        assert_eq!(packet.srh, None, "a client gets no SRH");
        let Some(tcp) = packet.tcp() else {
            return;
        };
        assert!(srh::checksum::is_right(bytes, &packet));
        if let Some(answer) = self.client.receive(tcp, data_of(bytes, &packet)) {
            self.send(Node::Client, answer);
        }
    }

    fn at_lb(&mut self, n: u16, bytes: Vec<u8>) {
        let now = self.now;
        let node = self.lb(n);
        if !node.alive {
            return;
        }
        let mut frame = PacketBuf::from_slice(&bytes);
        // As a worker does it: only batches have the short ways.
        let mut verdicts = Vec::new();
        let frames = std::slice::from_mut(&mut frame);
        node.engine.process_batch(now, frames, &mut verdicts);
        match verdicts[0] {
            lb_engine::Verdict::Transmit => self.send(Node::Lb(n), frame.bytes().to_vec()),
            lb_engine::Verdict::Drop(reason) => {
                self.log.push(format!("lb{n} drops: {}", reason.name()))
            }
        }
    }

    fn at_server(&mut self, n: u16, bytes: Vec<u8>) {
        if self.server(n).alive {
            self.through_router(n, &bytes);
        }
    }

    /// A packet goes through the router of server `n`, and on from there.
    fn through_router(&mut self, n: u16, bytes: &[u8]) {
        let now = self.now;
        let ServerNode { engine, kernel, .. } = &mut self.servers[usize::from(n) - 1];
        let mut frame = PacketBuf::from_slice(bytes);
        let mut extra = Vec::new();
        let load = kernel.load;
        let mut verdict = engine.process(now, &mut frame, &load, &mut extra);
        if let server_engine::Verdict::LookUp(query) = verdict {
            let answer = kernel.look_up(&query.flow);
            verdict = engine.resume(now, &mut frame, answer, &load, &mut extra);
        }
        for other in extra {
            self.send(Node::Server(n), other.bytes().to_vec());
        }
        match verdict {
            server_engine::Verdict::Transmit => self.send(Node::Server(n), frame.bytes().to_vec()),
            server_engine::Verdict::Deliver { steer } => self.deliver(n, frame.bytes(), steer),
            server_engine::Verdict::Drop(reason) => {
                self.log.push(format!("s{n} drops: {}", reason.name()));
            }
            server_engine::Verdict::LookUp(_) => panic!("a second look-up for one packet"),
        }
    }

    /// A UDP flow's answers go through the router or not, as its last datagram came in.
    fn steer_datagrams(&mut self, n: u16, packet: &Packet, steer: bool) {
        let flow = packet.flow_from_client(VIP);
        if let Some(flow) = flow.filter(|flow| flow.protocol == next_header::UDP) {
            let until = self.now + Duration::from_secs(u64::from(steer));
            self.server(n).steered.insert(flow, until);
        }
    }

    /// The client sends a datagram.
    pub fn client_asks(&mut self, port: u16, data: &[u8]) {
        self.send(Node::Client, packets::datagram_from_client(port, data));
    }

    /// The application of server `n` sends a datagram.
    pub fn server_answers(&mut self, n: u16, port: u16, data: &[u8]) {
        let (bytes, now) = (packets::datagram_from_vip(port, data), self.now);
        let flow = client::udp_flow(port);
        let until = self.server(n).steered.get(&flow).copied();
        match until.is_some_and(|until| now < until) {
            true => self.through_router(n, &bytes),
            false => self.send(Node::Server(n), bytes),
        }
    }

    /// A port of the client whose new UDP flows are offered to exactly these servers, in this order.
    pub fn udp_port_for(&self, candidates: &[u16]) -> u16 {
        let of = |port| self.candidates_of(&client::udp_flow(port));
        (40_000..60_000)
            .find(|&port| of(port) == candidates)
            .expect("some bucket has these candidates")
    }

    /// The kernel of server `n` gets a packet for the VIP.
    fn deliver(&mut self, n: u16, bytes: &[u8], steer: bool) {
        let packet = parse(bytes);
        assert_eq!(
            (packet.dst, packet.srh),
            (VIP, None),
            "what the kernel gets"
        );
        self.steer_datagrams(n, &packet, steer);
        let Some(tcp) = packet.tcp() else {
            self.log
                .push(format!("s{n}'s kernel gets: {}", line::content(bytes)));
            return;
        };
        assert!(srh::checksum::is_right(bytes, &packet));
        let flow = Flow {
            client: packet.src,
            ..flow(tcp.src_port)
        };
        let until = self.now + Duration::from_secs(1);
        let node = self.server(n);
        if steer {
            node.steered.insert(flow, until);
        }
        if let Some(answer) = node.kernel.receive(flow, tcp, data_of(bytes, &packet)) {
            self.kernel_sends(n, answer);
        }
    }

    /// The kernel of server `n` sends something: SYN, FIN and RST go through the router, the rest
    /// only for a moment after a recovery.
    fn kernel_sends(&mut self, n: u16, bytes: Vec<u8>) {
        let now = self.now;
        let packet = parse(&bytes);
        let tcp = packet.tcp().copied().expect("the kernel sends TCP");
        let flow = Flow {
            client: packet.dst,
            ..flow(tcp.dst_port)
        };
        let is_steered = self
            .server(n)
            .steered
            .get(&flow)
            .is_some_and(|&until| now < until);
        if is_steered || tcp.flags & (Tcp::SYN | Tcp::FIN | Tcp::RST) != 0 {
            self.through_router(n, &bytes);
        } else {
            self.send(Node::Server(n), bytes);
        }
    }

    /// The client opens a connection.
    pub fn open(&mut self, port: u16) {
        self.open_with(port, 1_000);
    }

    /// The client opens a connection with this initial number.
    pub fn open_with(&mut self, port: u16, iss: u32) {
        let syn = self.client.open(port, iss);
        self.send(Node::Client, syn);
    }

    /// The client does something with its connection.
    pub fn client_does(&mut self, port: u16, act: impl FnOnce(&mut Socket) -> Option<Out>) {
        if let Some(bytes) = self.client.act(port, act) {
            self.send(Node::Client, bytes);
        }
    }

    /// The client sends data.
    pub fn client_sends(&mut self, port: u16, data: &[u8]) {
        self.client_does(port, |socket| Some(socket.send(data)));
    }

    /// The client's retransmission timer goes off.
    pub fn client_repeats(&mut self, port: u16) {
        self.client_does(port, |socket| socket.again());
    }

    /// The application or a timer of server `n` does something with a connection.
    pub fn server_does(&mut self, n: u16, port: u16, act: impl FnOnce(&mut Socket) -> Option<Out>) {
        if let Some(bytes) = self.server(n).kernel.act(flow(port), act) {
            self.kernel_sends(n, bytes);
        }
    }

    /// The application of server `n` sends data.
    pub fn server_sends(&mut self, n: u16, port: u16, data: &[u8]) {
        self.server_does(n, port, |socket| Some(socket.send(data)));
    }

    /// The application of server `n` ends its side.
    pub fn server_ends(&mut self, n: u16, port: u16) {
        self.server_does(n, port, |socket| Some(socket.end()));
    }

    /// A retransmission timer of server `n` goes off.
    pub fn server_repeats(&mut self, n: u16, port: u16) {
        self.server_does(n, port, |socket| socket.again());
    }

    /// Numbers of the servers that have a socket for this port's flow.
    pub fn owners(&self, port: u16) -> Vec<u16> {
        let has = |node: &ServerNode| node.kernel.sockets.contains_key(&flow(port));
        (1..)
            .zip(&self.servers)
            .filter(|(_, node)| has(node))
            .map(|(n, _)| n)
            .collect()
    }
}

fn new_server(n: u16) -> ServerNode {
    let config = server_engine::EngineConfig {
        locator: server(n),
        vips: vec![VIP],
        lb_locators: vec!["fd00:1b::/32".parse().expect("a prefix")],
        domain: domain(),
        fabric_mtu_bytes: 1_500,
        // Busy or not is what a test says: one busy worker is enough to refuse.
        accept: Accept::Static { c: 1 },
        pending: false,
        max_flows: 1_000,
        max_udp_flows: 1_000,
        udp_idle_timeout: Duration::from_secs(300),
        lookups_pps: 100_000,
        icmp_rate_pps: 100,
        hmac: None,
    };
    ServerNode {
        engine: server_engine::Engine::new(config, HashKey([0x80 | n as u8; 16])),
        kernel: Kernel::new(n),
        alive: true,
        steered: HashMap::new(),
    }
}

fn domain() -> Vec<ipnet::Ipv6Net> {
    ["fd00:1b::/32", "fd00:5e::/32"]
        .map(|net| net.parse().expect("a prefix"))
        .to_vec()
}

fn data_of<'a>(bytes: &'a [u8], packet: &Packet) -> &'a [u8] {
    let head = packet.tcp().map_or(0, |tcp| tcp.header_len);
    &bytes[packet.upper_at + head..packet.len]
}
