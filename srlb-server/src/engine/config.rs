//! What the engine needs to know about its node.

use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::Ipv6Net;
use srh::hmac::Keys;
use srh::parse::{IPV6_BYTES, TCP_BYTES};
use srh::{Encoding, Locator};

use crate::policy::Accept;

/// Flows that the table is made for unless somebody knows better.
pub const DEFAULT_MAX_FLOWS: usize = 131_072;
/// UDP flows that their table is made for unless somebody knows better.
pub const DEFAULT_MAX_UDP_FLOWS: usize = 65_536;
/// Socket look-ups a second: at 3 us each a tenth of a core or so.
pub const DEFAULT_LOOKUPS_PPS: u32 = 30_000;
/// ICMPv6 messages of our own a second.
pub const DEFAULT_ICMP_RATE_PPS: u32 = 100;

/// What the engine needs to know about its node.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where our SIDs are.
    pub locator: Locator,
    /// The virtual addresses bound here.
    pub vips: Vec<Ipv6Addr>,
    /// Prefixes that hold the LBs' locators.
    pub lb_locators: Vec<Ipv6Net>,
    /// Prefixes in which every locator lies.
    pub domain: Vec<Ipv6Net>,
    /// MTU between LBs and servers.
    pub fabric_mtu_bytes: usize,
    /// When to take flows that may be refused.
    pub accept: Accept,
    /// Do flows that no worker has picked up yet count as busy?
    pub pending: bool,
    /// How many TCP flows the table is made for.
    pub max_flows: usize,
    /// How many UDP flows their table is made for.
    pub max_udp_flows: usize,
    /// How long the entry of a silent UDP flow lives on an LB. Here it lives twice as long.
    pub udp_idle_timeout: Duration,
    /// Socket look-ups a second, for TCP and for UDP each.
    pub lookups_pps: u32,
    /// ICMPv6 messages of our own a second.
    pub icmp_rate_pps: u32,
    /// Keys, if functions are signed.
    pub hmac: Option<Keys>,
}

impl EngineConfig {
    /// Bytes of the longest header that an LB may add, in either encoding.
    pub const fn longest_header_bytes(signed: bool) -> usize {
        let (encap, insert) = (
            Encoding::Encap.longest_header_bytes(signed),
            Encoding::Insert.longest_header_bytes(signed),
        );
        if encap > insert {
            encap
        } else {
            insert
        }
    }

    /// The largest TCP segment that fits the fabric with that header. Room for an HMAC is always left: keys may
    /// be configured while connections last.
    pub fn mss_bytes(&self) -> u16 {
        let heads = Self::longest_header_bytes(true) + IPV6_BYTES + TCP_BYTES;
        let mss = self.fabric_mtu_bytes.saturating_sub(heads);
        u16::try_from(mss).unwrap_or(u16::MAX)
    }

    /// Is this one of our VIPs?
    pub fn is_vip(&self, addr: Ipv6Addr) -> bool {
        self.vips.contains(&addr)
    }

    /// Is this an LB's locator?
    pub fn is_lb(&self, locator: Locator) -> bool {
        let network = locator.network();
        self.lb_locators.iter().any(|net| net.contains(&network))
    }

    /// May a locator lie there?
    pub fn is_in_domain(&self, addr: Ipv6Addr) -> bool {
        self.locator.contains(addr)
            || self.domain.iter().any(|net| net.contains(&addr))
            || self.lb_locators.iter().any(|net| net.contains(&addr))
    }

    /// May `addr` be a client's?
    pub fn may_be_client(&self, addr: Ipv6Addr) -> bool {
        !self.is_in_domain(addr)
            && !self.is_vip(addr)
            && !addr.is_unspecified()
            && !addr.is_loopback()
            && !addr.is_multicast()
    }
}
