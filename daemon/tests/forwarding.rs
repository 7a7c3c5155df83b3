//! What is followed of a real kernel's routes and neighbours.
#![forbid(unsafe_code)]

mod netns;

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use daemon::forwarding::Follower;
use netns::{sh, Netns};
use packet_io::xdp::forwarding::{Publisher, Table};

const LIMIT: Duration = Duration::from_secs(20);

/// Two cables, with gateways that need not be there; a first table has been published.
fn follow() -> (Follower, Publisher) {
    for (name, number) in [("va", 1), ("vb", 2)] {
        sh(&format!(
            "ip link add {name} address 02:00:00:00:00:0{number} type veth peer name {name}x"
        ));
        sh(&format!("ip link set {name} up"));
        sh(&format!("ip link set {name}x up"));
        sh(&format!(
            "ip -6 addr add fd00:{number}::1/64 dev {name} nodad"
        ));
        for host in [2, 3] {
            sh(&format!(
                "ip -6 neigh add fd00:{number}::{host} lladdr 02:00:00:00:0{number}:0{host} dev {name} nud permanent"
            ));
        }
    }
    let publisher = Publisher::default();
    let indexes = ["va", "vb"].map(index).to_vec();
    (
        Follower::start(indexes, publisher.clone()).unwrap(),
        publisher,
    )
}

fn index(name: &str) -> u32 {
    let path = format!("/proc/thread-self/net/dev_snmp6/{name}");
    let text = std::fs::read_to_string(path).unwrap();
    let first = text.lines().next().unwrap();
    first.split_whitespace().last().unwrap().parse().unwrap()
}

/// Last two bytes of the hardware address that a packet goes to: interface and host.
fn to(table: &Table, address: &str, spread: u32) -> Option<(u8, u8)> {
    let address: Ipv6Addr = address.parse().unwrap();
    table.find(address, spread).map(|hop| {
        assert_eq!(
            hop.source_mac[5], hop.mac[4],
            "from the interface's own address"
        );
        (hop.mac[4], hop.mac[5])
    })
}

/// Waits until a packet goes there.
#[track_caller]
fn goes(publisher: &Publisher, address: &str, spread: u32, expected: Option<(u8, u8)>) {
    let end = Instant::now() + LIMIT;
    loop {
        let now = to(&publisher.current(), address, spread);
        if now == expected {
            return;
        }
        assert!(Instant::now() < end, "{address} goes to {now:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn routes_are_followed_as_they_change() {
    let Some(netns) = Netns::new() else { return };
    netns.run(|| {
        let (follower, table) = follow();
        goes(&table, "fd00:1::3", 0, Some((1, 3)));
        goes(&table, "fd00:1::9", 0, None);
        goes(&table, "2001:db8::1", 0, None);
        sh("ip -6 route add default via fd00:1::2");
        goes(&table, "2001:db8::1", 0, Some((1, 2)));
        sh("ip -6 route add 2001:db8::/64 via fd00:2::3 metric 100");
        goes(&table, "2001:db8::1", 0, Some((2, 3)));
        sh("ip -6 route add 2001:db8::/64 via fd00:2::2 metric 50");
        goes(&table, "2001:db8::1", 0, Some((2, 2)));
        sh("ip -6 route add 2001:db8:0:0:1::/80 nexthop via fd00:1::2 nexthop via fd00:2::2 weight 2");
        for (spread, way) in [(0, (1, 2)), (1, (2, 2)), (2, (2, 2)), (3, (1, 2))] {
            goes(&table, "2001:db8::1:0:0:1", spread, Some(way));
        }
        // What is more than a next hop is the kernel's business.
        sh("ip -6 route add unreachable 2001:db8:1::/64");
        goes(&table, "2001:db8:1::1", 0, None);
        sh("ip -6 route add 2001:db8:2::/64 via fd00:1::2 mtu 1400");
        goes(&table, "2001:db8:2::1", 0, None);
        sh("ip -6 route add 2001:db8:3::/64 encap seg6 mode encap segs fd00:5e::1 dev va");
        goes(&table, "2001:db8:3::1", 0, None);
        goes(&table, "2001:db8:4::1", 0, Some((1, 2)));
        // A table of its own for marked packets changes nothing, one for all does.
        sh("ip -6 rule add fwmark 7 lookup 77");
        sh("ip -6 route del 2001:db8::/64 metric 50");
        goes(&table, "2001:db8::1", 0, Some((2, 3)));
        assert_eq!(follower.followed().problem, None);
        sh("ip -6 rule add from fd00:9::/64 lookup 77");
        goes(&table, "2001:db8::1", 0, None);
        assert!(follower.followed().problem.unwrap().contains("ip -6 rule"));
        sh("ip -6 rule del from fd00:9::/64 lookup 77");
        goes(&table, "2001:db8::1", 0, Some((2, 3)));
    });
}

#[test]
fn neighbours_and_links_are_followed_as_they_change() {
    let Some(netns) = Netns::new() else { return };
    netns.run(|| {
        let (_follower, table) = follow();
        sh("ip -6 route add default via fd00:1::2");
        goes(&table, "2001:db8::1", 0, Some((1, 2)));
        sh("ip -6 neigh replace fd00:1::2 lladdr 02:00:00:00:01:99 dev va nud permanent");
        goes(&table, "2001:db8::1", 0, Some((1, 0x99)));
        sh("ip -6 neigh del fd00:1::2 dev va");
        goes(&table, "2001:db8::1", 0, None);
        sh("ip -6 neigh add fd00:1::2 lladdr 02:00:00:00:01:02 dev va nud permanent");
        goes(&table, "2001:db8::1", 0, Some((1, 2)));
        goes(&table, "fd00:2::2", 0, Some((2, 2)));
        sh("ip link set vbx down");
        goes(&table, "fd00:2::2", 0, None);
        sh("ip link set vbx up");
        goes(&table, "fd00:2::2", 0, Some((2, 2)));
    });
}

#[test]
fn a_stale_neighbour_that_packets_go_to_is_looked_up_and_vanishes_if_it_is_dead() {
    let Some(netns) = Netns::new() else { return };
    netns.run(|| {
        let (_follower, table) = follow();
        for host in [2, 3] {
            sh(&format!(
                "ip -6 neigh replace fd00:1::{host} lladdr 02:00:00:00:01:0{host} dev va nud stale"
            ));
        }
        sh("sysctl -qw net.ipv6.neigh.va.delay_first_probe_time=1 net.ipv6.neigh.va.retrans_time_ms=100");
        goes(&table, "fd00:1::2", 0, Some((1, 2)));
        goes(&table, "fd00:1::3", 0, Some((1, 3)));
        // Packets go to one of them; nobody answers for either.
        let end = Instant::now() + LIMIT;
        loop {
            let current = table.current();
            match current.find("fd00:1::2".parse().unwrap(), 0) {
                Some(hop) => hop.set_used(),
                None => break,
            }
            assert!(Instant::now() < end, "it is thought alive");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(to(&table.current(), "fd00:1::3", 0), Some((1, 3)), "not in use");
    });
}
