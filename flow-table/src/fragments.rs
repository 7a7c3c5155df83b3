//! Which flow the fragments of a packet belong to: only the first one has ports.

use std::net::Ipv6Addr;
use std::time::Duration;

use packet_io::Instant;
use srh::parse::{next_header, Fragment};
use srh::Flow;

use crate::{FlowHash, FlowTable, HashKey, Value};

/// Packets that are under way in fragments, known by source, destination and identification (RFC 8200
/// section 4.5). Bounded like any flow table: where there is no room the oldest goes.
pub struct Fragments {
    packets: FlowTable<Whole, 3>,
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

/// A packet of which the first fragment has been seen: 12 bytes.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Whole {
    ends_ms: u32,
    client_port: u16,
    vip_port: u16,
    /// Bytes in the first fragment: no other one may begin before.
    first_len: u16,
    protocol: u8,
}

impl Value for Whole {
    fn expired(&self, now: Instant) -> bool {
        self.left_ms(now) <= 0
    }

    fn keep_rank(&self, now: Instant) -> u64 {
        self.left_ms(now).max(0) as u64
    }
}

impl Whole {
    fn left_ms(&self, now: Instant) -> i32 {
        self.ends_ms.wrapping_sub(now.millis() as u32) as i32
    }
}

impl Fragments {
    /// Room for `packets` packets, each of which is known for `life`.
    pub fn new(packets: usize, life: Duration, key: HashKey) -> Self {
        Fragments {
            packets: FlowTable::new(packets, key),
            life,
        }
    }

    /// May this be a first fragment of a packet of `flow`? Not if there was another one that differs.
    pub fn may_begin(&self, flow: &Flow, fragment: &Fragment, now: Instant) -> Result<(), NoFlow> {
        let hash = self.hash(flow.client, flow.vip, fragment);
        match self.packets.get(hash, now) {
            Some(whole) if whole.flow(flow.client, flow.vip) != *flow => Err(NoFlow::Overlap),
            Some(whole) if whole.first_len != fragment.data_len => Err(NoFlow::Overlap),
            _ => Ok(()),
        }
    }

    /// Keeps what a first fragment says about those that follow it.
    pub fn begin(&mut self, flow: &Flow, fragment: &Fragment, now: Instant) {
        let hash = self.hash(flow.client, flow.vip, fragment);
        let whole = Whole {
            ends_ms: (now + self.life).millis() as u32,
            client_port: flow.client_port,
            vip_port: flow.vip_port,
            first_len: fragment.data_len,
            protocol: flow.protocol,
        };
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
        if fragment.offset < whole.first_len {
            return Err(NoFlow::Overlap);
        }
        Ok(whole.flow(client, vip))
    }

    /// Takes out what is too old; to be called now and then.
    pub fn sweep(&mut self, now: Instant) {
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

impl Whole {
    fn flow(&self, client: Ipv6Addr, vip: Ipv6Addr) -> Flow {
        Flow {
            protocol: self.protocol,
            client,
            client_port: self.client_port,
            vip,
            vip_port: self.vip_port,
        }
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
        let mut table = table(8);
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
        let mut table = table(8);
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
        let mut table = table(16);
        for id in 0..10_000 {
            table.begin(&flow(id as u16), &part(id, 0, 8), NOW);
            assert!(table.len() <= table.capacity());
        }
        let newest = part(9_999, 8, 8);
        assert_eq!(of(&table, &newest, NOW), Ok(flow(9_999)));
    }
}
