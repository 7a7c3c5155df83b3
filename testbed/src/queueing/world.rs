//! Everything that exists, and the events that make it go on.

use daemon::DropReason;
use packet_io::{Instant, PacketBuf};
use srh::{parse, Frame};
use srlb_lb::engine as lb_engine;
use srlb_server::engine as server_engine;

use super::buffers::{Buffers, Place};
use super::flights::Flights;
use super::lb;
use super::packets::{self, query_of, Kind};
use super::result::Outcome;
use super::scenario::{Balancing, Scenario, ScenarioError};
use super::server::Server;
use super::tally::Tally;
use super::trace::TraceError;
use super::workload::{Class, Job, Jobs};
use crate::rng::Rng;
use crate::sim::edge::Edge;
use crate::sim::nodes::{Node, VIP};
use crate::sim::queue::Queue;

/// How often engines look at their timers.
const POLL_US: u64 = 100_000;

/// Something that will happen.
enum Event {
    /// The next query comes.
    Query(Job),
    /// A packet arrives.
    Packet(To, Place),
    /// A server is done with a query, unless something has come in between.
    Done { server: u16, turn: u64 },
    /// All engines look at their timers.
    Poll,
    /// LBs hear how many workers are busy on each server.
    Feedback { every_us: u64 },
    /// Somebody looks at the servers.
    Sample,
}

/// Where a packet arrives.
#[derive(Clone, Copy)]
enum To {
    /// At a query's client.
    Client(u64),
    /// At an LB, by its place.
    Lb(u16),
    /// At a server, by its place.
    Server(u16),
}

/// How a query ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its number, from 0.
    pub number: u64,
    /// Of which kind it is.
    pub class: Class,
    /// When its client has sent the SYN.
    pub began_us: u64,
    /// When the client had the answer.
    pub ended_us: u64,
    /// Was it answered, or reset because an accept queue was full?
    pub is_answered: bool,
}

struct World<'a> {
    scenario: &'a Scenario,
    jobs: Jobs<'a>,
    /// Have all of them begun?
    is_last_begun: bool,
    begun: u64,
    now_us: u64,
    queue: Queue<Event>,
    edge: Edge,
    lbs: Vec<lb_engine::Engine>,
    servers: Vec<Server>,
    flights: Flights,
    buffers: Buffers,
    extra: Vec<PacketBuf>,
    tally: Tally,
    /// Flows taken and forced during the warm-up.
    before: (u64, u64),
    on_end: OnEnd<'a>,
    is_stopped: bool,
    /// Why there are no more jobs, if that is a mistake.
    failed: Option<TraceError>,
}

/// Who is told of every query, those of the warm-up included, and says whether to go on.
pub type OnEnd<'a> = &'a mut dyn FnMut(&Ended) -> bool;

/// Runs a scenario to its end, or until `on_end` does not want more.
///
/// # Errors
///
/// Where the scenario makes no sense, or its trace has changed since it was checked.
pub fn run(scenario: &Scenario, on_end: OnEnd) -> Result<Outcome, RunError> {
    scenario.check()?;
    let mut world = World::new(scenario, on_end)?;
    while world.is_going_on() {
        world.step();
    }
    match world.failed.take() {
        Some(error) => Err(error.into()),
        None => Ok(world.finish()),
    }
}

