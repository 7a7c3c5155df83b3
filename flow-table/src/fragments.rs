//! Which flow the fragments of a packet belong to: only the first one has ports.

use std::net::Ipv6Addr;
use std::num::NonZeroU64;
use std::time::Duration;

use packet_io::Instant;
use srh::parse::{next_header, Fragment};
use srh::Flow;

use crate::{FlowHash, HashKey, Memory, Packed, SharedTable, Value};

/// Packets that are under way in fragments, known by source, destination and identification (RFC 8200
/// section 4.5). Bounded like any flow table: where there is no room the oldest goes. Threads may share it.
pub struct Fragments {
    packets: SharedTable<Whole>,
    life: Duration,
}

/// Why a fragment belongs to no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFlow {
    /// Its packet's first fragment was not seen, or too long ago.
    NoFirst,
    /// It overlaps its packet's first fragment, where the ports are (RFC 5722).
    Overlap,
}

/// A packet of which the first fragment has been seen, in 64 bits.
///
/// | bits | what |
/// | --- | --- |
/// | 0..16 | the client's port |
/// | 16..32 | the VIP's port |
/// | 32..45 | units of eight bytes in the first fragment, rounded up: no other one may begin before |
/// | 45 | UDP; else TCP |
/// | 46 | always 1 |
/// | 47..64 | when it ends, in [`TICK_MS`], rounded up, modulo 2^17 |
///
/// A life may be 2^16 ticks at most, which is two hours, and one that is over has to be swept within as much.
#[derive(Clone, Copy, Default)]
struct Whole(u64);

const TICK_MS: u64 = 125;
const VIP_PORT_AT: u32 = 16;
const FIRST_LEN_AT: u32 = 32;
const FIRST_LEN_BITS: u32 = 13;
const UDP: u64 = 1 << 45;
const THERE: u64 = 1 << 46;
const ENDS_AT: u32 = 47;

impl Packed for Whole {
    fn pack(self) -> NonZeroU64 {
        NonZeroU64::new(self.0).unwrap_or(NonZeroU64::MIN)
    }

    fn unpack(bits: u64) -> Self {
        Whole(bits)
    }
}

impl Value for Whole {
    fn expired(&self, now: Instant) -> bool {
        self.left_ticks(now) <= 0
    }

    fn keep_rank(&self, now: Instant) -> u64 {
        self.left_ticks(now).max(0) as u64
    }
}

/// Fragments begin at multiples of eight bytes. A packet has no room for more of them than fit here.
fn units(bytes: u16) -> u16 {
    bytes.div_ceil(8).min((1 << FIRST_LEN_BITS) - 1)
}

impl Whole {
    fn new(flow: &Flow, first_len: u16, ends: Instant) -> Self {
        let udp = match flow.protocol {
            next_header::UDP => UDP,
            _ => 0,
        };
        let ports = u64::from(flow.client_port) | u64::from(flow.vip_port) << VIP_PORT_AT;
        let len = u64::from(units(first_len)) << FIRST_LEN_AT;
        let ends = ends.millis().div_ceil(TICK_MS);
        Whole(ports | len | udp | THERE | ends << ENDS_AT)
    }

    /// Ticks from the one that has begun last.
    fn left_ticks(&self, now: Instant) -> i64 {
        let left = (self.0 >> ENDS_AT).wrapping_sub(now.millis() / TICK_MS);
        // the sign of a number of 17 bits
        ((left << ENDS_AT) as i64) >> ENDS_AT
    }

    fn first_units(&self) -> u16 {
        (self.0 >> FIRST_LEN_AT) as u16 & ((1 << FIRST_LEN_BITS) - 1)
    }

    fn flow(&self, client: Ipv6Addr, vip: Ipv6Addr) -> Flow {
        Flow {
            protocol: match self.0 & UDP != 0 {
                true => next_header::UDP,
                false => next_header::TCP,
            },
            client,
            client_port: self.0 as u16,
            vip,
            vip_port: (self.0 >> VIP_PORT_AT) as u16,
        }
    }
}

impl Fragments {
    /// Room for `packets` packets, each of which is known for `life`.
    pub fn new(packets: usize, life: Duration, key: HashKey) -> Self {
        Fragments {
            packets: SharedTable::new(Memory::plain(SharedTable::<Whole>::bytes_for(packets)), key),
            life,
        }
    }

    /// May this be a first fragment of a packet of `flow`? Not if there was another one that differs.
    pub fn may_begin(&self, flow: &Flow, fragment: &Fragment, now: Instant) -> Result<(), NoFlow> {
        let hash = self.hash(flow.client, flow.vip, fragment);
        match self.packets.get(hash, now) {
            Some(whole) if whole.flow(flow.client, flow.vip) != *flow => Err(NoFlow::Overlap),
            Some(whole) if whole.first_units() != units(fragment.data_len) => Err(NoFlow::Overlap),
            _ => Ok(()),
        }
    }

    /// Keeps what a first fragment of a TCP or UDP flow says about those that follow it.
    pub fn begin(&self, flow: &Flow, fragment: &Fragment, now: Instant) {
        let hash = self.hash(flow.client, flow.vip, fragment);
        let whole = Whole::new(flow, fragment.data_len, now + self.life);
        self.packets.insert(hash, whole, now);
    }

