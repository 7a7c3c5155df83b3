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

/// [`bucket_of`] for a key of `BYTES` bytes in little-endian words, zeros behind it. It needs no memory, and takes half the instructions.
#[inline(always)]
pub(crate) fn bucket_of_words<const BYTES: usize, const WORDS: usize>(
    key: &ClusterKey,
    words: [u64; WORDS],
    buckets: u32,
) -> u32 {
    let hash = sip13::<BYTES, WORDS>(&key.0, words);
    (hash % u64::from(buckets)) as u32
}

/// SipHash-1-3 (Aumasson and Bernstein, 2012).
#[inline(always)]
fn sip13<const BYTES: usize, const WORDS: usize>(key: &[u8; 16], words: [u64; WORDS]) -> u64 {
    const {
        // The last word has room for the length, which ends the message.
        assert!(WORDS == BYTES / 8 + 1 && BYTES < 256);
    }
    let key = u128::from_le_bytes(*key);
    let (k0, k1) = (key as u64, (key >> 64) as u64);
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    for (at, word) in words.into_iter().enumerate() {
        let is_last = at + 1 == WORDS;
        let word = word | if is_last { (BYTES as u64) << 56 } else { 0 };
        state[3] ^= word;
        round(&mut state);
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[inline(always)]
fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v3);
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.wrapping_add(*v3);
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.wrapping_add(*v1);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v2 = v2.rotate_left(32);
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

    /// Word by word it is the hash that the contract names.
    #[test]
    fn words_are_hashed_as_bytes_are() {
        let mut word = 1_u64;
        for seed in 0..1_000_u64 {
            let words = [(); 5].map(|()| {
                word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seed);
                word ^ word >> 33
            });
            let words = [words[0], words[1], words[2], words[3], words[4] >> 24];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let key = ClusterKey::from([seed as u8; 16]);
            for buckets in [1, 7, 65_536, 65_537, u32::MAX] {
                let expected = bucket_of(&key, &bytes[..37], buckets);
                assert_eq!(bucket_of_words::<37, 5>(&key, words, buckets), expected);
            }
        }
    }
}
