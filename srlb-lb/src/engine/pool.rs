//! The pool as the packet path sees it: VIPs with their tables, servers by number.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use consistent_hash::VipTables;
use packet_io::Instant;
use srh::Locator;

/// A server, under a number that it keeps as long as the process lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name in the pool's file.
    pub name: String,
    /// Where its SIDs are.
    pub locator: Locator,
    /// Does the pool's file still name it? Else its locator may be another one's by now.
    pub listed: bool,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Vip {
    /// Its name in the pool's file.
    pub name: String,
    /// Its virtual address.
    pub address: Ipv6Addr,
    /// Who serves it.
    pub tables: VipTables,
}

/// When the pool has changed last, on the clock of packets. All engines of an LB share it: one that still has the old pool may see what
/// another has sent by the new one.
#[derive(Debug)]
pub struct Changed(AtomicU64);

impl Changed {
    /// Not since the start.
    const NEVER: u64 = u64::MAX;
    /// Since the last poll.
    const JUST_NOW: u64 = u64::MAX - 1;

    /// The pool changes, of one engine at least.
    pub fn set(&self) {
        self.0.store(Self::JUST_NOW, Ordering::Release);
    }

    /// Time goes on.
    pub fn poll(&self, now: Instant) {
        let micros = now.micros().min(Self::JUST_NOW - 1);
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        // It may have been another time already.
        let _ = self
            .0
            .compare_exchange(Self::JUST_NOW, micros, success, failure);
    }

    /// Was it within `time`, or up to a poll's interval before?
    pub fn is_within(&self, time: Duration, now: Instant) -> bool {
        match self.0.load(Ordering::Acquire) {
            Self::NEVER => false,
            Self::JUST_NOW => true,
            micros => now < Instant::from_micros(micros) + time,
        }
    }
}

impl Default for Changed {
    fn default() -> Self {
        Changed(AtomicU64::new(Self::NEVER))
    }
}

/// A hash for locators, which are a few and the operator's: nobody else can bring them to collide, and who asks for others
/// meets no more of them than there are in a place. It is asked for every client packet.
#[derive(Clone, Copy, Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Everything that the pool's file says, ready for look-ups.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    vips: Vec<Vip>,
    servers: Vec<Server>,
    by_locator: HashMap<Locator, u16, BuildHasherDefault<Mix>>,
    /// Whether any service has a server, by its number: so that it takes no look at all services.
    members: Vec<bool>,
}

impl Pool {
    /// Puts a pool together. The numbers in the tables are indices into `servers`.
    pub fn new(mut vips: Vec<Vip>, servers: Vec<Server>) -> Self {
        vips.sort_by_key(|vip| vip.address);
        let by_locator = (0u16..)
            .zip(&servers)
            .filter(|(_, server)| server.listed)
            .map(|(number, server)| (server.locator, number))
            .collect();
        let is_member = |server| vips.iter().any(|vip| vip.tables.is_member(server));
        Pool {
            members: (0u16..).map(is_member).take(servers.len()).collect(),
            vips,
            servers,
            by_locator,
        }
    }

    /// The services, by address.
    pub fn vips(&self) -> &[Vip] {
        &self.vips
    }

    /// All servers that this process has known, removed ones included.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Does any service have this server?
    pub fn is_member(&self, server: u16) -> bool {
        self.members.get(usize::from(server)) == Some(&true)
    }

    /// The number of the service with this address.
    #[inline]
    pub fn vip_at(&self, address: Ipv6Addr) -> Option<usize> {
        self.vips
            .binary_search_by_key(&address.to_bits(), |vip| vip.address.to_bits())
            .ok()
    }

    /// The server with this locator.
    pub fn server_at(&self, locator: Locator) -> Option<u16> {
        self.by_locator.get(&locator).copied()
    }

    /// Is there a server with this locator?
    pub fn has_locator(&self, locator: Locator) -> bool {
        self.by_locator.contains_key(&locator)
    }
}
