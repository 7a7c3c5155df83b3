//! The keyed hash that names a flow in the table.

use siphasher::sip128::SipHasher13;
use srh::Flow;

/// The key of a table's hash: random, one per process, so that nobody outside can aim at a set.
///
/// It has no `Debug` on purpose: it is a secret.
#[derive(Clone)]
pub struct HashKey(pub [u8; 16]);

/// A flow, as a table sees it: where it may lie, and what it is recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowHash {
    index: u64,
    tag: u64,
}

impl FlowHash {
    /// A hash put together by hand, for tests and for readers of the table's memory:
    /// `index` holds the two homes (upper and lower half), `tag` what is compared. A tag of 0,
    /// which marks an empty slot, becomes 1.
    #[inline]
    pub fn from_parts(index: u64, tag: u64) -> Self {
        FlowHash {
            index,
            tag: tag.max(1),
        }
    }

    /// The hash of `flow` under `hasher`'s key.
    #[inline]
    pub(crate) fn of(hasher: &SipHasher13, flow: &Flow) -> Self {
        let hash = hasher.hash(&flow.key());
        Self::from_parts(hash.h1, hash.h2)
    }

    /// The two sets, of `sets`, in which the flow may lie. They may be the same one.
    #[inline]
    pub fn homes(self, sets: usize) -> [usize; 2] {
        let scale = |half: u32| ((u64::from(half) * sets as u64) >> 32) as usize;
        [scale((self.index >> 32) as u32), scale(self.index as u32)]
    }

    /// A flow label for outer headers (RFC 6438): 20 bits that are the same for all packets of
    /// the flow and tell little about the hash.
    #[inline]
    pub fn flow_label(self) -> u32 {
        ((self.index ^ self.tag.rotate_left(32)) >> 44) as u32
    }

    /// What is compared; never 0.
    #[inline]
    pub fn tag(self) -> u64 {
        self.tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_cover_all_sets_and_nothing_else() {
        for sets in [1, 2, 3, 7, 1000] {
            let home = |half: u64| FlowHash::from_parts(half << 32 | half, 1).homes(sets);
            assert_eq!(home(0), [0, 0]);
            assert_eq!(home(u64::from(u32::MAX)), [sets - 1, sets - 1]);
        }
    }

    #[test]
    fn the_two_halves_of_the_index_are_the_two_homes() {
        assert_eq!(
            FlowHash::from_parts(0x8000_0000_4000_0000, 1).homes(8),
            [4, 2]
        );
    }

    #[test]
    fn a_tag_of_zero_becomes_one() {
        assert_eq!(FlowHash::from_parts(5, 0).tag(), 1);
        assert_eq!(FlowHash::from_parts(5, u64::MAX).tag(), u64::MAX);
    }

    #[test]
    fn the_hash_depends_on_key_and_on_every_part_of_the_flow() {
        let flow = Flow {
            protocol: 6,
            client: "2001:db8::1".parse().unwrap(),
            client_port: 4000,
            vip: "2001:db8:80::1".parse().unwrap(),
            vip_port: 80,
        };
        let a = SipHasher13::new_with_key(&[1; 16]);
        let b = SipHasher13::new_with_key(&[2; 16]);
        let first = FlowHash::of(&a, &flow);
        assert_eq!(first, FlowHash::of(&a, &flow));
        assert_ne!(first, FlowHash::of(&b, &flow));
        let others = [
            Flow {
                protocol: 17,
                ..flow
            },
            Flow {
                client: "2001:db8::2".parse().unwrap(),
                ..flow
            },
            Flow {
                client_port: 4001,
                ..flow
            },
            Flow {
                vip: "2001:db8:80::2".parse().unwrap(),
                ..flow
            },
            Flow {
                vip_port: 81,
                ..flow
            },
        ];
        for other in others {
            let hash = FlowHash::of(&a, &other);
            assert_ne!(first.index, hash.index, "{other}");
            assert_ne!(first.tag, hash.tag, "{other}");
        }
    }
}
