//! AF_XDP on real interfaces: two ends of a veth, each with a driver of ours, in a network namespace of the test's own.

use std::net::Ipv6Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use packet_io::xdp::forwarding::{Hop, Publisher, Table, Via};
use packet_io::xdp::{Interfaces, Lane, PortConfig, Sent, Xdp, XdpError};
use packet_io::{Batch, PacketBuf};
use srh::Frame;

const CHILD: &str = "SRLB_XDP_TEST_CHILD";
const NEAR: &str = "srlbxa";
const FAR: &str = "srlbxb";
/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 1);
const LOCATOR: [u8; 8] = [0xfd, 0, 0, 0x1b, 0, 1, 0, 0];

/// Runs `scenario` in a new namespace, with these words in front of the command.
fn in_namespace_with(test: &str, prefix: &[&str], scenario: fn()) {
    if std::env::var_os(CHILD).is_some() {
        return scenario();
    }
    let possible = Command::new("unshare")
        .args(["--net", "ip", "link", "add", NEAR, "type", "veth"])
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        println!("skipped: no network namespaces with veth (root and ip are needed)");
        return;
    }
    let output = Command::new("timeout")
        .args(["60", "unshare", "--net"])
        .args(prefix)
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(ran, "{}\n{text}{complaint}", output.status);
}

fn in_namespace(test: &str, scenario: fn()) {
    in_namespace_with(test, &[], scenario);
}

fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The cable.
fn veth(queues: u32, mtu_bytes: u32) {
    let queues = format!("numtxqueues {queues} numrxqueues {queues}");
    ip(&format!(
        "link add {NEAR} mtu {mtu_bytes} {queues} type veth peer name {FAR} mtu {mtu_bytes} {queues}"
    ));
    for name in [NEAR, FAR] {
        ip(&format!("link set {name} up"));
    }
}

fn number(name: &str, file: &str) -> String {
    let words = ip(&format!("-o link show {name}"));
    let mut words = words.split_whitespace();
    match file {
        "index" => words.next().unwrap().trim_end_matches(':').to_owned(),
        _ => words
            .skip_while(|&word| word != file)
            .nth(1)
            .unwrap()
            .to_owned(),
    }
}

fn index(name: &str) -> u32 {
    number(name, "index").parse().unwrap()
}

fn mac(name: &str) -> [u8; 6] {
    let text = number(name, "link/ether");
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16));
    bytes
        .collect::<Result<Vec<_>, _>>()
        .unwrap()
        .try_into()
        .unwrap()
}

fn config(name: &str) -> PortConfig {
    PortConfig {
        name: name.to_owned(),
        in_domain: true,
        queues: None,
        mtu_bytes: 1_500,
        busy_poll_us: 0,
    }
}

/// A driver at `name` that knows the way to the other end.
fn open(name: &str, other: &str) -> Xdp {
    open_with(&config(name), other).unwrap()
}

fn open_with(config: &PortConfig, other: &str) -> Result<Xdp, XdpError> {
    let mut xdp = Xdp::open(std::slice::from_ref(config), LOCATOR, &way(config, other))?;
    xdp.set_addresses(&[VIP], &[]).unwrap();
    Ok(xdp)
}

/// The same for several threads.
fn open_lanes(name: &str, other: &str, lanes: usize) -> Result<(Interfaces, Vec<Lane>), XdpError> {
    let config = config(name);
    let (mut interfaces, lanes) = Interfaces::open(
        std::slice::from_ref(&config),
        LOCATOR,
        &way(&config, other),
        lanes,
    )?;
    interfaces.set_addresses(&[VIP], &[]).unwrap();
    Ok((interfaces, lanes))
}

/// The way to the VIP, over the other end.
fn way(config: &PortConfig, other: &str) -> Publisher {
    let publisher = Publisher::default();
    let mut table = Table::default();
    let if_index = index(&config.name);
    table.set_route(VIP, 64, vec![Via::Link(if_index)]);
    table.set_hop(Hop::new(if_index, VIP, mac(other), mac(&config.name)));
    publisher.publish(table);
    publisher
}

