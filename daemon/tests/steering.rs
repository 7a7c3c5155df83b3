//! Steering on a server, with real TCP: a client, a veth pair, a router that only decapsulates.
//! What it reads from its TUN device is what was steered; the rest went to the client directly.
#![forbid(unsafe_code)]

mod netns;

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use daemon::host::{Host, ServerHost};
use netns::{sh, Netns};
use packet_io::tun::Tun;
use packet_io::{Batch, Driver, PacketBuf};
use srh::{Frame, Locator};

const VIP: &str = "2001:db8:80::1";
const CLIENT: &str = "2001:db8:1::2";
const MTU_BYTES: u16 = 1500;
const LIMIT: Duration = Duration::from_secs(20);
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A TCP packet from the application that was steered.
#[derive(Clone, Copy, Debug)]
struct Steered {
    port: u16,
    flags: u8,
    packet_bytes: usize,
    data_bytes: usize,
}

/// What the test asks of the router, and what it has seen.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Client packets are written into the second device.
    steering: AtomicBool,
    /// Only the first SYN of the client gets through, and no answer to it.
    deaf: AtomicBool,
    seen: Mutex<Vec<Steered>>,
}

impl Shared {
    fn seen(&self) -> Vec<Steered> {
        self.seen.lock().unwrap().clone()
    }

