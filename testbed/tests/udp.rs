//! UDP through real LBs, routers and kernels: bytes, another LB, fragments.

mod common;

use std::process::Command;

use common::{words, Guard};

/// Answers each datagram from the address that was asked, with its own name in front.
const ECHO: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("2001:db8:80::1", 5353))
print("ready", flush=True)
while True:
    data, client = s.recvfrom(65536)
    s.sendto(sys.argv[1].encode() + b":" + data, client)
"#;

/// Sends datagrams of these sizes from one port, each again until its answer comes, and prints who answered.
const ASK: &str = r#"
import errno, socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", int(sys.argv[1])))
s.connect(("2001:db8:80::1", int(sys.argv[2])))
s.settimeout(1)
for n, size in enumerate(map(int, sys.argv[3:])):
    data = bytes((i * 7 + n) % 251 for i in range(size))
    end = time.monotonic() + 20
    while True:
        assert time.monotonic() < end, f"no answer to {size} bytes"
        try:
            s.send(data)
            answer = s.recv(65536)
        except TimeoutError:
            continue
        except ConnectionRefusedError:
            print("refused")
            break
        except OSError as error:
            # Packet Too Big: the next one is cut to what fits
            assert error.errno == errno.EMSGSIZE, error
            continue
        name, rest = answer.split(b":", 1)
        if rest == data:
            print(name.decode())
            break
"#;

struct Bed {
    guard: Guard,
    servers: Vec<std::process::Child>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl Bed {
    /// Two LBs, two servers, a UDP application on each.
    fn new(encoding: &str) -> Option<Self> {
        let guard = Guard::with_daemons()?;
        guard.ok(&["up", "--lbs", "2", "--servers", "2", "--encoding", encoding]);
        let mut bed = Bed {
            guard,
            servers: Vec::new(),
        };
        for name in ["s1", "s2"] {
            let mut command = bed
                .guard
                .command(&["exec", name, "python3", "-c", ECHO, name]);
            let mut server = command
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            let out = server.stdout.as_mut().unwrap();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
            bed.servers.push(server);
            assert_eq!(line, "ready\n", "{name}");
        }
        Some(bed)
    }

    /// The edge sends all to one LB, as if the other one had gone.
    fn use_lb(&self, n: u16) {
        let via = format!("fd00:fab::1b:{n}");
        let route = ["ip", "-6", "route", "replace", "2001:db8:80::1/128", "via"];
        let mut args = vec!["exec", "edge"];
        args.extend(route);
        args.extend([via.as_str(), "dev", "eth0"]);
        self.guard.ok(&args);
    }

    /// Who answers datagrams of these sizes to a port.
    fn ask(&self, to: &str, sizes: &[&str]) -> Vec<String> {
        let mut args = vec!["exec", "client", "python3", "-c", ASK, "40123", to];
        args.extend(sizes);
        let said = self.guard.ok(&args);
        said.lines().map(str::to_owned).collect()
    }

    /// What a daemon counts.
    fn count(&self, node: &str, group: &str, name: &str) -> u64 {
        let program = match node.starts_with("lb") {
            true => "srlb-lb",
            false => "srlb-server",
        };
        let beside = std::path::Path::new(env!("CARGO_BIN_EXE_srlb-testbed"));
        let socket = testbed::plan::run_dir(&self.guard.name)
            .join(node)
            .join("control.sock");
        let output = Command::new(beside.with_file_name(program))
            .args(["status", "--json", "--control"])
            .arg(socket)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", words(&output));
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        status[group][name].as_u64().unwrap()
    }

    fn sum(&self, nodes: [&str; 2], group: &str, name: &str) -> u64 {
        nodes.iter().map(|node| self.count(node, group, name)).sum()
    }
}

fn one_server_answers_all(encoding: &str) {
    let Some(bed) = Bed::new(encoding) else {
        return;
    };
    bed.use_lb(1);
    let first = bed.ask("5353", &["5", "700", "1200"]);
    assert_eq!(first.len(), 3);
    let owner = first[0].clone();
    assert_eq!(first, [owner.as_str(); 3]);
    // The answer told the LB, and the next datagram went to the entry's server.
    assert_eq!(bed.count("lb1", "flows", "udp"), 1);
    assert!(bed.count("lb1", "events", "steered") >= 2);
    assert_eq!(bed.sum(["s1", "s2"], "udp_flows", "direct"), 1);

    // Another LB has no entry: it finds the flow where it is.
    bed.use_lb(2);
    let second = bed.ask("5353", &["9", "10"]);
    assert_eq!(second, [owner.as_str(); 2]);
    assert_eq!(bed.count("lb2", "flows", "udp"), 1);
    assert_eq!(bed.sum(["s1", "s2"], "events", "udp_taken"), 1);
    assert!(bed.count(&owner, "events", "udp_found") >= 1);

    // In fragments both ways, once the client has been told what fits.
    let large = bed.ask("5353", &["3", "4000", "20000"]);
    assert_eq!(large, [owner.as_str(); 3]);
    assert!(bed.count("lb2", "events", "fragments_steered") >= 3 + 15);
    assert!(bed.count("lb2", "events", "too_big_sent") >= 1);
    assert!(bed.count(&owner, "events", "fragments_delivered") >= 3 + 15);
    assert_eq!(bed.sum(["s1", "s2"], "events", "udp_taken"), 1);

    // Nobody listens: both are asked, and the last one's kernel says so.
    assert_eq!(bed.ask("5354", &["5"]), ["refused"]);
}

#[test]
fn encap() {
    one_server_answers_all("encap");
}

#[test]
fn insert() {
    one_server_answers_all("insert");
}
