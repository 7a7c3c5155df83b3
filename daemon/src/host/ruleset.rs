//! The nftables table of a daemon, as data and as text.

use std::fmt::Write;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

/// A table `ip6 srlb_NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruleset {
    /// The table's name.
    pub(super) table: String,
    counters: Vec<&'static str>,
    sets: Vec<String>,
    pub(super) chains: Vec<Chain>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    /// For an operator.
    pub(super) purpose: &'static str,
    hook: &'static str,
    pub(super) rules: Vec<String>,
}

impl Chain {
    pub(super) fn text(&self, table: &str) -> String {
        format!("nft ip6 {table} chain {} ({})", self.name, self.purpose)
    }
}

/// The counter of packets for locators, or from locators, that came from outside the domain.
pub(super) const EDGE_COUNTER: &str = "edge";

fn joined<T: ToString>(list: impl IntoIterator<Item = T>) -> String {
    list.into_iter()
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

impl Ruleset {
    pub(super) fn new(name: &str) -> Self {
        Ruleset {
            table: format!("srlb_{name}"),
            counters: Vec::new(),
            sets: Vec::new(),
            chains: Vec::new(),
        }
    }

    /// The set that [`Ruleset::edge`] and [`Ruleset::quiet`] look at: `locator` and `others`,
    /// which may overlap.
    pub(super) fn domain(mut self, locator: Ipv6Net, others: &[Ipv6Net]) -> Self {
        let mut all = others.to_vec();
        all.push(locator);
        // nft takes no overlapping intervals unless it is told to merge them, and not every version
        // of it merges well.
        let elements = joined(Ipv6Net::aggregate(&all));
        self.sets.push(format!(
            "set domain {{ type ipv6_addr; flags interval; elements = {{ {elements} }}; }}"
        ));
        self
    }

    /// The domain's edge (RFC 8754 section 5.1): packets for locators count only if they
    /// come from the domain's interfaces, from a TUN device of ours or from this host. The same goes
    /// for packets that say they come from a locator: nodes tell by it who has sent something.
    pub(super) fn edge(mut self, interfaces: &[String], tuns: &[&str]) -> Self {
        let inside = tuns
            .iter()
            .copied()
            .chain(interfaces.iter().map(String::as_str));
        let inside = joined(
            ["lo"]
                .into_iter()
                .chain(inside)
                .map(|name| format!("\"{name}\"")),
        );
        self.counters.push(EDGE_COUNTER);
        let rules = ["daddr", "saddr"].map(|field| {
            // The last condition lets a second daemon's devices pass.
            format!(
                "ip6 {field} @domain iifname != {{ {inside} }} iifname != \"srlb-*\" counter name {EDGE_COUNTER} drop"
            )
        });
        self.chains.push(Chain {
            name: "edge",
            purpose: "drops what comes for or from locators from outside the domain",
            hook: "type filter hook prerouting priority raw; policy accept;",
            rules: rules.into(),
        });
        self
    }

    /// Steers what the router must see of the application's packets into the TUN device: all TCP
    /// with SYN, FIN or RST, and all of a TCP or UDP flow for a moment after each client packet that came in
    /// through the device `steering`. Of a packet in fragments that holds for the first one, which has ports.
    pub(super) fn steer(
        mut self,
        vips: &[Ipv6Addr],
        direct: &str,
        steering: &str,
        mark: u32,
    ) -> Self {
        const PROTOCOLS: [(&str, &str); 2] = [("tcp", "steer"), ("udp", "steer_udp")];
        self.sets.push(format!(
            "set vips {{ type ipv6_addr; elements = {{ {} }}; }}",
            joined(vips)
        ));
        let mut learn = Vec::new();
        let mut steer = vec![
            // A client on this very host is answered without the router, and needs no detour.
            "oifname \"lo\" return".to_owned(),
            "ip6 saddr != @vips return".to_owned(),
            format!("tcp flags & (syn | fin | rst) != 0 meta mark set {mark:#x} return"),
        ];
        for (protocol, set) in PROTOCOLS {
            self.sets.push(format!(
                "set {set} {{ type ipv6_addr . inet_service . ipv6_addr . inet_service; \
                 flags dynamic, timeout; timeout 1s; size 65536; }}"
            ));
            let reply = format!("ip6 saddr . {protocol} sport . ip6 daddr . {protocol} dport");
            let reply_of_this =
                format!("ip6 daddr . {protocol} dport . ip6 saddr . {protocol} sport");
            learn.extend([
                format!("iifname \"{steering}\" ip6 daddr @vips update @{set} {{ {reply_of_this} timeout 1s }}"),
                format!("iifname \"{direct}\" ip6 daddr @vips delete @{set} {{ {reply_of_this} }}"),
            ]);
            steer.push(format!("{reply} @{set} meta mark set {mark:#x}"));
        }
        self.chains.push(Chain {
            name: "learn",
            purpose: "the router tells on the packet's way which flows to steer",
            hook: "type filter hook prerouting priority raw; policy accept;",
            rules: learn,
        });
        self.chains.push(Chain {
            name: "steer",
            purpose: "marks what goes through the router on its way out",
            hook: "type route hook output priority mangle; policy accept;",
            rules: steer,
        });
        self
    }

    /// Keeps the guard route's errors within the domain: an inserted SRH leaves the client's
    /// address as the source, and "unreachable" would end the client's attempt to connect, where a
    /// retransmission would find a router that is back.
    pub(super) fn quiet(mut self, locator: Ipv6Net) -> Self {
        let high = locator.network().to_bits() >> 64;
        self.chains.push(Chain {
            name: "quiet",
            purpose: "tells no client that this router is down",
            hook: "type filter hook output priority filter; policy accept;",
            // The transport header is ICMPv6's 8 bytes, then the packet in error: its
            // destination's upper half lies 24 bytes further on.
            rules: vec![format!(
                "icmpv6 type destination-unreachable ip6 daddr != @domain @th,256,64 {high:#x} counter drop"
            )],
        });
        self
    }

    /// The text that replaces the table in one transaction. `notes` are kept as comments.
    pub(super) fn render(&self, notes: &[String]) -> String {
        let table = &self.table;
        // Adding first makes the deletion succeed on the first start, too.
        let mut text =
            format!("add table ip6 {table}\ndelete table ip6 {table}\ntable ip6 {table} {{\n");
        for counter in &self.counters {
            let _ = writeln!(text, "  counter {counter} {{ }}");
        }
        for set in &self.sets {
            let _ = writeln!(text, "  {set}");
        }
        for chain in &self.chains {
            let rules = chain.rules.join("\n    ");
            let _ = writeln!(
                text,
                "  chain {} {{\n    {}\n    {rules}\n  }}",
                chain.name, chain.hook
            );
        }
        let notes: String = notes
            .iter()
            .map(|note| format!("    return comment \"{note}\"\n"))
            .collect();
        let _ = write!(text, "  chain {NOTES_CHAIN} {{\n{notes}  }}\n}}\n");
        text
    }

    pub(super) fn render_removal(&self) -> String {
        format!("add table ip6 {0}\ndelete table ip6 {0}\n", self.table)
    }
}

/// The chain that no packet sees: its comments are the values that sysctls had before.
pub(super) const NOTES_CHAIN: &str = "before";
