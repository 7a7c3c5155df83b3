//! A testbed for figures, and one load after the other on it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};

use crate::child::{ClientProcess, Progress};
use crate::load::{self, Record};
use crate::machine::Machine;
use crate::plan::{Plan, VIP_PORT};
use crate::records::read_records;
use crate::reproduce::Workshop;
use crate::settings::{Encoding, Policy, Settings, Tables};
use crate::state::Phase;
use crate::testbed::Testbed;

/// How often the main loop looks around.
const TICK: Duration = Duration::from_millis(50);
/// Clients that take this much longer than they should are stuck.
const SLACK: Duration = Duration::from_secs(60);
/// The machine's share of time at work from which on it delays the requests itself.
pub const TOO_BUSY: f64 = 0.85;

/// The testbed of the paper's section VI-A: two LBs, and flows on their way do not count as busy.
pub fn settings(workshop: &Workshop, servers: u16, service_mean_ms: f64) -> Settings {
    Settings {
        plan: Plan {
            name: workshop.testbed.clone(),
            lbs: 2,
            servers,
        },
        encoding: Encoding::Encap,
        choices: 2,
        policy: Policy::Static(4),
        pending: false,
        service_mean_ms,
        fabric_mtu_bytes: 1500,
        tables: Tables::default(),
        bare: false,
        long_lived: false,
        hmac: Vec::new(),
    }
}

/// A testbed that stands. Dropped, it is taken down.
pub struct Bed<'a> {
    /// Whom it is for.
    pub workshop: &'a Workshop<'a>,
    /// Itself.
    pub testbed: Testbed,
    /// So many source ports have been used.
    sources: u64,
}

/// A Poisson stream of requests.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests a second.
    pub rate_qps: f64,
    /// For how long.
    pub seconds: f64,
    /// Mean service time, exponential.
    pub service_mean_ms: f64,
    /// When which job comes.
    pub seed: u64,
    /// Whom to ask.
    pub target: SocketAddr,
}

impl Load {
    /// The web service.
    pub fn vip() -> SocketAddr {
        crate::plan::default_target()
    }

    /// When which job comes, as the load generator has it.
    pub fn schedule(&self) -> load::Schedule {
        let mean = Duration::from_secs_f64(self.service_mean_ms / 1e3);
        let length = load::Length::Time(Duration::from_secs_f64(self.seconds));
        load::Schedule::new(self.seed, self.rate_qps, mean, length)
    }

    fn arguments(&self, first_source: u64) -> Vec<String> {
        let options = [
            ("--target", self.target.to_string()),
            ("--rate", self.rate_qps.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--service-mean-ms", self.service_mean_ms.to_string()),
            ("--seed", self.seed.to_string()),
            ("--first-source", first_source.to_string()),
        ];
        let words = options.map(|(option, value)| [option.to_owned(), value]);
        let mut arguments = vec!["load".to_owned()];
        arguments.extend(words.into_iter().flatten());
        arguments
    }
}

/// Clients at work, and where their records go.
pub struct Clients<P> {
    process: ClientProcess<P>,
    out: PathBuf,
    limit: Instant,
}

/// What loads came to.
pub struct Played {
    /// Every request, load by load.
    pub records: Vec<Vec<Record>>,
    /// How busy this machine was meanwhile.
    pub machine_busy: f64,
}

impl<'a> Bed<'a> {
    /// Builds one.
    ///
    /// # Errors
    ///
    /// Where the machine does not carry it, or a testbed of that name is up.
    pub fn up(workshop: &'a Workshop<'a>, settings: Settings) -> Result<Bed<'a>> {
        let testbed = Testbed::up(settings, Phase::Demo, workshop.interrupt, &|_| ())?;
        Ok(Bed {
            workshop,
            testbed,
            sources: 0,
        })
    }

    /// Source ports that nobody has used: the first of them, by its place in the rotation.
    pub fn new_sources(&mut self, count: u64) -> u64 {
        let first = self.sources;
        self.sources += count;
        first
    }

    /// Starts `srlb-testbed ARGUMENTS` in the client's namespace; it should take so long.
    pub fn start<P: Progress>(
        &self,
        file: &str,
        arguments: &[String],
        seconds: f64,
    ) -> Result<Clients<P>> {
        let plan = self.testbed.plan();
        let out = plan.run_dir().join(file);
        let mut command = vec![std::env::current_exe()?.to_string_lossy().into_owned()];
        command.extend(arguments.iter().cloned());
        command.extend(["--progress-json".to_owned(), "--out".to_owned()]);
        command.push(out.to_string_lossy().into_owned());
        Ok(Clients {
            process: ClientProcess::start(plan, &command)?,
            out,
            limit: Instant::now() + Duration::from_secs_f64(seconds) + SLACK,
        })
    }

