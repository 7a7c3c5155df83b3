//! The network: namespaces, one switch, links, addresses, routes, ECMP and the edge's filter.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::plan::{
    load_sources, Node, Plan, CLIENT_ADDRESS, EDGE_CLIENT_ADDRESS, EDGE_FABRIC_ADDRESS,
    LB_LOCATORS, ONE_VIP, SERVER_LOCATORS, VIP,
};
use crate::shell;

/// Builds the whole network. Whoever calls removes it, also after a failure half-way.
pub fn build(plan: &Plan, fabric_mtu_bytes: u16) -> Result<()> {
    shell::ip_batch(None, &namespaces(plan)).context("cannot make network namespaces")?;
    shell::ip_batch(
        Some(&plan.namespace(Node::Fabric)),
        &fabric_links(plan, fabric_mtu_bytes),
    )
    .context("cannot build the fabric")?;
    shell::ip_batch(Some(&plan.namespace(Node::Edge)), &client_link(plan))
        .context("cannot link client and edge")?;
    for node in plan.nodes().filter(|node| *node != Node::Fabric) {
        let namespace = plan.namespace(node);
        shell::run_in(&namespace, &["sh", "-e"], &sysctls(node))
            .and_then(|_| shell::ip_batch(Some(&namespace), &addresses(plan, node)))
            .with_context(|| format!("cannot set up {node}"))?;
    }
    let all: Vec<Node> = plan.lb_nodes().collect();
    announce(plan, &all)?;
    let edge = plan.namespace(Node::Edge);
    shell::run_in(&edge, &["nft", "-f", "-"], &edge_filter())
        .context("cannot set the edge's filter")?;
    Ok(())
}

/// Makes the edge send the VIPs' packets to these LBs, as BGP would.
pub fn announce(plan: &Plan, lbs: &[Node]) -> Result<()> {
    let hops: String = lbs
        .iter()
        .filter_map(|lb| lb.fabric_address())
        .map(|address| format!(" nexthop via {address} dev eth0"))
        .collect();
    let kind = if hops.is_empty() { "unreachable " } else { "" };
    let routes: String = [VIP, ONE_VIP]
        .iter()
        .map(|vip| format!("route replace {kind}{vip}/128{hops}\n"))
        .collect();
    shell::ip_batch(Some(&plan.namespace(Node::Edge)), &routes)
        .context("cannot change the edge's routes to the VIPs")
}

/// Pulls a node's cable out of the switch.
pub fn unplug(plan: &Plan, node: Node) -> Result<()> {
    shell::ip_batch(
        Some(&plan.namespace(Node::Fabric)),
        &format!("link set {node} down"),
    )
    .with_context(|| format!("cannot unplug {node}"))
}

