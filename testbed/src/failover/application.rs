//! Apache taken away or restarted on a machine that lives.
//!
//! Where its connections go with it they are counted at that moment: for the few milliseconds of the
//! count and the kill nothing reaches the VIP's sockets, so the table holds all of them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::apache::{children_of, APACHE};
use crate::plan::{Node, Plan, VIP, VIP_PORT};
use crate::process::{kill_all, ProcessId};
use crate::shell;
use crate::signals::Interrupt;
use crate::sockets::clients_on;
use crate::testbed::Testbed;

/// By then every worker has heard that it is to end.
const HEARD_TIMEOUT: Duration = Duration::from_millis(500);
/// By then every thread of a killed process is gone.
const GONE_TIMEOUT: Duration = Duration::from_secs(5);
/// The rule that keeps packets from the sockets while they are counted.
const FREEZE: &str = "failover_freeze";

/// Ends every worker after its request, and starts new ones.
pub fn restart_gracefully(testbed: &Testbed, server: Node) -> Result<()> {
    apache(testbed, server)?.signal(Signal::USR1);
    Ok(())
}

/// Ends every worker at once, and starts new ones; returns whose connections went with them.
///
/// The parent keeps its listeners: who connects meanwhile waits for the new workers. The old ones take
/// no more connections as soon as they have heard of it, also where they take long to end.
pub fn restart_hard(testbed: &Testbed, server: Node) -> Result<HashSet<SocketAddr>> {
    let parent = apache(testbed, server)?;
    with_sockets_frozen(testbed.plan(), server, || {
        let workers = children_of(parent);
        parent.signal(Signal::HUP);
        let until = Instant::now() + HEARD_TIMEOUT;
        for worker in workers {
            worker.wait_gone(until.saturating_duration_since(Instant::now()));
        }
        Ok(())
    })
}

/// Kills all of it; returns whose connections went with it.
pub fn kill(testbed: &Testbed, interrupt: &Interrupt, server: Node) -> Result<HashSet<SocketAddr>> {
    let parent = apache(testbed, server)?;
    with_sockets_frozen(testbed.plan(), server, || {
        let mut all = vec![parent];
        all.extend(children_of(parent));
        kill_all(&all);
        // A process counts as gone with its first thread; its sockets go with the last.
        let namespace = testbed.plan().namespace(server);
        interrupt.wait_for("Apache's listener stays", GONE_TIMEOUT, || {
            let port = format!("sport = :{VIP_PORT}");
            let listeners = shell::run_in(&namespace, &["ss", "-6ltnH", &port], "")?;
            Ok(listeners.trim().is_empty())
        })
    })
}

fn apache(testbed: &Testbed, server: Node) -> Result<ProcessId> {
    let process = testbed.state().process(server, APACHE);
    process.with_context(|| format!("no Apache runs on {server}"))
}

/// Counts the VIP's sockets, and does `work` before anything can reach them again.
fn with_sockets_frozen(
    plan: &Plan,
    server: Node,
    work: impl FnOnce() -> Result<()>,
) -> Result<HashSet<SocketAddr>> {
    let namespace = plan.namespace(server);
    let nft = |rules: &str| shell::run_in(&namespace, &["nft", "-f", "-"], rules).map(drop);
    nft(&format!(
        "table ip6 {FREEZE} {{
    chain input {{
        type filter hook input priority -500
        ip6 daddr {VIP} drop
    }}
}}
"
    ))?;
    let done = clients_on(plan, server).and_then(|clients| work().map(|()| clients));
    nft(&format!("delete table ip6 {FREEZE}"))?;
    done
}
