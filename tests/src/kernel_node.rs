//! A namespace as the kernel's node of Segment Routing. A TUN device stands for the network around
//! it: what is written there comes in, what the node sends is read there.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv6Addr;
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use srh::parse::{self, Packet};

use crate::netns::{Netns, Running};
use crate::nodes::{VIP, VIP_PORT};
use crate::tools;

const PYTHON: &str = "/usr/bin/python3";
const LIMIT: Duration = Duration::from_secs(10);

/// The kernel's node.
pub struct Node {
    // In the order in which they have to go.
    wire: ChildStdin,
    lines: Receiver<String>,
    _pipe: Running,
    /// Its namespace.
    pub netns: Netns,
}

impl Node {
    /// A node that routes everything to its TUN, has the VIP and speaks Segment Routing.
    /// `None` where the system can't, which is said.
    pub fn start() -> Option<Node> {
        if !tools::is_root() {
            tools::skipped("needs root for a network namespace");
            return None;
        }
        let netns = match Netns::new("seg6") {
            Ok(netns) => netns,
            Err(why) => {
                tools::skipped(&format!("no network namespace: {why}"));
                return None;
            }
        };
        if !std::path::Path::new("/dev/net/tun").exists() {
            tools::skipped("no /dev/net/tun");
            return None;
        }
        if !tools::installed(PYTHON, "--version") {
            tools::skipped(&format!("no {PYTHON}"));
            return None;
        }
        let mut pipe = netns
            .start(PYTHON, &["-c", include_str!("tun_pipe.py"), "net"])
            .unwrap();
        let wire = pipe.child.stdin.take().unwrap();
        let stdout = BufReader::new(pipe.child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        assert_eq!(lines.recv_timeout(LIMIT).unwrap(), "ready");
        let node = Node {
            wire,
            lines,
            _pipe: pipe,
            netns,
        };
        node.configure();
        Some(node)
    }

    fn configure(&self) {
        for key in ["all", "net"] {
            let key = |name: &str| format!("net/ipv6/conf/{key}/{name}");
            self.netns.sysctl(&key("seg6_enabled"), "1").unwrap();
            self.netns.sysctl(&key("forwarding"), "1").unwrap();
        }
        self.netns
            .ip(&format!("addr add {VIP}/128 dev lo nodad"))
            .unwrap();
        self.netns.ip("link set net up").unwrap();
        self.netns
            .ip("addr add fd00:aa::1/64 dev net nodad")
            .unwrap();
        self.netns.ip("-6 route add default dev net").unwrap();
    }

    /// A packet comes in from outside.
    pub fn send(&mut self, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.wire, "{hex}").unwrap();
    }

    /// The next packet that the node sends and that is `wanted`.
    #[track_caller]
    pub fn receive(&self, wanted: impl Fn(&[u8], &Packet) -> bool) -> Vec<u8> {
        let until = Instant::now() + LIMIT;
        let mut others = Vec::new();
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let Ok(line) = self.lines.recv_timeout(left) else {
                break;
            };
            let Some(bytes) = unhex(&line) else {
                panic!("the TUN says: {line}");
            };
            match parse::packet(&bytes) {
                Ok(packet) if wanted(&bytes, &packet) => return bytes,
                _ => others.push(line),
            }
        }
        panic!("nothing came but {others:#?}");
    }

    /// Opens a connection from the node to `dst`: a SYN leaves in the kernel's own time.
    pub fn connect_to(&self, dst: Ipv6Addr) -> Running {
        let script = format!(
            "import socket, time\n\
             s = socket.socket(socket.AF_INET6)\n\
             s.setblocking(False)\n\
             s.connect_ex(('{dst}', {VIP_PORT}))\n\
             time.sleep(30)"
        );
        self.netns.start(PYTHON, &["-c", &script]).unwrap()
    }

    /// Starts an application on the VIP that answers the first bytes that it gets with "pong".
    pub fn listen(&self) -> Running {
        let script = format!(
            "import socket\n\
             s = socket.create_server(('{VIP}', {VIP_PORT}), family=socket.AF_INET6)\n\
             print('listening', flush=True)\n\
             c, peer = s.accept()\n\
             c.recv(100)\n\
             c.sendall(b'pong')\n\
             c.recv(100)"
        );
        let mut running = self.netns.start(PYTHON, &["-c", &script]).unwrap();
        let mut line = String::new();
        let stdout = running.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n");
        running
    }

    /// Routes `dst` to the network with these words of `ip route` in front.
    pub fn route(&self, dst: Ipv6Addr, via: &str) {
        self.netns
            .ip(&format!("-6 route add {dst}/128 {via} dev net"))
            .unwrap();
    }
}

impl Node {
    /// Gives the kernel a key, by iproute2.
    pub fn add_key(&self, (id, secret): (u32, &[u8; 32])) {
        // Without a terminal of its own `ip` reads the secret from its input.
        let id = id.to_string();
        let input = [&secret[..], b"\n"].concat();
        let args = ["ip", "sr", "hmac", "set", &id, "sha256"];
        self.netns.run("setsid", &args, &input).unwrap();
    }

    /// From now on the kernel takes no SRH without a valid HMAC.
    pub fn require_hmac(&self) {
        for key in ["all", "net"] {
            let key = format!("net/ipv6/conf/{key}/seg6_require_hmac");
            self.netns.sysctl(&key, "1").unwrap();
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect()
}