/// Has the kernel noticed every link's carrier and the switch opened every port?
///
/// Until then packets vanish without an error, for a second or two after the links were made.
pub fn links_are_up(plan: &Plan) -> Result<bool> {
    for node in plan.nodes() {
        let text = shell::run("ip", &["-n", &plan.namespace(node), "-j", "-d", "link"])?;
        let links: Vec<Value> = serde_json::from_str(&text).context("ip -j speaks no JSON")?;
        if !links.iter().all(is_usable) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `lo` never says more than UNKNOWN; others must be up, and forwarding where they are ports.
fn is_usable(link: &Value) -> bool {
    let port = &link["linkinfo"]["info_slave_data"]["state"];
    match link["operstate"].as_str() {
        Some("UP") => port.is_null() || port == "forwarding",
        state => link["link_type"] == "loopback" && state == Some("UNKNOWN"),
    }
}

fn namespaces(plan: &Plan) -> String {
    plan.nodes()
        .map(|node| format!("netns add {}\n", plan.namespace(node)))
        .collect()
}

fn fabric_links(plan: &Plan, mtu_bytes: u16) -> String {
    let mut text = String::from(
        "link set lo up\nlink add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n",
    );
    for node in plan.fabric_nodes() {
        let namespace = plan.namespace(node);
        let _ = writeln!(
            text,
            "link add {node} mtu {mtu_bytes} type veth \
             peer name eth0 address {mac} mtu {mtu_bytes} netns {namespace}\n\
             link set {node} master br0 up",
            mac = mac(node)
        );
    }
    text + "link set br0 up\n"
}

/// The hardware address of a node's `eth0` on the fabric: locally administered, the same in every testbed.
fn mac(node: Node) -> String {
    let (kind, number) = match node {
        Node::Lb(n) => (1, n),
        Node::Server(n) => (2, n),
        Node::Client | Node::Edge | Node::Fabric => (0, 0),
    };
    let [high, low] = number.to_be_bytes();
    format!("02:00:00:{kind:02x}:{high:02x}:{low:02x}")
}

/// Entries for all others on the fabric, where these are too many to be learned.
///
/// The kernel has one table of neighbours for all namespaces, and from 512 learned entries on (`gc_thresh2`, which only the
/// first namespace can change) it forgets and refuses: with 24 servers 12% of the requests were lost. Permanent entries don't count.
fn neighbours(plan: &Plan, node: Node) -> String {
    const MOST_WHO_LEARN: usize = 20;
    if plan.fabric_nodes().count() <= MOST_WHO_LEARN {
        return String::new();
    }
    let others = plan.fabric_nodes().filter(|other| *other != node);
    let entry = |other: Node| {
        let address = other.fabric_address()?;
        let mac = mac(other);
        Some(format!(
            "neigh add {address} lladdr {mac} dev eth0 nud permanent\n"
        ))
    };
    others.filter_map(entry).collect()
}

fn client_link(plan: &Plan) -> String {
    format!(
        "link add eth1 type veth peer name eth0 netns {}\n",
        plan.namespace(Node::Client)
    )
}

/// Settings before the links come up: static addresses, so no duplicate detection to wait
/// for; the rest belongs to the node's part in the play. What a daemon needs it sets itself.
fn sysctls(node: Node) -> String {
    // In every scope: an interface that exists already no longer follows "default".
    let mut text = String::from("cd /proc/sys/net\n");
    for (key, value) in [
        ("accept_dad", 0),
        ("accept_ra", 0),
        ("router_solicitations", 0),
    ] {
        let _ = writeln!(
            text,
            "for f in ipv6/conf/*/{key}; do echo {value} > $f; done"
        );
    }
    text.push_str(match node {
        // Layer-4 ECMP: a connection is a flow, not a client. Policy 1 would take the hash that the client's socket has
        // left on the packet, as between namespaces it stays there; and a socket takes another one with
        // each timeout. So: addresses (1, 2), protocol (4) and ports (0x10, 0x20), read from the packet.
        Node::Edge => {
            "echo 1 > ipv6/conf/all/forwarding\n\
             echo 3 > ipv6/fib_multipath_hash_policy\n\
             echo 0x37 > ipv6/fib_multipath_hash_fields\n"
        }
        // A full backlog answers with a reset instead of silence: a failure that is seen.
        Node::Server(_) => "echo 1 > ipv4/tcp_abort_on_overflow\n",
        Node::Client | Node::Fabric | Node::Lb(_) => "",
    });
    text
}

fn addresses(plan: &Plan, node: Node) -> String {
    let mut text = String::from("link set lo up\nlink set eth0 up\n");
    match node {
        Node::Client => {
            let _ = writeln!(text, "addr add {CLIENT_ADDRESS}/64 dev eth0 nodad");
            for source in load_sources() {
                // Deprecated: only who asks for it sends from it.
                let _ = writeln!(text, "addr add {source}/64 dev eth0 nodad preferred_lft 0");
            }
            let _ = writeln!(text, "route add default via {EDGE_CLIENT_ADDRESS} dev eth0");
            return text;
        }
        Node::Edge => {
            let _ = writeln!(
                text,
                "link set eth1 up\naddr add {EDGE_CLIENT_ADDRESS}/64 dev eth1 nodad"
            );
        }
        Node::Server(_) => {
            for vip in node.vips() {
                let _ = writeln!(text, "addr add {vip}/128 dev lo nodad preferred_lft 0");
            }
        }
        Node::Lb(_) | Node::Fabric => {}
    }
    if let Some(address) = node.fabric_address() {
        let _ = writeln!(text, "addr add {address}/64 dev eth0 nodad");
    }
    if node != Node::Edge {
        let _ = writeln!(text, "route add default via {EDGE_FABRIC_ADDRESS} dev eth0");
    }
    for other in plan.fabric_nodes().filter(|other| *other != node) {
        if let (Some(locator), Some(via)) = (other.locator(), other.fabric_address()) {
            let _ = writeln!(text, "route add {locator} via {via} dev eth0");
        }
    }
    text + &neighbours(plan, node)
}

/// RFC 8754 section 5.1: nobody outside the domain reaches a SID.
fn edge_filter() -> String {
    format!(
        "table ip6 domain {{
    chain forward {{
        type filter hook forward priority 0; policy accept;
        iifname \"eth1\" ip6 daddr {{ {LB_LOCATORS}, {SERVER_LOCATORS} }} counter drop
        iifname \"eth1\" ip6 saddr {{ {LB_LOCATORS}, {SERVER_LOCATORS} }} counter drop
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            name: "srlb".into(),
            lbs: 2,
            servers: 3,
        }
    }

    #[test]
    fn every_fabric_node_knows_every_other_locator_and_not_its_own() {
        for node in plan().fabric_nodes() {
            let text = addresses(&plan(), node);
            for other in plan().fabric_nodes() {
                let Some(locator) = other.locator() else {
                    continue;
                };
                let line = format!("route add {locator} via");
                assert_eq!(text.contains(&line), other != node, "{node} to {other}");
            }
        }
    }

    #[test]
    fn a_link_is_usable_when_it_is_up_and_its_port_forwards() {
        let usable = |text| is_usable(&serde_json::from_str(text).unwrap());
        assert!(usable(
            r#"{"link_type": "loopback", "operstate": "UNKNOWN"}"#
        ));
        assert!(usable(r#"{"link_type": "ether", "operstate": "UP"}"#));
        assert!(!usable(r#"{"link_type": "ether", "operstate": "UNKNOWN"}"#));
        assert!(!usable(
            r#"{"link_type": "ether", "operstate": "LOWERLAYERDOWN"}"#
        ));
        let port = |state| {
            let port = serde_json::json!({"info_slave_data": {"state": state}});
            is_usable(&serde_json::json!({"operstate": "UP", "linkinfo": port}))
        };
        assert!(port("forwarding") && !port("disabled") && !port("learning"));
    }

    #[test]
    fn only_a_large_fabric_has_its_neighbours_written_down() {
        let large = Plan {
            servers: 48,
            ..plan()
        };
        let (few, many) = (
            addresses(&plan(), Node::Edge),
            addresses(&large, Node::Edge),
        );
        assert!(!few.contains("neigh"), "{few}");
        assert_eq!(many.matches("neigh add").count(), 50);
        let macs: std::collections::HashSet<_> = large.fabric_nodes().map(mac).collect();
        assert_eq!(macs.len(), 51);
    }

    #[test]
    fn the_client_knows_no_locator() {
        let text = addresses(&plan(), Node::Client);
        assert!(!text.contains("fd00:"), "{text}");
    }
}
