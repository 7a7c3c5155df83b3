//! One of everything that LB and server put on the wire, for judges that we did not write.

use packet_io::PacketBuf;
use srh::carry::{self, Encoding};
use srh::hmac::Keys;
use srh::icmp;
use srh::parse::{Icmp, Tcp};
use srh::rewrite;
use srh::{Frame, Function, Locator, Segments, Sender};

use crate::nodes::{keys, lb, server, CLIENT, KEY, VIP};
use crate::packets::{from_client, from_vip, parse};

/// A packet with a name.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is.
    pub name: String,
    /// Its bytes, from the IPv6 header on.
    pub bytes: Vec<u8>,
}

const PORT: u16 = 40_000;

/// `bytes` sent along `sids` from `node`.
pub fn carried(
    bytes: &[u8],
    node: Locator,
    encoding: Encoding,
    sids: &[(Locator, Function, u8)],
) -> Vec<u8> {
    carried_by(bytes, Sender { node, keys: None }, encoding, sids)
}

/// `bytes` sent along `sids` from `sender`, who may sign.
pub fn carried_by(
    bytes: &[u8],
    sender: Sender<'_>,
    encoding: Encoding,
    sids: &[(Locator, Function, u8)],
) -> Vec<u8> {
    let mut segments = Segments::default();
    for &(locator, function, arg) in sids {
        segments.push(locator.sid_with(function, arg));
    }
    let mut frame = PacketBuf::from_slice(bytes);
    carry::put_on(
        &mut frame,
        &parse(bytes),
        sender,
        encoding,
        &segments,
        0xabcde,
    )
    .expect("room for a header");
    frame.bytes().to_vec()
}

/// `bytes` after the node of the active segment has passed it on.
pub fn advanced(bytes: &[u8]) -> Vec<u8> {
    let mut frame = PacketBuf::from_slice(bytes);
    rewrite::advance(&mut frame, &parse(bytes)).expect("a segment to go to");
    frame.bytes().to_vec()
}

/// A hunt of LB 1 along servers 1 to `candidates`.
pub fn hunt(bytes: &[u8], encoding: Encoding, candidates: u16) -> Vec<u8> {
    hunt_by(bytes, None, encoding, candidates)
}

/// The same by an LB that may have keys.
pub fn hunt_by(bytes: &[u8], keys: Option<&Keys>, encoding: Encoding, candidates: u16) -> Vec<u8> {
    let sids: Vec<_> = (1..=candidates)
        .map(|n| match n == candidates {
            true => (server(n), Function::ConnectForce, 0),
            false => (server(n), Function::ConnectAvail, 0),
        })
        .collect();
    let node = lb(1);
    carried_by(bytes, Sender { node, keys }, encoding, &sids)
}

/// A recovery along servers 1 to 8.
fn recovery(bytes: &[u8], keys: Option<&Keys>, encoding: Encoding) -> Vec<u8> {
    let sids: Vec<_> = (1..=8)
        .map(|n| (server(n), Function::RecoverStickiness, 3))
        .collect();
    let node = lb(1);
    carried_by(bytes, Sender { node, keys }, encoding, &sids)
}

fn of_encoding(encoding: Encoding, keys: Option<&Keys>) -> Vec<(&'static str, Vec<u8>)> {
    let carried = |bytes: &[u8], node, encoding, sids: &[_]| {
        carried_by(bytes, Sender { node, keys }, encoding, sids)
    };
    let hunt = |bytes: &[u8], encoding, candidates| hunt_by(bytes, keys, encoding, candidates);
    let syn = from_client(PORT, Tcp::SYN, 1000, 0).mss(1440).bytes();
    let data = from_client(PORT, Tcp::ACK | 0x08, 1001, 5001)
        .data(b"GET / HTTP/1.0\r\n\r\n")
        .bytes();
    let syn_ack = from_vip(PORT, Tcp::SYN | Tcp::ACK, 5000, 1001)
        .mss(1272)
        .bytes();
    let fin = from_vip(PORT, Tcp::FIN | Tcp::ACK, 5001, 1019)
        .data(b"the end")
        .bytes();
    let to_server = |function| [(server(1), function, 0)];
    let to_lb = |function, arg| [(lb(1), function, arg)];
    vec![
        ("hunt of one candidate", hunt(&syn, encoding, 1)),
        ("hunt of two candidates", hunt(&syn, encoding, 2)),
        (
            "hunt of three candidates, passed on once",
            advanced(&hunt(&syn, encoding, 3)),
        ),
        (
            "hunt of two candidates, at the last",
            advanced(&hunt(&syn, encoding, 2)),
        ),
        ("recovery of a full chunk", recovery(&data, keys, encoding)),
        (
            "pinned",
            carried(&data, lb(1), encoding, &to_server(Function::AckStickiness)),
        ),
        (
            "createStickiness",
            carried(
                &syn_ack,
                server(1),
                encoding,
                &to_lb(Function::CreateStickiness, 0),
            ),
        ),
        (
            "removeStickiness",
            carried(
                &fin,
                server(1),
                encoding,
                &to_lb(Function::RemoveStickiness, 0),
            ),
        ),
        (
            "returnFlow",
            carried(&data, server(1), encoding, &to_lb(Function::ReturnFlow, 0)),
        ),
        (
            "recoverNext 3",
            carried(&data, server(1), encoding, &to_lb(Function::RecoverNext, 3)),
        ),
    ]
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let data = from_client(PORT, Tcp::ACK, 1001, 5001)
        .data(&[0x61; 1400])
        .bytes();
    let mut too_big = PacketBuf::from_slice(&data);
    let about = icmp::Error {
        src: lb(1).node(),
        dst: CLIENT,
        kind: Icmp::PACKET_TOO_BIG,
        code: 0,
        value: 1428,
    };
    icmp::error(&mut too_big, &about).expect("room for an error");
    let request = icmp::echo_request(CLIENT, VIP, 7, 9);
    let mut reply = PacketBuf::from_slice(&request);
    icmp::echo_reply(&mut reply, &parse(&request));
    let mut ack = [0; 128];
    let len = srh::tcp::empty_ack(&data, &parse(&data), &mut ack).expect("TCP");
    let mut clamped = PacketBuf::from_slice(
        &from_vip(PORT, Tcp::SYN | Tcp::ACK, 5000, 1001)
            .mss(1440)
            .bytes(),
    );
    let packet = parse(clamped.bytes());
    srh::tcp::clamp_mss(&mut clamped, &packet, 1272);
    vec![
        ("Packet Too Big", too_big.bytes().to_vec()),
        ("echo request", request.to_vec()),
        ("echo reply", reply.bytes().to_vec()),
        ("empty ACK", ack[..len].to_vec()),
        ("clamped SYN-ACK", clamped.bytes().to_vec()),
    ]
}

/// All samples.
pub fn all() -> Vec<Sample> {
    let mut samples = Vec::new();
    let signing = keys(&[KEY]);
    for encoding in [Encoding::Insert, Encoding::Encap] {
        for (keys, how) in [(None, ""), (Some(&signing), ", signed")] {
            for (name, bytes) in of_encoding(encoding, keys) {
                samples.push(Sample {
                    name: format!("{name}, {}{how}", encoding.name()),
                    bytes,
                });
            }
        }
    }
    samples.extend(messages().into_iter().map(|(name, bytes)| Sample {
        name: name.to_string(),
        bytes,
    }));
    samples
}
