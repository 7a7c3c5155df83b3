//! `server.toml`: what one server router is, and what of it the engine needs.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apache_probe::Target;
use daemon::config::{self, Check, ConfigErrors, Document};
use daemon::host::ServerHost;
use ipnet::Ipv6Net;
use serde::Deserialize;
use srh::icmp::MIN_MTU_BYTES;
use srh::{Encoding, Locator};

use crate::engine::{self, EngineConfig};
use crate::policy::Accept;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
    name: String,
    locator: String,
    vips: Vec<String>,
    lb_locators: Vec<String>,
    domain: Vec<String>,
    domain_interfaces: Vec<String>,
    #[serde(default = "default_mtu")]
    fabric_mtu_bytes: u16,
    #[serde(default = "default_tun")]
    tun: String,
    #[serde(default = "default_socket")]
    control_socket: PathBuf,
    #[serde(default)]
    application: Application,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    flows: Flows,
    hmac: Option<config::Hmac>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Application {
    scoreboard: Option<PathBuf>,
    pid_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Policy {
    accept: AcceptName,
    c: Option<u32>,
    window: u32,
    epsilon: f64,
    least: Option<u32>,
    pending: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AcceptName {
    Static,
    Dynamic,
    #[default]
    Median,
    Always,
    Never,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            accept: AcceptName::default(),
            c: None,
            window: 50,
            epsilon: 0.1,
            least: None,
            pending: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Flows {
    max: usize,
    udp_max: usize,
    udp_idle_timeout_s: u64,
}

impl Default for Flows {
    fn default() -> Self {
        Flows {
            max: engine::DEFAULT_MAX_FLOWS,
            udp_max: engine::DEFAULT_MAX_UDP_FLOWS,
            udp_idle_timeout_s: config::DEFAULT_UDP_IDLE_S,
        }
    }
}

fn default_mtu() -> u16 {
    1_500
}

fn default_tun() -> String {
    "srlb-s0".into()
}

fn default_socket() -> PathBuf {
    DEFAULT_SOCKET.into()
}

/// Where a server router listens for its own command line unless its file says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/srlb/server.sock";
/// A smaller table costs nobody a connection, but is of no use either.
const MIN_FLOWS: usize = 16;
/// The most flows that a table is made for: 16 million.
const MAX_FLOWS: usize = 1 << 24;

/// The longest window of a policy that learns, in offers.
const MAX_WINDOW: u32 = 1_000_000;
/// More cores than any server has.
const MAX_LEAST: u32 = 65_535;

/// A valid `server.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The instance's name.
    pub name: String,
    /// Interfaces from which packets for locators are accepted.
    pub domain_interfaces: Vec<String>,
    /// The first TUN device; the second one's name has a `w` behind it.
    pub tun: String,
    /// MTU of the fabric, and of the TUN devices.
    pub fabric_mtu_bytes: u16,
    /// The control socket's path.
    pub control_socket: PathBuf,
    /// Which Apache, if any.
    pub application: Option<Target>,
    /// What the engine needs.
    pub engine: EngineConfig,
}

impl Settings {
    /// Reads `server.toml`. All problems are reported.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let document = config::load::<ServerFile>(path)?;
        let file = &document.value;
        Ok(Settings {
            engine: engine_config(&document)?,
            name: file.name.clone(),
            domain_interfaces: file.domain_interfaces.clone(),
            tun: file.tun.clone(),
            fabric_mtu_bytes: file.fabric_mtu_bytes,
            control_socket: document.resolve(&file.control_socket),
            application: target(&document),
        })
    }

    /// May a running instance take `new` on? What is built into devices, sockets and tables stays as
    /// long as the process.
    pub fn may_become(&self, new: &Settings, path: &Path) -> Result<(), ConfigErrors> {
        let (old_engine, engine) = (&self.engine, &new.engine);
        let rows = [
            ("name", self.name != new.name),
            ("locator", old_engine.locator != engine.locator),
            ("tun", self.tun != new.tun),
            (
                "fabric_mtu_bytes",
                self.fabric_mtu_bytes != new.fabric_mtu_bytes,
            ),
            ("control_socket", self.control_socket != new.control_socket),
            ("flows.max", old_engine.max_flows != engine.max_flows),
            (
                "flows.udp_max",
                old_engine.max_udp_flows != engine.max_udp_flows,
            ),
        ];
        ConfigErrors::if_changed(path, &rows)
    }

    /// What the daemon needs on its host.
    pub fn host(&self) -> ServerHost {
        ServerHost {
            name: self.name.clone(),
            locator: self.engine.locator,
            vips: self.engine.vips.clone(),
            domain: self.engine.domain.clone(),
            domain_interfaces: self.domain_interfaces.clone(),
            tun: self.tun.clone(),
            tun_mtu_bytes: self.fabric_mtu_bytes.into(),
        }
    }

    /// What an operator should know although nothing is wrong.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = config::interface_advice(&self.domain_interfaces);
        if fast_open_is_on() {
            advice.push(
                "TCP Fast Open is on for servers: a SYN's data would be taken before anybody knows whose flow it is; \
                 set net.ipv4.tcp_fastopen to 1 or 0"
                    .into(),
            );
        }
        advice.extend(config::hmac_advice(self.engine.hmac.as_ref()));
        advice
    }

    /// One line about sizes, which both daemons print at start.
    pub fn sizes(&self) -> String {
        let keys = self.engine.hmac.as_ref();
        let signed = keys.is_some();
        format!(
            "{}: overhead of a pinned flow {} B (encap) or {} B (insert), at most {} B; fabric MTU {} B, SYN-ACKs clamped to MSS {} B",
            config::hmac_words(keys),
            Encoding::Encap.overhead_bytes(1, signed),
            Encoding::Insert.overhead_bytes(1, signed),
            EngineConfig::longest_header_bytes(signed),
            self.fabric_mtu_bytes,
            self.engine.mss_bytes(),
        )
    }
}

