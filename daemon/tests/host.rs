//! What daemons install on their hosts: in real network namespaces, judged by ip, nft and sysctl.
#![forbid(unsafe_code)]

mod netns;

use std::net::{Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use daemon::host::{Host, HostError, LbHost, ServerHost};
use daemon::reload::{Reloaded, Stage};
use ipnet::Ipv6Net;
use netns::{sh, snapshot, Netns};
use packet_io::tun::Tun;
use packet_io::{Batch, Driver, PacketBuf};
use srh::{Frame, Locator};

const MTU_BYTES: u16 = 1500;

fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn nets(list: &[&str]) -> Vec<Ipv6Net> {
    list.iter().map(|net| net.parse().unwrap()).collect()
}

fn lb(locator: &str) -> LbHost {
    LbHost {
        name: "lb-1".into(),
        locator: Locator::of(addr(locator)),
        vips: vec![addr("2001:db8:80::1"), addr("2001:db8:80::2")],
        domain: nets(&["fd00:5e:1::/64"]),
        domain_interfaces: vec!["eth0".into()],
        tun: "srlb-lb0".into(),
        tun_mtu_bytes: MTU_BYTES.into(),
    }
}

fn server(locator: &str) -> ServerHost {
    ServerHost {
        name: "s1".into(),
        locator: Locator::of(addr(locator)),
        vips: vec![addr("2001:db8:80::1")],
        domain: nets(&["fd00:1b::/32", "fd00:5e::/32"]),
        domain_interfaces: vec!["eth0".into()],
        tun: "srlb-s0".into(),
        tun_mtu_bytes: MTU_BYTES.into(),
    }
}

fn tun(name: &str) -> Tun {
    Tun::create(name, MTU_BYTES).unwrap()
}

fn missing(host: &mut Host) -> Vec<String> {
    let list = host.list().unwrap();
    list.into_iter()
        .filter(|item| !item.present)
        .map(|item| item.item)
        .collect()
}

fn nothing() -> Vec<String> {
    Vec::new()
}

/// Runs a test in a namespace, or says why not.
fn inside(test: impl FnOnce() + Send + 'static) {
    if let Some(netns) = Netns::new() {
        netns.run(test);
    }
}

#[test]
fn an_lbs_items_are_installed_listed_and_removed_without_a_trace() {
    inside(|| {
        let _tun = tun("srlb-lb0");
        let before = snapshot();
        let mut host = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        let list: Vec<_> = host
            .list()
            .unwrap()
            .into_iter()
            .map(|item| (item.item, item.present))
            .collect();
        let expected = [
            "sysctl net.ipv6.conf.all.forwarding = 1",
            "nft ip6 srlb_lb-1 chain edge (drops what comes for or from locators from outside the domain)",
            "route unreachable fd00:1b:1::/64 proto 83 metric 2147483647",
            "link srlb-lb0 up mtu 1500",
            "route fd00:1b:1::/64 dev srlb-lb0 proto 83",
            "route blackhole 2001:db8:80::1/128 proto 83 metric 2147483647",
            "route 2001:db8:80::1/128 dev srlb-lb0 proto 83",
            "route blackhole 2001:db8:80::2/128 proto 83 metric 2147483647",
            "route 2001:db8:80::2/128 dev srlb-lb0 proto 83",
        ];
        assert_eq!(list, expected.map(|item| (item.to_owned(), true)));
        let routes = sh("ip -6 route show proto 83");
        assert!(
            routes.contains("fd00:1b:1::/64 dev srlb-lb0 metric 1024"),
            "{routes}"
        );
        assert!(
            routes.contains("blackhole 2001:db8:80::2 dev lo metric 2147483647"),
            "{routes}"
        );
        assert_eq!(sh("sysctl -n net.ipv6.conf.all.forwarding"), "1\n");
        assert_eq!(host.remove().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_servers_items_are_installed_listed_and_removed_except_its_vips() {
    inside(|| {
        let _tuns = (tun("srlb-s0"), tun("srlb-s0w"));
        let before = snapshot();
        let plan = server("fd00:5e:1::").plan();
        let mut host = Host::install(plan.clone()).unwrap();
        let list: Vec<_> = host
            .list()
            .unwrap()
            .into_iter()
            .map(|item| (item.item, item.present))
            .collect();
        let expected = [
            "sysctl net.ipv6.conf.all.forwarding = 1",
            "nft ip6 srlb_s1 chain edge (drops what comes for or from locators from outside the domain)",
            "nft ip6 srlb_s1 chain learn (the router tells on the packet's way which flows to steer)",
            "nft ip6 srlb_s1 chain steer (marks what goes through the router on its way out)",
            "nft ip6 srlb_s1 chain quiet (tells no client that this router is down)",
            "address 2001:db8:80::1/128 dev lo",
            "route unreachable fd00:5e:1::/64 proto 84 metric 2147483647",
            "link srlb-s0 up mtu 1500",
            "link srlb-s0w up mtu 1500",
            "route fd00:5e:1::/64 dev srlb-s0 proto 84",
            "route default dev srlb-s0 table 8384 proto 84",
            "rule priority 84 fwmark 0x73726c62 lookup 8384 proto 84",
        ];
        assert_eq!(list, expected.map(|item| (item.to_owned(), true)));
        let rules = sh("ip -6 rule show");
        assert!(
            rules.contains("84:\tfrom all fwmark 0x73726c62 lookup 8384 proto 84"),
            "{rules}"
        );
        assert_eq!(host.remove().len(), 0);
        let vip = "2001:db8:80::1";
        assert!(
            sh("ip -o -6 addr show dev lo").contains(vip),
            "sockets are bound to it"
        );
        assert_eq!(plan.clean_up().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_vip_that_was_there_before_is_never_removed() {
    inside(|| {
        let _tuns = (tun("srlb-s0"), tun("srlb-s0w"));
        sh("ip addr add 2001:db8:80::1/128 dev lo nodad");
        let before = snapshot();
        let plan = server("fd00:5e:1::").plan();
        let mut host = Host::install(plan.clone()).unwrap();
        assert_eq!(missing(&mut host), nothing());
        drop(host);
        assert_eq!(plan.clean_up().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

/// What `kill -9` leaves: no destructor runs, and the TUN devices go with the process.
fn killed(host: Host, tuns: Vec<Tun>) {
    std::mem::forget(host);
    drop(tuns);
    wait_until_gone("srlb-s0");
}

/// A child of another test may hold a copy of the device's descriptor for a moment.
fn wait_until_gone(dev: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while std::fs::read_to_string("/proc/thread-self/net/dev")
        .unwrap()
        .contains(dev)
    {
        assert!(Instant::now() < end, "{dev} stays");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn after_a_kill_guards_hold_and_the_next_start_repairs_and_still_knows_the_old_values() {
    inside(|| {
        sh("ip link add eth0 type veth peer name eth9");
        sh("ip link set eth0 up");
        let before = snapshot();
        let start = |locator| {
            let tuns = vec![tun("srlb-s0"), tun("srlb-s0w")];
            (Host::install(server(locator).plan()).unwrap(), tuns)
        };
        let (host, tuns) = start("fd00:5e:1::");
        killed(host, tuns);
        let routes = sh("ip -6 route show table all proto 84");
        assert_eq!(
            routes.trim(),
            "unreachable fd00:5e:1::/64 dev lo metric 2147483647 pref medium"
        );
        // Twice, and with another locator: nothing of the first run may stay.
        let (host, tuns) = start("fd00:5e:1::");
        killed(host, tuns);
        let (mut host, tuns) = start("fd00:5e:2::");
        assert_eq!(missing(&mut host), nothing());
        let routes = sh("ip -6 route show table all proto 84");
        assert!(!routes.contains("fd00:5e:1::"), "{routes}");
        assert_eq!(sh("nft list tables").trim(), "table ip6 srlb_s1");
        assert_eq!(sh("ip -6 rule show").matches("proto 84").count(), 1);
        assert_eq!(host.remove().len(), 0);
        drop(tuns);
        assert_eq!(server("fd00:5e:2::").plan().clean_up().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn cleaning_up_after_a_kill_leaves_nothing() {
    inside(|| {
        let before = snapshot();
        let tuns = vec![tun("srlb-s0"), tun("srlb-s0w")];
        let plan = server("fd00:5e:1::").plan();
        killed(Host::install(plan.clone()).unwrap(), tuns);
        assert_ne!(snapshot(), before);
        assert_eq!(plan.clean_up().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn installing_again_changes_nothing_and_what_somebody_removed_is_shown_and_repaired() {
    inside(|| {
        let _tuns = (tun("srlb-s0"), tun("srlb-s0w"));
        let plan = server("fd00:5e:1::").plan();
        let mut host = Host::install(plan.clone()).unwrap();
        let installed = snapshot();
        host.update(plan.clone()).unwrap();
        assert_eq!(snapshot(), installed);
        sh("ip -6 route del fd00:5e:1::/64 dev srlb-s0");
        sh("ip -6 rule del fwmark 0x73726c62");
        sh("ip addr del 2001:db8:80::1/128 dev lo");
        sh("nft flush chain ip6 srlb_s1 steer");
        sh("ip link set srlb-s0w down");
        sh("sysctl -qw net.ipv6.conf.all.forwarding=0");
        let broken = missing(&mut host);
        let starts = [
            "sysctl ",
            "nft ip6 srlb_s1 chain steer",
            "address ",
            "link srlb-s0w",
            "route fd00:5e:1::",
            "rule ",
        ];
        assert_eq!(broken.len(), starts.len(), "{broken:?}");
        assert!(
            broken
                .iter()
                .zip(starts)
                .all(|(item, start)| item.starts_with(start)),
            "{broken:?}"
        );
        host.update(plan).unwrap();
        assert_eq!(missing(&mut host), nothing());
    });
}

#[test]
fn a_reload_follows_the_configuration() {
    inside(|| {
        let _tun = tun("srlb-lb0");
        let before = snapshot();
        let mut host = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        let mut changed = lb("fd00:1b:1::");
        changed.vips = vec![addr("2001:db8:80::2"), addr("2001:db8:80::3")];
        changed.name = "lb-2".into();
        host.update(changed.plan()).unwrap();
        assert_eq!(missing(&mut host), nothing());
        let routes = sh("ip -6 route show proto 83");
        assert!(
            !routes.contains("2001:db8:80::1 ") && routes.contains("2001:db8:80::3 "),
            "{routes}"
        );
        assert_eq!(sh("nft list tables").trim(), "table ip6 srlb_lb-2");
        drop(host);
        assert_eq!(snapshot(), before);
    });
}

/// What a daemon says of a reload that this has ended before packets saw the new files.
fn said(error: HostError) -> String {
    let ended = Reloaded::default().end(Stage::Before, &[error.into()]);
    ended.unwrap_err()
}

#[test]
fn an_lbs_reload_that_fails_changes_nothing_and_a_stop_then_leaves_nothing() {
    inside(|| {
        let _tun = tun("srlb-lb0");
        let before = snapshot();
        let old = lb("fd00:1b:1::").plan();
        let mut host = Host::install(old.clone()).unwrap();
        let installed = snapshot();
        // Fails in the middle: routes of the old plan have gone, a new table and a guard are there.
        let mut changed = lb("fd00:1b:2::");
        changed.name = "lb-2".into();
        changed.vips = vec![addr("2001:db8:80::2"), addr("2001:db8:80::3")];
        changed.tun = "srlb-lb9".into();
        // Fails before anything has been done.
        sh("ip addr add 2001:db8:80::7/128 dev lo nodad");
        std::thread::sleep(Duration::from_millis(100));
        let mut own_vip = lb("fd00:1b:1::");
        own_vip.vips = vec![addr("2001:db8:80::7")];
        let rows = [
            (own_vip, "address 2001:db8:80::7: "),
            (changed, "link srlb-lb9 up mtu 1500: "),
        ];
        for (plan, start) in rows {
            let said = said(host.update(plan.plan()).unwrap_err());
            let error = said.strip_prefix("all stays as it was:\n").unwrap();
            assert!(error.starts_with(start), "{error}");
            assert!(!error.contains("put back"), "{error}");
            assert_eq!(*host.plan(), old);
            assert_eq!(missing(&mut host), nothing());
        }
        sh("ip addr del 2001:db8:80::7/128 dev lo");
        assert_eq!(snapshot(), installed);
        assert_eq!(host.remove().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_servers_reload_that_fails_leaves_no_new_vip_and_a_stop_then_leaves_nothing() {
    inside(|| {
        let _tuns = (tun("srlb-s0"), tun("srlb-s0w"));
        sh("ip addr add 2001:db8:80::8/128 dev lo nodad");
        let before = snapshot();
        let old = server("fd00:5e:1::").plan();
        let mut host = Host::install(old.clone()).unwrap();
        let installed = snapshot();
        let mut changed = server("fd00:5e:2::");
        changed
            .vips
            .extend(["2001:db8:80::8", "2001:db8:80::9"].map(addr));
        changed.tun = "srlb-s9".into();
        let error = host.update(changed.plan()).unwrap_err().to_string();
        assert!(error.starts_with("link srlb-s9 "), "{error}");
        assert_eq!(missing(&mut host), nothing());
        assert_eq!(snapshot(), installed);
        assert_eq!(host.remove().len(), 0);
        assert_eq!(old.clean_up().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_reload_that_cannot_be_undone_says_so_and_a_stop_then_leaves_nothing() {
    inside(|| {
        let tun = tun("srlb-lb0");
        let before = snapshot();
        let mut host = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        drop(tun);
        wait_until_gone("srlb-lb0");
        let mut changed = lb("fd00:1b:2::");
        changed.tun = "srlb-lb9".into();
        let error = host.update(changed.plan()).unwrap_err();
        assert!(error.is_half_done);
        let said = said(error);
        assert!(
            said.starts_with("packets go by the files before, but"),
            "{said}"
        );
        let (_, error) = said.split_once(":\n").unwrap();
        assert!(error.starts_with("link srlb-lb9 up mtu 1500: "), "{error}");
        let also =
            "what was in force before could not all be put back: link srlb-lb0 up mtu 1500: ";
        assert!(error.contains(also), "{error}");
        assert_eq!(host.remove().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn interfaces_with_router_advertisements_keep_them_and_get_their_old_values_back() {
    inside(|| {
        for (dev, accept_ra, forwarding) in [("eth0", 1, 0), ("eth1", 0, 0), ("eth2", 2, 1)] {
            sh(&format!("ip link add {dev} type veth peer name {dev}x"));
            sh(&format!("sysctl -qw net.ipv6.conf.{dev}.accept_ra={accept_ra} net.ipv6.conf.{dev}.forwarding={forwarding}"));
        }
        let _tun = tun("srlb-lb0");
        let values = || {
            let key = |dev, name| format!("net.ipv6.conf.{dev}.{name}");
            ["eth0", "eth1", "eth2"].map(|dev| {
                sh(&format!(
                    "sysctl -n {} {}",
                    key(dev, "accept_ra"),
                    key(dev, "forwarding")
                ))
                .replace('\n', " ")
            })
        };
        let before = values();
        assert_eq!(before, ["1 0 ", "0 0 ", "2 1 "]);
        let mut host = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        assert_eq!(missing(&mut host), nothing());
        assert_eq!(values(), ["2 1 ", "0 1 ", "2 1 "]);
        std::mem::forget(host);
        let host = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        assert_eq!(host.remove().len(), 0);
        assert_eq!(values(), before);
    });
}

#[test]
fn two_daemons_share_a_host_and_the_last_one_switches_off_the_light() {
    inside(|| {
        let forwarding = || sh("sysctl -n net.ipv6.conf.all.forwarding");
        let _tuns = (tun("srlb-lb0"), tun("srlb-s0"), tun("srlb-s0w"));
        let mut one = server("fd00:5e:1::");
        one.vips = vec![addr("2001:db8:80::9")];
        let lb_host = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        let mut server_host = Host::install(one.plan()).unwrap();
        drop(lb_host);
        assert_eq!(missing(&mut server_host), nothing());
        assert_eq!(forwarding(), "1\n");
        drop(server_host);
        assert_eq!(forwarding(), "0\n");
    });
}

#[test]
fn a_second_daemon_of_a_kind_is_refused_and_touches_nothing_of_the_first_one() {
    inside(|| {
        let _tuns = (
            tun("srlb-lb0"),
            tun("srlb-lb7"),
            tun("srlb-s0"),
            tun("srlb-s0w"),
        );
        let mut one = server("fd00:5e:1::");
        one.vips = vec![addr("2001:db8:80::9")];
        let mut first_lb = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        let mut first_server = Host::install(one.plan()).unwrap();
        let before = snapshot();
        // The same VIPs, and once the same name: nothing of what is shared may go.
        for name in ["lb-2", "lb-1"] {
            let mut second = lb("fd00:1b:2::");
            second.name = name.into();
            second.tun = "srlb-lb7".into();
            let error = Host::install(second.plan()).err().unwrap().to_string();
            let starts =
                "link srlb-lb0: another daemon of this kind runs in this network namespace";
            assert!(error.starts_with(starts), "{error}");
            assert!(
                error.contains("stop that one, or start this one in"),
                "{error}"
            );
            assert_eq!(snapshot(), before);
        }
        let _more = (tun("srlb-s7"), tun("srlb-s7w"));
        let mut second = server("fd00:5e:2::");
        second.tun = "srlb-s7".into();
        let error = Host::install(second.plan()).err().unwrap().to_string();
        assert!(error.starts_with("link srlb-s0: another daemon"), "{error}");
        assert_eq!(snapshot(), before);
        assert_eq!(missing(&mut first_lb), nothing());
        assert_eq!(missing(&mut first_server), nothing());
        // The very same daemon may be installed again: its own device is no other's.
        std::mem::forget(first_lb);
        assert!(Host::install(lb("fd00:1b:1::").plan()).is_ok());
    });
}

#[test]
fn routes_to_a_device_that_no_daemon_serves_are_leftovers() {
    inside(|| {
        // A TUN device that stays without a process, and one that is none.
        sh("ip tuntap add dev srlb-lb7 mode tun");
        sh("ip link add eth0 type veth peer name eth9");
        for dev in ["srlb-lb7", "eth0", "eth9"] {
            sh(&format!("ip link set {dev} up"));
        }
        let before = snapshot();
        sh("ip -6 route add fd00:1b:2::/64 dev srlb-lb7 proto 83");
        sh("ip -6 route add fd00:1b:3::/64 dev eth0 proto 83");
        sh("ip -6 route add unreachable fd00:1b:2::/64 metric 2147483647 proto 83");
        let _tun = tun("srlb-lb0");
        let mut host = Host::install(lb("fd00:1b:1::").plan()).unwrap();
        assert_eq!(missing(&mut host), nothing());
        let routes = sh("ip -6 route show proto 83");
        assert!(!routes.contains("fd00:1b:2::"), "{routes}");
        assert!(!routes.contains("fd00:1b:3::"), "{routes}");
        assert_eq!(host.remove().len(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_host_that_forwards_anyway_goes_on_forwarding() {
    inside(|| {
        sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
        let _tun = tun("srlb-lb0");
        drop(Host::install(lb("fd00:1b:1::").plan()).unwrap());
        assert_eq!(sh("sysctl -n net.ipv6.conf.all.forwarding"), "1\n");
    });
}

#[test]
fn an_lb_on_a_host_that_has_the_vip_itself_is_refused_with_the_remedy() {
    inside(|| {
        let _tun = tun("srlb-lb0");
        sh("ip addr add 2001:db8:80::2/128 dev lo nodad");
        std::thread::sleep(Duration::from_millis(100));
        let before = snapshot();
        let error = Host::install(lb("fd00:1b:1::").plan())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with("address 2001:db8:80::2: this VIP is an address of this very host"),
            "{error}"
        );
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn without_its_device_nothing_is_installed_and_the_error_names_it() {
    inside(|| {
        let before = snapshot();
        let error = Host::install(lb("fd00:1b:1::").plan()).err().unwrap();
        let text = error.to_string();
        assert!(text.starts_with("link srlb-lb0 up mtu 1500: "), "{text}");
        assert!(
            text.ends_with("there is no such network device in this network namespace"),
            "{text}"
        );
        assert_eq!(snapshot(), before);
    });
}

/// Sends one datagram to `to`, out of the interface that the route says.
fn send(to: &str) {
    let socket = UdpSocket::bind("[::]:0").unwrap();
    socket.send_to(b"hello", (to, 4000)).unwrap();
}

/// An IPv6 header with nothing behind it.
fn datagram(from: &str, to: &str) -> PacketBuf {
    let mut bytes = vec![0x60, 0, 0, 0, 0, 0, 59, 64];
    bytes.extend(addr(from).octets());
    bytes.extend(addr(to).octets());
    PacketBuf::from_slice(&bytes)
}

/// The destinations of what the daemon would read, until nothing has come for a while.
fn read_all(tun: &mut Tun) -> Vec<Ipv6Addr> {
    let mut batch = Batch::new(16, MTU_BYTES.into());
    let mut seen = Vec::new();
    let mut end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        if batch.receive(tun).unwrap() == 0 {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        end = Instant::now() + Duration::from_millis(300);
        for packet in batch.packets() {
            let dest: [u8; 16] = packet.bytes()[24..40].try_into().unwrap();
            seen.push(Ipv6Addr::from(dest));
        }
    }
    seen
}

#[test]
fn the_edge_filter_lets_the_domain_in_and_counts_what_comes_from_outside() {
    let (Some(inner), Some(outer)) = (Netns::new(), Netns::new()) else {
        return;
    };
    inner.connect("eth0", &outer);
    inner.connect("eth1", &outer);
    let (mut host, mut tun) = inner.run(|| {
        sh("ip addr add 2001:db8:0::1/64 dev eth0 nodad");
        sh("ip addr add 2001:db8:1::1/64 dev eth1 nodad");
        let tun = tun("srlb-lb0");
        (Host::install(lb("fd00:1b:1::").plan()).unwrap(), tun)
    });
    outer.run(|| {
        sh("ip addr add 2001:db8:0::2/64 dev eth0 nodad");
        sh("ip addr add 2001:db8:1::2/64 dev eth1 nodad");
        sh("ip -6 route add fd00:1b:1::1/128 via 2001:db8:0::1");
        sh("ip -6 route add fd00:1b:1::2/128 via 2001:db8:1::1");
        sh("ip -6 route add 2001:db8:80::/64 via 2001:db8:1::1");
        send("fd00:1b:1::1");
        send("fd00:1b:1::2");
        send("2001:db8:80::1");
    });
    let (mut seen, drops) = inner.run(move || {
        // What another daemon on this host sends comes out of its device.
        let mut other = self::tun("srlb-s0");
        let packet = datagram("fd00:5e:1::1", "fd00:1b:1::3");
        assert_eq!(other.transmit(&[packet]).unwrap(), 1);
        let seen = read_all(&mut tun);
        // A reload that changes nothing keeps the counter.
        let plan = host.plan().clone();
        host.update(plan).unwrap();
        (seen, host.edge_drops().unwrap())
    });
    seen.sort();
    assert_eq!(
        seen,
        ["2001:db8:80::1", "fd00:1b:1::1", "fd00:1b:1::3"].map(addr),
        "a VIP may be asked from anywhere"
    );
    assert_eq!(drops, 1);
}

/// Sends `packets` (source, destination) out of `tun`, into this host.
fn inject(tun: &mut Tun, packets: &[(&str, &str)]) {
    let packets: Vec<_> = packets
        .iter()
        .map(|(from, to)| datagram(from, to))
        .collect();
    assert_eq!(tun.transmit(&packets).unwrap(), packets.len());
}

/// A domain interface and an outside one of this host, with a neighbour that the test plays.
fn two_interfaces() -> (Tun, Tun) {
    let tuns = (tun("in0"), tun("out0"));
    for dev in ["in0", "out0"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{dev}/addr_gen_mode"), "1").unwrap();
        sh(&format!("ip link set {dev} up"));
    }
    sh("ip -6 route add fd00::/16 dev in0");
    sh("ip -6 route add 2001:db8:9::/48 dev in0");
    tuns
}

const CLIENT: &str = "2001:db8:7::1";
const LB_SID: &str = "fd00:1b:1::1";
const SERVER_SID: &str = "fd00:5e:1::1";

#[test]
fn an_lb_forwards_nothing_from_outside_to_servers_and_nothing_with_a_nodes_source() {
    inside(|| {
        let (mut domain, mut outside) = two_interfaces();
        let mut tun = tun("srlb-lb0");
        let mut plan = lb("fd00:1b:1::");
        plan.domain_interfaces = vec!["in0".into()];
        // They overlap; nft would refuse that.
        plan.domain = nets(&["fd00:5e:1::/64", "fd00:5e::/32", "fd00:5e:1::/64"]);
        let host = Host::install(plan.plan()).unwrap();
        let (vip, elsewhere) = ("2001:db8:80::1", "2001:db8:9::1");
        let evil = [
            (CLIENT, LB_SID),
            (CLIENT, SERVER_SID),
            (LB_SID, SERVER_SID),
            (LB_SID, elsewhere),
            (SERVER_SID, vip),
            ("fd00:5e:2::1", vip),
        ];
        inject(&mut outside, &evil);
        assert!(read_all(&mut domain).is_empty());
        assert!(read_all(&mut tun).is_empty());
        assert_eq!(host.edge_drops().unwrap(), evil.len() as u64);
        let good = [(CLIENT, vip), (CLIENT, elsewhere)];
        inject(&mut outside, &good);
        assert_eq!(read_all(&mut tun), [addr(vip)]);
        assert_eq!(read_all(&mut domain), [addr(elsewhere)]);
        // The domain itself, and our own device: all of it passes.
        inject(&mut domain, &[(SERVER_SID, LB_SID)]);
        assert_eq!(read_all(&mut tun), [addr(LB_SID)]);
        inject(&mut tun, &[(LB_SID, SERVER_SID)]);
        assert_eq!(read_all(&mut domain), [addr(SERVER_SID)]);
        assert_eq!(host.edge_drops().unwrap(), evil.len() as u64);
    });
}

#[test]
fn a_server_takes_nothing_from_outside_that_says_it_comes_from_a_node() {
    inside(|| {
        let (mut domain, mut outside) = two_interfaces();
        let (mut tun, _steering) = (tun("srlb-s0"), tun("srlb-s0w"));
        let mut plan = server("fd00:5e:1::");
        plan.domain_interfaces = vec!["in0".into()];
        plan.domain.extend(nets(&["fd00::/16"]));
        let host = Host::install(plan.plan()).unwrap();
        let elsewhere = "2001:db8:9::1";
        let evil = [
            (LB_SID, SERVER_SID),
            (CLIENT, SERVER_SID),
            (LB_SID, elsewhere),
        ];
        inject(&mut outside, &evil);
        assert!(read_all(&mut tun).is_empty());
        assert!(read_all(&mut domain).is_empty());
        assert_eq!(host.edge_drops().unwrap(), evil.len() as u64);
        inject(&mut domain, &[(LB_SID, SERVER_SID)]);
        assert_eq!(read_all(&mut tun), [addr(SERVER_SID)]);
        inject(&mut outside, &[(CLIENT, elsewhere)]);
        assert_eq!(read_all(&mut domain), [addr(elsewhere)]);
        assert_eq!(host.edge_drops().unwrap(), evil.len() as u64);
    });
}