    fn wait_for(&self, what: &str, found: impl Fn(&[Steered]) -> bool) {
        let end = Instant::now() + LIMIT;
        while !found(&self.seen()) {
            assert!(
                Instant::now() < end,
                "{what} was never steered: {:?}",
                self.seen()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

struct Router {
    direct: Tun,
    steering: Tun,
    shared: Arc<Shared>,
    syns: usize,
}

impl Router {
    fn run(mut self) {
        let mut batch = Batch::new(32, MTU_BYTES.into());
        while !self.shared.stop.load(SeqCst) {
            if batch.receive(&mut self.direct).unwrap() == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
            for packet in batch.packets() {
                match packet.bytes()[6] {
                    6 => self.take_from_application(packet),
                    41 => self.take_from_client(&packet.bytes()[40..]),
                    43 => self.take_from_client(
                        &packet.bytes()[48 + 8 * usize::from(packet.bytes()[41])..],
                    ),
                    _ => {}
                }
            }
        }
    }

    fn take_from_client(&mut self, packet: &[u8]) {
        self.syns += usize::from(packet[40 + 13] & SYN != 0);
        if self.shared.deaf.load(SeqCst) && self.syns > 1 {
            return;
        }
        let steering = self.shared.steering.load(SeqCst);
        let device = if steering {
            &mut self.steering
        } else {
            &mut self.direct
        };
        device.transmit(&[PacketBuf::from_slice(packet)]).unwrap();
    }

    fn take_from_application(&mut self, packet: &PacketBuf) {
        let bytes = packet.bytes();
        let tcp = &bytes[40..];
        self.shared.seen.lock().unwrap().push(Steered {
            port: u16::from_be_bytes([tcp[0], tcp[1]]),
            flags: tcp[13],
            packet_bytes: bytes.len(),
            data_bytes: tcp.len() - usize::from(tcp[12] >> 4) * 4,
        });
        if !self.shared.deaf.load(SeqCst) {
            self.direct
                .transmit(&[PacketBuf::from_slice(bytes)])
                .unwrap();
        }
    }
}

/// A server whose router runs, and a client whose packets for the VIP go to its locator.
struct Scene {
    server: Netns,
    client: Netns,
    shared: Arc<Shared>,
    router: Option<JoinHandle<()>>,
    host: Option<Host>,
}

impl Scene {
    /// `encap` is how the client's kernel sends packets to the locator.
    fn new(encap: &'static str) -> Option<Self> {
        let (server, client) = (Netns::new()?, Netns::new()?);
        server.connect("eth0", &client);
        let shared = Arc::new(Shared::default());
        let (direct, steering, host) = server.run(|| {
            sh("ip addr add 2001:db8:1::1/64 dev eth0 nodad");
            sh("ip -6 route add fd00:1b::/32 via 2001:db8:1::2");
            let tuns = (
                Tun::create("srlb-s0", MTU_BYTES).unwrap(),
                Tun::create("srlb-s0w", MTU_BYTES).unwrap(),
            );
            let plan = ServerHost {
                name: "s1".into(),
                locator: Locator::of(addr("fd00:5e:1::")),
                vips: vec![addr(VIP)],
                domain: vec![
                    "fd00:1b::/32".parse().unwrap(),
                    "fd00:5e::/32".parse().unwrap(),
                ],
                domain_interfaces: vec!["eth0".into()],
                tun: "srlb-s0".into(),
                tun_mtu_bytes: MTU_BYTES.into(),
            };
            (tuns.0, tuns.1, Host::install(plan.plan()).unwrap())
        });
        client.run(move || {
            sh(&format!("ip addr add {CLIENT}/64 dev eth0 nodad"));
            sh("ip addr add fd00:1b:1::100/128 dev lo nodad");
            sh("ip -6 route add fd00:5e::/32 via 2001:db8:1::1");
            sh(&format!("ip -6 route add {VIP} encap seg6 mode {encap} segs fd00:5e:1::1000 dev eth0 via 2001:db8:1::1"));
        });
        let router = Router {
            direct,
            steering,
            shared: shared.clone(),
            syns: 0,
        };
        // Devices and sockets belong to the namespace they were made in, wherever they are used.
        let router = Some(std::thread::spawn(|| router.run()));
        Some(Scene {
            server,
            client,
            shared,
            router,
            host: Some(host),
        })
    }

    fn set(&self, steering: bool) {
        self.shared.steering.store(steering, SeqCst);
    }

    /// The application: accepts one connection on the VIP and runs `serve` on it.
    fn serve<R: Send + 'static>(
        &self,
        serve: impl FnOnce(TcpStream) -> R + Send + 'static,
    ) -> JoinHandle<R> {
        let listener = self.server.run(|| TcpListener::bind((VIP, 80)).unwrap());
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let end = Instant::now() + LIMIT;
            loop {
                match listener.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(false).unwrap();
                        stream.set_read_timeout(Some(LIMIT)).unwrap();
                        return serve(stream);
                    }
                    Err(_) => assert!(Instant::now() < end, "nobody came"),
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    }

    fn connect(&self) -> TcpStream {
        self.client.run(|| {
            let stream = TcpStream::connect_timeout(&(addr(VIP), 80).into(), LIMIT).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            stream
        })
    }

    /// Bytes and packets that have left the server by its interface.
    fn sent(&self) -> (u64, u64) {
        let text = self.server.run(|| sh("ip -s -j link show eth0"));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let sent = &value[0]["stats64"]["tx"];
        (
            sent["bytes"].as_u64().unwrap(),
            sent["packets"].as_u64().unwrap(),
        )
    }

    fn steering_set(&self) -> String {
        self.server.run(|| sh("nft list set ip6 srlb_s1 steer"))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        let _ = self.router.take().map(JoinHandle::join);
        // The host's items are the server's: only there can they be removed.
        let host = self.host.take();
        let _ = self.server.start(move || drop(host));
    }
}

const DATA: usize = 3_000_000;

/// The client asks, and reads `DATA` bytes up to the end of the connection.
fn download(scene: &Scene) -> usize {
    let application = scene.serve(|mut stream| {
        let mut request = [0; 5];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(&vec![b'x'; DATA]).unwrap();
    });
    let mut stream = scene.connect();
    stream.write_all(b"hello").unwrap();
    let mut data = Vec::new();
    stream.read_to_end(&mut data).unwrap();
    application.join().unwrap();
    data.len()
}

#[test]
fn a_direct_flow_is_steered_by_its_syn_and_fin_alone_and_keeps_gso() {
    let Some(scene) = Scene::new("encap") else {
        return;
    };
    let before = scene.sent();
    assert_eq!(download(&scene), DATA);
    scene.shared.wait_for("FIN", |seen| {
        seen.iter().any(|packet| packet.flags & FIN != 0)
    });
    let after = scene.sent();
    let seen = scene.shared.seen();
    assert_eq!(seen[0].flags, SYN | ACK, "{seen:?}");
    // A FIN may ride on a large packet: segmented on its way into the device, the segments before the
    // last carry no FIN.
    let plain: usize = seen
        .iter()
        .filter(|packet| packet.flags & (SYN | FIN | RST) == 0)
        .map(|packet| packet.data_bytes)
        .sum();
    assert!(plain < 65_536, "{seen:?}");
    let mean_bytes = (after.0 - before.0) / (after.1 - before.1);
    assert!(
        mean_bytes > u64::from(MTU_BYTES),
        "{mean_bytes} bytes a packet"
    );
}

#[test]
fn a_steered_flow_goes_through_the_router_whole_in_packets_that_fit() {
    let Some(scene) = Scene::new("encap") else {
        return;
    };
    scene.set(true);
    assert_eq!(download(&scene), DATA);
    scene.shared.wait_for("FIN", |seen| {
        seen.iter().any(|packet| packet.flags & FIN != 0)
    });
    let seen = scene.shared.seen();
    // Not one byte has overtaken: the answer to the very first packet was steered already.
    let data: usize = seen.iter().map(|packet| packet.data_bytes).sum();
    assert!(data >= DATA, "{data}");
    assert!(
        seen.iter()
            .any(|packet| packet.flags == ACK && packet.data_bytes == 0),
        "pure ACKs, too"
    );
    assert!(seen
        .iter()
        .all(|packet| packet.packet_bytes <= MTU_BYTES.into()));
}

#[test]
fn a_packet_through_the_first_device_ends_the_steering_at_once() {
    let Some(scene) = Scene::new("encap") else {
        return;
    };
    scene.set(true);
    let application = scene.serve(|mut stream| {
        let mut bytes = 0;
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() > 0 {
            stream.write_all(&byte).unwrap();
            bytes += 1;
        }
        bytes
    });
    let mut stream = scene.connect();
    let port = stream.local_addr().unwrap().port();
    let key = format!("{VIP} . 80 . {CLIENT} . {port} ");
    let mut echo = || {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    };
    let end = Instant::now() + LIMIT;
    loop {
        echo();
        if scene.steering_set().contains(&key) {
            break;
        }
        assert!(Instant::now() < end, "never in the set");
    }
    let steered = scene
        .shared
        .seen()
        .iter()
        .filter(|packet| packet.data_bytes == 1)
        .count();
    assert!(steered > 0);
    scene.set(false);
    echo();
    echo();
    let set = scene.steering_set();
    assert!(!set.contains(&key), "{set}");
    let afterwards = scene
        .shared
        .seen()
        .iter()
        .filter(|packet| packet.data_bytes == 1)
        .count();
    assert_eq!(afterwards, steered, "these echoes went directly");
    drop(stream);
    assert!(application.join().unwrap() >= 3);
}

/// How many milliseconds the element with this key has left.
fn remaining_ms(set: &str, key: &str) -> Option<u64> {
    let rest = set.split(key).nth(1)?.split("expires ").nth(1)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let ms = rest[digits.len()..].starts_with("ms");
    digits
        .parse::<u64>()
        .ok()
        .map(|n| if ms { n } else { n * 1000 })
}

#[test]
fn each_packet_through_the_second_device_starts_the_second_again() {
    let Some(scene) = Scene::new("encap") else {
        return;
    };
    let application = scene.serve(|mut stream| while stream.read(&mut [0]).unwrap() > 0 {});
    let mut stream = scene.connect();
    let port = stream.local_addr().unwrap().port();
    let key = format!("{VIP} . 80 . {CLIENT} . {port} ");
    let end = Instant::now() + LIMIT;
    loop {
        scene.set(true);
        stream.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(700));
        stream.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        // Not refreshed it would have 280 ms left at most. A slow host may need another try.
        if remaining_ms(&scene.steering_set(), &key).is_some_and(|ms| ms > 500) {
            break;
        }
        assert!(Instant::now() < end, "{}", scene.steering_set());
        scene.set(false);
        stream.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(stream);
    application.join().unwrap();
}

#[test]
fn a_syn_ack_that_the_kernels_timer_sends_again_is_steered() {
    let Some(scene) = Scene::new("encap") else {
        return;
    };
    scene.shared.deaf.store(true, SeqCst);
    let _listener = scene.server.run(|| TcpListener::bind((VIP, 80)).unwrap());
    let attempt = scene
        .client
        .start(|| TcpStream::connect_timeout(&(addr(VIP), 80).into(), Duration::from_secs(6)));
    let syn_acks = |seen: &[Steered]| {
        seen.iter()
            .filter(|packet| packet.flags == SYN | ACK)
            .count()
    };
    scene
        .shared
        .wait_for("a second SYN-ACK", |seen| syn_acks(seen) >= 2);
    scene.shared.deaf.store(false, SeqCst);
    assert!(attempt.join().is_ok(), "and from now on it works");
}

#[test]
fn resets_are_steered_with_and_without_a_socket() {
    let Some(scene) = Scene::new("encap") else {
        return;
    };
    let error = scene
        .client
        .run(|| TcpStream::connect_timeout(&(addr(VIP), 81).into(), LIMIT).unwrap_err());
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let reset_from = |port| {
        move |seen: &[Steered]| {
            seen.iter()
                .any(|packet| packet.port == port && packet.flags & RST != 0)
        }
    };
    scene
        .shared
        .wait_for("the RST without a socket", reset_from(81));
    // An application that closes with unread data resets.
    let application = scene.serve(|stream| {
        stream.peek(&mut [0]).unwrap();
    });
    let mut stream = scene.connect();
    stream.write_all(b"never read").unwrap();
    application.join().unwrap();
    scene.shared.wait_for("the RST of a socket", reset_from(80));
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_client_on_the_server_itself_needs_no_router() {
    let Some(scene) = Scene::new("encap") else {
        return;
    };
    let listener = scene.server.run(|| TcpListener::bind((VIP, 80)).unwrap());
    let mut client = scene
        .server
        .run(|| TcpStream::connect_timeout(&(addr(VIP), 80).into(), LIMIT).unwrap());
    let (mut accepted, _) = listener.accept().unwrap();
    accepted.write_all(b"local").unwrap();
    drop(accepted);
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "local");
    assert_eq!(scene.shared.seen().len(), 0);
}

/// ICMPv6 errors "destination unreachable" that the client has received.
fn unreachables(scene: &Scene) -> u64 {
    let text = scene
        .client
        .run(|| std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap());
    let line = text
        .lines()
        .find(|line| line.starts_with("Icmp6InDestUnreachs"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Kills the router and its devices; then the client sends datagrams to the VIP until `answered`.
fn ask_a_dead_router(scene: &mut Scene, answered: impl Fn(&Scene) -> bool) {
    std::mem::forget(scene.host.take());
    scene.shared.stop.store(true, SeqCst);
    scene.router.take().unwrap().join().unwrap();
    let end = Instant::now() + LIMIT;
    while !answered(scene) {
        assert!(Instant::now() < end, "no answer");
        scene.client.run(|| {
            let socket = std::net::UdpSocket::bind("[::]:0").unwrap();
            socket.send_to(b"x", (VIP, 53)).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        });
    }
}

#[test]
fn a_killed_router_is_reported_to_the_load_balancer() {
    let Some(mut scene) = Scene::new("encap") else {
        return;
    };
    scene.client.run(|| sh("ip sr tunsrc set fd00:1b:1::100"));
    ask_a_dead_router(&mut scene, |scene| unreachables(scene) > 0);
}

#[test]
fn a_killed_router_is_not_reported_to_a_client_whose_next_try_may_find_it_back() {
    let Some(mut scene) = Scene::new("inline") else {
        return;
    };
    ask_a_dead_router(&mut scene, |scene| {
        let chain = scene.server.run(|| sh("nft list chain ip6 srlb_s1 quiet"));
        assert!(chain.contains("counter packets"), "{chain}");
        !chain.contains("counter packets 0 ")
    });
    assert_eq!(unreachables(&scene), 0);
}
