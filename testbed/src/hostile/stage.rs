//! The play: floods at an address that is discarded and at the VIP in turn, legitimate connections beside them.

use std::time::Duration;

use anyhow::{bail, Context, Result};
use clap::ValueEnum;
use srlb_lb::config::DEFAULT_STRANGERS_PPS;

use super::client::Client;
use super::ground::{self, DISCARDED};
use super::memory::{self, ByNode};
use super::processors::Processors;
use super::report::{Aim, Knocks, Phase, Report};
use super::{Kind, Sent, Served};
use crate::daemons;
use crate::netns;
use crate::plan::{Node, Plan, VIP};
use crate::settings::Settings;
use crate::shell;
use crate::signals::Interrupt;
use crate::state::Phase as TestbedPhase;
use crate::testbed::Testbed;
use crate::tools;

/// A flood outlasts what runs beside it; then it is ended.
const FLOOD_S: &str = "600";
/// Before everything else on its processor, whoever it is: nice values mean little between sessions.
const ALL_OF_IT: [&str; 2] = ["--rr", "1"];
/// As every program.
const A_SHARE: [&str; 2] = ["--other", "0"];
/// Before a phase nothing of the one before shall be under way.
const PAUSE: Duration = Duration::from_secs(2);
/// Every client that comes again has to be known before the first flood.
const WARM_UP_S: f64 = 3.0;
/// How long the warm-up and each phase may take longer than planned.
const GRACE: Duration = Duration::from_secs(120);
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(200);

/// What to do.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// The testbed.
    pub settings: Settings,
    /// How often everything is measured.
    pub rounds: usize,
    /// Of what the floods are.
    pub floods: Vec<Kind>,
    /// Length of each phase.
    pub seconds: f64,
    /// Clients that come again and again, at any time.
    pub regulars: usize,
    /// Clients that nobody has seen, at any time.
    pub newcomers: usize,
    /// Connections that are silent through a flood.
    pub held: usize,
    /// How to repeat it.
    pub command: String,
}

impl Hostile {
    /// Plays it.
    pub fn run(&self, interrupt: &Interrupt, step: &dyn Fn(&str)) -> Result<Report> {
        let processors = Processors::share_out()?;
        processors.bind_inside()?;
        let testbed = Testbed::up(self.settings.clone(), TestbedPhase::Up, interrupt, step)?;
        ground::prepare(testbed.plan())?;
        let mut play = Play {
            hostile: self,
            processors,
            testbed: &testbed,
            interrupt,
            memory: ByNode::new(),
            newcomers: 1,
            floods: 0,
        };
        step("clients make themselves known");
        play.serve(WARM_UP_S, None)?;
        play.memory = memory::before(testbed.plan(), testbed.state())?;
        let mut phases = Vec::new();
        for round in 1..=self.rounds {
            for &kind in &self.floods {
                let mut aims = [Aim::Discarded, Aim::Vip];
                if round % 2 == 0 {
                    aims.reverse();
                }
                for aim in aims {
                    step(&format!("round {round}: {} flood, {aim:?}", kind.name()));
                    phases.push(play.phase(round, kind, aim)?);
                }
            }
        }
        let memory = play.memory;
        testbed.down()?;
        Ok(Report::new(
            self.setting(),
            self.command.clone(),
            phases,
            memory,
        ))
    }

    fn setting(&self) -> String {
        let tables = &self.settings.tables;
        format!(
            "{} LBs, {} servers with Apache; {} rounds of {} s a phase; {} regular clients, {} newcomers at any time (1 MiB each), {} held connections; \
             LB tables for {} flows, server tables for {}; guard.strangers_pps {}",
            self.settings.plan.lbs,
            self.settings.plan.servers,
            self.rounds,
            self.seconds,
            self.regulars,
            self.newcomers,
            self.held,
            tables.lb_flows.unwrap_or(0),
            tables.server_flows.unwrap_or(0),
            match tables.strangers_pps {
                Some(pps) => pps.to_string(),
                None => format!("{DEFAULT_STRANGERS_PPS}, the default"),
            },
        )
    }
}

struct Play<'a> {
    hostile: &'a Hostile,
    processors: Processors,
    testbed: &'a Testbed,
    interrupt: &'a Interrupt,
    memory: ByNode,
    /// The number of the next newcomer.
    newcomers: u64,
    /// Floods so far: each has sources of its own.
    floods: u64,
}