    /// Sends loads, all at the same time.
    pub fn play(&mut self, loads: &[Load]) -> Result<Played> {
        let machine = Machine::now()?;
        let mut clients: Vec<Clients<load::Progress>> = Vec::new();
        for (n, load) in loads.iter().enumerate() {
            let count = load.schedule().count() as u64;
            let arguments = load.arguments(self.new_sources(count));
            clients.push(self.start(&format!("load-{n}.jsonl"), &arguments, load.seconds)?);
        }
        let records = clients
            .into_iter()
            .map(|clients| clients.finish(self.workshop))
            .collect::<Result<_>>()?;
        Ok(Played {
            records,
            machine_busy: machine.busy_since()?,
        })
    }

    /// Takes it down, and says what could not be removed.
    pub fn down(self) -> Result<()> {
        self.testbed.down()
    }
}

impl<P: Progress> Clients<P> {
    /// Lets them work until `seconds` after their start.
    pub fn until(&mut self, workshop: &Workshop, seconds: f64) -> Result<()> {
        while self.look(workshop)? {
            let elapsed = self.process.elapsed().unwrap_or_default();
            if elapsed.as_secs_f64() >= seconds {
                return Ok(());
            }
        }
        bail!("the clients ended before {seconds} s were over")
    }

    /// Lets them come to their end.
    pub fn finish<R: serde::de::DeserializeOwned>(mut self, workshop: &Workshop) -> Result<Vec<R>> {
        while self.look(workshop)? {}
        read_records(&self.out)
    }

    /// Are they still at work?
    fn look(&mut self, workshop: &Workshop) -> Result<bool> {
        workshop.interrupt.check()?;
        workshop.bar.tick();
        if Instant::now() > self.limit {
            bail!("the clients do not come to their end: is the machine busy with something else?");
        }
        Ok(self.process.next(TICK)?.is_some())
    }
}

/// Requests that began after the warm-up and ended well: response times in milliseconds, in the order of their beginning.
pub fn counted(records: &[Record], warm_up_s: f64) -> impl Iterator<Item = &Record> {
    let is_late = move |record: &&Record| record.scheduled_ms >= warm_up_s * 1e3;
    let all = records.iter().filter(is_late);
    all.filter(|record| record.outcome.is_ok())
}

/// What to say about how busy the machine was.
pub fn busy_words(most: f64) -> String {
    let percent = 100.0 * most;
    match most > TOO_BUSY {
        true => format!(
            "The machine itself was busy {percent:.0}% of the time: it delays requests, \
             and these figures say little. Run it again with nothing else at work."
        ),
        false => format!("The machine itself was busy {percent:.0}% of the time at most."),
    }
}

/// A server itself, without LB and router.
pub fn direct(server: crate::plan::Node) -> Option<SocketAddr> {
    let address = server.fabric_address()?.parse().ok()?;
    Some(SocketAddr::new(address, VIP_PORT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;
    use crate::plan::{Node, VIP};

    #[test]
    fn a_load_is_asked_for_as_it_will_be_simulated() {
        let load = Load {
            rate_qps: 50.0,
            seconds: 4.0,
            service_mean_ms: 20.0,
            seed: 3,
            target: Load::vip(),
        };
        let words = load.arguments(17).join(" ");
        assert_eq!(
            words,
            format!(
                "load --target [{VIP}]:80 --rate 50 --seconds 4 \
                 --service-mean-ms 20 --seed 3 --first-source 17"
            )
        );
        let count = load.schedule().count();
        assert!((150..250).contains(&count), "{count}");
    }

    #[test]
    fn failures_and_the_warm_up_do_not_count() {
        let record = |id, scheduled_ms, outcome| Record {
            id,
            source: None,
            service_ms: 1.0,
            scheduled_ms,
            started_ms: scheduled_ms,
            connected_ms: None,
            first_byte_ms: None,
            ended_ms: scheduled_ms + 5.0,
            outcome,
            server: None,
        };
        let records = [
            record(0, 10.0, Outcome::Ok),
            record(1, 2_000.0, Outcome::Reset),
            record(2, 2_001.0, Outcome::Ok),
        ];
        let ids: Vec<u64> = counted(&records, 2.0).map(|record| record.id).collect();
        assert_eq!(ids, [2]);
    }

    #[test]
    fn servers_have_an_address_of_their_own() {
        let direct = direct(Node::Server(3)).unwrap();
        assert_eq!(direct.to_string(), "[fd00:fab::5e:3]:80");
        assert!(busy_words(0.5).contains("50%") && busy_words(0.9).contains("little"));
    }
}
