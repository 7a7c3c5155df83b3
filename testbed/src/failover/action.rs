//! What can happen to a cluster under load, and in which words it is told.

use std::fmt;

use crate::plan::Node;

/// One thing that is done to the testbed.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The LB's daemon is killed (-9). The edge does not know yet.
    KillLb(u16),
    /// The LB's daemon is asked to stop, and has ended.
    StopLb(u16),
    /// The LB's daemon is started, and answers.
    StartLb(u16),
    /// The edge's next hops for the VIPs, in this order: another order is another ECMP hash.
    Announce(Vec<u16>),
    /// Nothing happens for so long: a link fails before BFD notices.
    WaitMs(u64),
    /// The pool's file is edited and the change staged in it.
    Stage(Vec<Edit>),
    /// The staged generation is made active in the pool's file.
    Activate,
    /// The LB reads the pool's file, and has taken it on.
    Reload(u16),
    /// This LB knows the newest generation alone, as the paper's design does: its recovery list is the
    /// flow's candidates of today.
    ForgetHistory(u16),
    /// The servers' routers are killed (-9).
    KillRouters(Vec<u16>),
    /// The servers' routers are asked to stop, and have ended.
    StopRouters(Vec<u16>),
    /// The servers' routers are started, and answer.
    StartRouters(Vec<u16>),
    /// SIGUSR1: every worker ends after its request.
    RestartApacheGracefully(u16),
    /// SIGHUP: every worker ends at once.
    RestartApacheHard(u16),
    /// Every process of Apache is killed (-9); the machine stays.
    KillApache(u16),
    /// Apache is started, with all of its workers.
    StartApache(u16),
    /// The machines' cables are out and everything on them is killed: no word leaves.
    MachinesDie(Vec<u16>),
}

/// One line of a pool change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The server serves (again).
    Add(u16),
    /// The server is forgotten.
    Remove(u16),
    /// The server keeps its flows and gets no new ones.
    Drain(u16),
}

fn nodes(list: &[u16], node: fn(u16) -> Node) -> String {
    let names: Vec<String> = list.iter().map(|n| node(*n).to_string()).collect();
    names.join(", ")
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lbs = |list: &[u16]| nodes(list, Node::Lb);
        let servers = |list: &[u16]| nodes(list, Node::Server);
        match self {
            Action::KillLb(n) => write!(f, "lb{n} killed (-9)"),
            Action::StopLb(n) => write!(f, "lb{n} stopped"),
            Action::StartLb(n) => write!(f, "lb{n} started"),
            Action::Announce(list) => write!(f, "the edge's next hops: {}", lbs(list)),
            Action::WaitMs(ms) => write!(f, "{ms} ms pass"),
            Action::Stage(edits) => {
                let words: Vec<String> = edits.iter().map(ToString::to_string).collect();
                write!(f, "staged: {}", words.join(", "))
            }
            Action::Activate => f.write_str("the staged generation is made active"),
            Action::Reload(n) => write!(f, "lb{n} has read the pool's file"),
            Action::ForgetHistory(n) => write!(f, "lb{n} knows the newest generation alone"),
            Action::KillRouters(list) => write!(f, "srlb-server killed (-9) on {}", servers(list)),
            Action::StopRouters(list) => write!(f, "srlb-server stopped on {}", servers(list)),
            Action::StartRouters(list) => write!(f, "srlb-server started on {}", servers(list)),
            Action::RestartApacheGracefully(n) => write!(f, "s{n}: Apache restarted gracefully"),
            Action::RestartApacheHard(n) => write!(f, "s{n}: Apache restarted hard"),
            Action::KillApache(n) => write!(f, "s{n}: Apache killed (-9)"),
            Action::StartApache(n) => write!(f, "s{n}: Apache started"),
            Action::MachinesDie(list) => write!(f, "dead without a word: {}", servers(list)),
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Add(n) => write!(f, "s{n} joins"),
            Edit::Remove(n) => write!(f, "s{n} leaves"),
            Edit::Drain(n) => write!(f, "s{n} drains"),
        }
    }
}

/// A change of the pool as it should be made: staged on every LB before it is active on any.
pub fn change_pool(edits: &[Edit], lbs: &[u16]) -> Vec<Action> {
    let reloads = || lbs.iter().copied().map(Action::Reload);
    let mut actions = vec![Action::Stage(edits.to_vec())];
    actions.extend(reloads());
    actions.push(Action::Activate);
    actions.extend(reloads());
    actions
}
