//! Who is there and where: names, namespaces, addresses and folders, as pure functions.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The web service's address.
pub const VIP: &str = "2001:db8:80::1";
/// Another service, with the first server alone: for tools that open several connections
/// which must reach one machine, such as iperf3.
pub const ONE_VIP: &str = "2001:db8:80::2";
/// The port that every Apache listens on.
pub const VIP_PORT: u16 = 80;
/// All LBs' locators lie in it.
pub const LB_LOCATORS: &str = "fd00:1b::/32";
/// All servers' locators lie in it.
pub const SERVER_LOCATORS: &str = "fd00:5e::/32";
/// The client's own address.
pub const CLIENT_ADDRESS: &str = "2001:db8:c::2";
/// The edge router on the client's side.
pub const EDGE_CLIENT_ADDRESS: &str = "2001:db8:c::1";
/// The edge router on the fabric.
pub const EDGE_FABRIC_ADDRESS: &str = "fd00:fab::1";
/// The most LBs that a testbed takes.
pub const MAX_LBS: u16 = 16;
/// The most servers that a testbed takes.
pub const MAX_SERVERS: u16 = 64;

/// Further addresses of the client, which the load generator sends from.
///
/// Many addresses times many ports: no connection meets an older one's TIME_WAIT.
pub fn load_sources() -> impl Iterator<Item = Ipv6Addr> + Clone {
    (1..=16).map(|i| Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0xa, i))
}

/// Where the load goes unless told otherwise.
pub fn default_target() -> SocketAddr {
    let vip: Ipv6Addr = VIP.parse().expect("VIP is an address");
    SocketAddr::new(IpAddr::V6(vip), VIP_PORT)
}

/// One machine of the testbed, that is, one network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// Where load and curl run.
    Client,
    /// The ECMP router between clients and fabric.
    Edge,
    /// The switch.
    Fabric,
    /// A load balancer, from 1.
    Lb(u16),
    /// A server, from 1.
    Server(u16),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Client => f.write_str("client"),
            Node::Edge => f.write_str("edge"),
            Node::Fabric => f.write_str("fabric"),
            Node::Lb(i) => write!(f, "lb{i}"),
            Node::Server(i) => write!(f, "s{i}"),
        }
    }
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbered = |prefix: &str| {
            let digits = text.strip_prefix(prefix)?;
            let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|_| plain)
        };
        match text {
            "client" => Ok(Node::Client),
            "edge" => Ok(Node::Edge),
            "fabric" => Ok(Node::Fabric),
            _ => (numbered("lb").map(Node::Lb))
                .or_else(|| numbered("s").map(Node::Server))
                .ok_or_else(|| {
                    format!("no node is called \"{text}\"; there are client, edge, fabric, lb1.. and s1..")
                }),
        }
    }
}

impl Node {
    /// The services on this server.
    pub fn vips(self) -> &'static [&'static str] {
        match self {
            Node::Server(1) => &[VIP, ONE_VIP],
            Node::Server(_) => &[VIP],
            _ => &[],
        }
    }

    /// The node's address on the fabric, if it has one.
    pub fn fabric_address(self) -> Option<String> {
        match self {
            Node::Edge => Some(EDGE_FABRIC_ADDRESS.to_owned()),
            Node::Lb(i) => Some(format!("fd00:fab::1b:{i}")),
            Node::Server(i) => Some(format!("fd00:fab::5e:{i}")),
            Node::Client | Node::Fabric => None,
        }
    }

    /// The prefix that holds the node's SIDs, if it has one.
    pub fn locator(self) -> Option<String> {
        match self {
            Node::Lb(i) => Some(format!("fd00:1b:{i}::/64")),
            Node::Server(i) => Some(format!("fd00:5e:{i}::/64")),
            Node::Client | Node::Edge | Node::Fabric => None,
        }
    }
}

/// Names and sizes of one testbed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Prefix of its namespaces and name of its run folder.
    pub name: String,
    /// How many LBs.
    pub lbs: u16,
    /// How many servers.
    pub servers: u16,
}

