//! The keyed hash that names a flow in the table.
//!
//! It is the CBC-MAC of the flow under AES-128, cut nowhere: 128 bits that nobody without the key can foresee, whatever he has
//! learnt about those of other flows. (All messages have the same three blocks, for which a CBC-MAC is a pseudo-random function.) Processors have
//! instructions for it, and do several flows' blocks at once: [`FlowHasher::hash_all`]. The first block is the VIP, so that its state is
//! computed once and not for every packet: [`VipState`].
//!
//! | block | bytes |
//! | --- | --- |
//! | 0 | the VIP |
//! | 1 | the client's address |
//! | 2 | protocol (1), client's port (2), VIP's port (2), 11 bytes of zero |
//!
//! Numbers are in network order. Of the 16 bytes that come out, the first 8 are the index and the last 8 the tag, both little-endian.

use std::net::Ipv6Addr;

use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use aes::{Aes128, Block};
use srh::Flow;

/// The key of a table's hash: random, one per process, so that nobody outside can aim at a set.
///
/// It has no `Debug` on purpose: it is a secret.
#[derive(Clone)]
pub struct HashKey(pub [u8; 16]);

/// The second home is one of so many sets around the first, or of all if there are fewer: 32 KB of sets that are a cache line each, the pages that one line of a
/// page table describes. Where the first one's page lies, a processor has just found out; in a table of hundreds of megabytes that takes as long as
/// reading what is there.
const NEAR_SETS: usize = 512;

/// A flow, as a table sees it: where it may lie, and what it is recognised by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

    #[inline]
    fn of_bits(bits: u128) -> Self {
        FlowHash {
            index: bits as u64,
            tag: (bits >> 64) as u64,
        }
    }

    /// The two sets, of `sets`, in which the flow may lie: see the crate's page. They may be the same one.
    #[inline]
    pub fn homes(self, sets: usize) -> [usize; 2] {
        [self.first_home(sets), self.second_home(sets)]
    }

    #[inline]
    pub(crate) fn first_home(self, sets: usize) -> usize {
        (((self.index >> 32) * sets as u64) >> 32) as usize
    }

    #[inline]
    pub(crate) fn second_home(self, sets: usize) -> usize {
        let near = sets.min(NEAR_SETS);
        let begin = (self.first_home(sets) & !(NEAR_SETS - 1)).min(sets - near);
        begin + (((self.index & 0xffff_ffff) * near as u64) >> 32) as usize
    }

    /// A flow label for outer headers (RFC 6438): 20 bits that are the same for all packets of
    /// the flow and tell little about the hash.
    #[inline]
    pub fn flow_label(self) -> u32 {
        ((self.index ^ self.tag.rotate_left(32)) >> 44) as u32
    }

    /// The tag as it came out, 0 included.
    #[inline]
    pub(crate) fn raw_tag(self) -> u64 {
        self.tag
    }

    /// What is compared; never 0.
    #[inline]
    pub fn tag(self) -> u64 {
        self.tag.max(1)
    }
}

/// What the hashes of all flows of one VIP have in common.
#[derive(Clone, Copy)]
pub struct VipState(u128);

/// A flow that is to be hashed: all of it but the VIP's address.
#[derive(Clone, Copy)]
pub struct Unhashed {
    /// The state after the first block, and the second one.
    mixed: u128,
    /// The third, as far as it is not zero.
    ports: u64,
}

impl Unhashed {
    /// A flow to the VIP with this state.
    #[inline]
    pub fn new(vip: VipState, flow: &Flow) -> Self {
        let client = u128::from_le_bytes(flow.client.octets());
        let ports = u64::from(flow.protocol)
            | u64::from(flow.client_port.swap_bytes()) << 8
            | u64::from(flow.vip_port.swap_bytes()) << 24;
        Unhashed {
            mixed: vip.0 ^ client,
            ports,
        }
    }
}

/// So many flows are hashed together at most.
pub const TOGETHER: usize = 64;

/// Flows that are hashed together.
#[repr(align(64))]
pub struct Together {
    /// What [`FlowHasher::hash_all`] makes the hashes of.
    blocks: [Block; TOGETHER],
    /// The last blocks; their second halves stay zero.
    ports: [Block; TOGETHER],
}

impl Default for Together {
    fn default() -> Self {
        Together {
            blocks: [Block::default(); TOGETHER],
            ports: [Block::default(); TOGETHER],
        }
    }
}

impl Together {
    /// Makes this the flow with that number, which must be below [`TOGETHER`].
    #[inline]
    pub fn put(&mut self, number: usize, flow: Unhashed) {
        self.blocks[number] = flow.mixed.to_le_bytes().into();
        self.ports[number][..8].copy_from_slice(&flow.ports.to_le_bytes());
    }

    /// The hash of the flow with this number, after [`FlowHasher::hash_all`].
    #[inline]
    pub fn hash(&self, number: usize) -> FlowHash {
        FlowHash::of_bits(bits(&self.blocks[number]))
    }
}

/// The hash function, with its key.
#[derive(Clone)]
pub struct FlowHasher(Aes128);

impl FlowHasher {
    /// The one with this key.
    pub fn new(key: &HashKey) -> Self {
        FlowHasher(Aes128::new(&key.0.into()))
    }

    /// What the hashes of this VIP's flows have in common.
    pub fn of_vip(&self, vip: Ipv6Addr) -> VipState {
        VipState(self.encrypt(u128::from_le_bytes(vip.octets())))
    }

    /// The hash of one flow.
    pub fn hash(&self, flow: &Flow) -> FlowHash {
        self.finish(Unhashed::new(self.of_vip(flow.vip), flow))
    }

