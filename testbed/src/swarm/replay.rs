//! One seed again, to be read.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::sim::nodes::{client, VIP_PORT};
use crate::sim::{self, ConnectionSpec, Options, Outcome, Scenario};

/// Runs a seed's world with its trace; packets go to the file `pcap` as well.
///
/// # Errors
///
/// If the file can't be written.
pub fn replay(world: &Scenario, pcap: Option<PathBuf>) -> Result<Outcome> {
    let options = Options {
        trace: true,
        pcap,
        ..Options::default()
    };
    sim::run_with(world, &options).context("cannot write the capture")
}

/// Says which lines of a trace concern one connection: its packets, and what happens to everybody.
pub struct Filter {
    number: usize,
    address: String,
    ports: [String; 2],
}

impl Filter {
    /// For the connection with this number.
    pub fn new(number: usize, spec: &ConnectionSpec) -> Self {
        let port = spec.port;
        Filter {
            number,
            address: format!("{} ", client(spec.client)),
            ports: [
                format!(" tcp {port} > {VIP_PORT} "),
                format!(" tcp {VIP_PORT} > {port} "),
            ],
        }
    }

    /// Does this line?
    pub fn takes(&self, line: &str) -> bool {
        if line.contains(" tcp ") {
            return line.contains(&self.address) && self.ports.iter().any(|p| line.contains(p));
        }
        match line.split_once("connection ") {
            Some((_, rest)) => {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits == self.number.to_string()
            }
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_the_connection_and_what_concerns_everybody() {
        let filter = Filter::new(4, &ConnectionSpec::new(0, 2, 4_000));
        for (line, takes) in [
            (
                "   1.000000 c2 > lb1: 2001:db8:c::2 > 2001:db8:80::1 tcp 4000 > 80 S seq 7 0 B",
                true,
            ),
            (
                "   1.000000 s1 > c2: 2001:db8:80::1 > 2001:db8:c::2 tcp 80 > 4000 SA seq 7 0 B",
                true,
            ),
            (
                "   1.000000 c2 > lb1: 2001:db8:c::2 > 2001:db8:80::1 tcp 4001 > 80 S seq 7 0 B",
                false,
            ),
            (
                "   1.000000 c1 > lb1: 2001:db8:c::1 > 2001:db8:80::1 tcp 4000 > 80 S seq 7 0 B",
                false,
            ),
            ("   1.000000 lb 2 is killed", true),
            ("   1.000000 connection 4 is opened", true),
            ("   1.000000 connection 44 is opened", false),
        ] {
            assert_eq!(filter.takes(line), takes, "{line}");
        }
    }
}
