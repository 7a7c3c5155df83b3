//! A function that has arrived, with everything about it checked that needs no state.

use std::net::Ipv6Addr;

use daemon::DropReason;
use srh::carry::node_of;
use srh::parse::{self, Packet, Upper};
use srh::{checksum, rewrite, Encoding, Frame, Function, Sid};

use super::config::EngineConfig;
use super::entry::Peer;

/// A function on a client's packet.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// What is asked.
    pub function: Function,
    /// Its argument.
    pub arg: u8,
    /// The LB that asks.
    pub lb: Peer,
    /// Does the list go on to another server?
    pub has_next: bool,
    /// The packet as it arrived.
    pub outer: Packet,
    /// The client's packet: inside `outer` (encap), or `outer` itself (insert).
    pub client: Packet,
    /// Where the client's packet starts.
    pub client_at: usize,
    /// Where the client wants to go.
    pub vip: Ipv6Addr,
}

impl Arrival {
    /// Reads and checks what has arrived for one of our SIDs.
    pub fn read(config: &EngineConfig, bytes: &[u8], outer: Packet) -> Result<Self, DropReason> {
        let sid = Sid::parse(outer.dst).ok_or(DropReason::UnknownSid)?;
        if !is_for_servers(sid.function) {
            return Err(DropReason::NotOurFunction);
        }
        // Nobody of ours sends fragments: only what a client has sent in pieces may be one, inside.
        let is_ours = outer.srh.is_none() || outer.upper == Upper::Ipv6;
        if outer.is_fragment() && is_ours {
            return Err(DropReason::Fragment);
        }
        let arrival = match outer.upper {
            Upper::Ipv6 => Self::encap(bytes, outer, sid)?,
            _ => Self::insert(bytes, outer, sid)?,
        };
        arrival.check_list(config, bytes)?;
        arrival.check_client(config)?;
        Ok(arrival)
    }

    fn encap(bytes: &[u8], outer: Packet, sid: Sid) -> Result<Self, DropReason> {
        let client = parse::packet(&bytes[outer.upper_at..outer.len])?;
        if client.srh.is_some() {
            return Err(DropReason::RoutingTowardsVip);
        }
        let locator = node_of(outer.src).ok_or(DropReason::UnknownSender)?;
        Ok(Arrival {
            function: sid.function,
            arg: sid.arg,
            lb: Peer {
                locator,
                encoding: Encoding::Encap,
            },
            has_next: outer.srh.is_some_and(|srh| srh.segments_left > 0),
            client_at: outer.upper_at,
            vip: client.dst,
            outer,
            client,
        })
    }

    fn insert(bytes: &[u8], outer: Packet, sid: Sid) -> Result<Self, DropReason> {
        let srh = outer.srh.ok_or(DropReason::NotEncapsulated)?;
        let sender = srh.first_visited(bytes).ok_or(DropReason::WrongSegments)?;
        let locator = node_of(sender).ok_or(DropReason::UnknownSender)?;
        // Behind every server comes at least the VIP, and before it the sender.
        let here = srh.segment(bytes, usize::from(srh.segments_left));
        let behind_sender = usize::from(srh.segments_left) + 1 < srh.segments();
        if srh.segments_left == 0 || !behind_sender || here != Some(outer.dst) {
            return Err(DropReason::WrongSegments);
        }
        Ok(Arrival {
            function: sid.function,
            arg: sid.arg,
            lb: Peer {
                locator,
                encoding: Encoding::Insert,
            },
            has_next: srh.segments_left > 1,
            client_at: 0,
            vip: srh
                .final_destination(bytes)
                .ok_or(DropReason::WrongSegments)?,
            outer,
            client: outer,
        })
    }

    /// The sender is an LB, and the list fits the function.
    fn check_list(&self, config: &EngineConfig, bytes: &[u8]) -> Result<(), DropReason> {
        if !config.is_lb(self.lb.locator) {
            return Err(DropReason::UnknownSender);
        }
        let fits = match self.function {
            // an offer that can be refused needs somebody to be refused to
            Function::ConnectAvail => self.has_next,
            // an LB that thinks the candidates behind this one dead forces it, and keeps them listed
            Function::ConnectForce | Function::ConnectFinal | Function::RecoverStickiness => true,
            Function::AckStickiness => !self.has_next && self.is_list_of_one(),
            _ => !self.has_next,
        };
        if !fits || !self.next_is_a_server(config, bytes) {
            return Err(DropReason::WrongSegments);
        }
        Ok(())
    }

    /// Was there never a second server in the list?
    fn is_list_of_one(&self) -> bool {
        match (self.lb.encoding, &self.outer.srh) {
            (Encoding::Insert, Some(srh)) => srh.segments() == 3,
            _ => true,
        }
    }

    /// Whoever comes next runs a server's function inside the domain; never the VIP.
    fn next_is_a_server(&self, config: &EngineConfig, bytes: &[u8]) -> bool {
        if !self.has_next {
            return true;
        }
        let Some(srh) = &self.outer.srh else {
            return false;
        };
        srh.segment(bytes, usize::from(srh.segments_left) - 1)
            .filter(|&next| config.is_in_domain(next))
            .and_then(Sid::parse)
            .is_some_and(|next| is_for_servers(next.function))
    }

    /// The client may be one, and wants something that is here.
    fn check_client(&self, config: &EngineConfig) -> Result<(), DropReason> {
        if !config.is_vip(self.vip) {
            return Err(DropReason::InnerDestination);
        }
        if !config.may_be_client(self.client.src) {
            return Err(DropReason::ClientInDomain);
        }
        Ok(())
    }

    /// Is the transport checksum of the client's packet right?
    pub fn checksum_is_right(&self, bytes: &[u8]) -> bool {
        checksum::is_right(&bytes[self.client_at..], &self.client)
    }

    /// Takes the function off: the client's packet to the VIP is left, and parsed anew.
    pub fn take_off(&self, frame: &mut impl Frame) -> Result<Packet, DropReason> {
        match self.lb.encoding {
            Encoding::Encap => {
                rewrite::decap(frame, &self.outer);
                frame.truncate(self.client.len);
                Ok(self.client)
            }
            Encoding::Insert => {
                rewrite::strip(frame, &self.outer)?;
                Ok(parse::packet(frame.bytes())?)
            }
        }
    }
}

/// Does this function run at a server?
fn is_for_servers(function: Function) -> bool {
    match function {
        Function::ConnectAvail
        | Function::ConnectForce
        | Function::ConnectFinal
        | Function::RecoverStickiness
        | Function::RecoverFinal
        | Function::AckStickiness => true,
        Function::Node
        | Function::CreateStickiness
        | Function::RemoveStickiness
        | Function::ReturnFlow
        | Function::RecoverNext => false,
    }
}
