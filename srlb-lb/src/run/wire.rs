//! Where packets come from and go to: a TUN device, and AF_XDP beside it if the settings want it.
//!
//! With AF_XDP the TUN device stays: what the XDP program leaves to the kernel comes by it, and what can't be sent past the kernel goes by it. So an
//! interface that goes away, or can't do AF_XDP, costs speed and no packets.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::RawFd;

use anyhow::{anyhow, Context};
use daemon::config::{ConfigError, ConfigErrors};
use daemon::forwarding::Follower;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use packet_io::tun::Tun;
use packet_io::xdp::forwarding::Publisher;
use packet_io::xdp::{PortConfig, Prefix, Sent, Xdp, XdpError};
use packet_io::{Driver, Instant, PacketBuf};
use serde_json::{json, Value};

use crate::config::{DriverName, Settings};

/// How often it is looked whether interfaces are as they were, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// AF_XDP with what follows the kernel for it.
struct Fast {
    xdp: Xdp,
    follower: Follower,
    routes: Publisher,
}

/// The devices.
pub(super) struct Wire {
    pub tun: Tun,
    fast: Option<Fast>,
    /// Why there is no AF_XDP although the settings want it.
    why_not: Option<String>,
    /// May the TUN device have packets?
    tun_ready: bool,
    look_at: Instant,
    /// Packets that no device took.
    lost: u64,
}

impl Wire {
    /// Opens what the settings name.
    pub fn open(settings: &Settings, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let tun = Tun::create(&settings.tun, settings.fabric_mtu_bytes)?;
        let fd = tun.raw_fd().context("the TUN device has no descriptor")?;
        watch(registry, fd, token).context("watching the TUN device")?;
        let mut wire = Wire {
            tun,
            fast: None,
            why_not: None,
            tun_ready: true,
            look_at: Instant::ZERO,
            lost: 0,
        };
        match wire.open_fast(settings, registry, token) {
            Err(error) if settings.driver == DriverName::AfXdp => return Err(error),
            Err(error) => eprintln!("srlb-lb: note: no AF_XDP, the TUN device serves: {error:#}"),
            Ok(()) => {}
        }
        Ok(wire)
    }

    /// Opens AF_XDP if the settings want it.
    fn open_fast(
        &mut self,
        settings: &Settings,
        registry: &Registry,
        token: Token,
    ) -> anyhow::Result<()> {
        self.fast = None;
        self.why_not = None;
        if !settings.wants_xdp() {
            return Ok(());
        }
        let opened = Fast::open(settings, registry, token);
        self.why_not = opened.as_ref().err().map(|error| format!("{error:#}"));
        self.fast = Some(opened?);
        Ok(())
    }

    /// There is news about the TUN device, or about AF_XDP.
    pub fn wake(&mut self) {
        self.tun_ready = true;
    }

    /// The longest packet that may come.
    pub fn capacity_bytes(&self) -> usize {
        let fast = self.fast.as_ref().map_or(0, |fast| fast.xdp.mtu_bytes());
        usize::from(self.tun.mtu_bytes()).max(fast as usize)
    }

    /// Takes other VIPs and prefixes.
    pub fn update(&mut self, settings: &Settings) -> anyhow::Result<()> {
        match &mut self.fast {
            Some(fast) => fast.set_addresses(settings),
            None => Ok(()),
        }
    }

    /// Makes sure that what was transmitted is on its way.
    pub fn flush(&mut self) {
        if let Some(fast) = &mut self.fast {
            fast.xdp.flush();
        }
    }

    /// Sees whether the interfaces are as they were when they were opened, and opens them again if not. Until that works, the TUN device serves.
    pub fn look(&mut self, settings: &Settings, registry: &Registry, token: Token, now: Instant) {
        if !settings.wants_xdp() || now < self.look_at {
            return;
        }
        self.look_at = Instant::from_millis(now.millis() + LOOK_MS);
        if self
            .fast
            .as_ref()
            .is_some_and(|fast| !fast.xdp.is_outdated())
        {
            return;
        }
        let before = self.why_not.take();
        match self.open_fast(settings, registry, token) {
            Ok(()) => eprintln!("srlb-lb: AF_XDP opened again"),
            Err(_) if self.why_not == before => {}
            Err(error) => eprintln!("srlb-lb: the TUN device serves, AF_XDP can't: {error:#}"),
        }
    }

    /// Packets that no device took.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// For `status`.
    pub fn status(&self) -> Value {
        let Some(fast) = &self.fast else {
            return json!({ "name": "tun", "why_not_af_xdp": self.why_not });
        };
        let ports = fast.xdp.status().map(|port| {
            json!({
                "interface": port.name,
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
                "tx_wakeups": port.counts.tx_wakeups,
                "rx_wakeups": port.counts.rx_wakeups,
                "rx_ring_full": port.rx_ring_full,
                "fill_empty": port.fill_empty,
                "rx_dropped": port.rx_dropped,
            })
        });
        let counts = fast.xdp.send_counts();
        let followed = fast.follower.followed();
        let table = fast.routes.current();
        json!({
            "name": "af-xdp",
            "interfaces": ports.collect::<Vec<_>>(),
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

impl Driver for Wire {
    fn receive(&mut self, into: &mut [PacketBuf]) -> io::Result<usize> {
        let Some(fast) = &mut self.fast else {
            return self.tun.receive(into);
        };
        let mut filled = 0;
        if self.tun_ready {
            // Half of a batch at most: neither of the two waits for ever.
            let half = into.len().div_ceil(2);
            filled = self.tun.receive(&mut into[..half])?;
            self.tun_ready = filled > 0;
        }
        Ok(filled + fast.xdp.receive(&mut into[filled..]))
    }

    fn transmit(&mut self, packets: &[PacketBuf]) -> io::Result<usize> {
        let mut taken = 0;
        for packet in packets {
            let sent = match &mut self.fast {
                Some(fast) => fast.xdp.send(packet),
                None => Sent::ByKernel,
            };
            taken += match sent {
                Sent::Yes => 1,
                Sent::Lost => 0,
                Sent::ByKernel => self.tun.transmit(std::slice::from_ref(packet))?,
            };
        }
        self.lost += (packets.len() - taken) as u64;
        Ok(taken)
    }

    /// There are several descriptors; [`Wire::open`] has them watched.
    fn raw_fd(&self) -> Option<RawFd> {
        None
    }
}

impl Fast {
    fn open(settings: &Settings, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let mut locator = [0; 8];
        locator.copy_from_slice(&settings.locator.network().octets()[..8]);
        let routes = Publisher::default();
        let opened = Xdp::open(&ports(settings), locator, &routes);
        let xdp = opened.map_err(|error| refusal(settings, error))?;
        let indexes = xdp.if_indexes().collect();
        let follower =
            Follower::start(indexes, routes.clone()).context("following routes and neighbours")?;
        for fd in xdp.raw_fds() {
            watch(registry, fd, token).context("watching an AF_XDP socket")?;
        }
        let mut fast = Fast {
            xdp,
            follower,
            routes,
        };
        fast.set_addresses(settings)?;
        Ok(fast)
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
        self.xdp
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
        key: "interfaces".to_owned(),
        ..ConfigError::of_file(&settings.path, error.to_string(), "")
    };
    anyhow!(ConfigErrors::from(error))
}

fn watch(registry: &Registry, fd: RawFd, token: Token) -> io::Result<()> {
    registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
}
