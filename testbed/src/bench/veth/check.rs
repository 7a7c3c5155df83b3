//! Are the packets that arrive those that were sent, with the header in front that the case puts there?

use std::collections::HashSet;

use anyhow::{bail, ensure, Context, Result};
use packet_io::lab::Shape;
use packet_io::PacketBuf;
use srh::parse::next_header::{IPV6, ROUTING};
use srh::Frame;

use super::case::Case;
use crate::bench::packets::{self, PACKET_BYTES};

const IPV6_BYTES: usize = 40;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
/// Where all servers' locators are.
const SERVERS: [u8; 4] = [0xfd, 0, 0, 0x5e];
/// A routing header's type that is a segment routing header.
const SEGMENT_ROUTING: u8 = 4;

/// The packets that are sent, but for their hop limits.
pub struct Sent(HashSet<Vec<u8>>);

impl Sent {
    /// Of so many flows.
    pub fn of(flows: u32) -> Sent {
        let mut packet = PacketBuf::with_capacity(PACKET_BYTES);
        let of = |flow: u32| {
            packets::data(flow.into(), &mut packet);
            without_hop_limit(packet.bytes())
        };
        Sent((0..flows).map(of).collect())
    }

    /// Looks at packets that have arrived, and says what all of them look like.
    pub fn look(&self, case: Case, arrived: &[PacketBuf]) -> Result<Shape> {
        let mut shapes = Vec::new();
        for packet in arrived {
            let bytes = packet.bytes();
            let shape = self
                .one(case, bytes)
                .with_context(|| format!("{}: {}", case.name(), srh::Describe(bytes)))?;
            shapes.push(shape);
        }
        let first = *shapes.first().context("nothing has arrived")?;
        ensure!(
            shapes.iter().all(|shape| *shape == first),
            "{}: packets of different shapes",
            case.name()
        );
        Ok(first)
    }

    fn one(&self, case: Case, bytes: &[u8]) -> Result<Shape> {
        ensure!(bytes.len() >= IPV6_BYTES, "no IPv6 header");
        let inside = match case {
            Case::L2fwd | Case::L2fwdFew | Case::Driver | Case::Kernel => bytes.to_vec(),
            Case::LbInsert | Case::Seg6Inline => taken_out(bytes)?,
            Case::LbEncap | Case::Seg6Encap => unwrapped(bytes)?,
        };
        ensure!(
            self.0.contains(&without_hop_limit(&inside)),
            "not a packet that was sent"
        );
        Ok(Shape {
            len_bytes: bytes.len(),
            next_header: bytes[NEXT_HEADER],
        })
    }
}

fn without_hop_limit(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[HOP_LIMIT] = 0;
    bytes
}

/// The length of the segment routing header behind the first header.
fn srh_bytes(bytes: &[u8]) -> Result<usize> {
    ensure!(bytes[24..28] == SERVERS, "it is on its way to no server");
    ensure!(bytes[NEXT_HEADER] == ROUTING, "no routing header");
    let srh = bytes.get(IPV6_BYTES..).unwrap_or_default();
    let len = srh.get(1).map_or(0, |&units| 8 * (usize::from(units) + 1));
    ensure!(
        srh.len() > len && srh.get(2) == Some(&SEGMENT_ROUTING),
        "no segment routing header"
    );
    Ok(len)
}

/// The client's packet behind an outer header.
fn unwrapped(bytes: &[u8]) -> Result<Vec<u8>> {
    let at = match bytes[NEXT_HEADER] {
        IPV6 => IPV6_BYTES,
        _ => IPV6_BYTES + srh_bytes(bytes)?,
    };
    if at > IPV6_BYTES && bytes[IPV6_BYTES] != IPV6 {
        bail!("no packet inside");
    }
    Ok(bytes[at..].to_vec())
}

