//! Where packets go next: routes and neighbours as the kernel has them, in a form that is read without locks.
//!
//! A reader remembers where the destinations are reached that it has met, so that a packet costs it one cache line, however many routes there are: a load balancer sends to few
//! addresses (its servers' SIDs), again and again. A new table makes it forget them all.
//!
//! Whoever follows the kernel builds a [`Table`] and [`Publisher::publish`]es it; each reader looks at one number a batch and takes the new table when it has changed. What the table
//! can't answer (no route, no neighbour, an interface that is not ours, a kind of route that we don't know) is left to the kernel.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A neighbour that packets can be sent to.
#[derive(Debug)]
pub struct Hop {
    /// The interface's index.
    pub if_index: u32,
    /// The neighbour's address there.
    pub address: Ipv6Addr,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The hardware address that packets come from.
    pub source_mac: [u8; 6],
    ethernet: [u8; 14],
    used: AtomicBool,
}

impl Hop {
    /// A neighbour.
    pub fn new(if_index: u32, address: Ipv6Addr, mac: [u8; 6], source_mac: [u8; 6]) -> Self {
        let mut ethernet = [0; 14];
        ethernet[..6].copy_from_slice(&mac);
        ethernet[6..12].copy_from_slice(&source_mac);
        ethernet[12..].copy_from_slice(&[0x86, 0xdd]);
        Hop {
            if_index,
            address,
            mac,
            source_mac,
            ethernet,
            used: AtomicBool::new(false),
        }
    }

    /// The Ethernet header of an IPv6 packet to it.
    #[inline]
    pub fn ethernet(&self) -> [u8; 14] {
        self.ethernet
    }

    /// Notes that it was sent to. The kernel can't see that, and would take it for unused.
    pub fn set_used(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Was it sent to since this was last asked?
    pub fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}

/// How a destination is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// It is a neighbour itself, on this interface.
    Link(u32),
    /// By the neighbour with this address on this interface.
    Gateway(u32, Ipv6Addr),
}

/// No place in a table's list of neighbours.
const NOWHERE: u32 = u32::MAX;

/// Routes and neighbours of one moment.
#[derive(Debug, Default)]
pub struct Table {
    /// Longest prefixes first. No way at all: the kernel is to decide.
    routes: Vec<(u8, HashMap<u128, Vec<Via>>)>,
    hops: Vec<Hop>,
    /// Places in `hops`.
    places: HashMap<(u32, Ipv6Addr), u32>,
}

impl Table {
    /// Adds a route, in place of one for the same prefix.
    pub fn set_route(&mut self, prefix: Ipv6Addr, len: u8, ways: Vec<Via>) {
        let len = len.min(128);
        let at = match self.routes.binary_search_by(|(other, _)| len.cmp(other)) {
            Ok(at) => at,
            Err(at) => {
                self.routes.insert(at, (len, HashMap::new()));
                at
            }
        };
        self.routes[at].1.insert(masked(prefix, len), ways);
    }

    /// Adds a neighbour, in place of one with the same address.
    pub fn set_hop(&mut self, hop: Hop) {
        let next = self.hops.len() as u32;
        match *self
            .places
            .entry((hop.if_index, hop.address))
            .or_insert(next)
        {
            place if place == next => self.hops.push(hop),
            place => self.hops[place as usize] = hop,
        }
    }

    /// The neighbour that a packet for `to` goes to; `spread` chooses among several ways of the same worth.
    pub fn find(&self, to: Ipv6Addr, spread: u32) -> Option<&Hop> {
        let ways = self.ways(to);
        let way = ways.get(spread as usize % ways.len().max(1))?;
        self.hop(self.place(to, way))
    }

    /// The ways to a destination; none if the kernel has to decide.
    fn ways(&self, to: Ipv6Addr) -> &[Via] {
        let mut found = self
            .routes
            .iter()
            .filter_map(|(len, routes)| routes.get(&masked(to, *len)));
        found.next().map_or(&[], Vec::as_slice)
    }

    /// Where in `hops` the neighbour of a way is.
    fn place(&self, to: Ipv6Addr, way: &Via) -> u32 {
        let key = match *way {
            Via::Link(if_index) => (if_index, to),
            Via::Gateway(if_index, gateway) => (if_index, gateway),
        };
        self.places.get(&key).copied().unwrap_or(NOWHERE)
    }