/// Why a run has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario makes no sense.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Its trace can't be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, on_end: OnEnd<'a>) -> Result<Self, ScenarioError> {
        let mut secrets = Rng::new(scenario.seed, 13);
        let mut edge = Edge::default();
        (0..scenario.lbs).for_each(|lb| edge.announce(lb));
        let lbs = lb::engines(scenario, &mut secrets)?;
        let servers = (1..).zip(&scenario.servers);
        let mut world = World {
            scenario,
            jobs: scenario.arrivals.jobs(scenario.seed),
            is_last_begun: false,
            begun: 0,
            now_us: 0,
            queue: Queue::default(),
            edge,
            lbs,
            servers: servers
                .map(|(n, &spec)| Server::new(scenario, n, spec, &mut secrets))
                .collect(),
            flights: Flights::default(),
            buffers: Buffers::default(),
            extra: Vec::new(),
            tally: Tally::default(),
            before: (0, 0),
            on_end,
            is_stopped: false,
            failed: None,
        };
        world.queue.push(POLL_US, Event::Poll);
        if let Balancing::WeightedRoundRobin { every_us } = scenario.balancing {
            world.queue.push(every_us, Event::Feedback { every_us });
        }
        if scenario.sample_us > 0 {
            world.queue.push(scenario.sample_us, Event::Sample);
        }
        world.expect_query();
        Ok(world)
    }

    fn is_going_on(&self) -> bool {
        if !self.is_last_begun {
            return !self.is_stopped;
        }
        // A flight without a packet or a place in a server will never end, and polls alone are no reason to go on.
        let is_moving = || self.buffers.in_use() > 0 || !self.servers.iter().all(Server::is_idle);
        !self.is_stopped && self.flights.len() > 0 && is_moving()
    }

    fn step(&mut self) {
        let Some((at_us, event)) = self.queue.pop() else {
            return;
        };
        self.now_us = at_us;
        self.tally.events += 1;
        match event {
            Event::Query(job) => self.begin(job),
            Event::Packet(To::Lb(n), place) => self.at_lb(n, place),
            Event::Packet(To::Server(n), place) => self.at_server(n, place),
            Event::Packet(To::Client(query), place) => self.at_client(query, place),
            Event::Done { server, turn } => self.done(server, turn),
            Event::Poll => self.poll(),
            Event::Feedback { every_us } => self.feedback(every_us),
            Event::Sample => self.sample(),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.now_us)
    }

    fn expect_query(&mut self) {
        match self.jobs.next() {
            Some(Ok(job)) => self.queue.push(job.at_us, Event::Query(job)),
            Some(Err(error)) => {
                self.failed = Some(error);
                self.is_stopped = true;
            }
            None => self.is_last_begun = true,
        }
    }

    fn begin(&mut self, job: Job) {
        let query = self.begun;
        self.begun += 1;
        if query == self.scenario.warm_up {
            self.before = self.taken_and_forced();
        }
        self.flights.begin(query, self.now_us, job);
        let place = self.buffers.take();
        packets::write(self.buffers.at(place), query, Kind::Syn);
        self.towards_vip(query, place);
        self.expect_query();
    }

    /// A client's packet goes through the edge to an LB.
    fn towards_vip(&mut self, query: u64, place: Place) {
        let lb = self.edge.pick(&packets::flow(query));
        self.send(To::Lb(lb.unwrap_or(0)), self.scenario.network.wan_us, place);
    }

    fn send(&mut self, to: To, after_us: u64, place: Place) {
        self.tally.packets += 1;
        self.queue
            .push(self.now_us + after_us, Event::Packet(to, place));
    }

    /// A packet leaves an LB or a server for where its destination is.
    fn route(&mut self, place: Place) {
        let bytes = self.buffers.at(place).bytes();
        let dst = parse::packet(bytes).map(|packet| packet.dst);
        let network = self.scenario.network;
        let (to, after_us) = match dst.map(|dst| (query_of(dst), Node::at(dst))) {
            Ok((Some(query), _)) => (To::Client(query), network.wan_us),
            Ok((_, Some(Node::Lb(n)))) => (To::Lb(n - 1), network.fabric_us),
            Ok((_, Some(Node::Server(n)))) => (To::Server(n - 1), network.fabric_us),
            _ => return self.drop_packet(place),
        };
        self.send(to, after_us, place);
    }

    fn drop_packet(&mut self, place: Place) {
        self.tally.dropped += 1;
        self.buffers.give_back(place);
    }

    fn engine_drops(&mut self, reason: DropReason, place: Place) {
        self.tally.reasons.add(reason);
        self.drop_packet(place);
    }

    fn at_lb(&mut self, n: u16, place: Place) {
        let now = self.now();
        let frame = self.buffers.at(place);
        match self.lbs[usize::from(n)].process(now, frame) {
            lb_engine::Verdict::Transmit => self.route(place),
            lb_engine::Verdict::Drop(reason) => self.engine_drops(reason, place),
        }
    }

    fn at_server(&mut self, n: u16, place: Place) {
        use server_engine::Verdict;
        let (now, server) = (self.now(), &mut self.servers[usize::from(n)]);
        let (load, frame) = (server.load(), self.buffers.at(place));
        let engine = &mut server.engine;
        let mut verdict = engine.process(now, frame, &load, &mut self.extra);
        if let Verdict::LookUp(asked) = verdict {
            let query = query_of(asked.flow.client).unwrap_or(u64::MAX);
            let socket = self.flights.socket(query, n);
            verdict = engine.resume(now, frame, socket, &load, &mut self.extra);
        }
        match verdict {
            Verdict::Transmit => self.route(place),
            Verdict::Deliver { .. } => self.deliver(n, place),
            Verdict::Drop(reason) => self.engine_drops(reason, place),
            Verdict::LookUp(_) => self.drop_packet(place),
        }
        while let Some(frame) = self.extra.pop() {
            let place = self.buffers.adopt(frame);
            self.route(place);
        }
    }

    /// The kernel of a server gets a client's packet.
    fn deliver(&mut self, n: u16, place: Place) {
        let Some((query, kind)) = read(self.buffers.at(place)) else {
            return self.drop_packet(place);
        };
        if kind == Kind::ClientFin {
            // the query has ended: only the router had to see it
            return self.buffers.give_back(place);
        }
        let Some(flight) = self.flights.get_mut(query) else {
            return self.drop_packet(place);
        };
        match kind {
            Kind::Syn => {
                flight.server = Some(n);
                self.answer(n, query, Kind::SynAck, place);
            }
            Kind::Ack if !flight.is_open => {
                flight.is_open = true;
                let service_us = flight.service_us;
                let server = &mut self.servers[usize::from(n)];
                if server.accept(self.now_us, query, service_us) {
                    self.buffers.give_back(place);
                    self.expect_done(n);
                } else {
                    self.answer(n, query, Kind::Rst, place);
                }
            }
            _ => self.buffers.give_back(place),
        }
    }

    /// The kernel of a server sends a packet, which its router gets first.
    fn answer(&mut self, n: u16, query: u64, kind: Kind, place: Place) {
        packets::write(self.buffers.at(place), query, kind);
        self.at_server(n, place);
    }

    fn at_client(&mut self, query: u64, place: Place) {
        let kind = read(self.buffers.at(place)).map(|(_, kind)| kind);
        match kind {
            Some(Kind::SynAck) => {
                packets::write(self.buffers.at(place), query, Kind::Ack);
                return self.towards_vip(query, place);
            }
            Some(Kind::Fin) => {
                self.end(query, true);
                packets::write(self.buffers.at(place), query, Kind::ClientFin);
                return self.towards_vip(query, place);
            }
            Some(Kind::Rst) => self.end(query, false),
            _ => self.tally.dropped += 1,
        }
        self.buffers.give_back(place);
    }

    fn end(&mut self, number: u64, is_answered: bool) {
        let Some(flight) = self.flights.end(number) else {
            return;
        };
        let ended = Ended {
            number,
            class: flight.class,
            began_us: flight.began_us,
            ended_us: self.now_us,
            is_answered,
        };
        self.is_stopped |= !(self.on_end)(&ended);
        let warm_up = self.scenario.warm_up;
        let Some(number) = number.checked_sub(warm_up) else {
            return;
        };
        match is_answered {
            true => {
                let queries = self.scenario.arrivals.queries() - warm_up;
                let took_us = self.now_us - flight.began_us;
                self.tally.answer(number, queries, took_us);
            }
            false => self.tally.refused += 1,
        }
    }

    fn expect_done(&mut self, server: u16) {
        if let Some((at_us, turn)) = self.servers[usize::from(server)].next_done() {
            self.queue.push(at_us, Event::Done { server, turn });
        }
    }

    fn done(&mut self, n: u16, turn: u64) {
        let Some(query) = self.servers[usize::from(n)].done(self.now_us, turn) else {
            return;
        };
        self.expect_done(n);
        let place = self.buffers.take();
        self.answer(n, query, Kind::Fin, place);
    }

    fn poll(&mut self) {
        let now = self.now();
        for lb in &mut self.lbs {
            lb.poll(now, &mut self.extra);
        }
        for server in &mut self.servers {
            server.engine.poll(now);
        }
        while let Some(frame) = self.extra.pop() {
            let place = self.buffers.adopt(frame);
            self.route(place);
        }
        self.queue.push(self.now_us + POLL_US, Event::Poll);
    }

    fn feedback(&mut self, every_us: u64) {
        for lb in &mut self.lbs {
            for (n, server) in (0..).zip(&self.servers) {
                lb.feedback(n, server.busy(), server.workers());
            }
        }
        let again = self.now_us + every_us;
        self.queue.push(again, Event::Feedback { every_us });
    }

    fn sample(&mut self) {
        let busy = self.servers.iter().map(Server::busy);
        self.tally.sample(self.now_us, busy);
        self.queue
            .push(self.now_us + self.scenario.sample_us, Event::Sample);
    }

    /// Flows that servers took of their own will, and flows that they had to take.
    fn taken_and_forced(&self) -> (u64, u64) {
        use server_engine::Event as Counted;
        let sum = |event| -> u64 {
            let engines = self.servers.iter().map(|server| &server.engine);
            engines.map(|engine| engine.events().get(event)).sum()
        };
        let forced = sum(Counted::AcceptedForce) + sum(Counted::AcceptedFinal);
        (sum(Counted::AcceptedAvail), forced)
    }

    fn finish(self) -> Outcome {
        let (taken, forced) = self.taken_and_forced();
        Outcome {
            queries: self.begun,
            answered: self.tally.answered,
            refused: self.tally.refused,
            unfinished: self.flights.len() as u64,
            response: self.tally.mean(),
            taken: taken - self.before.0,
            forced: forced - self.before.1,
            dropped: self.tally.dropped,
            reasons: self.tally.reasons,
            packets: self.tally.packets,
            events: self.tally.events,
            most_in_flight: self.flights.most(),
            most_packets: self.buffers.most(),
            most_events: self.queue.most(),
            virtual_s: self.now_us as f64 / 1e6,
            times_us: self.tally.times_us,
            samples: self.tally.samples,
        }
    }
}

/// Whose packet this is, and which.
fn read(frame: &PacketBuf) -> Option<(u64, Kind)> {
    let packet = parse::packet(frame.bytes()).ok()?;
    let is_clients = packet.src != VIP;
    let client = match is_clients {
        true => packet.src,
        false => packet.dst,
    };
    Some((query_of(client)?, Kind::of(packet.tcp()?, is_clients)?))
}
