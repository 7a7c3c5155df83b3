//! The cluster key and what is hashed with it. All load balancers must agree on every bit of this, across
//! versions too: `tests/stable.rs` pins it.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The secret that all load balancers of a cluster share. Without it nobody outside can aim flows at one bucket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClusterKey([u8; 16]);

impl From<[u8; 16]> for ClusterKey {
    fn from(bytes: [u8; 16]) -> Self {
        ClusterKey(bytes)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Logs and panics are no place for a secret.
        f.write_str("ClusterKey(..)")
    }
}

/// What an identity is hashed for. The tag keeps the three hashes of one server unrelated.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// Where the server's permutation starts.
    Offset = b'o',
    /// How far each step of it goes.
    Skip = b's',
    /// When in a round the server takes its turn.
    Turn = b't',
}

impl ClusterKey {
    /// SipHash-1-3 of the tag followed by the identity.
    pub(crate) fn identity_hash(&self, purpose: Purpose, identity: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&[purpose as u8]);
        hasher.write(identity);
        hasher.finish()
    }
}

/// The bucket of a flow among `buckets`: SipHash-1-3 of the flow's key, modulo the number of buckets.
///
/// # Panics
///
/// If `buckets` is zero.
#[must_use]
pub fn bucket_of(key: &ClusterKey, flow_key: &[u8], buckets: u32) -> u32 {
    let hash = SipHasher13::new_with_key(&key.0).hash(flow_key);
    u32::try_from(hash % u64::from(buckets))
        .expect("a remainder is smaller than its 32-bit divisor")
}
