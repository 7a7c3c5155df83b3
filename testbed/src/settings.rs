//! What the user may choose when a testbed is made.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// How functions ride on packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// An outer IPv6 header, RFC 8754.
    Encap,
    /// An SRH put into the client's packet, as the paper does.
    Insert,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Encap => "encap",
            Encoding::Insert => "insert",
        })
    }
}

/// When a server takes a new flow that it may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// The threshold is the median of the busy workers, and never below the number of cores: the default.
    Median,
    /// The threshold adapts itself (the paper's SR_dyn).
    Dynamic,
    /// Fewer busy workers than this (the paper's SR_c).
    Static(u16),
    /// Whatever comes.
    Always,
    /// Nothing that another may take.
    Never,
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "median" => Ok(Policy::Median),
            None if text == "dynamic" => Ok(Policy::Dynamic),
            None if text == "always" => Ok(Policy::Always),
            None if text == "never" => Ok(Policy::Never),
            Some(("static", c)) => c
                .parse()
                .map(Policy::Static)
                .map_err(|_| format!("\"{c}\" is no number of workers")),
            _ => Err(
                "a policy is median, dynamic, static:C (such as static:4), always or never".into(),
            ),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Median => f.write_str("median"),
            Policy::Dynamic => f.write_str("dynamic"),
            Policy::Static(c) => write!(f, "static:{c}"),
            Policy::Always => f.write_str("always"),
            Policy::Never => f.write_str("never"),
        }
    }
}

/// Sizes of tables, and what they are kept from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Buckets of the pool.
    pub buckets: u32,
    /// Flows that an LB's table is made for, if not the daemon's own choice.
    pub lb_flows: Option<u32>,
    /// Flows that a server's table is made for, if not the daemon's own choice.
    pub server_flows: Option<u32>,
    /// Strangers and newcomers a second that an LB's guard is set to, if not the daemon's own choice.
    #[serde(default)]
    pub strangers_pps: Option<u32>,
}

impl Default for Tables {
    /// The paper's number of buckets, as a prime: odd numbers of choices need one.
    fn default() -> Self {
        Tables {
            buckets: 65_537,
            lb_flows: None,
            server_flows: None,
            strangers_pps: None,
        }
    }
}

/// Everything about a testbed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Names and sizes.
    pub plan: Plan,
    /// How functions ride on packets.
    pub encoding: Encoding,
    /// Candidates of a new flow; 1 is Maglev.
    pub choices: u8,
    /// When a server takes a flow.
    pub policy: Policy,
    /// Do accepted flows count that no worker has picked up yet?
    pub pending: bool,
    /// Mean service time of a job that names none.
    pub service_mean_ms: f64,
    /// MTU of the fabric.
    pub fabric_mtu_bytes: u16,
    /// Sizes of tables.
    pub tables: Tables,
    /// Network and Apache only: the user starts the daemons.
    pub bare: bool,
    /// Apaches for connections that last: the event MPM, hundreds of workers, keep-alive, and
    /// behind each what `traffic` asks for.
    pub long_lived: bool,
    /// Numbers of the keys that LBs and servers accept, the one that signs first; none: no HMAC.
    pub hmac: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for policy in [
            Policy::Median,
            Policy::Dynamic,
            Policy::Static(4),
            Policy::Always,
            Policy::Never,
        ] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        for wrong in ["", "static", "static:", "static:-1", "dynamic:3", "Always"] {
            assert!(wrong.parse::<Policy>().is_err(), "{wrong}");
        }
    }
}
