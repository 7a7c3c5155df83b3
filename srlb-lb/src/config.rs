//! `lb.toml`: what one LB instance is, and what of it the engine needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::config::{self, Check, ConfigError, ConfigErrors, Document};
use ipnet::Ipv6Net;
use packet_io::guard::Limits;
use serde::Deserialize;
use srh::icmp::MIN_MTU_BYTES;
use srh::{Encoding, Locator};

use crate::engine;
use crate::pool::file::{self, PoolFile};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LbFile {
    name: String,
    locator: String,
    pool: PathBuf,
    #[serde(default)]
    encoding: EncodingName,
    domain_interfaces: Vec<String>,
    #[serde(default)]
    domain: Vec<String>,
    #[serde(default = "default_mtu")]
    fabric_mtu_bytes: u16,
    #[serde(default = "default_tun")]
    tun: String,
    #[serde(default)]
    driver: DriverName,
    #[serde(default = "default_workers")]
    workers: usize,
    #[serde(default)]
    interfaces: Vec<String>,
    #[serde(default)]
    xdp: XdpSettings,
    #[serde(default = "default_socket")]
    control_socket: PathBuf,
    #[serde(default)]
    flows: Flows,
    #[serde(default)]
    icmp: Icmp,
    hmac: Option<config::Hmac>,
    #[serde(default)]
    guard: Guard,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EncodingName {
    #[default]
    Encap,
    Insert,
}

/// What brings packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DriverName {
    /// AF_XDP on the interfaces that are named, if there are any and it works there; else the TUN device alone
    #[default]
    Auto,
    /// AF_XDP on the interfaces that are named, or nothing
    AfXdp,
    /// The TUN device alone
    Tun,
}

/// How AF_XDP is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XdpSettings {
    /// How many queues each interface must have, if that is said.
    pub queues: Option<u32>,
    /// Lets calls of ours do the driver's work, for up to so many microseconds; 0: interrupts do it.
    pub busy_poll_us: u32,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Flows {
    max: usize,
    idle_timeout_s: u64,
    udp_idle_timeout_s: u64,
}

