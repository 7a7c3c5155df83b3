//! The TUN driver against a real kernel, each test in a network namespace of its own.
//!
//! A test runs this same binary again under `unshare --net`, with [`CHILD`] set; the namespace and all that
//! is in it go away with that process, however it ends.
#![forbid(unsafe_code)]

use packet_io::tun::{Tun, TunError};
use packet_io::{Batch, Driver, PacketBuf};
use srh::Frame;
use std::fs;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Set in the process that runs inside a namespace.
const CHILD: &str = "SRLB_TUN_TEST_CHILD";
const NAME: &str = "srlb-ft0";
const MTU_BYTES: u16 = 1500;
/// Nothing here takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `scenario` in a new namespace: `prefix` are words in front of the command (`setpriv ...`).
fn in_namespace_with(test: &str, prefix: &[&str], scenario: fn()) {
    if std::env::var_os(CHILD).is_some() {
        return scenario();
    }
    if let Some(why) = cannot_run() {
        println!("skipped: {why}");
        return;
    }
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new("unshare")
        .arg("--net")
        .args(prefix)
        .arg(exe)
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_at_most(&mut child, LIMIT);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(ran, "{}\n{text}", output.status);
}

fn in_namespace(test: &str, scenario: fn()) {
    in_namespace_with(test, &[], scenario);
}

fn cannot_run() -> Option<&'static str> {
    let runs = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !runs(&["ip", "-V"]) {
        return Some("no ip command");
    }
    if !runs(&["unshare", "--net", "true"]) {
        return Some("not allowed to make a network namespace (not root?)");
    }
    match fs::File::open("/dev/net/tun") {
        Ok(_) => None,
        Err(_) => Some("no /dev/net/tun"),
    }
}

/// Waits for the end of `child`; kills it when that takes longer than `limit`.
fn wait_at_most(child: &mut Child, limit: Duration) {
    let end = Instant::now() + limit;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(status.success(), "ip {words}");
}

fn sysctl(key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/ipv6/conf/{key}"), value).unwrap();
}

fn create() -> Tun {
    Tun::create(NAME, MTU_BYTES).unwrap()
}