impl Play<'_> {
    fn phase(&mut self, round: usize, kind: Kind, aim: Aim) -> Result<Phase> {
        self.interrupt.sleep(PAUSE)?;
        let before = knocks(self.testbed.plan())?;
        let (served, sent) = self.serve(self.hostile.seconds, Some((kind, aim)))?;
        let after = knocks(self.testbed.plan())?;
        Ok(Phase {
            round,
            kind,
            aim,
            sent: sent.context("the flood says nothing")?,
            served,
            knocks: after.since(&before),
        })
    }

    /// Legitimate connections for some time, beside a flood if one is asked for. The flood begins when the held connections stand,
    /// and ends when every connection has.
    fn serve(
        &mut self,
        seconds: f64,
        flood: Option<(Kind, Aim)>,
    ) -> Result<(Served, Option<Sent>)> {
        let hostile = self.hostile;
        let mut legit = self.start(
            &[
                "legit".into(),
                format!("--seconds={seconds}"),
                format!("--regulars={}", hostile.regulars),
                format!("--newcomers={}", hostile.newcomers),
                format!("--held={}", hostile.held),
                format!("--first-newcomer={}", self.newcomers),
                format!("--pids={}", self.pids()),
                format!("--processors={}", self.inside()),
            ],
            A_SHARE,
        )?;
        // Far more than one phase can use.
        self.newcomers += 1_000_000;
        legit.line().context("the held connections don't stand")?;
        let flood = match flood {
            Some((kind, aim)) => Some(self.start_flood(kind, aim)?),
            None => None,
        };
        self.wait(&legit, Duration::from_secs_f64(seconds) + GRACE)?;
        let served = legit.answer()?;
        let sent = match flood {
            Some(mut flood) => {
                flood.end();
                Some(flood.answer()?)
            }
            None => None,
        };
        Ok((served, sent))
    }

    /// Everybody who lives in the testbed.
    fn pids(&self) -> String {
        let plan = self.testbed.plan();
        let namespaces: Vec<String> = plan.nodes().map(|node| plan.namespace(node)).collect();
        let pids = netns::processes_in(&namespaces);
        let pids: Vec<String> = pids.iter().map(|p| p.pid.to_string()).collect();
        pids.join(",")
    }

    fn inside(&self) -> String {
        let numbers = self.processors.inside.iter().map(usize::to_string);
        numbers.collect::<Vec<_>>().join(",")
    }

    fn start_flood(&mut self, kind: Kind, aim: Aim) -> Result<Client> {
        self.floods += 1;
        let target = match aim {
            Aim::Discarded => DISCARDED,
            Aim::Vip => VIP,
        };
        self.start(
            &[
                "flood".into(),
                format!("--kind={}", argument(kind)),
                format!("--target={target}"),
                format!("--seconds={FLOOD_S}"),
                format!("--seed={}", self.floods),
                format!("--processor={}", self.processors.outside),
            ],
            ALL_OF_IT,
        )
    }

    /// Starts one of our own programs in the client's namespace. A flood is not polite: it takes all of its processor.
    fn start(&self, arguments: &[String], priority: [&str; 2]) -> Result<Client> {
        let plan = self.testbed.plan();
        let chrt = tools::find("chrt").context("there is no chrt (util-linux)")?;
        let mut command = shell::command_in(&plan.namespace(Node::Client), &chrt);
        command
            .args(priority)
            .arg(std::env::current_exe()?)
            .args(arguments);
        let log = format!("{}.log", arguments[0]);
        Client::start(command, plan.node_dir(Node::Client).join(log))
    }

    /// Waits for a client's end and looks at the daemons' memory meanwhile.
    fn wait(&mut self, client: &Client, timeout: Duration) -> Result<()> {
        let mut waited = Duration::ZERO;
        while client.is_alive() {
            if waited > timeout {
                bail!("a client does not come to its end");
            }
            memory::sample(&mut self.memory, self.testbed.state())?;
            self.interrupt.sleep(SAMPLE)?;
            waited += SAMPLE;
        }
        Ok(())
    }
}

/// A kind of flood as it is named on the command line.
pub fn argument(kind: Kind) -> String {
    let value = kind.to_possible_value();
    value.map_or(String::new(), |value| value.get_name().to_owned())
}

/// What the LBs' guards have counted.
fn knocks(plan: &Plan) -> Result<Knocks> {
    let mut sum = Knocks::default();
    for lb in plan.lb_nodes() {
        let status = daemons::status(plan, lb)?;
        let count = |key: &str| status["guard"][key].as_u64().unwrap_or(0);
        sum.firsts_passed += count("strangers_passed");
        sum.firsts_dropped += count("strangers_dropped");
        sum.seconds_passed += count("admitted");
        sum.seconds_dropped += count("newcomers_dropped");
    }
    Ok(sum)
}
