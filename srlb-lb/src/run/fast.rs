//! AF_XDP, but for the packets: interfaces are opened and looked at here, what they carry is the workers'.

use std::net::Ipv6Addr;

use anyhow::{anyhow, Context};
use daemon::config::{ConfigError, ConfigErrors};
use daemon::forwarding::Follower;
use packet_io::tun::Tun;
use packet_io::xdp::forwarding::Publisher;
use packet_io::xdp::{Interfaces, Lane, PortConfig, PortStatus, Prefix, SendCounts, XdpError};
use packet_io::Instant;
use serde_json::{json, Value};

use crate::config::{DriverName, Settings};

/// How often it is looked whether interfaces are as they were, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// Interfaces with what follows the kernel for them.
struct Open {
    interfaces: Interfaces,
    follower: Follower,
    routes: Publisher,
}

/// AF_XDP, if it is wanted and can be.
pub(super) struct Fast {
    open: Option<Open>,
    /// Why there is none although the settings want it.
    why_not: Option<String>,
    look_at: Instant,
}

/// A lane for each worker, or none.
pub(super) type Lanes = Vec<Option<Lane>>;

impl Fast {
    /// Opens what the settings name.
    ///
    /// # Errors
    ///
    /// Where the settings allow nothing else. With `auto` the TUN device serves, and that is said.
    pub fn start(settings: &Settings) -> anyhow::Result<(Self, Lanes)> {
        let mut fast = Fast {
            open: None,
            why_not: None,
            look_at: Instant::ZERO,
        };
        match fast.try_to_open(settings) {
            Ok(lanes) => Ok((fast, lanes)),
            Err(error) if settings.driver == DriverName::AfXdp => Err(error),
            Err(error) => {
                eprintln!("srlb-lb: note: no AF_XDP, the TUN device serves: {error:#}");
                Ok((fast, none(settings)))
            }
        }
    }

    fn try_to_open(&mut self, settings: &Settings) -> anyhow::Result<Lanes> {
        self.why_not = None;
        if !settings.wants_xdp() {
            return Ok(none(settings));
        }
        let opened = Open::new(settings);
        self.why_not = opened.as_ref().err().map(|error| format!("{error:#}"));
        let (open, lanes) = opened?;
        self.open = Some(open);
        Ok(lanes.into_iter().map(Some).collect())
    }

    /// Do packets come past the kernel?
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes other VIPs and prefixes.
    pub fn update(&mut self, settings: &Settings) -> anyhow::Result<()> {
        match &mut self.open {
            Some(open) => open.set_addresses(settings),
            None => Ok(()),
        }
    }

    /// Sees whether the interfaces are as they were when they were opened, and opens them again if not; until that works, the TUN device serves. `give` is for the
    /// workers, who must have let go of the old lanes when it returns.
    pub fn look(&mut self, settings: &Settings, now: Instant, mut give: impl FnMut(Lanes)) {
        if !settings.wants_xdp() || now < self.look_at {
            return;
        }
        self.look_at = Instant::from_millis(now.millis() + LOOK_MS);
        let is_open = self.is_open();
        let is_outdated = |open: &Open| open.interfaces.is_outdated();
        if is_open && !self.open.as_ref().is_some_and(is_outdated) {
            return;
        }
        if is_open {
            give(none(settings));
            self.open = None;
        }
        let before = self.why_not.take();
        match self.try_to_open(settings) {
            Ok(lanes) => {
                give(lanes);
                eprintln!("srlb-lb: AF_XDP opened again");
            }
            Err(_) if self.why_not == before => {}
            Err(error) => eprintln!("srlb-lb: the TUN device serves, AF_XDP can't: {error:#}"),
        }
    }

