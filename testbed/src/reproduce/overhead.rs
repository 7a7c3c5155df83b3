//! Figure 5: what steering costs in bytes. Ours is measured on packets of the real engines, tunnels are added up from their headers.

use anyhow::{bail, ensure, Context, Result};
use packet_io::{Instant, PacketBuf};
use srh::{parse, Encoding, Frame};
use srlb_lb::engine as lb_engine;
use srlb_server::engine::{SocketAnswer, Verdict};
use srlb_server::policy::Accept;

use super::{Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};
use crate::queueing::lb;
use crate::queueing::packets::{self, query_of, Kind};
use crate::queueing::server::Server;
use crate::queueing::{Arrivals, Balancing, Hunt, Scenario, ServerSpec, ServiceTime};
use crate::rng::Rng;
use crate::sim::nodes::Node;

/// An IPv6 header (RFC 8200).
const IPV6_BYTES: usize = 40;
/// A tunnel of GRE without options (RFC 2784) in IPv6.
const GRE_BYTES: usize = IPV6_BYTES + 4;
/// A tunnel of VXLAN (RFC 7348) in UDP and IPv6, with the Ethernet header that it carries.
const VXLAN_BYTES: usize = IPV6_BYTES + 8 + 8 + 14;
/// A packet of the client without data: IPv6 and TCP headers.
const PLAIN_BYTES: usize = IPV6_BYTES + 20;
/// Most servers that a new flow is offered to here.
const MOST_SERVERS: usize = 4;
/// A packet that passes more nodes goes in circles.
const MOST_HOPS: usize = 16;

/// The figure.
pub fn figure_5() -> Experiment {
    Experiment {
        name: "5",
        title: "Protocol overhead of steering, measured on our bytes (section II-C)",
        paper:
            "Bytes towards two servers (new flow) and one (pinned flow): SR insert 72 and 56, SR encap 96 and 80, \
                GRE 88 and 44, VXLAN 140 and 70.",
        needs: Needs::Nothing,
        make,
    }
}

/// Bytes more than the packet itself, on the longest of its legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overhead {
    /// The SYN, offered to all candidates.
    new_flow: usize,
    /// The SYN-ACK (createStickiness).
    syn_ack: usize,
    /// A client's packet once the server is known (ackStickiness).
    pinned: usize,
    /// The server's FIN (removeStickiness).
    fin: usize,
    /// A client's packet through an LB that knows nothing of the flow (recoverStickiness).
    recovery: usize,
}

fn make(_: &Workshop) -> Result<Figure> {
    let measure = |encoding| -> Result<Vec<Overhead>> {
        (1..=MOST_SERVERS)
            .map(|choices| Overhead::measure(encoding, choices))
            .collect()
    };
    let (insert, encap) = (measure(Encoding::Insert)?, measure(Encoding::Encap)?);
    Ok(Figure {
        panels: vec![per_packet(&insert, &encap), per_connection(insert[1], encap[1])],
        claims: claims(&insert, &encap),
        note: format!(
            "Dots: ours, dashed: the paper's. A connection through the real engines of LB and servers, every candidate but the last refusing; the \
             bytes of each packet on its longest leg, less the {PLAIN_BYTES} of the packet itself. Encap leaves out what the \
             paper's has: the outer destination is not repeated in the SRH (reduced encapsulation, RFC 8986), and one segment \
             needs no SRH at all. Tunnels: GRE (RFC 2784) 4 bytes, VXLAN (RFC 7348) 8 with UDP 8 and Ethernet 14, each in an IPv6 header \
             of 40, one tunnel in another for each further server. Below: all bytes that steering adds to a connection, \
             the SYN-ACK and the FIN through the LB included, over the bytes of the connection itself without any \
             (request of 400 bytes, segments of 1,440, an acknowledgement for every second one)."
        ),
    })
}

fn per_packet(insert: &[Overhead], encap: &[Overhead]) -> Panel {
    let servers = || (1..=MOST_SERVERS).map(|n| n as f64);
    let ours = |name: &str, all: &[Overhead]| {
        // One server: a pinned flow. More: a new one.
        let bytes = all.iter().enumerate().map(|(n, overhead)| match n {
            0 => overhead.pinned as f64,
            _ => overhead.new_flow as f64,
        });
        Curve::new(name, servers().zip(bytes).collect()).dots()
    };
    let line = |name: &str, bytes: fn(f64) -> f64| {
        Curve::new(name, servers().map(|n| (n, bytes(n))).collect())
    };
    Panel::new(
        Axis::between(
            "servers that the packet is steered through (1: pinned flow)",
            0.5,
            4.5,
        ),
        Axis::new("bytes more in a packet", 300.0),
        vec![
            ours("SR insert", insert),
            ours("SR encap", encap),
            line("SR insert", |n| 40.0 + 16.0 * n).dashed(),
            line("SR encap", |n| 64.0 + 16.0 * n).dashed(),
            line("GRE", |n| GRE_BYTES as f64 * n),
            line("VXLAN", |n| VXLAN_BYTES as f64 * n),
        ],
    )
    .titled("a packet")
}