/// The client's packet that a segment routing header was put into.
fn taken_out(bytes: &[u8]) -> Result<Vec<u8>> {
    let len = srh_bytes(bytes)?;
    let (head, rest) = bytes.split_at(IPV6_BYTES);
    let (srh, payload) = rest.split_at(len);
    let last = srh.get(8..24).context("no segment")?;
    let mut packet = [head, payload].concat();
    let payload_bytes = u16::try_from(payload.len()).context("too long")?;
    packet[4..6].copy_from_slice(&payload_bytes.to_be_bytes());
    packet[NEXT_HEADER] = srh[0];
    packet[24..40].copy_from_slice(last);
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> (Sent, PacketBuf) {
        let mut packet = PacketBuf::with_capacity(PACKET_BYTES);
        packets::data(3, &mut packet);
        (Sent::of(5), packet)
    }

    /// A packet with a segment routing header to fd00:5e:7::100 and then the VIP, put in or in front.
    fn with_srh(packet: &[u8], inserted: bool) -> PacketBuf {
        let mut srh = vec![
            if inserted { 6 } else { IPV6 },
            4,
            SEGMENT_ROUTING,
            1,
            1,
            0,
            0,
            0,
        ];
        srh.extend(packets::vip().octets());
        let mut first = [0; 16];
        first[..6].copy_from_slice(&[0xfd, 0, 0, 0x5e, 0, 7]);
        srh.extend(first);
        let mut head = packet[..40].to_vec();
        head[NEXT_HEADER] = ROUTING;
        head[24..40].copy_from_slice(&first);
        let rest = &packet[if inserted { 40 } else { 0 }..];
        let payload = (srh.len() + rest.len()) as u16;
        head[4..6].copy_from_slice(&payload.to_be_bytes());
        PacketBuf::from_slice(&[&head[..], &srh, rest].concat())
    }

    #[test]
    fn what_was_sent_is_known_in_any_dress() {
        let (sent, mut packet) = sent();
        packet.bytes_mut()[HOP_LIMIT] -= 1;
        let plain = sent.look(Case::Kernel, &[packet.clone()]).unwrap();
        assert_eq!((plain.len_bytes, plain.next_header), (86, 6));
        let inline = with_srh(packet.bytes(), true);
        let shape = sent.look(Case::Seg6Inline, &[inline]).unwrap();
        assert_eq!((shape.len_bytes, shape.next_header), (126, ROUTING));
        let encap = with_srh(packet.bytes(), false);
        let shape = sent.look(Case::Seg6Encap, &[encap]).unwrap();
        assert_eq!((shape.len_bytes, shape.next_header), (166, ROUTING));
    }

    #[test]
    fn every_wrong_byte_is_seen() {
        let (sent, packet) = sent();
        for (case, right) in [
            (Case::L2fwd, packet.clone()),
            (Case::Seg6Inline, with_srh(packet.bytes(), true)),
            (Case::Seg6Encap, with_srh(packet.bytes(), false)),
        ] {
            sent.look(case, std::slice::from_ref(&right)).unwrap();
            let tcp = right.len() - (PACKET_BYTES - IPV6_BYTES);
            for at in (tcp..right.len()).chain([NEXT_HEADER, 30 - 6]) {
                let mut wrong = right.clone();
                wrong.bytes_mut()[at] ^= 1;
                assert!(sent.look(case, &[wrong]).is_err(), "{case:?}: byte {at}");
            }
            let mut cut = right.clone();
            cut.truncate(right.len() - 1);
            assert!(sent.look(case, &[cut]).is_err(), "{case:?}: cut");
            for other in Case::ALL {
                let plain = |case: Case| {
                    let srv6 = [Case::Seg6Inline, Case::Seg6Encap].contains(&case);
                    !srv6 && case.encoding().is_none()
                };
                if plain(other) != plain(case) {
                    let packet = std::slice::from_ref(&right);
                    assert!(sent.look(other, packet).is_err(), "{case:?} as {other:?}");
                }
            }
        }
        assert!(sent.look(Case::L2fwd, &[]).is_err(), "nothing");
        let one = with_srh(packet.bytes(), true);
        let mut other = PacketBuf::with_capacity(PACKET_BYTES);
        packets::data(77, &mut other);
        let both = [one, with_srh(other.bytes(), true)];
        assert!(
            sent.look(Case::Seg6Inline, &both).is_err(),
            "a flow that wasn't sent"
        );
    }
}
