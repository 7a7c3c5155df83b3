//! A server's socket table, read from outside: whose connections are on it at this moment.

use std::collections::HashSet;
use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::plan::{Node, Plan, VIP, VIP_PORT};
use crate::shell;

/// Clients with a connection to the VIP on this server, handshakes included.
pub fn clients_on(plan: &Plan, server: Node) -> Result<HashSet<SocketAddr>> {
    let table = shell::run_in(&plan.namespace(server), &["ss", "-6tanH"], "")
        .with_context(|| format!("cannot read {server}'s sockets"))?;
    Ok(clients_of_vip(&table))
}

/// The peers of the VIP's sockets in `ss` output: state, queues, local address, peer.
///
/// TIME-WAIT excuses nothing: the client had all of its answer and has said goodbye.
fn clients_of_vip(text: &str) -> HashSet<SocketAddr> {
    let vip = format!("[{VIP}]:{VIP_PORT}");
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [state, _, _, local, peer, ..] = fields[..] else {
                return None;
            };
            (!matches!(state, "LISTEN" | "TIME-WAIT") && local == vip).then(|| peer.parse().ok())?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_the_vip_are_read_from_ss() {
        let text = "LISTEN 0 128 [::]:80 [::]:*\n\
            ESTAB 0 0 [2001:db8:80::1]:80 [2001:db8:c::a:1]:1024 \n\
            SYN-RECV 0 0 [2001:db8:80::1]:80 [2001:db8:c::a:2]:1025\n\
            TIME-WAIT 0 0 [2001:db8:80::1]:80 [2001:db8:c::a:4]:1027\n\
            ESTAB 0 0 [fd00:fab::5e:1]:80 [2001:db8:c::a:3]:1026\n";
        let clients = clients_of_vip(text);
        let expected = ["[2001:db8:c::a:1]:1024", "[2001:db8:c::a:2]:1025"];
        assert_eq!(
            clients,
            expected.iter().map(|a| a.parse().unwrap()).collect()
        );
    }
}
