//! The HMAC TLV of an SRH (RFC 8754 section 2.1.2): how a node proves that it may speak.
//!
//! ```text
//!  0         1         2         3
//! +---------+---------+---------+---------+
//! | type 5  | len 38  |D|    reserved     |
//! +---------+---------+---------+---------+
//! |              HMAC Key ID              |
//! +---------------------------------------+
//! |          HMAC-SHA-256, 32 bytes       |
//! ```
//!
//! It covers the IPv6 source and the segment list, and so the sender in either encoding. Neither
//! Segments Left nor the destination is covered: they change on the way, and the destination has to
//! be the segment that Segments Left names.

mod keys;

use std::fmt;

use hmac::{KeyInit, Mac};

use crate::parse::{SEGMENT_BYTES, SRH_FIXED_BYTES};

pub use keys::{complaint, HmacError, Keys, Signature};

/// Length of the TLV.
pub const TLV_BYTES: usize = 40;
/// What its Length field says: the bytes behind it.
const TLV_LENGTH: u8 = 38;
/// Its type.
pub(crate) const TLV_TYPE: u8 = 5;
/// Offset of the key's number in it.
const KEY_ID_AT: usize = 4;
/// Offset of the HMAC in it.
const DIGEST_AT: usize = 8;
/// The D bit: the list is a reduced one.
const D_BIT: u8 = 0x80;
/// Offsets of Last Entry and Flags in an SRH, and of what follows them.
const LAST_ENTRY_AT: usize = 4;
const FLAGS_AT: usize = 5;
const TAG_AT: usize = 6;
/// Without this flag Linux does not look for the TLV (its `SR6_FLAG1_HMAC`).
const LINUX_FLAG: u8 = 0x08;

/// Which bytes the HMAC is taken of. RFC 8754 section 2.1.2.1 leaves that to local policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Text {
    /// The RFC's own: source, Last Entry, Flags, the D bit with the reserved ones, Key ID, segments.
    #[default]
    Rfc8754,
    /// Linux's (`net/ipv6/seg6_hmac.c`): without the D bit and the reserved ones, and a flag in the SRH
    /// says that there is an HMAC TLV. For domains in which Linux routers verify as well.
    Linux,
}

impl Text {
    /// The name in configuration files and in `status`.
    pub const fn name(self) -> &'static str {
        match self {
            Text::Rfc8754 => "rfc8754",
            Text::Linux => "linux",
        }
    }

    /// The flags of an SRH with such a TLV.
    const fn flags(self) -> u8 {
        match self {
            Text::Rfc8754 => 0,
            Text::Linux => LINUX_FLAG,
        }
    }
}

/// A pre-shared key with its number, ready for use: what it makes of HMAC's two pads (RFC 2104) is
/// worked out once, not for each packet.
#[derive(Clone)]
pub struct Key {
    id: u32,
    mac: hmac::Hmac<sha2::Sha256>,
}

impl Key {
    /// The key number `id`. Secrets of more than 64 bytes are hashed first, as RFC 2104 says.
    pub fn new(id: u32, secret: &[u8]) -> Self {
        Key {
            id,
            mac: hmac::Hmac::new_from_slice(secret).expect("HMAC takes secrets of any length"),
        }
    }

    /// Its number on the wire.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// HMAC over the text, ready to be read or compared.
    fn over(&self, text: Text, src: &[u8], srh: &[u8], tlv: &[u8]) -> hmac::Hmac<sha2::Sha256> {
        let mut mac = self.mac.clone();
        mac.update(src);
        mac.update(&srh[LAST_ENTRY_AT..TAG_AT]);
        mac.update(match text {
            Text::Rfc8754 => &tlv[2..DIGEST_AT],
            Text::Linux => &tlv[KEY_ID_AT..DIGEST_AT],
        });
        let segments = usize::from(srh[LAST_ENTRY_AT]) + 1;
        mac.update(&srh[SRH_FIXED_BYTES..][..segments * SEGMENT_BYTES]);
        mac
    }

    /// Writes the TLV into the last 40 bytes of an SRH that is complete but for it.
    fn sign(&self, text: Text, src: &[u8], srh: &mut [u8]) {
        srh[FLAGS_AT] |= text.flags();
        let (head, tlv) = srh.split_at_mut(srh.len() - TLV_BYTES);
        tlv[..KEY_ID_AT].copy_from_slice(&[TLV_TYPE, TLV_LENGTH, 0, 0]);
        tlv[KEY_ID_AT..DIGEST_AT].copy_from_slice(&self.id.to_be_bytes());
        let digest = self.over(text, src, head, tlv).finalize().into_bytes();
        tlv[DIGEST_AT..].copy_from_slice(&digest);
    }

    /// Is this TLV right? Compared in constant time.
    fn verifies(&self, text: Text, src: &[u8], srh: &[u8], tlv: &[u8]) -> bool {
        let mac = self.over(text, src, srh, tlv);
        mac.verify_slice(&tlv[DIGEST_AT..TLV_BYTES]).is_ok()
    }
}

/// Shows the number only.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.id)
    }
}
