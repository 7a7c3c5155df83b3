//! What a scenario is: a testbed's shape, traffic, and what happens to it at which time.

use serde::Serialize;

use super::action::Action;
use super::mix::Mix;
use crate::hmac::FIRST_KEY;
use crate::plan::Plan;
use crate::settings::{Encoding, Policy, Settings, Tables};

/// One scenario, as data.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub key: String,
    /// One line for people.
    pub title: String,
    /// The cluster.
    pub shape: Shape,
    /// What the clients do.
    pub mix: Mix,
    /// Done before the first connection.
    pub before: Vec<Action>,
    /// What happens, by time.
    pub script: Vec<Step>,
    /// May Apache say goodbye between two requests? In a graceful restart it does.
    pub goodbyes: bool,
    /// What else its records are looked at for.
    pub study: Study,
    /// Is it part of `--quick`?
    pub quick: bool,
}

/// Things that happen one right after the other.
#[derive(Clone, Debug)]
pub struct Step {
    /// When the first of them happens, from the start of the traffic.
    pub at_s: f64,
    /// In order.
    pub actions: Vec<Action>,
}

/// A cluster.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Load balancers.
    pub lbs: u16,
    /// Servers.
    pub servers: u16,
    /// Candidates of a new flow.
    pub choices: u8,
    /// How functions ride on packets.
    pub encoding: Encoding,
    /// When a server takes a flow.
    pub policy: Policy,
    /// Sizes of tables.
    pub tables: Tables,
    /// Is everything between LBs and servers signed?
    pub hmac: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            lbs: 2,
            servers: 6,
            choices: 2,
            encoding: Encoding::Encap,
            policy: Policy::Median,
            tables: Tables::default(),
            hmac: false,
        }
    }
}

/// What a scenario shows besides what becomes of its connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Study {
    /// Nothing.
    None,
    /// Whether this server takes new flows while it drains.
    Drained(u16),
    /// How long new flows took whose first or second candidate is this dead server (the paper's p_R).
    DeadCandidate(u16),
    /// A point of figure 11d.
    Figure(Point),
}

/// A point of the paper's figure 11d: x servers change while the edge turns to another LB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Candidates of a flow: 1 is Maglev.
    pub choices: u8,
    /// Does the LB know the pool's history, and so a recovery list?
    pub recovery: bool,
    /// Do they leave, or join?
    pub leave: bool,
    /// How many.
    pub x: u16,
}

impl Point {
    /// Which design it shows.
    pub fn design(&self) -> &'static str {
        match (self.choices, self.recovery) {
            (1, false) => "Maglev",
            (_, false) => "6LB as in the paper",
            (1, true) => "srlb, C = 1",
            (_, true) => "srlb, C = 2",
        }
    }
}

impl Scenario {
    /// The testbed's settings.
    pub fn settings(&self, name: &str) -> Settings {
        let shape = self.shape;
        Settings {
            plan: Plan {
                name: name.to_owned(),
                lbs: shape.lbs,
                servers: shape.servers,
            },
            encoding: shape.encoding,
            choices: shape.choices,
            policy: shape.policy,
            pending: true,
            service_mean_ms: 20.0,
            fabric_mtu_bytes: 1500,
            tables: shape.tables,
            bare: false,
            long_lived: true,
            hmac: Vec::from_iter(shape.hmac.then_some(FIRST_KEY)),
        }
    }

    /// Is what it shows a promise? Without a recovery list it is the paper's design, there to be compared.
    pub fn is_judged(&self) -> bool {
        !matches!(self.study, Study::Figure(point) if !point.recovery)
    }

    /// About how long it takes, with building and taking down.
    pub fn expected_s(&self) -> f64 {
        const AROUND_S: f64 = 4.0;
        self.mix.longest_s() + AROUND_S
    }
}