impl Plan {
    /// All LBs.
    pub fn lb_nodes(&self) -> impl Iterator<Item = Node> {
        (1..=self.lbs).map(Node::Lb)
    }

    /// All servers.
    pub fn server_nodes(&self) -> impl Iterator<Item = Node> {
        (1..=self.servers).map(Node::Server)
    }

    /// Everybody with an interface on the fabric.
    pub fn fabric_nodes(&self) -> impl Iterator<Item = Node> {
        std::iter::once(Node::Edge)
            .chain(self.lb_nodes())
            .chain(self.server_nodes())
    }

    /// Every node.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        [Node::Fabric, Node::Client]
            .into_iter()
            .chain(self.fabric_nodes())
    }

    /// Is this node part of it?
    pub fn has(&self, node: Node) -> bool {
        match node {
            Node::Client | Node::Edge | Node::Fabric => true,
            Node::Lb(i) => (1..=self.lbs).contains(&i),
            Node::Server(i) => (1..=self.servers).contains(&i),
        }
    }

    /// The node's network namespace.
    pub fn namespace(&self, node: Node) -> String {
        namespace(&self.name, node)
    }

    /// Everything that this testbed keeps on disk lies here.
    pub fn run_dir(&self) -> PathBuf {
        run_dir(&self.name)
    }

    /// The node's own folder: configuration, sockets, logs.
    pub fn node_dir(&self, node: Node) -> PathBuf {
        self.run_dir().join(node.to_string())
    }

    /// The pool file, the same for every LB.
    pub fn pool_file(&self) -> PathBuf {
        self.run_dir().join("pool.toml")
    }

    /// The daemon's control socket, for an LB or a server.
    pub fn control_socket(&self, node: Node) -> PathBuf {
        self.node_dir(node).join("control.sock")
    }
}

/// The namespace of a node of the testbed with this name.
pub fn namespace(name: &str, node: Node) -> String {
    format!("{name}-{node}")
}

/// The run folder of the testbed with this name.
pub fn run_dir(name: &str) -> PathBuf {
    PathBuf::from(format!("/run/{name}-testbed"))
}

/// A testbed's name becomes part of file and namespace names: plain and short.
pub fn parse_name(text: &str) -> Result<String, String> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && text.starts_with("srlb") && text.len() <= 24 {
        Ok(text.to_owned())
    } else {
        Err("a name starts with \"srlb\" and has at most 24 of a-z, 0-9 and -".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read_as_they_are_written() {
        let plan = Plan {
            name: "srlb".into(),
            lbs: 2,
            servers: 12,
        };
        for node in plan.nodes() {
            assert_eq!(node.to_string().parse::<Node>(), Ok(node));
            assert!(plan.has(node));
        }
        assert!(!plan.has(Node::Lb(3)) && !plan.has(Node::Server(0)));
        for wrong in [
            "", "s", "lb", "s01", "s-1", "lb1x", "S1", "server1", "s70000",
        ] {
            assert!(wrong.parse::<Node>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_are_addresses_and_lie_where_they_should() {
        for node in [
            Node::Lb(MAX_LBS),
            Node::Server(MAX_SERVERS),
            Node::Server(10),
        ] {
            let locator = node.locator().unwrap();
            let network: Ipv6Addr = locator.strip_suffix("/64").unwrap().parse().unwrap();
            let outer = if matches!(node, Node::Lb(_)) {
                LB_LOCATORS
            } else {
                SERVER_LOCATORS
            };
            let outer: Ipv6Addr = outer.strip_suffix("/32").unwrap().parse().unwrap();
            assert_eq!(network.segments()[..2], outer.segments()[..2]);
            assert!(node.fabric_address().unwrap().parse::<Ipv6Addr>().is_ok());
        }
        assert_eq!(load_sources().count(), 16);
    }

    #[test]
    fn odd_names_are_refused() {
        assert!(parse_name("srlb-t12").is_ok());
        for wrong in ["", "x", "srlb/..", "srlb a", "SRLB"] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
    }
}
