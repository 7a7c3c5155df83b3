//! What the server routers count: who took the flows, first candidates of their own will or
//! last ones because they had to; and what recovery brought home.

use std::iter::Sum;
use std::ops::{Add, Sub};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::daemons;
use crate::plan::{Node, Plan};

/// Counters of one server router, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounters {
    /// New flows taken by connectAvail.
    pub offered: i64,
    /// New flows taken by connectForce or connectFinal.
    pub forced: i64,
    /// Client packets that came by recovery and were at home.
    pub recovered: i64,
}

impl ServerCounters {
    /// Of one server.
    pub fn of(plan: &Plan, server: Node) -> Result<ServerCounters> {
        let status = daemons::status(plan, server)?;
        let counter = |name| {
            find(&status, name)
                .with_context(|| format!("{server}'s status has no counter \"{name}\""))
        };
        Ok(ServerCounters {
            offered: counter("accepted_avail")?,
            forced: counter("accepted_force")? + counter("accepted_final")?,
            recovered: counter("recovered")?,
        })
    }

    /// Of all servers but these.
    pub fn of_all(plan: &Plan, except: &[Node]) -> Result<ServerCounters> {
        plan.server_nodes()
            .filter(|server| !except.contains(server))
            .map(|server| ServerCounters::of(plan, server))
            .sum()
    }

    /// Share of the flows that their first candidate took; none if there was one candidate
    /// only, or no flow.
    pub fn first_share(&self, choices: u8) -> Option<f64> {
        let all = self.offered + self.forced;
        (choices > 1 && all > 0).then(|| self.offered as f64 / all as f64)
    }
}

/// The number under this key, wherever the status keeps it.
fn find(status: &Value, name: &str) -> Option<i64> {
    match status {
        Value::Object(map) => match map.get(name).and_then(Value::as_i64) {
            Some(count) => Some(count),
            None => map.values().find_map(|value| find(value, name)),
        },
        _ => None,
    }
}

impl Add for ServerCounters {
    type Output = ServerCounters;

    fn add(self, other: ServerCounters) -> ServerCounters {
        ServerCounters {
            offered: self.offered + other.offered,
            forced: self.forced + other.forced,
            recovered: self.recovered + other.recovered,
        }
    }
}

impl Sub for ServerCounters {
    type Output = ServerCounters;

    fn sub(self, other: ServerCounters) -> ServerCounters {
        ServerCounters {
            offered: self.offered - other.offered,
            forced: self.forced - other.forced,
            recovered: self.recovered - other.recovered,
        }
    }
}

impl Sum for ServerCounters {
    fn sum<I: Iterator<Item = ServerCounters>>(all: I) -> ServerCounters {
        all.fold(ServerCounters::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_and_the_share_is_theirs() {
        let status =
            serde_json::json!({"name": "s1", "counters": {"accepted_avail": 3, "text": "x"}});
        assert_eq!(find(&status, "accepted_avail"), Some(3));
        assert_eq!(find(&status, "accepted_force"), None);
        let accepted = ServerCounters {
            offered: 3,
            forced: 1,
            recovered: 0,
        };
        assert_eq!(accepted.first_share(2), Some(0.75));
        assert_eq!(accepted.first_share(1), None);
        assert_eq!((accepted - accepted).first_share(2), None);
    }
}
