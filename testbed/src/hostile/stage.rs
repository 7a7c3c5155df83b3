//! The play: floods at an address that is discarded and at the VIP in turn, legitimate connections beside them.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use serde::de::DeserializeOwned;

use super::fetch::NEWCOMERS;
use super::memory::{self, ByNode};
use super::report::{Aim, Phase, Report};
use super::{Kind, Sent, Served, SPOOFED};
use crate::daemons;
use crate::netns;
use crate::plan::{Node, Plan, CLIENT_ADDRESS, VIP};
use crate::process::ProcessId;
use crate::settings::Settings;
use crate::shell;
use crate::signals::Interrupt;
use crate::state::Phase as TestbedPhase;
use crate::testbed::Testbed;
use crate::tools;

/// The edge sends it to the LBs as it does the VIP, and their kernels discard it.
const DISCARDED: &str = "2001:db8:80::f";
/// A flood outlasts what runs beside it; then it is ended.
const FLOOD_S: &str = "600";
/// The generator's priority over everything else on the machine.
const FLOOD_NICE: i32 = -10;
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
        let testbed = Testbed::up(self.settings.clone(), TestbedPhase::Up, interrupt, step)?;
        prepare(testbed.plan())?;
        let mut play = Play {
            hostile: self,
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
            for kind in [Kind::Syn, Kind::Ack] {
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
            tables.strangers_pps.unwrap_or(0),
        )
    }
}

struct Play<'a> {
    hostile: &'a Hostile,
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
        let before = strangers(self.testbed.plan())?;
        let (served, sent) = self.serve(self.hostile.seconds, Some((kind, aim)))?;
        let after = strangers(self.testbed.plan())?;
        Ok(Phase {
            round,
            kind,
            aim,
            sent: sent.context("the flood says nothing")?,
            served,
            strangers_passed: after.0 - before.0,
            strangers_dropped: after.1 - before.1,
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
            ],
            0,
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

    fn start_flood(&mut self, kind: Kind, aim: Aim) -> Result<Client> {
        self.floods += 1;
        let target = match aim {
            Aim::Discarded => DISCARDED,
            Aim::Vip => VIP,
        };
        self.start(
            &[
                "flood".into(),
                format!("--kind={}", kind.name().to_lowercase()),
                format!("--target={target}"),
                format!("--seconds={FLOOD_S}"),
                format!("--seed={}", self.floods),
            ],
            FLOOD_NICE,
        )
    }

    /// Starts one of our own programs in the client's namespace. A flood is not polite: it gets the core that it can fill.
    fn start(&self, arguments: &[String], nice: i32) -> Result<Client> {
        let plan = self.testbed.plan();
        let nice_program = tools::find("nice").context("there is no nice")?;
        let mut command = shell::command_in(&plan.namespace(Node::Client), &nice_program);
        command
            .args(["-n", &nice.to_string()])
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

/// A program in the client's namespace that says what came of it as one line of JSON. Dropped, it is ended.
struct Client {
    child: Child,
    process: ProcessId,
    words: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Client {
    fn start(mut command: Command, log: PathBuf) -> Result<Client> {
        let file = std::fs::File::create(&log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .context("cannot start a client")?;
        let stdout = child.stdout.take().context("a client has no output")?;
        let process = ProcessId::of(child.id()).context("a client ended at once")?;
        Ok(Client {
            child,
            process,
            words: BufReader::new(stdout),
            log,
        })
    }

    fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    fn end(&mut self) {
        self.process.signal(rustix::process::Signal::TERM);
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.words.read_line(&mut line)? {
            0 => bail!("{}", shell::tail(&self.log)),
            _ => Ok(line),
        }
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut text = String::new();
        self.words.read_to_string(&mut text)?;
        self.child.wait()?;
        serde_json::from_str(&text)
            .with_context(|| format!("no answer: {text} {}", shell::tail(&self.log)))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What this play needs besides: a way back into nothing for spoofed sources, an address that LBs discard, and as many client
/// addresses as newcomers.
fn prepare(plan: &Plan) -> Result<()> {
    let hops: String = plan
        .lb_nodes()
        .filter_map(|lb| lb.fabric_address())
        .map(|address| format!(" nexthop via {address} dev eth0"))
        .collect();
    let edge = format!(
        "route add blackhole {SPOOFED}\nroute add {NEWCOMERS}/64 via {CLIENT_ADDRESS} dev eth1\nroute add {DISCARDED}/128{hops}\n"
    );
    shell::ip_batch(Some(&plan.namespace(Node::Edge)), &edge)?;
    for lb in plan.lb_nodes() {
        let line = format!("route add blackhole {DISCARDED}/128\n");
        shell::ip_batch(Some(&plan.namespace(lb)), &line)?;
    }
    let client = plan.namespace(Node::Client);
    shell::ip_batch(
        Some(&client),
        &format!("route add local {NEWCOMERS}/64 dev lo\n"),
    )?;
    let bind = "echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind";
    shell::run_in(&client, &["sh", "-ec", bind], "").map(drop)
}

/// Strangers that the LBs' guards let pass, and dropped.
fn strangers(plan: &Plan) -> Result<(u64, u64)> {
    let mut sum = (0, 0);
    for lb in plan.lb_nodes() {
        let status = daemons::status(plan, lb)?;
        let guard = &status["guard"];
        sum.0 += guard["strangers_passed"].as_u64().unwrap_or(0);
        sum.1 += guard["strangers_dropped"].as_u64().unwrap_or(0);
    }
    Ok(sum)
}