impl Default for Flows {
    fn default() -> Self {
        Flows {
            max: 1 << 20,
            idle_timeout_s: 3_600,
            udp_idle_timeout_s: config::DEFAULT_UDP_IDLE_S,
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Icmp {
    packet_too_big: bool,
    rate_pps: u32,
}

impl Default for Icmp {
    fn default() -> Self {
        Icmp {
            packet_too_big: true,
            rate_pps: 100,
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Guard {
    strangers_pps: u32,
    newcomers_pps: u32,
    hunts_pps: Option<u32>,
    recoveries_pps: Option<u32>,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            strangers_pps: DEFAULT_STRANGERS_PPS,
            newcomers_pps: DEFAULT_NEWCOMERS_PPS,
            hunts_pps: None,
            recoveries_pps: None,
        }
    }
}

fn default_mtu() -> u16 {
    1_500
}

fn default_workers() -> usize {
    1
}

fn default_tun() -> String {
    "srlb-lb0".into()
}

fn default_socket() -> PathBuf {
    DEFAULT_SOCKET.into()
}

/// Where an LB listens for its own command line unless its file says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/srlb/lb.sock";
/// First packets of unknown clients a second over which there is a flood, unless the file says otherwise.
pub const DEFAULT_STRANGERS_PPS: u32 = 1_000;
/// New clients who get in a second during one, unless the file says otherwise: no fewer than before, as a crowd of real clients looks like a flood.
pub const DEFAULT_NEWCOMERS_PPS: u32 = DEFAULT_STRANGERS_PPS;
/// The most workers: no machine has so many cores for packets alone, and a TUN device no more queues.
pub const MAX_WORKERS: usize = 256;
/// A smaller table costs nobody a connection, but is of no use either.
const MIN_FLOWS: usize = 16;
/// The most flows that a table is made for: 64 million.
const MAX_FLOWS: usize = 1 << 26;
/// A flow entry's clock holds 24 days.
const MAX_IDLE_S: u64 = 20 * 86_400;

/// A valid `lb.toml` with its pool.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The instance's name.
    pub name: String,
    /// Where its SIDs are.
    pub locator: Locator,
    /// Interfaces from which packets for locators are accepted.
    pub domain_interfaces: Vec<String>,
    /// Prefixes in which locators lie, as far as the file names them.
    pub domain: Vec<Ipv6Net>,
    /// The TUN device.
    pub tun: String,
    /// What brings packets.
    pub driver: DriverName,
    /// On how many threads packets are worked on.
    pub workers: usize,
    /// The interfaces for AF_XDP.
    pub interfaces: Vec<String>,
    /// How it is used there.
    pub xdp: XdpSettings,
    /// This file.
    pub path: PathBuf,
    /// MTU of the fabric, and of the TUN device.
    pub fabric_mtu_bytes: u16,
    /// The control socket's path.
    pub control_socket: PathBuf,
    /// What the guard lets pass; without strangers there is none.
    pub guard: Limits,
    /// What may be asked of servers in a flood, hunts and recoveries, as far as the file says so.
    bounds_pps: [Option<u32>; 2],
    /// Where the pool's file is.
    pub pool_path: PathBuf,
    /// What the pool's file says.
    pub pool: PoolFile,
    /// What the engine needs.
    pub engine: engine::Config,
}

impl Settings {
    /// Reads `lb.toml` and the pool that it names. All problems of both files are reported.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_after(path, None)
    }

    /// The same; sooner, if little of the pool has changed since what was read `before`.
    pub fn load_after(path: &Path, before: Option<&Settings>) -> Result<Self, ConfigErrors> {
        let document = config::load::<LbFile>(path)?;
        let pool_path = document.resolve(&document.value.pool);
        let pool = file::load_after(&pool_path, before.map(|before| &before.pool));
        match (check(&document), pool) {
            (Ok(lb), Ok(pool)) => Settings::put_together(path, &document, lb, pool_path, pool),
            (Ok(_), Err(errors)) | (Err(errors), Ok(_)) => Err(errors),
            (Err(lb), Err(pool)) => {
                let all = lb.into_list().into_iter().chain(pool.into_list());
                Err(ConfigErrors::none_or(all.collect()).unwrap_err())
            }
        }
    }

    fn put_together(
        path: &Path,
        document: &Document<LbFile>,
        engine: engine::Config,
        pool_path: PathBuf,
        pool: PoolFile,
    ) -> Result<Self, ConfigErrors> {
        let file = &document.value;
        let mut check = document.check();
        if let Some(server) = pool.servers().find(|s| s.locator == engine.locator) {
            check.problem(
                "locator",
                format!(
                    "{} is the locator of server \"{}\" too",
                    engine.locator, server.name
                ),
                "a locator of its own for every node",
            );
        }
        for (name, address) in pool.vips() {
            let in_domain = engine.domain.iter().any(|net| net.contains(&address));
            if engine.locator.contains(address) || in_domain {
                check.problem(
                    "locator",
                    format!("VIP \"{name}\" {address} lies in the locator or in the domain"),
                    "VIPs outside all locators: a locator holds SIDs only",
                );
            }
        }
        let named = |net: &Locator| engine.domain.iter().any(|d| d.contains(&net.network()));
        if let Some(server) = pool
            .servers()
            .find(|s| !engine.domain.is_empty() && !named(&s.locator))
        {
            check.problem(
                "domain",
                format!(
                    "the locator of server \"{}\", {}, lies outside",
                    server.name, server.locator
                ),
                "prefixes that hold every locator, or no such key",
            );
        }
        check.finish()?;
        let mut settings = Settings {
            name: file.name.clone(),
            locator: engine.locator,
            domain_interfaces: file.domain_interfaces.clone(),
            domain: engine.domain.clone(),
            tun: file.tun.clone(),
            driver: file.driver,
            workers: file.workers,
            interfaces: file.interfaces.clone(),
            xdp: file.xdp,
            path: path.to_owned(),
            fabric_mtu_bytes: file.fabric_mtu_bytes,
            control_socket: document.resolve(&file.control_socket),
            guard: Limits {
                strangers_pps: file.guard.strangers_pps,
                newcomers_pps: file.guard.newcomers_pps,
            },
            bounds_pps: [file.guard.hunts_pps, file.guard.recoveries_pps],
            pool_path,
            pool,
            engine,
        };
        settings.set_bounds(settings.wants_xdp());
        Ok(settings)
    }

    /// What the file doesn't say depends on what brings packets: past the kernel more new flows come in a second. Until it is known whether AF_XDP opens, it is
    /// taken to if it is wanted.
    pub fn set_bounds(&mut self, is_past_kernel: bool) {
        let defaults = match is_past_kernel {
            true => [engine::FAST_HUNTS_PPS, engine::FAST_RECOVERIES_PPS],
            false => [engine::DEFAULT_HUNTS_PPS, engine::DEFAULT_RECOVERIES_PPS],
        };
        let [hunts_pps, recoveries_pps] = self.bounds_pps;
        self.engine.hunts_pps = hunts_pps.unwrap_or(defaults[0]);
        self.engine.recoveries_pps = recoveries_pps.unwrap_or(defaults[1]);
    }

    /// Takes another driver than the file says.
    pub fn set_driver(&mut self, driver: DriverName) -> Result<(), ConfigErrors> {
        self.driver = driver;
        self.set_bounds(self.wants_xdp());
        if driver == DriverName::AfXdp && self.interfaces.is_empty() {
            let error = ConfigError {
                key: "interfaces".to_owned(),
                ..ConfigError::of_file(&self.path, NO_INTERFACES.0, NO_INTERFACES.1)
            };
            return Err(error.into());
        }
        Ok(())
    }

    /// May AF_XDP work with so few queues, or is it not wanted? To be asked after all that replaces what the file says.
    pub fn check_queues(&self) -> Result<(), ConfigErrors> {
        let wrong = few_queues(self.xdp.queues, self.workers);
        let Some((problem, expected)) = wrong.filter(|_| self.wants_xdp()) else {
            return Ok(());
        };
        let error = ConfigError {
            key: "xdp.queues".to_owned(),
            ..ConfigError::of_file(&self.path, problem, expected)
        };
        Err(error.into())
    }

    /// Is AF_XDP to be tried?
    pub fn wants_xdp(&self) -> bool {
        self.driver != DriverName::Tun && !self.interfaces.is_empty()
    }

    /// May a running instance take `new` on? What is built into devices, sockets and tables stays as
    /// long as the process.
    pub fn may_become(&self, new: &Settings, path: &Path) -> Result<(), ConfigErrors> {
        let rows = [
            ("name", self.name != new.name),
            ("locator", self.locator != new.locator),
            ("tun", self.tun != new.tun),
            ("driver", self.driver != new.driver),
            ("workers", self.workers != new.workers),
            ("interfaces", self.interfaces != new.interfaces),
            ("xdp", self.xdp != new.xdp),
            (
                // the XDP programs know which interfaces are the domain's
                "domain_interfaces",
                self.wants_xdp() && self.domain_interfaces != new.domain_interfaces,
            ),
            (
                "fabric_mtu_bytes",
                self.fabric_mtu_bytes != new.fabric_mtu_bytes,
            ),
            ("control_socket", self.control_socket != new.control_socket),
            ("flows.max", self.engine.max_flows != new.engine.max_flows),
        ];
        ConfigErrors::if_changed(path, &rows)
    }

    /// What an operator should know although nothing is wrong.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = config::interface_advice(&self.domain_interfaces);
        if self.domain.is_empty() {
            advice.push(
                "no domain is given: clients with an address in another LB's locator are found by the servers alone"
                    .to_owned(),
            );
        }
        if (self.pool.buckets() as usize) < 100 * self.pool.servers().count() {
            advice.push(format!(
                "{} buckets for {} servers: shares are even with 100 a server or more",
                self.pool.buckets(),
                self.pool.servers().count()
            ));
        }
        if !self.pool.is_complete() {
            advice.push(format!(
                "{}: the history does not reach back to generation 1: packets that nobody owns are dropped, not reset",
                self.pool_path.display()
            ));
        }
        advice.extend(config::hmac_advice(self.engine.hmac.as_ref()));
        advice
    }

    /// One line about sizes, which both daemons print at start.
    pub fn sizes(&self) -> String {
        let (encoding, keys) = (self.engine.encoding, self.engine.hmac.as_ref());
        let signed = keys.is_some();
        format!(
            "encoding {}, {}: {} B on a new flow, {} B on a pinned one, at most {} B; fabric MTU {} B, client packets up to {} B, MSS {} B",
            encoding.name(),
            config::hmac_words(keys),
            encoding.overhead_bytes(self.pool.choices(), signed),
            encoding.overhead_bytes(1, signed),
            encoding.longest_header_bytes(signed),
            self.fabric_mtu_bytes,
            self.engine.client_mtu_bytes(),
            self.engine.client_mtu_bytes().saturating_sub(60),
        )
    }
}

/// What is wrong with af-xdp without interfaces, and what would be right.
const NO_INTERFACES: (&str, &str) = (
    "the list is empty, and the driver is af-xdp",
    "the interfaces that packets for VIPs and locators come from",
);

/// What is wrong with fewer queues than workers, if there are fewer, and what would be right.
fn few_queues(queues: Option<u32>, workers: usize) -> Option<(String, String)> {
    let queues = queues.filter(|&queues| (queues as usize) < workers)?;
    Some((
        format!("{queues} for {workers} workers, and each of them needs one"),
        format!("at least {workers}, or fewer workers (`workers`, `--workers`)"),
    ))
}

fn check_xdp(check: &mut Check<'_, LbFile>, file: &LbFile) {
    if file.driver == DriverName::AfXdp && file.interfaces.is_empty() {
        check.problem("interfaces", NO_INTERFACES.0, NO_INTERFACES.1);
    }
    for (place, name) in file.interfaces.iter().enumerate() {
        let key = format!("interfaces[{place}]");
        check.device(&key, name, 0);
        check.require(
            !file.interfaces[..place].contains(name),
            &key,
            format!("{name} is there twice"),
            "each interface once",
        );
    }
    if let Some(queues) = file.xdp.queues {
        check.within("xdp.queues", queues, 1, 1 << 10);
    }
    let is_wanted = file.driver != DriverName::Tun && !file.interfaces.is_empty();
    let few = few_queues(file.xdp.queues, file.workers);
    if let Some((problem, expected)) = few.filter(|_| is_wanted) {
        check.problem("xdp.queues", problem, expected);
    }
    check.within("xdp.busy_poll_us", file.xdp.busy_poll_us, 0, 1_000_000);
}

/// Looks at what the values mean.
fn check(document: &Document<LbFile>) -> Result<engine::Config, ConfigErrors> {
    let file = &document.value;
    let mut check = document.check();
    check.name("name", &file.name);
    let locator = check.locator("locator", &file.locator);
    check.devices("domain_interfaces", &file.domain_interfaces);
    let prefix = |(i, text): (usize, &String)| check.prefix(&format!("domain[{i}]"), text);
    let domain: Vec<Ipv6Net> = file.domain.iter().enumerate().filter_map(prefix).collect();
    check.device("tun", &file.tun, 0);
    check.within("workers", file.workers, 1, MAX_WORKERS);
    check_xdp(&mut check, file);
    let encoding = match file.encoding {
        EncodingName::Encap => Encoding::Encap,
        EncodingName::Insert => Encoding::Insert,
    };
    let signed = file.hmac.is_some();
    let least = MIN_MTU_BYTES + encoding.longest_header_bytes(signed);
    check.require(
        usize::from(file.fabric_mtu_bytes) >= least,
        "fabric_mtu_bytes",
        format!("{} is too small", file.fabric_mtu_bytes),
        format!(
            "at least {least}: 1280 and the longest header in encoding {}{}",
            encoding.name(),
            if signed { " with an HMAC" } else { "" },
        ),
    );
    check.within("flows.max", file.flows.max, MIN_FLOWS, MAX_FLOWS);
    check.within(
        "flows.idle_timeout_s",
        file.flows.idle_timeout_s,
        75,
        MAX_IDLE_S,
    );
    check.udp_idle_timeout("flows.udp_idle_timeout_s", file.flows.udp_idle_timeout_s);
    for (key, value) in [
        ("guard.newcomers_pps", Some(file.guard.newcomers_pps)),
        ("guard.hunts_pps", file.guard.hunts_pps),
        ("guard.recoveries_pps", file.guard.recoveries_pps),
    ] {
        if let Some(value) = value {
            check.within(key, value, 1, u32::MAX);
        }
    }
    let hmac = check.hmac(file.hmac.as_ref());
    check.finish()?;
    Ok(engine::Config {
        locator: locator.unwrap_or_default(),
        encoding,
        fabric_mtu_bytes: usize::from(file.fabric_mtu_bytes),
        domain,
        max_flows: file.flows.max,
        idle_timeout: Duration::from_secs(file.flows.idle_timeout_s),
        udp_idle_timeout: Duration::from_secs(file.flows.udp_idle_timeout_s),
        packet_too_big: file.icmp.packet_too_big,
        icmp_rate_pps: file.icmp.rate_pps,
        // these two: see `Settings::set_bounds`
        hunts_pps: engine::DEFAULT_HUNTS_PPS,
        recoveries_pps: engine::DEFAULT_RECOVERIES_PPS,
        hmac,
    })
}
