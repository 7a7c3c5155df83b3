//! What clients and applications say to each other.

use crate::rng::Rng;
use crate::sim::{Act, ConnectionSpec, Fault, Side};

use super::flavour::{Flavour, Ports, Talk};

/// The first port of a client that connections of their own use; below it are those that are shared.
const FRESH_FROM: u16 = 10_000;

/// The connections of a world, in the order of their start.
pub fn connections(rng: &mut Rng, flavour: &Flavour, faults: &[Fault]) -> Vec<ConnectionSpec> {
    let mut all: Vec<ConnectionSpec> = Vec::new();
    for nth in 0..flavour.connections {
        let earlier = match all.is_empty() {
            true => None,
            false => Some(rng.pick(&all).clone()),
        };
        let start_ms = start(rng, flavour, faults);
        let (start_ms, client, port) = ends(rng, flavour, nth, start_ms, earlier.as_ref());
        let talk = flavour.talks.draw(rng);
        let port = match talk {
            // It would keep the port for itself.
            Talk::Silent => FRESH_FROM + nth as u16,
            _ => port,
        };
        let blank = ConnectionSpec::new(start_ms, client, port);
        all.push(dialogue(rng, flavour, talk, blank));
    }
    all.sort_by_key(|connection| connection.start_ms);
    all
}

/// When a connection begins: at any time, or around a fault.
fn start(rng: &mut Rng, flavour: &Flavour, faults: &[Fault]) -> u64 {
    match rng.percent(flavour.near_faults_percent) && !faults.is_empty() {
        true => (rng.pick(faults).at_ms + rng.below(400)).saturating_sub(300),
        false => rng.below(flavour.span_ms),
    }
}

/// Start, client and port.
fn ends(
    rng: &mut Rng,
    flavour: &Flavour,
    nth: u64,
    start_ms: u64,
    earlier: Option<&ConnectionSpec>,
) -> (u64, u16, u16) {
    let client = rng.between(1, flavour.clients) as u16;
    let fresh = FRESH_FROM + nth as u16;
    match (flavour.ports, earlier) {
        (Ports::Few { each }, _) => (start_ms, client, rng.between(1_024, 1_023 + each) as u16),
        (Ports::Follow { percent }, Some(first)) if rng.percent(percent) => {
            let after_ms = rng.doubling(1, 20_000);
            (first.start_ms + after_ms, first.client, first.port)
        }
        _ => (start_ms, client, fresh),
    }
}

/// Draws what goes into a dialogue.
struct Pen<'a> {
    rng: &'a mut Rng,
    flavour: &'a Flavour,
}

impl Pen<'_> {
    fn few(&mut self) -> u64 {
        self.rng.doubling(1, 6)
    }

    fn bytes(&mut self) -> u32 {
        self.rng.doubling(1, self.flavour.message_bytes) as u32
    }

    fn pause(&mut self) -> u32 {
        match self.rng.percent(40) {
            true => 0,
            false => self.rng.doubling(1, self.flavour.pause_ms) as u32,
        }
    }

    /// Longer than a LB keeps a flow that has ended, most of the time.
    fn long_pause(&mut self) -> u32 {
        self.rng.doubling(1_000, 40_000) as u32
    }

    fn side(&mut self) -> Side {
        *self.rng.pick(&[Side::Client, Side::Server])
    }

    fn sends(&mut self, spec: ConnectionSpec, side: Side) -> ConnectionSpec {
        let (pause, bytes) = (self.pause(), self.bytes());
        spec.turn(side, pause, Act::Send(bytes))
    }

    fn exchange(&mut self, spec: ConnectionSpec) -> ConnectionSpec {
        let spec = self.sends(spec, Side::Client);
        self.sends(spec, Side::Server)
    }

    /// One side ends, and the other one does so too.
    fn ends(&mut self, spec: ConnectionSpec, first: Side) -> ConnectionSpec {
        let (pause, second) = (self.pause(), self.pause());
        spec.turn(first, pause, Act::End)
            .turn(first.other(), second, Act::End)
    }

    /// One side ends, hears the other one for a while, and that one ends.
    fn half_closed(&mut self, spec: ConnectionSpec, first: Side) -> ConnectionSpec {
        let mut spec = self.exchange(spec).turn(first, 0, Act::End);
        for _ in 0..self.few() {
            let (pause, bytes) = (self.long_pause(), self.bytes());
            spec = spec.turn(first.other(), pause, Act::Send(bytes));
        }
        spec.turn(first.other(), 0, Act::End)
    }

    fn aborted(&mut self, mut spec: ConnectionSpec, by: Side) -> ConnectionSpec {
        for _ in 0..self.rng.below(3) {
            spec = self.exchange(spec);
        }
        if self.rng.percent(30) {
            spec = self.sends(spec, by);
        }
        let pause = self.pause();
        spec = spec.turn(by, pause, Act::Abort);
        match self.rng.percent(40) {
            true => spec.eager(),
            false => spec,
        }
    }
}

fn dialogue(rng: &mut Rng, flavour: &Flavour, talk: Talk, blank: ConnectionSpec) -> ConnectionSpec {
    let mut pen = Pen { rng, flavour };
    match talk {
        Talk::Request => {
            let spec = pen.exchange(blank);
            pen.ends(spec, Side::Server)
        }
        Talk::KeepAlive => {
            let mut spec = blank;
            for _ in 0..pen.few() {
                spec = pen.exchange(spec);
            }
            let first = pen.side();
            pen.ends(spec, first)
        }
        Talk::Upload => {
            let mut spec = blank;
            for _ in 0..pen.few() {
                spec = pen.sends(spec, Side::Client);
            }
            let spec = pen.sends(spec, Side::Server);
            pen.ends(spec, Side::Client)
        }
        Talk::Download => {
            let mut spec = pen.sends(blank, Side::Client);
            for _ in 0..pen.few() {
                spec = pen.sends(spec, Side::Server);
            }
            pen.ends(spec, Side::Server)
        }
        Talk::Push => {
            let mut spec = blank;
            for _ in 0..pen.few() {
                spec = pen.sends(spec, Side::Server).eager();
            }
            let first = pen.side();
            pen.ends(spec, first)
        }
        Talk::Chatter => {
            let mut spec = blank;
            for _ in 0..2 * pen.few() {
                let side = pen.side();
                spec = pen.sends(spec, side).eager();
            }
            let first = pen.side();
            pen.ends(spec, first)
        }
        Talk::ClientHalfClosed => pen.half_closed(blank, Side::Client),
        Talk::ServerHalfClosed => pen.half_closed(blank, Side::Server),
        Talk::BothEnd => pen
            .exchange(blank)
            .client(Act::End)
            .eager()
            .server(Act::End)
            .eager(),
        Talk::ClientAborts => pen.aborted(blank, Side::Client),
        Talk::ServerAborts => pen.aborted(blank, Side::Server),
        Talk::Idle => {
            let (pause, bytes, side) = (pen.long_pause(), pen.bytes(), pen.side());
            let spec = blank.turn(side, pause, Act::Send(bytes));
            pen.ends(spec, side.other())
        }
        Talk::Silent => blank,
    }
}
