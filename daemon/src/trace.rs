//! Who watches which flow's packets, live: `trace` on both daemons.
//!
//! An engine notes what happens to a packet only while [`Tracers::are_any`].

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use srh::Flow;

use crate::control::{ConnId, Control};

/// Which flows a watcher wants to see; what is not given is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceFilter {
    /// The client's address.
    pub client: Option<Ipv6Addr>,
    /// The client's port.
    pub client_port: Option<u16>,
    /// The VIP.
    pub vip: Option<Ipv6Addr>,
    /// The VIP's port.
    pub vip_port: Option<u16>,
    /// How many packets; none is without end.
    pub count: Option<u64>,
}

impl TraceFilter {
    /// Is a packet of `flow` asked for? One that belongs to no flow only if nothing is asked for
    /// in particular.
    pub fn takes(&self, flow: Option<&Flow>) -> bool {
        let Some(flow) = flow else {
            return self.client.is_none()
                && self.client_port.is_none()
                && self.vip.is_none()
                && self.vip_port.is_none();
        };
        self.client.is_none_or(|a| a == flow.client)
            && self.client_port.is_none_or(|p| p == flow.client_port)
            && self.vip.is_none_or(|a| a == flow.vip)
            && self.vip_port.is_none_or(|p| p == flow.vip_port)
    }
}

struct Tracer {
    conn: ConnId,
    filter: TraceFilter,
    sent: u64,
}

/// All who watch.
#[derive(Default)]
pub struct Tracers(Vec<Tracer>);

impl Tracers {
    /// Does anybody watch?
    pub fn are_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// What all of them want to see.
    pub fn filters(&self) -> Vec<TraceFilter> {
        self.0.iter().map(|tracer| tracer.filter.clone()).collect()
    }

    /// So many packets that somebody may have asked for could not be shown.
    pub fn lose(&self, control: &mut Control, packets: u64) {
        for tracer in &self.0 {
            control.send(tracer.conn, &serde_json::json!({ "lost": packets }));
        }
    }

    /// Somebody begins to watch.
    pub fn add(&mut self, conn: ConnId, filter: TraceFilter) {
        self.0.push(Tracer {
            conn,
            filter,
            sent: 0,
        });
    }

    /// Somebody has left.
    pub fn remove(&mut self, conn: ConnId) {
        self.0.retain(|tracer| tracer.conn != conn);
    }

    /// Shows a packet of `flow` to those who asked for it. Who has seen as many as it wanted is
    /// hung up on.
    pub fn show(&mut self, control: &mut Control, flow: Option<&Flow>, line: impl Fn() -> Value) {
        self.0.retain_mut(|tracer| {
            if !tracer.filter.takes(flow) {
                return true;
            }
            control.send(tracer.conn, &line());
            tracer.sent += 1;
            let goes_on = tracer.filter.count.is_none_or(|count| tracer.sent < count);
            if !goes_on {
                control.close(tracer.conn);
            }
            goes_on
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_what_was_asked_for() {
        let flow = Flow {
            protocol: 6,
            client: "2001:db8:c::2".parse().unwrap(),
            client_port: 4_000,
            vip: "2001:db8:80::1".parse().unwrap(),
            vip_port: 80,
        };
        let all = TraceFilter::default();
        let client = TraceFilter {
            client: Some(flow.client),
            ..all.clone()
        };
        let other_port = TraceFilter {
            client_port: Some(4_001),
            ..client.clone()
        };
        assert!(all.takes(Some(&flow)) && all.takes(None));
        assert!(client.takes(Some(&flow)) && !client.takes(None));
        assert!(!other_port.takes(Some(&flow)));
    }
}