fn exists(name: &str) -> bool {
    let mut command = Command::new("ip");
    command
        .args(["link", "show", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().unwrap().success()
}

/// A device with `fd00:f7::1/64`, and a socket bound to that address.
fn with_socket() -> (Tun, UdpSocket) {
    let tun = create();
    add_address();
    let socket = UdpSocket::bind("[fd00:f7::1]:4000").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    (tun, socket)
}

/// Gives the device its address. The kernel puts the route for local delivery in place a moment later.
fn add_address() {
    ip(&format!("-6 addr replace fd00:f7::1/64 dev {NAME} nodad"));
    let end = Instant::now() + LIMIT / 4;
    let local = "fd0000f7000000000000000000000001 80";
    let routes = || fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap();
    while !routes().contains(local) {
        assert!(Instant::now() < end, "{}", routes());
        thread::sleep(Duration::from_millis(5));
    }
}

/// What can be received now.
fn drain(tun: &mut Tun) -> Vec<Vec<u8>> {
    let mut batch = Batch::new(Batch::PACKETS, tun.mtu_bytes().into());
    let mut all = Vec::new();
    while batch.receive(tun).unwrap() > 0 {
        all.extend(batch.packets().iter().map(|p| p.bytes().to_vec()));
    }
    all
}

/// The same UDP packet on its way back. The sum over both addresses and both ports stays, so does the checksum.
fn turned_round(packet: &[u8]) -> PacketBuf {
    let mut back = packet.to_vec();
    back[8..24].copy_from_slice(&packet[24..40]);
    back[24..40].copy_from_slice(&packet[8..24]);
    back[40..42].copy_from_slice(&packet[42..44]);
    back[42..44].copy_from_slice(&packet[40..42]);
    PacketBuf::from_slice(&back)
}

#[test]
fn packets_come_from_the_kernel_and_go_back_to_it() {
    in_namespace("packets_come_from_the_kernel_and_go_back_to_it", || {
        let (mut tun, socket) = with_socket();
        assert_eq!(
            drain(&mut tun).len(),
            0,
            "non-blocking, and nothing sent by itself"
        );
        for n in 0..100u8 {
            socket.send_to(&[n; 3], "[fd00:f7::2]:53").unwrap();
        }
        let mut batch = Batch::new(Batch::PACKETS, MTU_BYTES.into());
        assert_eq!(batch.receive(&mut tun).unwrap(), 64);
        assert_eq!(batch.receive(&mut tun).unwrap(), 36);
        let last = batch.packets()[35].bytes();
        assert_eq!((last[0] >> 4, last[6], last.len()), (6, 17, 40 + 8 + 3));
        assert_eq!(last[48..], [99; 3]);
        let back = [turned_round(last)];
        assert_eq!(tun.transmit(&back).unwrap(), 1);
        let mut payload = [0; 10];
        let (n, from) = socket.recv_from(&mut payload).unwrap();
        assert_eq!((n, payload[0]), (3, 99));
        assert_eq!(from, "[fd00:f7::2]:53".parse().unwrap());
    });
}

#[test]
fn several_queues_share_flows_and_each_flow_comes_to_one() {
    in_namespace(
        "several_queues_share_flows_and_each_flow_comes_to_one",
        || {
            const FLOWS: u8 = 64;
            let mut queues = Tun::create_queues(NAME, MTU_BYTES, 2).unwrap();
            add_address();
            let sockets: Vec<_> = (0..FLOWS)
                .map(|_| UdpSocket::bind("[fd00:f7::1]:0").unwrap())
                .collect();
            for _ in 0..3 {
                for (n, socket) in (0..).zip(&sockets) {
                    socket.send_to(&[n], "[fd00:f7::2]:53").unwrap();
                }
            }
            let came: Vec<Vec<u8>> = queues
                .iter_mut()
                .map(|queue| drain(queue).iter().map(|packet| packet[48]).collect())
                .collect();
            let all: usize = came.iter().map(Vec::len).sum();
            assert_eq!(all, 3 * usize::from(FLOWS));
            for flow in 0..FLOWS {
                let at = |queue: &Vec<u8>| queue.iter().filter(|&&n| n == flow).count();
                let at: Vec<usize> = came.iter().map(at).collect();
                assert!(at == [3, 0] || at == [0, 3], "{at:?}");
            }
            assert!(came.iter().all(|queue| !queue.is_empty()), "both are used");
            // Whoever goes takes only its own queue with it.
            queues.pop();
            sockets[0].send_to(&[0], "[fd00:f7::2]:53").unwrap();
            assert_eq!(drain(&mut queues[0]).len(), 1);
            drop(queues);
            assert!(!exists(NAME));
        },
    );
}

#[test]
fn the_device_is_up_with_its_mtu_and_without_address() {
    in_namespace("the_device_is_up_with_its_mtu_and_without_address", || {
        let tun = Tun::create(NAME, 9000).unwrap();
        assert_eq!((tun.name(), tun.mtu_bytes()), (NAME, 9000));
        assert!(tun.raw_fd().is_some());
        let shown = Command::new("ip")
            .args(["-o", "link", "show", NAME])
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(
            shown.starts_with(&format!("{}: {NAME}: ", tun.if_index().unwrap())),
            "{shown}"
        );
        assert!(
            shown.contains(",UP") && shown.contains("mtu 9000"),
            "{shown}"
        );
        let addresses = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
        assert!(!addresses.contains(NAME), "{addresses}");
        drop(tun);
        assert!(!exists(NAME));
    });
}

#[test]
fn the_kernel_sends_nothing_by_itself() {
    in_namespace("the_kernel_sends_nothing_by_itself", || {
        // a router joins more groups than a host, and would report them
        sysctl("all/forwarding", "1");
        let mut tun = create();
        sysctl("all/forwarding", "0");
        sysctl("all/forwarding", "1");
        thread::sleep(Duration::from_millis(2_500));
        let noise = drain(&mut tun);
        assert!(noise.is_empty(), "{noise:02x?}");
    });
}

#[test]
fn ipv6_is_on_even_where_new_devices_have_it_off() {
    in_namespace("ipv6_is_on_even_where_new_devices_have_it_off", || {
        sysctl("default/disable_ipv6", "1");
        let (mut tun, socket) = with_socket();
        socket.send_to(&[1], "[fd00:f7::2]:53").unwrap();
        assert_eq!(drain(&mut tun).len(), 1);
    });
}

#[test]
fn a_name_that_is_taken_is_refused_whoever_has_it() {
    in_namespace("a_name_that_is_taken_is_refused_whoever_has_it", || {
        let _first = create();
        ip("tuntap add mode tun srlb-ft1");
        ip("link add srlb-ft2 type veth peer name srlb-ft3");
        for name in [NAME, "srlb-ft1", "srlb-ft2", "lo"] {
            match Tun::create(name, MTU_BYTES) {
                Err(TunError::Taken { name: said }) => assert_eq!(said, name),
                Err(other) => panic!("{name}: {other}"),
                Ok(_) => panic!("{name}: taken over"),
            }
            assert!(exists(name));
        }
    });
}

#[test]
fn the_name_of_a_killed_process_is_free_at_once() {
    const HOLDER: &str = "SRLB_TUN_TEST_HOLDER";
    const TEST: &str = "the_name_of_a_killed_process_is_free_at_once";
    if std::env::var_os(HOLDER).is_some() {
        let _tun = create();
        thread::sleep(LIMIT);
        return;
    }
    in_namespace(TEST, || {
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(HOLDER, "1")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + LIMIT / 2;
        while !exists(NAME) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(exists(NAME));
        // SIGKILL, and no wait in between
        holder.kill().unwrap();
        let tun = create();
        assert_eq!(tun.name(), NAME);
        holder.wait().unwrap();
    });
}

#[test]
fn a_bad_packet_is_lost_alone() {
    in_namespace("a_bad_packet_is_lost_alone", || {
        let (mut tun, socket) = with_socket();
        socket.send_to(&[7], "[fd00:f7::2]:53").unwrap();
        let good = turned_round(&drain(&mut tun)[0]);
        let packets = [
            PacketBuf::from_slice(&[]),
            PacketBuf::from_slice(&[0xff; 60]),
            good,
        ];
        assert_eq!(tun.transmit(&packets).unwrap(), 1);
        let mut payload = [0; 10];
        assert_eq!(socket.recv(&mut payload).unwrap(), 1);
    });
}

#[test]
fn a_device_that_is_down_loses_packets_and_works_again_when_up() {
    in_namespace(
        "a_device_that_is_down_loses_packets_and_works_again_when_up",
        || {
            let (mut tun, socket) = with_socket();
            socket.send_to(&[7], "[fd00:f7::2]:53").unwrap();
            let good = turned_round(&drain(&mut tun)[0]);
            ip(&format!("link set {NAME} down"));
            assert_eq!(tun.transmit(std::slice::from_ref(&good)).unwrap(), 0);
            assert_eq!(drain(&mut tun).len(), 0);
            ip(&format!("link set {NAME} up"));
            ip(&format!("-6 addr replace fd00:f7::1/64 dev {NAME} nodad"));
            assert_eq!(tun.transmit(&[good]).unwrap(), 1);
        },
    );
}

#[test]
fn a_device_removed_by_somebody_else_is_an_error_that_names_it() {
    in_namespace(
        "a_device_removed_by_somebody_else_is_an_error_that_names_it",
        || {
            let mut tun = create();
            ip(&format!("link del {NAME}"));
            let mut batch = Batch::new(1, MTU_BYTES.into());
            let receiving = batch.receive(&mut tun).unwrap_err().to_string();
            let sending = tun
                .transmit(&[PacketBuf::from_slice(&[0x60; 40])])
                .unwrap_err()
                .to_string();
            for text in [receiving, sending] {
                assert!(text.contains(NAME) && text.contains("removed"), "{text}");
            }
        },
    );
}

#[test]
fn without_the_capability_the_error_says_so() {
    let powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];
    in_namespace_with(
        "without_the_capability_the_error_says_so",
        &powerless,
        || {
            let error = Tun::create(NAME, MTU_BYTES).err().unwrap();
            assert!(matches!(error, TunError::Forbidden { .. }), "{error}");
            assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
        },
    );
}

#[test]
fn an_mtu_too_small_for_ipv6_and_a_bad_name_are_refused_before_anything() {
    let error = Tun::create(NAME, 1279).err().unwrap();
    assert!(error.to_string().contains("1280"), "{error}");
    let error = Tun::create("srlb%d", MTU_BYTES).err().unwrap();
    assert!(matches!(error, TunError::Name { .. }), "{error}");
}