    #[inline]
    fn hop(&self, place: u32) -> Option<&Hop> {
        self.hops.get(place as usize)
    }

    /// All neighbours.
    pub fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.hops.iter()
    }

    /// How many routes there are.
    pub fn routes(&self) -> usize {
        self.routes.iter().map(|(_, routes)| routes.len()).sum()
    }
}

fn masked(address: Ipv6Addr, len: u8) -> u128 {
    let mask = match len {
        0 => 0,
        len => u128::MAX << (128 - u32::from(len)),
    };
    u128::from(address) & mask
}

/// What publisher and readers share.
#[derive(Debug, Default)]
struct Shared {
    version: AtomicU64,
    table: Mutex<Arc<Table>>,
}

/// Publishes tables.
#[derive(Clone, Debug, Default)]
pub struct Publisher(Arc<Shared>);

impl Publisher {
    /// From now on readers take this table.
    pub fn publish(&self, table: Table) {
        let table = Arc::new(table);
        *self.0.table.lock().unwrap_or_else(PoisonError::into_inner) = table;
        // Behind the table: who sees the number finds this table or a later one.
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// The table that was published last.
    pub fn current(&self) -> Arc<Table> {
        let table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&table)
    }

    /// A reader.
    pub fn reader(&self) -> Reader {
        Reader {
            version: 0,
            table: Arc::default(),
            publisher: self.clone(),
            known: vec![Known::NOTHING; KNOWN].into(),
        }
    }
}

/// Destinations that a reader remembers at most, a power of two: a thousand servers' SIDs, in 64 KB.
const KNOWN: usize = 1 << 10;
/// Ways of a destination that is remembered.
const WAYS: usize = 8;

/// What a reader remembers of a destination.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Known {
    to: [u8; 16],
    /// How many ways there are; 0: nothing is remembered here.
    ways: u32,
    /// The neighbours' places in the table.
    places: [u32; WAYS],
}

impl Known {
    const NOTHING: Known = Known {
        to: [0; 16],
        ways: 0,
        places: [NOWHERE; WAYS],
    };

    /// As the table has it; nothing for more ways than there is room for.
    fn of(to: [u8; 16], table: &Table) -> Known {
        let mut known = Known {
            to,
            ways: 1,
            ..Known::NOTHING
        };
        let ways = table.ways(to.into());
        if ways.len() > WAYS {
            return Known::NOTHING;
        }
        // Without a way there is one that leads nowhere.
        known.ways = ways.len().max(1) as u32;
        for (place, way) in known.places.iter_mut().zip(ways) {
            *place = table.place(to.into(), way);
        }
        known
    }

    #[inline]
    fn place(&self, spread: u32) -> u32 {
        match self.ways {
            0 | 1 => self.places[0],
            ways => self.places[(spread % ways) as usize],
        }
    }
}

/// Where in a reader's memory a destination belongs. Whoever makes many of them meet there only makes their packets slower.
#[inline]
fn belongs(to: &[u8; 16]) -> usize {
    let to = u128::from_ne_bytes(*to);
    let mixed = (to as u64 ^ (to >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - KNOWN.trailing_zeros())) as usize
}

/// Reads the tables that are published.
#[derive(Debug)]
pub struct Reader {
    publisher: Publisher,
    version: u64,
    table: Arc<Table>,
    /// Of this table, each where it [`belongs`].
    known: Box<[Known]>,
}

impl Reader {
    /// The table that is in force. Takes a lock only when there is a new one.
    #[inline]
    pub fn table(&mut self) -> &Table {
        let version = self.publisher.0.version.load(Ordering::Acquire);
        if version != self.version {
            self.table = self.publisher.current();
            self.version = version;
            self.known.fill(Known::NOTHING);
        }
        &self.table
    }