/// Does the kernel take data with a SYN (bit 1: servers)?
fn fast_open_is_on() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen")
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok())
        .is_some_and(|bits| bits & 2 != 0)
}

fn target(document: &Document<ServerFile>) -> Option<Target> {
    let absolute = |path: &PathBuf| {
        let path = document.resolve(path);
        std::path::absolute(&path).unwrap_or(path)
    };
    let application = &document.value.application;
    match (&application.scoreboard, &application.pid_file) {
        (Some(board), Some(pid)) => {
            Some(Target::score_board_file(absolute(board)).with_pid_file(absolute(pid)))
        }
        (Some(board), None) => Some(Target::score_board_file(absolute(board))),
        (None, Some(pid)) => Some(Target::pid_file(absolute(pid))),
        (None, None) => None,
    }
}

/// Looks at what the values mean.
fn engine_config(document: &Document<ServerFile>) -> Result<EngineConfig, ConfigErrors> {
    let file = &document.value;
    let mut check = document.check();
    check.name("name", &file.name);
    let locator = check.locator("locator", &file.locator);
    let vips = check.addresses("vips", &file.vips);
    let lb_locators = check.prefixes("lb_locators", &file.lb_locators);
    let domain = check.prefixes("domain", &file.domain);
    check.devices("domain_interfaces", &file.domain_interfaces);
    check.device("tun", &file.tun, 1);
    check_mtu(&mut check, file);
    check.within("flows.max", file.flows.max, MIN_FLOWS, MAX_FLOWS);
    check.within("flows.udp_max", file.flows.udp_max, 1_000, MAX_FLOWS);
    check.udp_idle_timeout("flows.udp_idle_timeout_s", file.flows.udp_idle_timeout_s);
    let accept = accept(&mut check, file);
    let hmac = check.hmac(file.hmac.as_ref());
    if check.is_clean() {
        if let Some(locator) = locator {
            check_places(&mut check, locator, &lb_locators, &domain);
        }
        for (place, vip) in vips.iter().enumerate() {
            check.require(
                !domain.iter().any(|net| net.contains(vip)),
                &format!("vips[{place}]"),
                format!("{vip} lies in the domain, where SIDs are"),
                "an address outside of it",
            );
        }
    }
    check.finish()?;
    Ok(EngineConfig {
        locator: locator.unwrap_or_default(),
        vips,
        lb_locators,
        domain,
        fabric_mtu_bytes: usize::from(file.fabric_mtu_bytes),
        accept,
        pending: file.policy.pending,
        max_flows: file.flows.max,
        max_udp_flows: file.flows.udp_max,
        udp_idle_timeout: Duration::from_secs(file.flows.udp_idle_timeout_s),
        lookups_pps: engine::DEFAULT_LOOKUPS_PPS,
        icmp_rate_pps: engine::DEFAULT_ICMP_RATE_PPS,
        hmac,
    })
}

