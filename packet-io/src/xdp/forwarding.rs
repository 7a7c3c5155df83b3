//! Where packets go next: routes and neighbours as the kernel has them, in a form that is read without locks.
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
    used: AtomicBool,
}

impl Hop {
    /// A neighbour.
    pub fn new(if_index: u32, address: Ipv6Addr, mac: [u8; 6], source_mac: [u8; 6]) -> Self {
        Hop {
            if_index,
            address,
            mac,
            source_mac,
            used: AtomicBool::new(false),
        }
    }

    /// The Ethernet header of an IPv6 packet to it.
    pub fn ethernet(&self) -> [u8; 14] {
        let mut head = [0; 14];
        head[..6].copy_from_slice(&self.mac);
        head[6..12].copy_from_slice(&self.source_mac);
        head[12..].copy_from_slice(&[0x86, 0xdd]);
        head
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

/// Routes and neighbours of one moment.
#[derive(Debug, Default)]
pub struct Table {
    /// Longest prefixes first. No way at all: the kernel is to decide.
    routes: Vec<(u8, HashMap<u128, Vec<Via>>)>,
    hops: HashMap<(u32, Ipv6Addr), Hop>,
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

    /// Adds a neighbour.
    pub fn set_hop(&mut self, hop: Hop) {
        self.hops.insert((hop.if_index, hop.address), hop);
    }

    /// The neighbour that a packet for `to` goes to; `spread` chooses among several ways of the same worth.
    pub fn find(&self, to: Ipv6Addr, spread: u32) -> Option<&Hop> {
        let mut found = self
            .routes
            .iter()
            .filter_map(|(len, routes)| routes.get(&masked(to, *len)));
        let ways = found.next()?;
        let way = ways.get(spread as usize % ways.len().max(1))?;
        let key = match *way {
            Via::Link(if_index) => (if_index, to),
            Via::Gateway(if_index, gateway) => (if_index, gateway),
        };
        self.hops.get(&key)
    }

    /// All neighbours.
    pub fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.hops.values()
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
        }
    }
}

/// Reads the tables that are published.
#[derive(Debug)]
pub struct Reader {
    publisher: Publisher,
    version: u64,
    table: Arc<Table>,
}

impl Reader {
    /// The table that is in force. Takes a lock only when there is a new one.
    pub fn table(&mut self) -> &Table {
        let version = self.publisher.0.version.load(Ordering::Acquire);
        if version != self.version {
            self.table = self.publisher.current();
            self.version = version;
        }
        &self.table
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
