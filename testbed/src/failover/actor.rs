//! Does what a script says to a testbed, and keeps what the judge has to know: when what was gone,
//! and whose sockets went with it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use rustix::process::Signal;

use super::action::Action;
use super::outage::{Outage, Outages};
use super::{application, pool};
use crate::clock::now_ms;
use crate::daemons;
use crate::netns;
use crate::plan::{Node, Plan};
use crate::process::{kill_all, ProcessId};
use crate::signals::Interrupt;
use crate::sockets::clients_on;
use crate::testbed::Testbed;
use crate::topology;

/// How long a daemon may take to end when it is asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long daemons may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(15);

/// Something that was done, and when.
#[derive(Clone, Debug)]
pub struct Done {
    /// When it was done, CLOCK_MONOTONIC.
    pub at_ms: f64,
    /// What it was.
    pub action: Action,
}

/// The hands on a testbed.
pub struct Actor<'a> {
    testbed: &'a mut Testbed,
    interrupt: &'a Interrupt,
    outages: Outages,
    announced: Vec<u16>,
    lost: HashSet<SocketAddr>,
    dead: Vec<Node>,
    done: Vec<Done>,
    /// Servers that leave with the staged generation.
    leaving: Vec<Node>,
    /// LBs that have not read of the active generation yet.
    unaware: Vec<u16>,
}

/// What the judge has to know.
pub struct Deeds {
    /// Clients with a socket on a server when its sockets went.
    pub lost: HashSet<SocketAddr>,
    /// When what was gone.
    pub outages: Vec<Outage>,
    /// What was done, in order.
    pub done: Vec<Done>,
}

