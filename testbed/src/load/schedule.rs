//! When which job arrives and where from: fixed by the seed before the first packet.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::rng::Rng;

/// Streams of the seed: one per purpose, so that the jobs do not depend on the rate.
const ARRIVALS: u64 = 1;
const SERVICE: u64 = 2;

/// Load sends from these ports; the kernel's own choices for other programs lie above.
const FIRST_PORT: u16 = 1024;
const PORTS: u64 = 31_000;

/// One request to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When, from the start.
    pub at: Duration,
    /// How long its job holds a core.
    pub service: Duration,
}

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// This many requests.
    Requests(u64),
    /// This long.
    Time(Duration),
}

/// A Poisson stream of jobs with exponential service times.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Rng,
    services: Rng,
    gap_mean_s: f64,
    service_mean_s: f64,
    length: Length,
    next_at_s: f64,
    made: u64,
}

impl Schedule {
    /// The same seed, rate and mean give the same stream.
    pub fn new(seed: u64, rate_per_s: f64, service_mean: Duration, length: Length) -> Schedule {
        Schedule {
            arrivals: Rng::new(seed, ARRIVALS),
            services: Rng::new(seed, SERVICE),
            gap_mean_s: 1.0 / rate_per_s,
            service_mean_s: service_mean.as_secs_f64(),
            length,
            next_at_s: 0.0,
            made: 0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.next_at_s += self.arrivals.exponential(self.gap_mean_s);
        let arrival = Arrival {
            at: Duration::from_secs_f64(self.next_at_s),
            service: Duration::from_secs_f64(self.services.exponential(self.service_mean_s)),
        };
        let within = match self.length {
            Length::Requests(n) => self.made < n,
            Length::Time(time) => arrival.at < time,
        };
        self.made += 1;
        within.then_some(arrival)
    }
}

/// Source addresses and ports in rotation, so that no 4-tuple comes back while anybody
/// still remembers its last connection.
#[derive(Clone, Debug)]
pub struct Sources {
    addresses: Vec<IpAddr>,
    next: u64,
}

impl Sources {
    /// From these addresses; `first` is where in the rotation to begin. No addresses: the
    /// kernel chooses.
    pub fn new(addresses: Vec<IpAddr>, first: u64) -> Sources {
        Sources {
            addresses,
            next: first,
        }
    }

    /// The next in turn.
    pub fn take(&mut self) -> Option<SocketAddr> {
        let count = self.addresses.len() as u64;
        let turn = self.next.checked_rem(count * PORTS)?;
        self.next += 1;
        let port = FIRST_PORT + (turn / count) as u16;
        Some(SocketAddr::new(
            self.addresses[(turn % count) as usize],
            port,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn schedule(seed: u64, rate: f64) -> Schedule {
        Schedule::new(
            seed,
            rate,
            Duration::from_millis(50),
            Length::Requests(20_000),
        )
    }

    #[test]
    fn the_seed_fixes_everything() {
        let all: Vec<_> = schedule(5, 100.0).collect();
        assert_eq!(all.len(), 20_000);
        assert!(schedule(5, 100.0).eq(all.iter().copied()));
        assert!(!schedule(6, 100.0).eq(all.iter().copied()));
        // Another rate is another rhythm of the same jobs.
        let faster: Vec<_> = schedule(5, 200.0).map(|a| a.service).collect();
        assert_eq!(faster, all.iter().map(|a| a.service).collect::<Vec<_>>());
    }

    #[test]
    fn the_rate_is_kept_and_time_ends_it() {
        let last = schedule(5, 100.0).last().unwrap();
        assert!((last.at.as_secs_f64() - 200.0).abs() < 5.0, "{:?}", last.at);
        let time = Duration::from_secs(10);
        let timed = Schedule::new(5, 100.0, time, Length::Time(time));
        let all: Vec<_> = timed.collect();
        assert!(all.iter().all(|a| a.at < time));
        assert!((900..1100).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn sources_come_back_only_after_all_others() {
        let addresses: Vec<IpAddr> = ["2001:db8::1", "2001:db8::2"]
            .iter()
            .map(|a| a.parse().unwrap())
            .collect();
        let mut sources = Sources::new(addresses, 61_990);
        let seen: Vec<_> = (0..62_000).map(|_| sources.take().unwrap()).collect();
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 62_000);
        assert_eq!(sources.take(), Some(seen[0]));
        assert_eq!(Sources::new(Vec::new(), 0).take(), None);
    }
}