    /// For `status`, with what all workers say of the interfaces.
    pub fn status(&self, ports: &[PortStatus], counts: SendCounts) -> Value {
        let Some(open) = &self.open else {
            return json!({ "name": "tun", "why_not_af_xdp": self.why_not });
        };
        let followed = open.follower.followed();
        let table = open.routes.current();
        json!({
            "name": "af-xdp",
            "interfaces": ports.iter().map(port).collect::<Vec<_>>(),
            "sent_by_kernel": {
                "no_neighbour": counts.no_neighbour,
                "other_interface": counts.other_interface,
                "not_taken": counts.not_taken,
            },
            "routes": table.routes(),
            "neighbours": table.hops().count(),
            "tables_published": followed.published,
            "problem": followed.problem,
        })
    }
}

/// No lane for anybody.
fn none(settings: &Settings) -> Lanes {
    (0..settings.workers).map(|_| None).collect()
}

fn port(port: &PortStatus) -> Value {
    json!({
        "interface": &*port.name,
        "program": if port.native { "native" } else { "generic" },
        "mode": if port.copies { "copy" } else { "zero-copy" },
        "queues": port.queues,
        "down": port.down,
        "received": port.counts.received,
        "sent": port.counts.sent,
        "gathered": port.counts.gathered,
        "too_long": port.counts.too_long,
        "malformed": port.counts.malformed,
        "tx_full": port.counts.tx_full,
        "tx_dropped": port.counts.tx_dropped,
        "tx_wakeups": port.counts.tx_wakeups,
        "rx_wakeups": port.counts.rx_wakeups,
        "rx_ring_full": port.rx_ring_full,
        "fill_empty": port.fill_empty,
        "rx_dropped": port.rx_dropped,
    })
}

impl Open {
    fn new(settings: &Settings) -> anyhow::Result<(Self, Vec<Lane>)> {
        let mut locator = [0; 8];
        locator.copy_from_slice(&settings.locator.network().octets()[..8]);
        let routes = Publisher::default();
        let opened = Interfaces::open(&ports(settings), locator, &routes, settings.workers);
        let (interfaces, lanes) = opened.map_err(|error| refusal(settings, error))?;
        let indexes = interfaces.if_indexes().collect();
        let follower =
            Follower::start(indexes, routes.clone()).context("following routes and neighbours")?;
        let mut open = Open {
            interfaces,
            follower,
            routes,
        };
        open.set_addresses(settings)?;
        Ok((open, lanes))
    }

    fn set_addresses(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let vips: Vec<Ipv6Addr> = settings.pool.vips().map(|(_, address)| address).collect();
        let servers = settings.pool.servers().map(|s| (s.locator.network(), 64));
        let named = settings
            .domain
            .iter()
            .map(|net| (net.network(), net.prefix_len()));
        let own = (settings.locator.network(), 64);
        let domain: Vec<Prefix> = servers.chain(named).chain([own]).collect();
        self.interfaces
            .set_addresses(&vips, &domain)
            .context("telling the XDP program the addresses")
    }
}

/// The interfaces. Those of the domain must take what we encapsulate, the others what clients send.
fn ports(settings: &Settings) -> Vec<PortConfig> {
    let port = |name: &String| {
        let in_domain = settings.domain_interfaces.contains(name);
        PortConfig {
            name: name.clone(),
            in_domain,
            queues: settings.xdp.queues,
            mtu_bytes: match in_domain {
                true => settings.fabric_mtu_bytes.into(),
                false => Tun::MIN_MTU_BYTES.into(),
            },
            busy_poll_us: settings.xdp.busy_poll_us,
        }
    };
    settings.interfaces.iter().map(port).collect()
}

/// What the configuration asks for and this host doesn't have is an error of the configuration.
fn refusal(settings: &Settings, error: XdpError) -> anyhow::Error {
    if !error.is_configuration() {
        return anyhow!(error);
    }
    let error = ConfigError {
        key: error.key().to_owned(),
        ..ConfigError::of_file(&settings.path, error.to_string(), "")
    };
    anyhow!(ConfigErrors::from(error))
}