/// A packet to the VIP; the flow label is its number.
fn packet(number: u32, payload: usize) -> PacketBuf {
    let mut bytes = vec![number as u8; 40 + payload];
    bytes[..4].copy_from_slice(&(0x6000_0000 | number).to_be_bytes());
    bytes[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
    bytes[6..8].copy_from_slice(&[59, 64]);
    bytes[24..40].copy_from_slice(&VIP.octets());
    PacketBuf::from_slice(&bytes)
}

/// Sends packets and takes them in at the other end, until all that were sent have come or nothing comes any more.
fn exchange(from: &mut Lane, to: &mut Lane, packets: &[PacketBuf]) -> Vec<Vec<u8>> {
    let mut batch = vec![PacketBuf::with_capacity(9_500); Batch::PACKETS];
    let mut all = Vec::new();
    for chunk in packets.chunks(Batch::PACKETS) {
        for packet in chunk {
            assert_eq!(from.send(packet), Sent::Yes);
        }
        from.flush();
        let wanted = all.len() + chunk.len();
        let end = Instant::now() + PATIENCE;
        while all.len() < wanted && Instant::now() < end {
            from.flush();
            let n = to.receive(&mut batch);
            all.extend(batch[..n].iter().map(|p| p.bytes().to_vec()));
        }
    }
    all
}

fn assert_passes(from: &mut Lane, to: &mut Lane, packets: &[PacketBuf]) {
    let mut arrived = exchange(from, to, packets);
    let mut sent: Vec<_> = packets.iter().map(|p| p.bytes().to_vec()).collect();
    // Forwarding takes one from the hop limit.
    sent.iter_mut().for_each(|bytes| bytes[7] -= 1);
    // Queues are not in step with each other.
    arrived.sort();
    sent.sort();
    assert!(arrived == sent, "{} of {}", arrived.len(), sent.len());
}

#[test]
fn packets_pass_both_ways_and_rings_wrap() {
    in_namespace("packets_pass_both_ways_and_rings_wrap", || {
        veth(1, 1_500);
        let (mut near, mut far) = (open(NEAR, FAR), open(FAR, NEAR));
        // More than twice the slots of a ring.
        let packets: Vec<_> = (0..5_000)
            .map(|n| packet(n, n as usize % 1_400 + 1))
            .collect();
        assert_passes(&mut near, &mut far, &packets);
        assert_passes(&mut far, &mut near, &packets);
        let status = near.status().next().unwrap();
        assert_eq!((status.counts.received, status.counts.sent), (5_000, 5_000));
        // veth copies; its driver runs the program.
        assert!(status.native && status.copies && !status.down);
        assert!(status.counts.tx_wakeups > 0);
        assert_eq!((status.rx_ring_full, status.fill_empty), (0, 0));
    });
}

/// A macvlan's driver has no XDP: the kernel runs the program behind it.
#[test]
fn a_driver_without_xdp_has_the_program_behind_it() {
    const BEHIND: &str = "srlbxm";
    in_namespace("a_driver_without_xdp_has_the_program_behind_it", || {
        veth(1, 1_500);
        ip(&format!(
            "link add link {NEAR} name {BEHIND} type macvlan mode private"
        ));
        ip(&format!("link set {BEHIND} up"));
        let (mut near, mut far) = (open(BEHIND, FAR), open(FAR, BEHIND));
        assert!(ip(&format!("link show {BEHIND}")).contains("xdpgeneric"));
        let packets: Vec<_> = (0..5_000).map(|n| packet(n, 100)).collect();
        assert_passes(&mut near, &mut far, &packets);
        assert_passes(&mut far, &mut near, &packets);
        let status = near.status().next().unwrap();
        assert!(!status.native && status.copies && !status.down);
        assert_eq!((status.counts.received, status.counts.sent), (5_000, 5_000));
        assert!(far.status().next().unwrap().native);
        drop(near);
        assert!(!ip(&format!("link show {BEHIND}")).contains("xdp"));
    });
}

#[test]
fn who_polls_asks_whenever_nothing_has_come() {
    in_namespace("who_polls_asks_whenever_nothing_has_come", || {
        veth(2, 1_500);
        let polling = PortConfig {
            busy_poll_us: 20,
            ..config(NEAR)
        };
        let (mut near, mut far) = (open_with(&polling, FAR).unwrap(), open(FAR, NEAR));
        let packets: Vec<_> = (0..3_000).map(|n| packet(n, 50)).collect();
        assert_passes(&mut near, &mut far, &packets);
        assert_passes(&mut far, &mut near, &packets);
        let asked = |xdp: &Xdp| xdp.status().next().unwrap().counts.rx_wakeups;
        let before = (asked(&near), asked(&far));
        let mut batch = vec![PacketBuf::with_capacity(1_500); 4];
        for xdp in [&mut near, &mut far] {
            assert_eq!(xdp.receive(&mut batch), 0);
        }
        // Both queues; who doesn't poll has told the kernel of free frames long ago.
        assert_eq!((asked(&near), asked(&far)), (before.0 + 2, before.1));
        // Longer than the kernel can count is as long as it can.
        drop(near);
        let ever = PortConfig {
            busy_poll_us: u32::MAX,
            ..config(NEAR)
        };
        open_with(&ever, FAR).unwrap();
    });
}

#[test]
fn several_queues_share_one_memory() {
    in_namespace("several_queues_share_one_memory", || {
        veth(3, 1_500);
        let (mut near, mut far) = (open(NEAR, FAR), open(FAR, NEAR));
        assert_eq!(near.status().next().unwrap().queues, 3);
        let packets: Vec<_> = (0..9_000).map(|n| packet(n, 50)).collect();
        assert_passes(&mut near, &mut far, &packets);
    });
}

/// A packet that a lane sends goes out by a queue of its own, and comes to the lane with that queue at the other end.
#[test]
fn lanes_on_threads_of_their_own_have_their_queues_alone() {
    in_namespace(
        "lanes_on_threads_of_their_own_have_their_queues_alone",
        || {
            const LANES: u32 = 2;
            veth(3, 1_500);
            let (near, near_lanes) = open_lanes(NEAR, FAR, 2).unwrap();
            let (far, far_lanes) = open_lanes(FAR, NEAR, 2).unwrap();
            let mut lanes: Vec<_> = near_lanes.into_iter().zip(far_lanes).collect();
            let queues = |lane: &Lane| lane.status().next().unwrap().queues;
            let there: Vec<_> = lanes.iter().map(|(lane, _)| queues(lane)).collect();
            assert_eq!(there, [2, 1]);
            thread::scope(|scope| {
                for (number, (near, far)) in (0..).zip(&mut lanes) {
                    scope.spawn(move || {
                        let packets: Vec<_> =
                            (0..6_000).map(|n| packet(n * LANES + number, 50)).collect();
                        assert_passes(near, far, &packets);
                        assert_passes(far, near, &packets);
                    });
                }
            });
            let counted = |lane: &Lane| lane.status().next().unwrap().counts;
            for (near, far) in &lanes {
                for counts in [counted(near), counted(far)] {
                    assert_eq!((counts.sent, counts.received), (6_000, 6_000));
                }
            }
            assert!(!near.is_outdated() && !far.is_outdated());
            drop((near, far, lanes));
            let error = open_lanes(NEAR, FAR, 4).unwrap_err();
            assert!(error.is_configuration(), "{error}");
            assert!(
                error.to_string().contains("3 queues for 4 workers"),
                "{error}"
            );
        },
    );
}

#[test]
fn a_jumbo_frame_comes_in_one_piece() {
    in_namespace("a_jumbo_frame_comes_in_one_piece", || {
        veth(1, 9_000);
        let config = |name| PortConfig {
            mtu_bytes: 9_000,
            ..config(name)
        };
        let mut near = open_with(&config(NEAR), FAR).unwrap();
        let mut far = open_with(&config(FAR), NEAR).unwrap();
        let packets: Vec<_> = (0..300)
            .map(|n| packet(n, 8_960 - 29 * n as usize))
            .collect();
        assert_passes(&mut near, &mut far, &packets);
        assert!(far.status().next().unwrap().counts.gathered >= 200);
        assert_eq!(near.send(&packet(1, 8_961)), Sent::ByKernel);
        let mut at_its_end = packet(1, 10);
        at_its_end.bytes_mut()[7] = 1;
        assert_eq!(near.send(&at_its_end), Sent::ByKernel);
        assert_eq!(near.send_counts().not_taken, 2);
    });
}

#[test]
fn an_end_leaves_nothing_and_two_cannot_be() {
    in_namespace("an_end_leaves_nothing_and_two_cannot_be", || {
        veth(1, 1_500);
        let attached = || ip(&format!("link show {NEAR}")).contains("xdp");
        assert!(!attached());
        let first = open(NEAR, FAR);
        assert!(attached());
        let second = open_with(&config(NEAR), FAR);
        assert!(
            matches!(second, Err(XdpError::Attached { .. })),
            "{second:?}"
        );
        drop(first);
        assert!(!attached());
        let (mut near, mut far) = (open(NEAR, FAR), open(FAR, NEAR));
        assert_passes(&mut near, &mut far, &[packet(1, 100)]);
    });
}

#[test]
fn a_link_that_comes_back_serves_again() {
    in_namespace("a_link_that_comes_back_serves_again", || {
        veth(1, 1_500);
        let (mut near, mut far) = (open(NEAR, FAR), open(FAR, NEAR));
        ip(&format!("link set {NEAR} down"));
        for number in 0..10 {
            near.send(&packet(number, 10));
            near.flush();
        }
        let mut batch = vec![PacketBuf::with_capacity(1_500); 64];
        assert_eq!((near.receive(&mut batch), far.receive(&mut batch)), (0, 0));
        assert!(near.status().next().unwrap().down);
        assert!(!near.is_outdated());
        ip(&format!("link set {NEAR} up"));
        let end = Instant::now() + PATIENCE;
        let mut came = 0;
        while came == 0 && Instant::now() < end {
            near.send(&packet(100, 10));
            near.flush();
            came = far.receive(&mut batch);
            thread::sleep(Duration::from_millis(1));
        }
        assert!(came > 0);
        assert!(!near.status().next().unwrap().down);
        ip(&format!("link set {NEAR} mtu 1400"));
        assert!(near.is_outdated() && !far.is_outdated());
        ip(&format!("link del {NEAR}"));
        assert!(far.is_outdated());
    });
}

/// A packet that the other end doesn't take is lost alone: those behind it in the ring go with the same flush.
#[test]
fn what_the_interface_throws_away_holds_nothing_up() {
    in_namespace("what_the_interface_throws_away_holds_nothing_up", || {
        veth(1, 1_500);
        ip(&format!("link set {FAR} mtu 1280"));
        let shorter = PortConfig {
            mtu_bytes: 1_280,
            ..config(FAR)
        };
        let mut far = open_with(&shorter, NEAR).unwrap();
        let mut near = open(NEAR, FAR);
        const PACKETS: u32 = 200;
        for number in 0..PACKETS {
            let payload = if number % 2 == 0 { 1_400 } else { 100 };
            assert_eq!(near.send(&packet(number, payload)), Sent::Yes);
        }
        near.flush();
        let mut batch = vec![PacketBuf::with_capacity(1_500); PACKETS as usize];
        let (mut came, end) = (0, Instant::now() + PATIENCE);
        while came < PACKETS as usize / 2 && Instant::now() < end {
            came += far.receive(&mut batch[came..]);
        }
        assert_eq!(came, PACKETS as usize / 2);
        assert!(batch[..came].iter().all(|packet| packet.len() == 140));
        let counts = near.status().next().unwrap().counts;
        let lost = u64::from(PACKETS / 2);
        assert_eq!((counts.tx_dropped, counts.tx_full), (lost, 0));
    });
}

#[test]
fn what_does_not_fit_is_said() {
    in_namespace("what_does_not_fit_is_said", || {
        veth(2, 1_500);
        let publisher = Publisher::default();
        let error = |config: PortConfig| {
            let error = Xdp::open(&[config], LOCATOR, &publisher).unwrap_err();
            assert!(error.is_configuration(), "{error}");
            error.to_string()
        };
        let rows = [
            (config("srlb-none"), "no network interface srlb-none"),
            (config("lo"), "no Ethernet"),
            (
                PortConfig {
                    queues: Some(4),
                    ..config(NEAR)
                },
                "has 2 queues, and 4",
            ),
            (
                PortConfig {
                    mtu_bytes: 1_501,
                    ..config(NEAR)
                },
                "MTU of 1500",
            ),
        ];
        for (config, words) in rows {
            let said = error(config);
            assert!(said.contains(words), "{said}");
        }
        assert!(!ip(&format!("link show {NEAR}")).contains("xdp"));
    });
}

#[test]
fn memory_that_may_not_be_locked_is_said() {
    let little = [
        "prlimit",
        "--memlock=65536",
        "setpriv",
        "--bounding-set=-ipc_lock",
    ];
    in_namespace_with("memory_that_may_not_be_locked_is_said", &little, || {
        let effective = fs::read_to_string("/proc/self/status").unwrap();
        let line = effective
            .lines()
            .find(|line| line.starts_with("CapEff"))
            .unwrap();
        let caps = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        assert_eq!(caps & (1 << 14), 0, "CAP_IPC_LOCK is gone");
        veth(1, 1_500);
        let error = open_with(&config(NEAR), FAR).unwrap_err();
        assert!(
            matches!(error, XdpError::Locked { mib: 8, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("RLIMIT_MEMLOCK"));
    });
}