    /// As [`Table::find`] of the table that is in force.
    #[inline]
    pub fn find(&mut self, to: [u8; 16], spread: u32) -> Option<&Hop> {
        self.table();
        let known = &mut self.known[belongs(&to)];
        if known.ways == 0 || known.to != to {
            *known = Known::of(to, &self.table);
            if known.ways == 0 {
                return self.table.find(to.into(), spread);
            }
        }
        self.table.hop(known.place(spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn table() -> Table {
        let mut table = Table::default();
        let gateway = |n: &str| Via::Gateway(3, address(n));
        table.set_route(address("::"), 0, vec![gateway("fd00:fa::1")]);
        table.set_route(address("fd00:fa::"), 64, vec![Via::Link(3)]);
        let both = vec![gateway("fd00:fa::1"), gateway("fd00:fa::2")];
        table.set_route(address("fd00:5e::"), 32, both);
        table.set_route(address("fd00:5e:9::"), 48, Vec::new());
        for (last, neighbour) in [(1, "fd00:fa::1"), (2, "fd00:fa::2")] {
            table.set_hop(Hop::new(3, address(neighbour), [last; 6], [9; 6]));
        }
        table
    }

    #[test]
    fn the_longest_prefix_decides() {
        let table = table();
        let mac = |to: &str, spread| table.find(address(to), spread).map(|hop| hop.mac[0]);
        assert_eq!(mac("2001:db8::1", 7), Some(1));
        assert_eq!(mac("fd00:fa::2", 0), Some(2));
        assert_eq!(mac("fd00:fa::3", 0), None, "no such neighbour");
        assert_eq!(mac("fd00:5e:1::", 0), Some(1));
        assert_eq!(mac("fd00:5e:1::", 1), Some(2));
        assert_eq!(mac("fd00:5e:1::", u32::MAX), Some(2));
        assert_eq!(mac("fd00:5e:9::1", 0), None, "the kernel's");
        assert_eq!(table.routes(), 4);
    }

    #[test]
    fn a_route_to_one_address_is_found_among_all_lengths() {
        let mut table = Table::default();
        table.set_hop(Hop::new(1, address("::1"), [1; 6], [9; 6]));
        for len in [0, 128, 64, 127, 1] {
            table.set_route(address("ffff::1"), len, vec![Via::Link(7)]);
        }
        table.set_route(
            address("ffff::1"),
            128,
            vec![Via::Gateway(1, address("::1"))],
        );
        assert!(table.find(address("ffff::1"), 0).is_some());
        assert!(table.find(address("ffff::"), 0).is_none());
    }

    /// Twice each, so that it is met and remembered, among more destinations than are remembered, and with a table that changes meanwhile.
    #[test]
    fn a_reader_finds_what_the_table_has() {
        let publisher = Publisher::default();
        let mut reader = publisher.reader();
        let mut other = Table::default();
        let many = (1..=9).map(|n| Via::Gateway(3, Ipv6Addr::from(n)));
        other.set_route(address("fd00:5e::"), 32, many.collect());
        for n in [2, 5, 9] {
            let hop = Hop::new(3, Ipv6Addr::from(n), [n as u8; 6], [9; 6]);
            other.set_hop(hop);
        }
        let again = Hop::new(3, Ipv6Addr::from(5), [55; 6], [9; 6]);
        other.set_hop(again);
        for table in [table(), Table::default(), other] {
            publisher.publish(table);
            let table = publisher.current();
            let mut found = 0;
            for n in 0..6 * KNOWN as u32 {
                let nets = ["fd00:5e:1::", "2001:db8::", "fd00:5e:9::", "fd00:fa::"];
                let net = u128::from(address(nets[n as usize % 4]));
                let to = Ipv6Addr::from(net | u128::from(n / 8));
                for spread in [n, n, n ^ 1] {
                    let macs = |hop: &Hop| (hop.mac, hop.if_index);
                    let expected = table.find(to, spread).map(macs);
                    assert_eq!(reader.find(to.octets(), spread).map(macs), expected);
                    found += usize::from(expected.is_some());
                }
            }
            assert_eq!(found > 0, table.routes() > 0);
        }
    }

    #[test]
    fn a_reader_sees_what_was_published_last() {
        let publisher = Publisher::default();
        let mut reader = publisher.reader();
        assert_eq!(reader.table().routes(), 0);
        publisher.publish(table());
        assert_eq!(reader.table().routes(), 4);
        publisher.publish(Table::default());
        assert_eq!(reader.table().routes(), 0);
    }

    #[test]
    fn the_header_is_destination_source_type() {
        let hop = Hop::new(1, address("::1"), [1, 2, 3, 4, 5, 6], [7; 6]);
        let expected = [1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7, 0x86, 0xdd];
        assert_eq!(hop.ethernet(), expected);
        assert!(!hop.take_used());
        hop.set_used();
        assert!(hop.take_used() && !hop.take_used());
    }
}