fn per_connection(insert: Overhead, encap: Overhead) -> Panel {
    let tunnel = |bytes| Overhead {
        new_flow: 2 * bytes,
        syn_ack: 0,
        pinned: bytes,
        fin: 0,
        recovery: 0,
    };
    let curve = |name: &str, overhead: Overhead| {
        let sizes = (0..=50).map(|n| 100.0 * 10f64.powf(f64::from(n) / 10.0));
        Curve::new(
            name,
            sizes
                .map(|bytes| (bytes, overhead.percent(bytes)))
                .collect(),
        )
    };
    Panel::new(
        Axis::log("size of the answer (bytes)", 100.0, 1e7),
        Axis::new("% more bytes for the connection", 60.0),
        vec![
            curve("SR insert", insert),
            curve("SR encap", encap),
            curve("GRE", tunnel(GRE_BYTES)),
            curve("VXLAN", tunnel(VXLAN_BYTES)),
        ],
    )
    .titled("a connection, two candidates")
}

fn claims(insert: &[Overhead], encap: &[Overhead]) -> Vec<Claim> {
    let claim = |what: &str, all: &[Overhead], (new_flow, pinned): (usize, usize)| {
        let ours = (all[1].new_flow, all[0].pinned);
        Claim::new(
            &format!("bytes more, {what}, new flow and pinned flow"),
            &format!("{new_flow} and {pinned}"),
            format!("{} and {}", ours.0, ours.1),
            ours.0 <= new_flow && ours.1 <= pinned,
        )
    };
    let over_gre = |all: &[Overhead]| all[0].pinned as i64 - GRE_BYTES as i64;
    vec![
        claim("SR insert", insert, (72, 56)),
        claim("SR encap", encap, (96, 80)),
        Claim::new(
            "bytes more than GRE, pinned flow",
            "12",
            format!("{:+} insert, {:+} encap", over_gre(insert), over_gre(encap)),
            over_gre(insert) <= 12 && over_gre(encap) <= 12,
        ),
        Claim::finding(
            "bytes more on what the paper does not count (insert, encap)",
            format!(
                "SYN-ACK through the LB {} and {}, FIN {} and {}, a packet that looks for its server {} and {}",
                insert[1].syn_ack,
                encap[1].syn_ack,
                insert[1].fin,
                encap[1].fin,
                insert[1].recovery,
                encap[1].recovery,
            ),
        ),
    ]
}

impl Overhead {
    fn measure(encoding: Encoding, choices: usize) -> Result<Overhead> {
        let mut path = Path::new(encoding, choices)?;
        let at_lb = |n| Node::Lb(n);
        let new_flow = path.send(Kind::Syn, at_lb(1))?;
        let owner = Node::Server(path.owner.context("nobody took the flow")?);
        let syn_ack = path.send(Kind::SynAck, owner)?;
        path.is_open = true;
        path.send(Kind::Ack, at_lb(1))?;
        let pinned = path.send(Kind::Ack, at_lb(1))?;
        let recovery = path.send(Kind::Ack, at_lb(2))?;
        let fin = path.send(Kind::Fin, owner)?;
        Ok(Overhead {
            new_flow,
            syn_ack,
            pinned,
            fin,
            recovery,
        })
    }

    /// Of a connection with an answer of so many bytes: bytes that steering adds, in percent of what it has without.
    fn percent(&self, answer_bytes: f64) -> f64 {
        const REQUEST_BYTES: f64 = 400.0;
        const SEGMENT_BYTES: f64 = 1_440.0;
        let segments = (answer_bytes / SEGMENT_BYTES).ceil();
        // after the SYN: ACK, request, acknowledgements, and the last one with its FIN
        let of_client = 3.0 + (segments / 2.0).ceil();
        // SYN-ACK, acknowledgement of the request, the answer, FIN
        let of_server = 3.0 + segments;
        let headers = (1.0 + of_client + of_server) * PLAIN_BYTES as f64;
        let plain = headers + REQUEST_BYTES + answer_bytes;
        let once = (self.new_flow + self.syn_ack + self.fin) as f64;
        100.0 * (once + of_client * self.pinned as f64) / plain
    }
}

/// The engines that a connection's packets pass, and the kernel that has it.
struct Path {
    lbs: Vec<lb_engine::Engine>,
    servers: Vec<Server>,
    frame: PacketBuf,
    extra: Vec<PacketBuf>,
    now_us: u64,
    /// Who took the flow, from 1.
    owner: Option<u16>,
    is_open: bool,
}