    /// The hash of one flow whose VIP is known.
    pub fn finish(&self, flow: Unhashed) -> FlowHash {
        FlowHash::of_bits(self.encrypt(self.encrypt(flow.mixed) ^ u128::from(flow.ports)))
    }

    /// Hashes the first `count` of these flows: several at once. What was not put there since the last time gets some hash, too.
    pub fn hash_all(&self, flows: &mut Together, count: usize) {
        let (blocks, ports) = (&mut flows.blocks[..count], &flows.ports[..count]);
        self.0.encrypt_with_backend(Chains { blocks, ports });
    }

    fn encrypt(&self, block: u128) -> u128 {
        let mut block = block.to_le_bytes().into();
        self.0.encrypt_block(&mut block);
        bits(&block)
    }
}

/// The last two blocks of many CBC-MACs: both while the cipher has its keys at hand.
struct Chains<'a> {
    blocks: &'a mut [Block],
    ports: &'a [Block],
}

impl BlockSizeUser for Chains<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chains<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let (many, rest) = Array::<Block, B::ParBlocksSize>::slice_as_chunks_mut(self.blocks);
        let (ports_of_many, ports_of_rest) =
            Array::<Block, B::ParBlocksSize>::slice_as_chunks(self.ports);
        for (blocks, ports) in many.iter_mut().zip(ports_of_many) {
            backend.encrypt_par_blocks_inplace(blocks);
            mix(blocks, ports);
            backend.encrypt_par_blocks_inplace(blocks);
        }
        for (block, ports) in rest.iter_mut().zip(ports_of_rest) {
            backend.encrypt_block_inplace(block);
            mix(std::slice::from_mut(block), std::slice::from_ref(ports));
            backend.encrypt_block_inplace(block);
        }
    }
}

#[inline(always)]
fn mix(blocks: &mut [Block], with: &[Block]) {
    for (block, with) in blocks.iter_mut().zip(with) {
        *block = (bits(block) ^ bits(with)).to_le_bytes().into();
    }
}

#[inline]
fn bits(block: &Block) -> u128 {
    u128::from_le_bytes(block.0)
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
    fn the_second_home_is_near_the_first_and_may_be_every_set_there() {
        for (sets, first, near) in [
            (1, 0, 0..1),
            (511, 7, 0..511),
            (512, 511, 0..512),
            (513, 511, 0..512),
            // The last ones make a whole group with those before them.
            (513, 512, 1..513),
            (1_500, 600, 512..1_024),
            (1_500, 1_023, 512..1_024),
            (1_500, 1_024, 988..1_500),
            (1 << 32, (1 << 32) - 1, (1 << 32) - 512..1 << 32),
        ] {
            let upper = ((first as u64) << 32).div_ceil(sets as u64);
            let homes = |lower: u64| FlowHash::from_parts(upper << 32 | lower, 1).homes(sets);
            let lowers = (0..=u64::from(u32::MAX)).step_by(1 << 20);
            let mut seen: Vec<usize> = lowers.map(|lower| homes(lower)[1]).collect();
            seen.sort_unstable();
            seen.dedup();
            assert!(seen.iter().copied().eq(near.clone()), "{first} of {sets}");
            assert_eq!(homes(0), [first, near.start]);
            assert_eq!(homes(u64::from(u32::MAX)), [first, near.end - 1]);
        }
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
        let a = FlowHasher::new(&HashKey([1; 16]));
        let b = FlowHasher::new(&HashKey([2; 16]));
        let first = a.hash(&flow);
        assert_eq!(first, a.hash(&flow));
        assert_ne!(first, b.hash(&flow));
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
            let hash = a.hash(&other);
            assert_ne!(first.index, hash.index, "{other}");
            assert_ne!(first.tag, hash.tag, "{other}");
        }
    }

    /// The module's page, byte by byte.
    #[test]
    fn the_hash_is_the_cbc_mac_of_three_blocks() {
        let flow = Flow {
            protocol: 6,
            client: "2001:db8::1".parse().unwrap(),
            client_port: 0x1234,
            vip: "2001:db8:80::1".parse().unwrap(),
            vip_port: 0x5678,
        };
        let last = [6, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let cipher = Aes128::new(&[7; 16].into());
        let mut state = Block::default();
        for block in [flow.vip.octets(), flow.client.octets(), last] {
            state.iter_mut().zip(block).for_each(|(s, b)| *s ^= b);
            cipher.encrypt_block(&mut state);
        }
        let word = |at: usize| u64::from_le_bytes(state[at..at + 8].try_into().unwrap());
        let expected = FlowHash::from_parts(word(0), word(8));
        assert_eq!(FlowHasher::new(&HashKey([7; 16])).hash(&flow), expected);
    }

    #[test]
    fn many_at_once_are_hashed_as_one_by_one() {
        let hasher = FlowHasher::new(&HashKey([9; 16]));
        let flow = |n: u16| Flow {
            protocol: if n % 3 == 0 { 17 } else { 6 },
            client: Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(n) << 60),
            client_port: n.wrapping_mul(77),
            vip: "2001:db8:80::1".parse().unwrap(),
            vip_port: 80 + n % 2,
        };
        let mut together = Together::default();
        for count in [0, 1, 7, 8, 9, 31, TOGETHER as u16] {
            let flows: Vec<Flow> = (0..count).map(flow).collect();
            let state = hasher.of_vip(flow(0).vip);
            for (number, flow) in flows.iter().enumerate() {
                together.put(number, Unhashed::new(state, flow));
            }
            hasher.hash_all(&mut together, flows.len());
            let hashes: Vec<FlowHash> = (0..flows.len()).map(|n| together.hash(n)).collect();
            let expected: Vec<FlowHash> = flows.iter().map(|flow| hasher.hash(flow)).collect();
            assert_eq!(hashes, expected, "{count}");
        }
    }
}