fn check_mtu(check: &mut Check<'_, ServerFile>, file: &ServerFile) {
    let (mtu, signed) = (file.fabric_mtu_bytes, file.hmac.is_some());
    let least = MIN_MTU_BYTES + EngineConfig::longest_header_bytes(signed);
    check.require(
        usize::from(mtu) >= least,
        "fabric_mtu_bytes",
        format!("{mtu} is too small"),
        format!(
            "at least {least}: 1280 and the longest header of an LB{}",
            if signed { " with an HMAC" } else { "" },
        ),
    );
}

/// Locators lie in the domain, and ours is no LB's.
fn check_places(
    check: &mut Check<'_, ServerFile>,
    locator: Locator,
    lb_locators: &[Ipv6Net],
    domain: &[Ipv6Net],
) {
    let network = locator.network();
    check.require(
        domain.iter().any(|net| net.contains(&network)),
        "locator",
        format!("{locator} lies outside the domain"),
        "a locator inside one of the prefixes in domain",
    );
    check.require(
        !lb_locators.iter().any(|net| net.contains(&network)),
        "locator",
        format!("{locator} lies among the LBs' locators"),
        "a locator outside of lb_locators: who is in there may use functions here",
    );
    for (place, lbs) in lb_locators.iter().enumerate() {
        check.require(
            domain.iter().any(|net| net.contains(lbs)),
            &format!("lb_locators[{place}]"),
            format!("{lbs} lies outside the domain"),
            "a prefix inside one of those in domain",
        );
    }
}

fn accept(check: &mut Check<'_, ServerFile>, file: &ServerFile) -> Accept {
    let policy = &file.policy;
    let needs_board = !matches!(policy.accept, AcceptName::Always | AcceptName::Never);
    let has_board = file.application.scoreboard.is_some() || file.application.pid_file.is_some();
    check.require(
        has_board || !needs_board,
        "application",
        "the policies static, dynamic and median count busy workers, and no Apache is named",
        "[application] with scoreboard (its ScoreBoardFile) or pid_file, or policy.accept = \"always\"",
    );
    match policy.accept {
        AcceptName::Always => Accept::Always,
        AcceptName::Never => Accept::Never,
        AcceptName::Static => {
            check.require(
                policy.c.is_some(),
                "policy.c",
                "the policy static needs a threshold",
                "c = ..., the number of busy workers from which on offers are refused",
            );
            Accept::Static {
                c: policy.c.unwrap_or_default(),
            }
        }
        AcceptName::Dynamic => {
            check.within("policy.window", policy.window, 2, MAX_WINDOW);
            check.within("policy.epsilon", policy.epsilon, 0.0, 0.5);
            Accept::Dynamic {
                window: policy.window,
                epsilon: policy.epsilon,
            }
        }
        AcceptName::Median => {
            let least = policy.least.unwrap_or_else(processors);
            check.within("policy.window", policy.window, 2, MAX_WINDOW);
            check.within("policy.least", least, 0, MAX_LEAST);
            Accept::Median {
                window: policy.window,
                least,
            }
        }
    }
}

/// Processors that this process may use, and so, we take it, the application on the same host.
fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    u32::try_from(count).unwrap_or(MAX_LEAST).min(MAX_LEAST)
}
