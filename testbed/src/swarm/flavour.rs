//! What kind of world a seed makes, before any detail of it.

use crate::rng::Rng;

use super::weights::Weights;

/// Kinds of dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// A request, an answer, and the server ends.
    Request,
    /// Several of them, with pauses, and either side ends.
    KeepAlive,
    /// The client sends much.
    Upload,
    /// The server sends much.
    Download,
    /// The server speaks now and then, unasked.
    Push,
    /// Both send as they like.
    Chatter,
    /// The client ends, and hears the server for long after that.
    ClientHalfClosed,
    /// The server ends, and hears the client for long after that.
    ServerHalfClosed,
    /// Both end at once.
    BothEnd,
    /// The client throws it away.
    ClientAborts,
    /// The server throws it away.
    ServerAborts,
    /// Nobody says a word for long, and then one speaks.
    Idle,
    /// Nobody ever says a word.
    Silent,
}

impl Talk {
    /// All of them.
    pub const ALL: [Talk; 13] = [
        Talk::Request,
        Talk::KeepAlive,
        Talk::Upload,
        Talk::Download,
        Talk::Push,
        Talk::Chatter,
        Talk::ClientHalfClosed,
        Talk::ServerHalfClosed,
        Talk::BothEnd,
        Talk::ClientAborts,
        Talk::ServerAborts,
        Talk::Idle,
        Talk::Silent,
    ];
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The edge hashes anew.
    Rehash,
    /// It goes back and forth.
    Flap,
    /// An LB comes or goes.
    Lb,
    /// The pool changes.
    Pool,
    /// A machine dies, or is switched on again.
    Machine,
    /// A router is started anew.
    Router,
    /// An application stops listening, or listens again.
    Application,
    /// An application is killed.
    Kill,
    /// Much gets lost for a while.
    Burst,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Trouble; 9] = [
        Trouble::Rehash,
        Trouble::Flap,
        Trouble::Lb,
        Trouble::Pool,
        Trouble::Machine,
        Trouble::Router,
        Trouble::Application,
        Trouble::Kill,
        Trouble::Burst,
    ];
}

/// Ways in which a pool changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A server joins.
    Join,
    /// A server is removed; it drains already, where one does.
    Leave,
    /// A server drains.
    Drain,
    /// A draining one takes new flows again.
    Undrain,
    /// Several leave and several join.
    Swap,
    /// Half of the servers drain, and the others no more: nobody leaves, and the candidates change.
    Rotate,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 6] = [
        Step::Join,
        Step::Leave,
        Step::Drain,
        Step::Undrain,
        Step::Swap,
        Step::Rotate,
    ];
}

/// How ports are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Each connection has its own.
    Fresh,
    /// Some connections follow an earlier one on its port, soon after its start.
    Follow {
        /// How many of 100.
        percent: u64,
    },
    /// A few ports in all.
    Few {
        /// How many for each client.
        each: u64,
    },
}

/// What kind of world a seed makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavour {
    /// Connections begin, and faults happen, before this.
    pub span_ms: u64,
    /// How many connections.
    pub connections: u64,
    /// From how many clients.
    pub clients: u64,
    /// From which ports.
    pub ports: Ports,
    /// What they are like.
    pub talks: Weights<Talk>,
    /// How many bytes a message has at most.
    pub message_bytes: u64,
    /// How long pauses are at most.
    pub pause_ms: u64,
    /// How many of 100 connections begin close to a fault.
    pub near_faults_percent: u64,
    /// How many faults.
    pub faults: u64,
    /// What goes wrong.
    pub troubles: Weights<Trouble>,
    /// How the pool changes.
    pub steps: Weights<Step>,
    /// How far apart two LBs get a pool file at most.
    pub reload_spread_ms: u64,
    /// May there be a moment without any LB?
    pub blackouts: bool,
    /// Are the tables of LBs far too small?
    pub small_lb_tables: bool,
    /// Are the tables of routers far too small?
    pub small_server_tables: bool,
    /// Are pins forgotten after seconds?
    pub short_idle: bool,
    /// Do clocks drift as no good clock does?
    pub bad_clocks: bool,
    /// Do servers refuse?
    pub busy_servers: bool,
    /// Are the queues of kernels short?
    pub short_queues: bool,
}

impl Flavour {
    /// The kind of world that `rng` makes.
    pub fn draw(rng: &mut Rng) -> Flavour {
        let spans_ms = [2_000, 10_000, 30_000, 30_000, 90_000, 240_000];
        let span_ms = *rng.pick(&spans_ms);
        let (connections, clients) = (rng.doubling(50, 400), rng.doubling(1, 16));
        Flavour {
            span_ms,
            connections,
            clients,
            ports: Self::ports(rng, connections / clients),
            talks: Weights::some_of(rng, &Talk::ALL),
            message_bytes: rng.doubling(10, 60_000),
            pause_ms: rng.doubling(5, span_ms / 2),
            near_faults_percent: *rng.pick(&[0, 20, 60]),
            faults: rng.doubling(3, 40),
            troubles: Weights::some_of(rng, &Trouble::ALL),
            steps: Weights::some_of(rng, &Step::ALL),
            reload_spread_ms: *rng.pick(&[0, 200, 3_000, span_ms / 3]),
            blackouts: rng.percent(15),
            small_lb_tables: rng.percent(25),
            small_server_tables: rng.percent(20),
            short_idle: rng.percent(20),
            bad_clocks: rng.percent(20),
            busy_servers: rng.percent(60),
            short_queues: rng.percent(20),
        }
    }

    /// `each`: connections of a client.
    fn ports(rng: &mut Rng, each: u64) -> Ports {
        match rng.below(3) {
            0 => Ports::Fresh,
            1 => Ports::Follow {
                percent: rng.between(10, 80),
            },
            _ => Ports::Few {
                each: rng.between(each / 6, each).max(2),
            },
        }
    }
}
