//! The keys of a node: one signs, all of them verify.

use super::{Key, Text, D_BIT, TLV_BYTES, TLV_LENGTH};
use crate::carry::node_of;
use crate::icmp;
use crate::parse::{Complaint, Packet, Upper};

/// What is wrong with the HMAC of a packet for one of our SIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HmacError {
    /// No SRH, or none with an HMAC TLV.
    #[error("no HMAC TLV, and a key is configured")]
    Missing,
    /// Not 32 bytes of HMAC: not HMAC-SHA-256.
    #[error("HMAC TLV of another length than HMAC-SHA-256's")]
    Algorithm,
    /// Nobody here has a key with that number.
    #[error("HMAC by a key that is unknown here")]
    UnknownKey,
    /// The destination is not the segment that Segments Left names, or the D bit says that it need not be:
    /// no HMAC covers it.
    #[error("destination outside the segment list that the HMAC covers")]
    Segment,
    /// The digest is another one.
    #[error("HMAC wrong")]
    Wrong,
}

impl HmacError {
    /// All errors, in the order of their counters.
    pub const ALL: &'static [HmacError] = &[
        HmacError::Missing,
        HmacError::Algorithm,
        HmacError::UnknownKey,
        HmacError::Segment,
        HmacError::Wrong,
    ];
}

/// How a packet that may be listened to is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// By the key with this number.
    By(u32),
    /// Not at all, and HMAC is not required.
    None,
    /// Nothing is to be signed: ICMPv6 that carries no function, such as echo, and errors of routers that
    /// have no key.
    NotDue,
}

/// The keys of a node.
#[derive(Clone, Debug)]
pub struct Keys {
    text: Text,
    required: bool,
    /// Place of the key that signs.
    signs: usize,
    list: Vec<Key>,
}

impl Keys {
    /// Keys of which number `sign` signs. `None` if it is not among them.
    pub fn new(sign: u32, list: Vec<Key>) -> Option<Self> {
        Some(Keys {
            text: Text::default(),
            required: true,
            signs: list.iter().position(|key| key.id == sign)?,
            list,
        })
    }

    /// The same over another text.
    pub fn with_text(self, text: Text) -> Self {
        Keys { text, ..self }
    }

    /// Are packets without an HMAC refused? They are unless this says otherwise.
    pub fn with_required(self, required: bool) -> Self {
        Keys { required, ..self }
    }

    /// The text that is signed.
    pub fn text(&self) -> Text {
        self.text
    }

    /// Are packets without an HMAC refused?
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Number of the key that signs.
    pub fn signs(&self) -> u32 {
        self.list[self.signs].id
    }

    /// Numbers of the keys that are accepted.
    pub fn accepted(&self) -> impl Iterator<Item = u32> + '_ {
        self.list.iter().map(|key| key.id)
    }

    /// Writes the TLV into the last 40 bytes of `srh`, which is complete but for it; `src` is the IPv6
    /// source.
    pub(crate) fn sign(&self, src: &[u8], srh: &mut [u8]) {
        self.list[self.signs].sign(self.text, src, srh);
    }

    /// May this packet, which is for one of our SIDs, be listened to?
    pub fn check(&self, bytes: &[u8], packet: &Packet) -> Result<Signature, HmacError> {
        let Some(srh) = &packet.srh else {
            return match packet.upper {
                Upper::Icmp(_) => Ok(Signature::NotDue),
                _ => self.without(),
            };
        };
        let Some(tlv) = srh.hmac_at.and_then(|at| bytes.get(at..)) else {
            return self.without();
        };
        if tlv[1] != TLV_LENGTH || tlv.len() < TLV_BYTES {
            return Err(HmacError::Algorithm);
        }
        let key = self
            .list
            .iter()
            .find(|key| srh.hmac_key(bytes) == Some(key.id));
        let key = key.ok_or(HmacError::UnknownKey)?;
        let active = srh.segment(bytes, usize::from(srh.segments_left));
        if tlv[2] & D_BIT != 0 || active != Some(packet.dst) {
            return Err(HmacError::Segment);
        }
        let header = &bytes[srh.at..srh.at + srh.len];
        match key.verifies(self.text, &packet.src.octets(), header, tlv) {
            true => Ok(Signature::By(key.id)),
            false => Err(HmacError::Wrong),
        }
    }

    fn without(&self) -> Result<Signature, HmacError> {
        match self.required {
            true => Err(HmacError::Missing),
            false => Ok(Signature::None),
        }
    }
}

/// RFC 8754 section 2.1.2.1 asks for a Parameter Problem, code 0, that points to the HMAC TLV where
/// verification fails: what it has to say about `packet`. `None` if there is no TLV to point to, or if
/// the source is no node: in the insert encoding it is the client or the VIP, who can do nothing about the HMAC,
/// and an error could cost them a connection.
pub fn complaint(packet: &Packet) -> Option<Complaint> {
    let at = packet.srh?.hmac_at?;
    let may_be_told = node_of(packet.src).is_some() && icmp::may_report(packet);
    may_be_told.then_some(Complaint {
        src: packet.src,
        dst: packet.dst,
        len: packet.len,
        pointer: at as u32,
    })
}
