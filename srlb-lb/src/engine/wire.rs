//! Taking a function off the packet that carried it here.

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::carry::{node_of, Encoding};
use srh::parse::{self, Packet, Upper};
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

/// Takes a function's headers off `frame`. The packet behind them is parsed anew.
pub fn take_off(frame: &mut PacketBuf, packet: &Packet) -> Result<Arrived, DropReason> {
    let (sender, encoding) = match (&packet.srh, packet.upper) {
        // encap: the one segment left is where we are, so an SRH has nothing more to say
        (srh, Upper::Ipv6) => {
            if srh.is_some_and(|srh| srh.segments_left != 0) {
                return Err(DropReason::WrongSegments);
            }
            rewrite::decap(frame, packet);
            (packet.src, Encoding::Encap)
        }
        // insert: (sender, this function, final destination)
        (Some(srh), _) => {
            let here = srh.segment(frame.bytes(), 1);
            if srh.segments() != 3 || srh.segments_left != 1 || here != Some(packet.dst) {
                return Err(DropReason::WrongSegments);
            }
            let first = srh.first_visited(frame.bytes());
            rewrite::strip(frame, packet)?;
            (first.ok_or(DropReason::WrongSegments)?, Encoding::Insert)
        }
        (None, _) => return Err(DropReason::NotEncapsulated),
    };
    let sender = node_of(sender).ok_or(DropReason::UnknownSender)?;
    let inner = parse::packet(frame.bytes())?;
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
