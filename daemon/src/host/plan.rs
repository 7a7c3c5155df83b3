//! What an LB and a server router need of their hosts.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use srh::Locator;

use super::ruleset::Ruleset;
use super::{Item, Route, Rule, Via};

/// The protocol number of an LB's routes.
pub const LB_PROTOCOL: u8 = 83;
/// The protocol number of a server router's routes, rules and addresses.
pub const SERVER_PROTOCOL: u8 = 84;
/// The mark of packets that are on their way into the server router: "srlb".
pub const STEERING_MARK: u32 = 0x7372_6c62;
/// The routing table that marked packets go by.
pub const STEERING_TABLE: u32 = 8384;
/// The place of the rule that says so.
const STEERING_PRIORITY: u32 = 84;

/// All that a daemon needs of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) protocol: u8,
    pub(super) ruleset: Ruleset,
    /// Addresses that must not be this host's own, or it would keep their packets for itself.
    pub(super) foreign: Vec<Ipv6Addr>,
    /// In the order of installation.
    pub(super) items: Vec<Item>,
}

impl Plan {
    /// The items, apart from filter and sysctls, in the order of installation.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Does it ask for the same as `other`, but for what the filter lets pass? Then there is nothing in it that the host hasn't got, or could refuse.
    pub fn differs_in_filter_alone(&self, other: &Plan) -> bool {
        let but_for_filter = |plan: &Plan| Plan {
            ruleset: Ruleset::new(""),
            ..plan.clone()
        };
        self.ruleset.table == other.ruleset.table && but_for_filter(self) == but_for_filter(other)
    }
}

/// An LB's needs. Names must have passed [`Check::name`](crate::config::Check::name) and
/// [`Check::device`](crate::config::Check::device).
#[derive(Clone, Debug)]
pub struct LbHost {
    /// The instance's name.
    pub name: String,
    /// Its locator.
    pub locator: Locator,
    /// The VIPs that it serves.
    pub vips: Vec<Ipv6Addr>,
    /// Prefixes of other nodes' locators, as far as they are known; they may overlap. The host
    /// forwards, so that what is for them passes here, too.
    pub domain: Vec<Ipv6Net>,
    /// The interfaces that packets for locators, and from locators, may come from.
    pub domain_interfaces: Vec<String>,
    /// Its TUN device.
    pub tun: String,
    /// The TUN device's MTU: the fabric's, so that whatever arrives fits.
    pub tun_mtu_bytes: u32,
}

impl LbHost {
    /// The plan.
    pub fn plan(&self) -> Plan {
        let protocol = LB_PROTOCOL;
        let locator = locator_net(self.locator);
        let vips = self.vips.iter().map(|&vip| Ipv6Net::from(vip));
        let mut items = vec![
            Item::Route(Route::guard(locator, Via::Unreachable, protocol)),
            Item::Link {
                dev: self.tun.clone(),
                mtu_bytes: self.tun_mtu_bytes,
            },
            Item::Route(Route::out_of(locator, &self.tun, protocol)),
        ];
        for vip in vips {
            // Silent: an error would end the client's attempt to connect, where a retransmission
            // will find another LB.
            items.push(Item::Route(Route::guard(vip, Via::Blackhole, protocol)));
            items.push(Item::Route(Route::out_of(vip, &self.tun, protocol)));
        }
        let ruleset = Ruleset::new(&self.name)
            .domain(locator, &self.domain)
            .edge(&self.domain_interfaces, &[&self.tun]);
        Plan {
            protocol,
            ruleset,
            foreign: self.vips.clone(),
            items,
        }
    }
}

/// A server router's needs. Names must have passed [`Check::name`](crate::config::Check::name) and
/// [`Check::device`](crate::config::Check::device).
#[derive(Clone, Debug)]
pub struct ServerHost {
    /// The instance's name.
    pub name: String,
    /// Its locator.
    pub locator: Locator,
    /// The VIPs that are served here; at least one.
    pub vips: Vec<Ipv6Addr>,
    /// The prefixes in which every locator lies; at least one.
    pub domain: Vec<Ipv6Net>,
    /// The interfaces that packets for locators, and from locators, may come from.
    pub domain_interfaces: Vec<String>,
    /// Its TUN device.
    pub tun: String,
    /// The TUN devices' MTU: the fabric's, so that whatever arrives fits.
    pub tun_mtu_bytes: u32,
}

impl ServerHost {
    /// The name of the second device: client packets that are written into it have their flow
    /// steered for a second.
    pub fn steering_tun(&self) -> String {
        format!("{}w", self.tun)
    }

    /// The plan.
    pub fn plan(&self) -> Plan {
        let protocol = SERVER_PROTOCOL;
        let locator = locator_net(self.locator);
        let steering_tun = self.steering_tun();
        let mtu_bytes = self.tun_mtu_bytes;
        let mut items: Vec<_> = self.vips.iter().map(|&vip| Item::Address(vip)).collect();
        items.extend([
            Item::Route(Route::guard(locator, Via::Unreachable, protocol)),
            Item::Link {
                dev: self.tun.clone(),
                mtu_bytes,
            },
            Item::Link {
                dev: steering_tun.clone(),
                mtu_bytes,
            },
            Item::Route(Route::out_of(locator, &self.tun, protocol)),
            Item::Route(
                Route::out_of(Ipv6Net::default(), &self.tun, protocol).in_table(STEERING_TABLE),
            ),
            Item::Rule(Rule {
                mark: STEERING_MARK,
                table: STEERING_TABLE,
                priority: STEERING_PRIORITY,
                protocol,
            }),
        ]);
        let ruleset = Ruleset::new(&self.name)
            .domain(locator, &self.domain)
            .edge(&self.domain_interfaces, &[&self.tun, &steering_tun])
            .steer(&self.vips, &self.tun, &steering_tun, STEERING_MARK)
            .quiet(locator);
        Plan {
            protocol,
            ruleset,
            foreign: Vec::new(),
            items,
        }
    }
}

fn locator_net(locator: Locator) -> Ipv6Net {
    Ipv6Net::new_assert(locator.network(), 64)
}
