//! What the play needs besides a testbed.

use anyhow::Result;

use super::fetch::NEWCOMERS;
use super::SPOOFED;
use crate::plan::{Node, Plan, CLIENT_ADDRESS};
use crate::shell;

/// The edge's kernel discards what is sent there.
pub(super) const DISCARDED: &str = "2001:db8:80::f";

/// What this play needs besides: a way back into nothing for spoofed sources, an address that the edge discards, and as many client
/// addresses as newcomers.
pub(super) fn prepare(plan: &Plan) -> Result<()> {
    let edge = format!(
        "route add blackhole {SPOOFED}\nroute add {NEWCOMERS}/64 via {CLIENT_ADDRESS} dev eth1\nroute add blackhole {DISCARDED}/128\n"
    );
    shell::ip_batch(Some(&plan.namespace(Node::Edge)), &edge)?;
    let client = plan.namespace(Node::Client);
    shell::ip_batch(
        Some(&client),
        &format!("route add local {NEWCOMERS}/64 dev lo\n"),
    )?;
    let bind = "echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind";
    shell::run_in(&client, &["sh", "-ec", bind], "").map(drop)
}
