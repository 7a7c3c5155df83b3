//! Taking an LB and a server away in the middle of the load, as a machine room would.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use rustix::process::Signal;
use serde::Serialize;

use crate::counters::ServerCounters;
use crate::daemons;
use crate::netns;
use crate::plan::{Node, Plan};
use crate::process::kill_all;
use crate::sockets::clients_on;
use crate::testbed::Testbed;
use crate::topology;

/// When the LB dies and when the server does, as shares of the stage.
const LB_AT: f64 = 0.30;
const SERVER_AT: f64 = 0.65;
/// BGP with BFD notices a dead LB about so soon.
const WITHDRAW_AFTER: Duration = Duration::from_millis(200);
/// An operator, or a controller, takes a dead server out of the pool about so soon.
const REMOVE_AFTER: Duration = Duration::from_millis(1000);

/// One event.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The LB's daemon is killed.
    KillLb(Node),
    /// The edge routes around it.
    Withdraw(Node),
    /// The server's machine dies.
    KillServer(Node),
    /// It is removed from the pool.
    Remove(Node),
}

/// What has been taken away.
#[derive(Clone, Debug)]
pub enum Lost {
    /// An LB.
    Lb(Node),
    /// A server, the clients whose sockets were on it at that moment, and its last counters.
    Server(Node, HashSet<SocketAddr>, ServerCounters),
}

/// The same for a report.
#[derive(Clone, Debug, Serialize)]
pub struct LostReport {
    /// Which node.
    pub node: String,
    /// Sockets of the VIP on it when it died, whose requests cannot be saved.
    pub sockets: usize,
}

impl Lost {
    /// Which node.
    pub fn node(&self) -> Node {
        match self {
            Lost::Lb(node) | Lost::Server(node, ..) => *node,
        }
    }

    /// Clients that had a socket on it.
    pub fn had(&self, client: &SocketAddr) -> bool {
        matches!(self, Lost::Server(_, sockets, _) if sockets.contains(client))
    }

    /// What it had counted until then, if it was a server.
    pub fn counters(&self) -> Option<ServerCounters> {
        match self {
            Lost::Lb(_) => None,
            Lost::Server(_, _, counters) => Some(*counters),
        }
    }

    /// For the report.
    pub fn describe(&self) -> LostReport {
        let sockets = match self {
            Lost::Lb(_) => 0,
            Lost::Server(_, sockets, _) => sockets.len(),
        };
        LostReport {
            node: self.node().to_string(),
            sockets,
        }
    }
}

/// What just happened.
pub struct News {
    /// In words.
    pub text: String,
    /// Servers that are no more.
    pub gone: Vec<Node>,
}

/// What is to happen, and what has.
pub struct Faults {
    script: VecDeque<(Duration, Fault)>,
    lost: Vec<Lost>,
}

impl Faults {
    /// Nothing happens.
    pub fn none() -> Faults {
        Faults {
            script: VecDeque::new(),
            lost: Vec::new(),
        }
    }

    /// The last LB dies, later the last server.
    pub fn script(plan: &Plan, seconds: f64) -> Faults {
        let (lb, server) = (Node::Lb(plan.lbs), Node::Server(plan.servers));
        let at = |share: f64| Duration::from_secs_f64(seconds * share);
        Faults {
            script: VecDeque::from([
                (at(LB_AT), Fault::KillLb(lb)),
                (at(LB_AT) + WITHDRAW_AFTER, Fault::Withdraw(lb)),
                (at(SERVER_AT), Fault::KillServer(server)),
                (at(SERVER_AT) + REMOVE_AFTER, Fault::Remove(server)),
            ]),
            lost: Vec::new(),
        }
    }

    /// Does what is due; one thing a call, so that nothing else waits for long.
    pub fn advance(&mut self, testbed: &Testbed, elapsed: Duration) -> Result<Option<News>> {
        let Some(&(_, fault)) = self.script.front().filter(|(at, _)| *at <= elapsed) else {
            return Ok(None);
        };
        self.script.pop_front();
        self.happen(testbed, fault, elapsed).map(Some)
    }

    /// What was lost. A script that was not played to its end shows nothing.
    pub fn finish(self) -> Result<Vec<Lost>> {
        if let Some((at, fault)) = self.script.front() {
            bail!("the load ended before {fault:?} at {} s", at.as_secs_f64());
        }
        Ok(self.lost)
    }

    fn happen(&mut self, testbed: &Testbed, fault: Fault, elapsed: Duration) -> Result<News> {
        let plan = testbed.plan();
        let mut gone = Vec::new();
        let what = match fault {
            Fault::KillLb(lb) => {
                let daemon = testbed.state().process(lb, daemons::LB);
                kill_all(&[daemon.context("no LB to kill")?]);
                self.lost.push(Lost::Lb(lb));
                format!("{lb} dies (kill -9)")
            }
            Fault::Withdraw(lb) => {
                let rest: Vec<Node> = plan.lb_nodes().filter(|node| *node != lb).collect();
                topology::announce(plan, &rest)?;
                format!("the edge routes around {lb}")
            }
            Fault::KillServer(server) => {
                let lost = kill_server(plan, server)?;
                let text = format!(
                    "{server} dies: cable out, everything killed; {} sockets of the VIP were on it",
                    lost.describe().sockets
                );
                self.lost.push(lost);
                gone.push(server);
                text
            }
            Fault::Remove(server) => {
                self.remove_from_pool(testbed, server)?;
                format!("{server} is removed from the pool")
            }
        };
        let text = format!("at {:.1} s {what}", elapsed.as_secs_f64());
        Ok(News { text, gone })
    }

    /// Edits the pool file and makes every living LB read it: staged everywhere before it is
    /// active anywhere.
    fn remove_from_pool(&self, testbed: &Testbed, server: Node) -> Result<()> {
        let plan = testbed.plan();
        daemons::edit_pool(plan, "remove", &[&server.to_string()])?;
        for action in ["stage", "activate"] {
            daemons::edit_pool(plan, action, &[])?;
            for lb in plan.lb_nodes() {
                if let Some(daemon) = testbed.state().process(lb, daemons::LB) {
                    daemon.signal(Signal::HUP);
                }
            }
        }
        Ok(())
    }
}

/// The machine dies: first nothing leaves it any more, then its sockets are counted, then
/// everything on it is killed.
fn kill_server(plan: &Plan, server: Node) -> Result<Lost> {
    let counters = ServerCounters::of(plan, server)?;
    topology::unplug(plan, server)?;
    let clients = clients_on(plan, server)?;
    kill_all(&netns::processes_in(&[plan.namespace(server)]));
    Ok(Lost::Server(server, clients, counters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_fits_into_the_stage() {
        let plan = Plan {
            name: "srlb".into(),
            lbs: 2,
            servers: 8,
        };
        let faults = Faults::script(&plan, 20.0);
        let times: Vec<_> = faults.script.iter().map(|(at, _)| *at).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(times.last().unwrap().as_secs_f64() < 20.0);
        assert!(faults.finish().is_err(), "an unplayed script is no result");
    }
}
