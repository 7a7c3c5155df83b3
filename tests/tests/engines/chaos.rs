//! Any order: packets are reordered, repeated and lost, LBs and routers restart, ECMP flips. A
//! connection whose server lives is not reset, and once the network is calm again it goes on.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use srh::Encoding;
use tests::world::socket::Stage;
use tests::world::{line, World};

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// One of the packets under way arrives.
    Arrive(u8),
    /// One of them arrives and is also still under way.
    Repeat(u8),
    /// One of them is lost.
    Lose(u8),
    /// The edge changes its mind.
    Edge(u16),
    /// The client's timer goes off.
    ClientRepeats,
    /// A server's timer goes off.
    ServerRepeats(u16),
    /// The client has something to send.
    ClientSends,
    /// A server with an open connection has something to send.
    ServerSends(u16),
    /// A server is busy, or not any more.
    Busy(u16, bool),
    /// An LB loses its table.
    RestartLb(u16),
    /// A router loses its table.
    RestartRouter(u16),
    /// Time passes.
    Pass(u16),
}

/// How rough it gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    /// Packets only.
    Packets,
    /// LBs restart as well.
    Lbs,
    /// And so do routers.
    Routers,
}

fn moves(weather: Weather) -> impl Strategy<Value = Move> {
    let node = || 1u16..=2;
    let packets = prop_oneof![
        12 => any::<u8>().prop_map(Move::Arrive),
        3 => any::<u8>().prop_map(Move::Repeat),
        2 => any::<u8>().prop_map(Move::Lose),
        2 => node().prop_map(Move::Edge),
        2 => Just(Move::ClientRepeats),
        2 => node().prop_map(Move::ServerRepeats),
        2 => Just(Move::ClientSends),
        2 => node().prop_map(Move::ServerSends),
        2 => (node(), any::<bool>()).prop_map(|(n, busy)| Move::Busy(n, busy)),
        2 => (10u16..3_000).prop_map(Move::Pass),
    ];
    let mut moves = vec![(31, packets.boxed())];
    if weather != Weather::Packets {
        moves.push((1, node().prop_map(Move::RestartLb).boxed()));
    }
    if weather == Weather::Routers {
        moves.push((1, node().prop_map(Move::RestartRouter).boxed()));
    }
    proptest::strategy::Union::new_weighted(moves)
}

/// A world, what was done to it, and what both ends have sent.
struct Game {
    world: World,
    port: u16,
    story: Vec<String>,
    sent_by_client: Vec<u8>,
}

impl Game {
    fn new(encoding: Encoding) -> Self {
        let mut world = World::two_by_two(encoding);
        let port = world.port_for(&[1, 2]);
        world.open(port);
        Game {
            world,
            port,
            story: Vec::new(),
            sent_by_client: Vec::new(),
        }
    }

    fn place(&self, choice: u8) -> Option<usize> {
        let under_way = self.world.in_flight.len();
        (under_way > 0).then(|| usize::from(choice) % under_way)
    }

    fn play(&mut self, step: Move) {
        self.story.push(format!("{step:?}"));
        match step {
            Move::Arrive(choice) | Move::Repeat(choice) | Move::Lose(choice) => {
                if let Some(place) = self.place(choice) {
                    self.packet(step, place);
                }
            }
            Move::Edge(n) => self.world.edge = n,
            Move::ClientRepeats => self.world.client_repeats(self.port),
            Move::ServerRepeats(n) => self.world.server_repeats(n, self.port),
            Move::ClientSends => self.client_sends(),
            Move::ServerSends(n) => self.server_sends(n),
            Move::Busy(n, busy) => self.world.server(n).kernel.load.busy = u32::from(busy),
            Move::RestartLb(n) => self.world.restart_lb(n),
            Move::RestartRouter(n) => self.world.restart_router(n),
            Move::Pass(ms) => self.world.pass(Duration::from_millis(ms.into())),
        }
    }

    fn packet(&mut self, step: Move, place: usize) {
        let wire = self.world.in_flight[place].clone();
        self.story.push(line(wire.from, &wire.bytes));
        match step {
            Move::Lose(_) => drop(self.world.in_flight.remove(place)),
            Move::Repeat(_) => {
                self.world.in_flight.push_back(wire);
                self.world.step(place);
            }
            _ => drop(self.world.step(place)),
        }
    }

    fn client_sends(&mut self) {
        if self.world.client.stage(self.port) == Stage::Open {
            self.sent_by_client.extend(b"ping");
            self.world.client_sends(self.port, b"ping");
        }
    }

    fn server_sends(&mut self, n: u16) {
        let flow = tests::world::client::flow(self.port);
        let socket = self.world.server(n).kernel.sockets.get(&flow);
        if socket.is_some_and(|socket| socket.stage == Stage::Open) {
            self.world.server_sends(n, self.port, b"pong");
        }
    }

    /// The network is calm: everything arrives in order, and timers go off when it has. The
    /// time between is that of a retransmission that backs off.
    fn calm_down(&mut self) {
        for n in 1..=2 {
            self.world.server(n).kernel.load.busy = 0;
        }
        let mut pause = Duration::from_secs(1);
        for _ in 0..8 {
            self.story.push("-- calm".into());
            self.story.extend(self.world.run());
            if self.is_well() {
                return;
            }
            self.world.pass(pause);
            pause *= 2;
            for n in 1..=2 {
                self.world.server_repeats(n, self.port);
            }
            self.world.client_repeats(self.port);
        }
    }

    /// Client and one server agree on everything that was said.
    fn is_well(&self) -> bool {
        let client = &self.world.client.sockets[&self.port];
        let flow = tests::world::client::flow(self.port);
        let partners = self
            .world
            .servers
            .iter()
            .filter_map(|s| s.kernel.sockets.get(&flow));
        client.stage == Stage::Open
            && client.is_quiet()
            && partners
                .filter(|socket| socket.stage == Stage::Open)
                .any(|socket| {
                    socket.is_quiet()
                        && socket.rcv_nxt == client.nxt
                        && client.rcv_nxt == socket.nxt
                        && socket.received == self.sent_by_client
                })
    }
}

fn survives(encoding: Encoding, steps: &[Move]) -> Result<(), TestCaseError> {
    let mut game = Game::new(encoding);
    for &step in steps {
        game.play(step);
    }
    game.calm_down();
    if game.world.client.stage(game.port) != Stage::Reset {
        game.client_sends();
    }
    game.calm_down();
    let stage = game.world.client.stage(game.port);
    prop_assert!(
        game.is_well(),
        "{encoding:?}: the client is in {stage:?}\n{}",
        game.story.join("\n")
    );
    Ok(())
}

// PROPTEST_CASES=100000 makes a night of it.
proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn packets_in_any_order(steps in vec(moves(Weather::Packets), 0..60)) {
        for encoding in crate::BOTH {
            survives(encoding, &steps)?;
        }
    }

    #[test]
    fn packets_in_any_order_and_lbs_that_restart(steps in vec(moves(Weather::Lbs), 0..60)) {
        for encoding in crate::BOTH {
            survives(encoding, &steps)?;
        }
    }

    #[test]
    fn packets_in_any_order_and_everything_restarts(steps in vec(moves(Weather::Routers), 0..60)) {
        for encoding in crate::BOTH {
            survives(encoding, &steps)?;
        }
    }
}
