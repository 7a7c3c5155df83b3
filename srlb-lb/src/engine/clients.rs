//! Which addresses may be clients'.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use srh::Locator;

use super::{Config, Engine, Pool};

/// A prefix: the bits under `mask` are these.
#[derive(Clone, Copy, Debug)]
struct Cover {
    bits: u128,
    mask: u128,
}

impl Cover {
    /// The longest prefix in which all these addresses lie.
    fn of_all(addresses: impl Iterator<Item = u128>) -> Option<Self> {
        addresses
            .map(|bits| Cover { bits, mask: !0 })
            .reduce(|all, one| {
                let common = (all.bits ^ one.bits).leading_zeros();
                let mask = all.mask & !u128::MAX.checked_shr(common).unwrap_or(0);
                let bits = all.bits & mask;
                Cover { bits, mask }
            })
    }

    fn of_net(net: Ipv6Net) -> Self {
        let mask = net.netmask().to_bits();
        let bits = net.network().to_bits() & mask;
        Cover { bits, mask }
    }
}

/// A prefix of at most 64 bits.
#[derive(Clone, Copy, Debug)]
struct Half {
    bits: u64,
    mask: u64,
}

/// Prefixes in which all lies that is nobody's client: few enough to be looked at for every packet. An address in one of them may be a client's all the
/// same.
#[derive(Debug)]
pub(super) struct Covers {
    /// The locators and the domain.
    nets: Vec<Half>,
    vips: Cover,
}

impl Default for Covers {
    /// All addresses.
    fn default() -> Self {
        Covers {
            nets: Vec::new(),
            vips: Cover { bits: 0, mask: 0 },
        }
    }
}

impl Covers {
    pub fn new(config: &Config, pool: &Pool) -> Self {
        let listed = pool.servers().iter().filter(|server| server.listed);
        let locators = listed
            .map(|server| server.locator)
            .chain([config.locator])
            .map(|locator| locator.network().to_bits());
        let nets = config.domain.iter().map(|&net| Cover::of_net(net));
        let half = |cover: Cover| {
            // What is longer covers its /64.
            let mask = (cover.mask >> 64) as u64;
            let bits = (cover.bits >> 64) as u64 & mask;
            Half { bits, mask }
        };
        let vips = pool.vips().iter().map(|vip| vip.address.to_bits());
        Covers {
            nets: Cover::of_all(locators)
                .into_iter()
                .chain(nets)
                .map(half)
                .collect(),
            // Without a VIP nobody is a client.
            vips: Cover::of_all(vips).unwrap_or(Covers::default().vips),
        }
    }

    /// Is it in none of them, and neither multicast nor in ::/64?
    #[inline(always)]
    fn miss(&self, addr: Ipv6Addr) -> bool {
        let addr = addr.to_bits();
        let half = (addr >> 64) as u64;
        let in_net = |net: &Half| half & net.mask == net.bits;
        half != 0
            && half >> 56 != 0xff
            && addr & self.vips.mask != self.vips.bits
            && !self.nets.iter().any(in_net)
    }
}

impl Engine {
    /// May `addr` be a client's? Not if it is a SID, a VIP, or no address of one node.
    #[inline]
    pub(super) fn may_be_client(&self, addr: Ipv6Addr) -> bool {
        self.covers.miss(addr) || self.is_client(addr)
    }

    /// The same, in full.
    fn is_client(&self, addr: Ipv6Addr) -> bool {
        let locator = Locator::of(addr);
        let in_domain = locator == self.config.locator
            || self.pool.has_locator(locator)
            || self.config.domain.iter().any(|net| net.contains(&addr));
        !in_domain
            && self.pool.vip_at(addr).is_none()
            && !addr.is_unspecified()
            && !addr.is_loopback()
            && !addr.is_multicast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::world::World;
    use proptest::prelude::*;
    use srh::Encoding;

    /// Addresses near those that matter.
    fn near(world: &World) -> Vec<Ipv6Addr> {
        let pool = world.engine.pool();
        let mut all = vec![Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST];
        all.extend(pool.vips().iter().map(|vip| vip.address));
        all.extend(pool.servers().iter().map(|server| server.locator.node()));
        all.push(world.engine.config().locator.node());
        all.push("ff02::1".parse().unwrap());
        all.push("2001:db8:c::7".parse().unwrap());
        all.extend(world.engine.config().domain.iter().map(|net| net.network()));
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_short_way_says_what_the_long_one_says(bits in prop::collection::vec(0u32..128, 0..3)) {
            let world = World::new(Encoding::Encap);
            for addr in near(&world) {
                let flipped = bits.iter().fold(addr.to_bits(), |addr, bit| addr ^ 1 << bit);
                let addr = Ipv6Addr::from_bits(flipped);
                prop_assert_eq!(world.engine.may_be_client(addr), world.engine.is_client(addr), "{}", addr);
            }
        }
    }

    #[test]
    fn the_prefix_of_several_addresses_is_what_they_share() {
        let bits = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
        let cover = Cover::of_all(
            ["fd00:5e:1::", "fd00:5e:2::", "fd00:5f::"]
                .into_iter()
                .map(bits),
        );
        let cover = cover.unwrap();
        assert_eq!(cover.mask.leading_ones(), 31);
        assert_eq!(cover.bits, bits("fd00:5e::"));
        let one = Cover::of_all([bits("fd00::1")].into_iter()).unwrap();
        assert_eq!((one.bits, one.mask), (bits("fd00::1"), !0));
        assert!(Cover::of_all(std::iter::empty()).is_none());
    }
}
