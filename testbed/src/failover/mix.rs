//! The traffic of a scenario: how many connections of each class at a time, and for how long.

use std::collections::BTreeMap;

use crate::traffic::Class;

/// What the clients do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mix {
    /// New connections are opened for so long.
    pub seconds: f64,
    /// Connections of each class at any time.
    pub counts: BTreeMap<Class, u16>,
    /// Short requests a second on average.
    pub short_rate_per_s: f64,
    /// Silence between two requests of an idle connection.
    pub idle_pause_s: f64,
    /// A connection without progress is given up after so long.
    pub timeout_s: f64,
}

impl Mix {
    /// All classes, as many as two cores carry beside the servers.
    pub fn busy(seconds: f64) -> Mix {
        Mix {
            seconds,
            counts: BTreeMap::from([
                (Class::Download, 20),
                (Class::Upload, 20),
                (Class::KeepAlive, 30),
                (Class::Push, 20),
                (Class::Idle, 10),
            ]),
            short_rate_per_s: 40.0,
            idle_pause_s: seconds * 0.8,
            timeout_s: 12.0,
        }
    }

    /// Mostly new flows.
    pub fn many_short(seconds: f64) -> Mix {
        Mix {
            counts: BTreeMap::from([
                (Class::Download, 10),
                (Class::KeepAlive, 30),
                (Class::Push, 10),
            ]),
            short_rate_per_s: 120.0,
            ..Mix::busy(seconds)
        }
    }

    /// Long-lived connections alone, most of them silent most of the time.
    pub fn long_lived(seconds: f64, connections: u16) -> Mix {
        let quarter = connections / 4;
        Mix {
            counts: BTreeMap::from([
                (Class::KeepAlive, quarter),
                (Class::Push, quarter),
                (Class::Idle, connections - 2 * quarter),
            ]),
            short_rate_per_s: 0.0,
            timeout_s: 6.0,
            ..Mix::busy(seconds)
        }
    }

    /// Mostly silence, and so much of it between two requests.
    pub fn silent(seconds: f64, idle_pause_s: f64) -> Mix {
        Mix {
            counts: BTreeMap::from([(Class::Idle, 90), (Class::KeepAlive, 10)]),
            short_rate_per_s: 5.0,
            idle_pause_s,
            ..Mix::busy(seconds)
        }
    }

    /// About how long it takes until the last connection is over.
    pub fn longest_s(&self) -> f64 {
        const LAST_TRANSFERS_S: f64 = 1.5;
        self.seconds + LAST_TRANSFERS_S
    }
}
