//! The cluster key and what is hashed with it. All load balancers must agree on every bit of this, across
//! versions too: `tests/stable.rs` pins it.

use siphasher::sip::SipHasher13;
use std::fmt;

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
        let mut bytes = [purpose as u8; 64];
        let hasher = SipHasher13::new_with_key(&self.0);
        match bytes.get_mut(1..=identity.len()) {
            // In one piece, which takes half the time.
            Some(place) => {
                place.copy_from_slice(identity);
                hasher.hash(&bytes[..=identity.len()])
            }
            None => hasher.hash(&[&bytes[..1], identity].concat()),
        }
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

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;

    #[test]
    fn an_identity_of_any_length_is_hashed_behind_its_tag() {
        let key = [5; 16];
        let identity: Vec<u8> = (0..200).collect();
        for length in 0..=identity.len() {
            let mut hasher = SipHasher13::new_with_key(&key);
            hasher.write(b"s");
            hasher.write(&identity[..length]);
            let hash = ClusterKey::from(key).identity_hash(Purpose::Skip, &identity[..length]);
            assert_eq!(hash, hasher.finish(), "{length} bytes");
        }
    }
}