    /// The flow of a later fragment from `client` to `vip`.
    pub fn flow_of(
        &self,
        client: Ipv6Addr,
        vip: Ipv6Addr,
        fragment: &Fragment,
        now: Instant,
    ) -> Result<Flow, NoFlow> {
        let hash = self.hash(client, vip, fragment);
        let whole = self.packets.get(hash, now).ok_or(NoFlow::NoFirst)?;
        if units(fragment.offset) < whole.first_units() {
            return Err(NoFlow::Overlap);
        }
        Ok(whole.flow(client, vip))
    }

    /// Takes out what is too old; to be called now and then.
    pub fn sweep(&self, now: Instant) {
        self.packets.sweep(self.packets.sets().div_ceil(64), now);
    }

    /// How many packets are known, also counting those that are too old and not swept.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Is none known?
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// How many packets have room.
    pub fn capacity(&self) -> usize {
        self.packets.capacity()
    }

    /// The identification in place of the ports, under a protocol number that no flow has.
    fn hash(&self, client: Ipv6Addr, vip: Ipv6Addr, fragment: &Fragment) -> FlowHash {
        self.packets.hash(&Flow {
            protocol: next_header::FRAGMENT,
            client,
            client_port: (fragment.id >> 16) as u16,
            vip,
            vip_port: fragment.id as u16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(100);
    const LIFE: Duration = Duration::from_secs(5);

    fn flow(client_port: u16) -> Flow {
        Flow {
            protocol: 17,
            client: "2001:db8:c::1".parse().unwrap(),
            client_port,
            vip: "2001:db8:80::1".parse().unwrap(),
            vip_port: 53,
        }
    }

    fn part(id: u32, offset: u16, data_len: u16) -> Fragment {
        Fragment {
            offset,
            more: true,
            id,
            data_len,
        }
    }

    fn table(packets: usize) -> Fragments {
        Fragments::new(packets, LIFE, HashKey([4; 16]))
    }

    fn of(table: &Fragments, fragment: &Fragment, now: Instant) -> Result<Flow, NoFlow> {
        table.flow_of(flow(0).client, flow(0).vip, fragment, now)
    }

    #[test]
    fn later_fragments_belong_to_the_flow_of_the_first_for_a_moment() {
        let table = table(8);
        let late = part(9, 1_240, 80);
        assert_eq!(of(&table, &late, NOW), Err(NoFlow::NoFirst));
        table.begin(&flow(4_000), &part(9, 0, 1_240), NOW);
        assert_eq!(of(&table, &late, NOW), Ok(flow(4_000)));
        let other_packet = part(10, 1_240, 80);
        assert_eq!(of(&table, &other_packet, NOW), Err(NoFlow::NoFirst));
        let other_client = table.flow_of(flow(0).vip, flow(0).vip, &late, NOW);
        assert_eq!(other_client, Err(NoFlow::NoFirst));
        assert_eq!(of(&table, &late, NOW + LIFE), Err(NoFlow::NoFirst));
        for _ in 0..64 {
            table.sweep(NOW + LIFE);
        }
        assert!(table.is_empty());
    }

    #[test]
    fn what_overlaps_the_first_fragment_is_refused() {
        let table = table(8);
        let first = part(9, 0, 1_240);
        table.begin(&flow(4_000), &first, NOW);
        for offset in [8, 16, 1_232] {
            assert_eq!(of(&table, &part(9, offset, 8), NOW), Err(NoFlow::Overlap));
        }
        let again = |flow: &Flow, fragment: &Fragment| table.may_begin(flow, fragment, NOW);
        assert_eq!(again(&flow(4_000), &first), Ok(()), "a duplicate");
        assert_eq!(again(&flow(4_001), &first), Err(NoFlow::Overlap));
        assert_eq!(again(&flow(4_000), &part(9, 0, 8)), Err(NoFlow::Overlap));
        assert_eq!(again(&flow(4_001), &part(10, 0, 8)), Ok(()));
    }

    #[test]
    fn a_flood_takes_no_more_room_than_there_is() {
        let table = table(16);
        for id in 0..10_000 {
            table.begin(&flow(id as u16), &part(id, 0, 8), NOW);
            assert!(table.len() <= table.capacity());
        }
        let newest = part(9_999, 8, 8);
        assert_eq!(of(&table, &newest, NOW), Ok(flow(9_999)));
    }

    #[test]
    fn every_field_comes_back_and_a_life_ends_though_the_clock_wraps() {
        for protocol in [next_header::TCP, next_header::UDP] {
            for (port, len) in [(0, 0), (1, 8), (u16::MAX, 65_528)] {
                let flow = Flow {
                    protocol,
                    vip_port: !port,
                    ..flow(port)
                };
                let late = Instant::from_millis((TICK_MS << 17) - 1_000);
                let whole = Whole::unpack(Whole::new(&flow, len, late + LIFE).pack().get());
                assert_eq!(whole.flow(flow.client, flow.vip), flow);
                assert_eq!(whole.first_units(), units(len));
                assert!(!whole.expired(late + Duration::from_millis(4_999)));
                assert!(whole.expired(late + LIFE));
            }
        }
    }
}