impl<'a> Actor<'a> {
    /// For a testbed that has just been built: the edge announces all of its LBs.
    pub fn new(testbed: &'a mut Testbed, interrupt: &'a Interrupt) -> Actor<'a> {
        let announced = (1..=testbed.plan().lbs).collect();
        Actor {
            testbed,
            interrupt,
            announced,
            outages: Outages::default(),
            lost: HashSet::new(),
            dead: Vec::new(),
            done: Vec::new(),
            leaving: Vec::new(),
            unaware: Vec::new(),
        }
    }

    /// Does it.
    pub fn act(&mut self, action: &Action) -> Result<()> {
        let at_ms = now_ms();
        self.carry_out(action)
            .with_context(|| format!("while this was being done: {action}"))?;
        self.done.push(Done {
            at_ms,
            action: action.clone(),
        });
        Ok(())
    }

    /// The stage is set: what was done for that is no fault.
    pub fn begin(&mut self) {
        self.outages = Outages::default();
        self.done.clear();
    }

    /// Who is where.
    pub fn plan(&self) -> &Plan {
        self.testbed.plan()
    }

    /// Machines that are no more.
    pub fn dead(&self) -> &[Node] {
        &self.dead
    }

    /// A daemon or an Apache that ended by itself is a failure even if no client noticed.
    pub fn check_processes(&self) -> Result<()> {
        for started in &self.testbed.state().processes {
            let here = |node: &Node| node.to_string() == started.node;
            if !started.process.is_alive() && !self.dead.iter().any(here) {
                bail!("{} on {} ended by itself", started.role, started.node);
            }
        }
        Ok(())
    }

    /// What it all came to.
    pub fn finish(self) -> Deeds {
        Deeds {
            lost: self.lost,
            outages: self.outages.finish(now_ms()),
            done: self.done,
        }
    }

    fn carry_out(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::KillLb(n) => self.end_daemon(Node::Lb(*n), Signal::KILL),
            Action::StopLb(n) => self.end_daemon(Node::Lb(*n), Signal::TERM),
            Action::StartLb(n) => self.start_daemon(Node::Lb(*n)),
            Action::Announce(lbs) => self.announce(lbs),
            Action::WaitMs(ms) => self.interrupt.sleep(Duration::from_millis(*ms)),
            Action::Stage(edits) => {
                self.leaving = pool::leaving(edits);
                pool::stage(self.plan(), edits)
            }
            Action::Activate => {
                self.unaware = self.running_lbs();
                daemons::edit_pool(self.plan(), "activate", &[])
            }
            Action::Reload(lb) => self.reload(*lb),
            Action::ForgetHistory(lb) => pool::forget_history(self.testbed, Node::Lb(*lb)),
            Action::KillRouters(list) => self.end_routers(list, Signal::KILL),
            Action::StopRouters(list) => self.end_routers(list, Signal::TERM),
            Action::StartRouters(list) => self.start_routers(list),
            Action::RestartApacheGracefully(n) => {
                application::restart_gracefully(self.testbed, Node::Server(*n))
            }
            Action::RestartApacheHard(n) => {
                let lost = application::restart_hard(self.testbed, Node::Server(*n))?;
                self.lost.extend(lost);
                Ok(())
            }
            Action::KillApache(n) => {
                let lost = application::kill(self.testbed, self.interrupt, Node::Server(*n))?;
                self.lost.extend(lost);
                self.testbed.forget(Node::Server(*n), crate::apache::APACHE)
            }
            Action::StartApache(n) => self.testbed.start_apache(Node::Server(*n)),
            Action::MachinesDie(list) => self.machines_die(list),
        }
    }

    fn daemon(&self, node: Node) -> Result<ProcessId> {
        let process = self.testbed.state().process(node, daemons::role(node));
        process.with_context(|| format!("no daemon runs on {node}"))
    }

    /// All at the same time.
    fn end_routers(&mut self, list: &[u16], signal: Signal) -> Result<()> {
        let servers = list.iter().copied().map(Node::Server);
        let mut ending = Vec::new();
        for server in servers {
            ending.push(self.ask_to_end(server, signal)?);
        }
        ending
            .into_iter()
            .try_for_each(|(server, process)| self.await_end(server, process))
    }

    /// All at the same time, as every server's own supervisor would.
    fn start_routers(&mut self, list: &[u16]) -> Result<()> {
        let servers: Vec<Node> = list.iter().copied().map(Node::Server).collect();
        for server in &servers {
            self.testbed.launch_daemon(*server)?;
        }
        let mut waiting = servers;
        self.interrupt
            .wait_for("the routers do not come up", START_TIMEOUT, || {
                waiting.retain(|server| {
                    let ready = daemons::answers(self.testbed.plan(), *server);
                    if ready {
                        self.outages.end(*server, now_ms());
                    }
                    !ready
                });
                Ok(waiting.is_empty())
            })
    }

    fn end_daemon(&mut self, node: Node, signal: Signal) -> Result<()> {
        let (node, process) = self.ask_to_end(node, signal)?;
        self.await_end(node, process)
    }

    /// An LB is missed as long as the edge sends to it, a server's router as long as it is gone.
    fn ask_to_end(&mut self, node: Node, signal: Signal) -> Result<(Node, ProcessId)> {
        let process = self.daemon(node)?;
        let missed = match node {
            Node::Lb(n) => self.announced.contains(&n),
            _ => true,
        };
        if missed {
            self.outages.begin(node, now_ms());
        }
        process.signal(signal);
        Ok((node, process))
    }

    fn await_end(&mut self, node: Node, process: ProcessId) -> Result<()> {
        if !process.wait_gone(STOP_TIMEOUT) {
            bail!("{node}'s daemon does not end");
        }
        self.testbed.forget(node, daemons::role(node))
    }

    fn start_daemon(&mut self, node: Node) -> Result<()> {
        self.testbed.start_daemon(node)?;
        self.outages.end(node, now_ms());
        Ok(())
    }

    fn running_lbs(&self) -> Vec<u16> {
        let runs = |n: &u16| {
            let state = self.testbed.state();
            state.process(Node::Lb(*n), daemons::LB).is_some()
        };
        (1..=self.plan().lbs).filter(runs).collect()
    }

    /// A dead machine is missed until the last LB knows that it has left.
    fn reload(&mut self, lb: u16) -> Result<()> {
        pool::reload(self.plan(), Node::Lb(lb))?;
        if self.unaware.is_empty() {
            return Ok(());
        }
        self.unaware.retain(|other| *other != lb);
        if self.unaware.is_empty() {
            for gone in std::mem::take(&mut self.leaving) {
                self.outages.end(gone, now_ms());
            }
        }
        Ok(())
    }

    fn announce(&mut self, lbs: &[u16]) -> Result<()> {
        let nodes: Vec<Node> = lbs.iter().copied().map(Node::Lb).collect();
        topology::announce(self.testbed.plan(), &nodes)?;
        for gone in self.announced.iter().filter(|n| !lbs.contains(n)) {
            self.outages.end(Node::Lb(*gone), now_ms());
        }
        self.announced = lbs.to_vec();
        Ok(())
    }

    /// First nothing leaves them any more, then their sockets are counted, then everything on
    /// them is killed. So no word about it reaches anybody, and no socket can change after the count.
    fn machines_die(&mut self, list: &[u16]) -> Result<()> {
        let plan = self.testbed.plan().clone();
        let nodes: Vec<Node> = list.iter().copied().map(Node::Server).collect();
        for node in &nodes {
            topology::unplug(&plan, *node)?;
            self.outages.begin(*node, now_ms());
        }
        for node in &nodes {
            self.lost.extend(clients_on(&plan, *node)?);
        }
        let namespaces: Vec<String> = nodes.iter().map(|node| plan.namespace(*node)).collect();
        kill_all(&netns::processes_in(&namespaces));
        self.dead.extend(nodes);
        Ok(())
    }
}