impl Path {
    fn new(encoding: Encoding, choices: usize) -> Result<Path> {
        let hunt = Hunt {
            choices,
            accept: Accept::Never,
            pending: false,
        };
        let arrivals = Arrivals::Poisson {
            rate_qps: 1.0,
            queries: 1,
            service: ServiceTime::Exponential { mean_s: 1.0 },
        };
        let mut scenario = Scenario::paper(5, 8, Balancing::Hunt(hunt), arrivals);
        scenario.encoding = encoding;
        // an odd number of candidates needs a prime
        scenario.buckets = 65_537;
        let mut rng = Rng::new(5, 1);
        let lbs = lb::engines(&scenario, &mut rng)?;
        let servers = (1..=8).map(|n| Server::new(&scenario, n, ServerSpec::PAPER, &mut rng));
        Ok(Path {
            lbs,
            servers: servers.collect(),
            frame: PacketBuf::with_capacity(PLAIN_BYTES),
            extra: Vec::new(),
            now_us: 0,
            owner: None,
            is_open: false,
        })
    }

    /// Sends a packet from a node on until it is where it belongs; the most bytes that it had more on the way.
    fn send(&mut self, kind: Kind, from: Node) -> Result<usize> {
        packets::write(&mut self.frame, 0, kind);
        let mut at = from;
        let mut most = 0;
        for _ in 0..MOST_HOPS {
            self.now_us += 1_000;
            let is_delivered = match at {
                Node::Lb(n) => self.at_lb(n)?,
                Node::Server(n) => self.at_server(n)?,
                Node::Client(_) => true,
            };
            let bytes = self.frame.bytes();
            if is_delivered {
                ensure!(
                    bytes.len() == PLAIN_BYTES,
                    "{kind:?} arrives as {} bytes",
                    bytes.len()
                );
                return Ok(most);
            }
            most = most.max(bytes.len() - PLAIN_BYTES);
            let dst = parse::packet(bytes)
                .map(|packet| packet.dst)
                .context("our own packet")?;
            at = match query_of(dst) {
                Some(_) => Node::Client(0),
                None => Node::at(dst).with_context(|| format!("nobody is at {dst}"))?,
            };
        }
        bail!("{kind:?} does not arrive")
    }

    fn at_lb(&mut self, n: u16) -> Result<bool> {
        let now = Instant::from_micros(self.now_us);
        match self.lbs[usize::from(n) - 1].process(now, &mut self.frame) {
            lb_engine::Verdict::Transmit => Ok(false),
            lb_engine::Verdict::Drop(reason) => bail!("lb{n} drops it: {reason:?}"),
        }
    }

    fn at_server(&mut self, n: u16) -> Result<bool> {
        let now = Instant::from_micros(self.now_us);
        let socket = match self.owner == Some(n) {
            true if self.is_open => SocketAnswer::Open {
                acked: None,
                sent: None,
            },
            true => SocketAnswer::SynReceived,
            false => SocketAnswer::None,
        };
        let server = &mut self.servers[usize::from(n) - 1];
        let load = server.load();
        let (engine, frame, extra) = (&mut server.engine, &mut self.frame, &mut self.extra);
        let mut verdict = engine.process(now, frame, &load, extra);
        if let Verdict::LookUp(_) = verdict {
            verdict = engine.resume(now, frame, socket, &load, extra);
        }
        match verdict {
            Verdict::Transmit => Ok(false),
            Verdict::Deliver { .. } => {
                self.owner.get_or_insert(n);
                Ok(true)
            }
            Verdict::Drop(reason) => bail!("s{n} drops it: {reason:?}"),
            Verdict::LookUp(_) => bail!("s{n} asks twice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SRH is 8 bytes and 16 for each segment (RFC 8754 section 2).
    #[test]
    fn bytes_are_those_of_the_headers() {
        for servers in 1..=MOST_SERVERS {
            let insert = Overhead::measure(Encoding::Insert, servers).unwrap();
            // the LB's segment, the servers', and the VIP
            assert_eq!(insert.new_flow, 8 + 16 * (1 + servers + 1), "{servers}");
            assert_eq!(insert.pinned, 8 + 16 * 3);
            let encap = Overhead::measure(Encoding::Encap, servers).unwrap();
            // the first segment is the outer destination; an SRH for the others, if there are some
            let srh = match servers {
                1 => 0,
                _ => 8 + 16 * (servers - 1),
            };
            assert_eq!(encap.new_flow, 40 + srh, "{servers}");
            assert_eq!(encap.pinned, 40);
        }
    }

    #[test]
    fn a_connection_of_one_segment_is_added_up() {
        let overhead = Overhead {
            new_flow: 72,
            syn_ack: 10,
            pinned: 56,
            fin: 20,
            recovery: 0,
        };
        // four packets of the client after its SYN, four of the server
        let plain = 9.0 * 60.0 + 400.0 + 1_000.0;
        let more = 72.0 + 10.0 + 20.0 + 4.0 * 56.0;
        assert!((overhead.percent(1_000.0) - 100.0 * more / plain).abs() < 1e-9);
        assert!(overhead.percent(1e7) < overhead.percent(1e3));
    }
}
