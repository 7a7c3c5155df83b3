//! Taking a function off the packet that carried it here.

use std::net::Ipv6Addr;

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::carry::{node_of, Encoding};
use srh::parse::{self, Packet, Srh, Upper};
use srh::{rewrite, Frame, Locator};

/// A function that arrived here, off its packet.
pub struct Arrived {
    /// Who sent it.
    pub sender: Locator,
    /// In which encoding.
    pub encoding: Encoding,
    /// The packet that carried it, as it is without it.
    pub packet: Packet,
}

/// Takes a function's headers off `frame`.
pub fn take_off(frame: &mut PacketBuf, packet: &Packet) -> Result<Arrived, DropReason> {
    let (sender, encoding, known) = match (&packet.srh, packet.upper) {
        // encap: the one segment left is where we are, so an SRH has nothing more to say
        (srh, Upper::Ipv6) => {
            if srh.is_some_and(|srh| srh.segments_left != 0) {
                return Err(DropReason::WrongSegments);
            }
            rewrite::decap(frame, packet);
            (packet.src, Encoding::Encap, None)
        }
        // insert: (sender, this function, final destination)
        (Some(srh), _) => {
            let here = srh.segment(frame.bytes(), 1);
            if srh.segments() != 3 || srh.segments_left != 1 || here != Some(packet.dst) {
                return Err(DropReason::WrongSegments);
            }
            let first = srh.first_visited(frame.bytes());
            let dst = rewrite::strip(frame, packet)?;
            let first = first.ok_or(DropReason::WrongSegments)?;
            let known = packet.fragment.is_none();
            let known = known.then(|| without_srh(packet, srh, dst));
            (first, Encoding::Insert, known)
        }
        (None, _) => return Err(DropReason::NotEncapsulated),
    };
    let sender = node_of(sender).ok_or(DropReason::UnknownSender)?;
    let inner = match known {
        Some(inner) => inner,
        None => parse::packet(frame.bytes())?,
    };
    debug_assert_eq!(parse::packet(frame.bytes()), Ok(inner));
    if inner.srh.is_some() {
        return Err(DropReason::RoutingTowardsVip);
    }
    frame.truncate(inner.len);
    Ok(Arrived {
        sender,
        encoding,
        packet: inner,
    })
}

/// What parsing says about a packet, not a fragment, from which its SRH has been taken out: nothing new, so it isn't done again.
fn without_srh(packet: &Packet, srh: &Srh, dst: Ipv6Addr) -> Packet {
    Packet {
        len: packet.len - srh.len,
        dst,
        srh: None,
        upper_at: packet.upper_at - srh.len,
        ..*packet
    }
}
