//! The baseline of measurements: Maglev with GRE, in this engine. A packet takes the same way up to its flow's entry, and then
//! goes through a tunnel to the server of that; a flow without one gets the server that the table says, and an entry at once.
//!
//! It is for TCP alone. No configuration names it.

use daemon::DropReason;
use flow_table::FlowHash;
use packet_io::{Instant, PacketBuf};
use srh::gre::Gre;
use srh::parse::Packet;
use srh::Encoding;

use super::pin::ShortNumber;
use super::state::Next;
use super::{Done, Engine, Event, MadeBy, Outcome, Subject};

/// The baseline, where it is in force.
#[derive(Default)]
pub(super) struct Maglev(Option<Gre>);

impl Maglev {
    /// Is it?
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

impl Engine {
    /// Measures the baseline from now on instead of 6LB. The pool's tables should have one candidate a bucket then.
    pub fn set_maglev(&mut self) {
        self.maglev = Maglev(Some(Gre::new(self.config.locator)));
        self.prebuild();
    }

    /// Through the tunnel to `far_end`.
    #[inline]
    pub(super) fn put_gre_on(
        &self,
        frame: &mut PacketBuf,
        far_end: std::net::Ipv6Addr,
        flow_label: u32,
    ) -> Result<(), srh::rewrite::RewriteError> {
        match &self.maglev.0 {
            Some(gre) => gre.put_on(frame, far_end, flow_label),
            None => Ok(()),
        }
    }

    /// A packet that the short way is not for: of a flow without a confirmed entry, or with a flag of its own.
    pub(super) fn by_maglev(
        &mut self,
        now: Instant,
        frame: &mut PacketBuf,
        packet: &Packet,
        vip: usize,
        hash: Option<FlowHash>,
    ) -> Outcome {
        let subject = self.tcp_subject(packet, vip, hash, now)?;
        let (server, next, made_by) = match subject.pin {
            Some(pin) => (pin.server(), Next::Confirmed, None),
            None => {
                let server = self.by_table(&subject)?;
                let (number, encoding) = (ShortNumber::NONE, Encoding::Encap);
                let made_by = MadeBy {
                    server,
                    number,
                    encoding,
                };
                (server, Next::PinUnconfirmed, Some(made_by))
            }
        };
        let far_end = self.ack_sids[usize::from(server)];
        self.put_gre_on(frame, far_end, subject.hash.flow_label())?;
        self.events.add(Event::Steered);
        self.write(&subject, next, made_by, now);
        Ok(Done::Forwarded)
    }

    fn by_table(&self, subject: &Subject) -> Result<u16, DropReason> {
        let list = self.vip(subject).tables.candidates(self.bucket(subject));
        list.first().copied().ok_or(DropReason::NoCandidates)
    }
}
