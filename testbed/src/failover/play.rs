//! One scenario from the first namespace to the verdict.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use serde::Serialize;

use super::actor::{Actor, Done};
use super::client;
use super::judge::{Case, Verdict};
use super::outage::{merged, Outage};
use super::scenario::{Scenario, Step};
use super::study::{Findings, Watch};
use crate::clock::now_ms;
use crate::counters::ServerCounters;
use crate::machine::Machine;
use crate::records::{read_records, write_records};
use crate::signals::Interrupt;
use crate::state::Phase;
use crate::testbed::Testbed;

/// How often a scenario is played until it was in time.
const ATTEMPTS: u32 = 3;
/// How often the main loop looks around.
const TICK: Duration = Duration::from_millis(20);
/// After the last thing that happens the traffic goes on for at least so long, else it shows little.
const AFTERWARDS_S: f64 = 1.0;
/// Traffic that takes this much longer than it should is stuck.
const SLACK: Duration = Duration::from_secs(60);

/// How one is played.
#[derive(Clone, Copy, Debug)]
pub struct Playing<'a> {
    /// The testbed's name.
    pub name: &'a str,
    /// The same seed gives the same requests.
    pub seed: u64,
    /// Where every connection's record is kept, if anywhere.
    pub records: Option<&'a Path>,
    /// Told to stop?
    pub interrupt: &'a Interrupt,
}

/// What a scenario came to.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// Its name on the command line.
    pub key: String,
    /// One line for people.
    pub title: String,
    /// Is it a promise, or the paper's design beside ours?
    pub judged: bool,
    /// Was the promise kept?
    pub ok: bool,
    /// The connections.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was gone when, from the start of the traffic.
    pub outages: Vec<Outage>,
    /// The longest time that the faults themselves lasted without a break.
    pub fault_ms: f64,
    /// How often it was played until what happened in it came in time.
    pub times: u32,
    /// Why it could not be played to its end.
    pub error: Option<String>,
    /// What was done, and when.
    pub done: Vec<String>,
    /// Client packets without a pin that found their server by recovery.
    pub recovered: i64,
    /// How busy this machine was, all processors together.
    pub machine_busy: f64,
    /// What else was looked at.
    pub findings: Findings,
}

/// A busy machine: what was to happen came so late that hardly any traffic met it.
#[derive(Debug)]
struct TooLate {
    step_s: f64,
    over_s: f64,
}

impl std::error::Error for TooLate {}

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooLate { step_s, over_s } = self;
        write!(f, "what was to happen at {step_s} s was done at {over_s:.1} s, too near the traffic's end: the machine is too busy")
    }
}

impl Playing<'_> {
    /// Plays one scenario, again if the machine was too busy for it to mean anything.
    pub fn play(&self, scenario: &Scenario, tell: &mut dyn FnMut(f64)) -> Result<Played> {
        let mut times = 1;
        loop {
            match self.play_once(scenario, tell) {
                Err(error) if error.is::<TooLate>() && times < ATTEMPTS => times += 1,
                played => return played.map(|played| Played { times, ..played }),
            }
        }
    }

    /// Plays one scenario and leaves nothing behind, whatever happens.
    fn play_once(&self, scenario: &Scenario, tell: &mut dyn FnMut(f64)) -> Result<Played> {
        let quiet = |_: &str| ();
        let settings = scenario.settings(self.name);
        let mut testbed = Testbed::up(settings, Phase::Demo, self.interrupt, &quiet)?;
        let watch = Watch::begin(scenario, testbed.plan())?;
        let mut actor = Actor::new(&mut testbed, self.interrupt);
        client::warm_up(actor.plan(), self.interrupt)?;
        for action in &scenario.before {
            actor.act(action)?;
        }
        actor.begin();
        let machine = Machine::now()?;
        let out = actor.plan().run_dir().join("traffic.jsonl");
        let start_ms = now_ms();
        self.run_traffic(scenario, &mut actor, &out, tell)?;
        let machine_busy = machine.busy_since()?;
        actor.check_processes()?;
        let counters = ServerCounters::of_all(actor.plan(), actor.dead())?;
        let records = read_records(&out)?;
        let deeds = actor.finish();
        testbed.down()?;
        if let Some(folder) = self.records {
            let kept = folder.join(format!("{}.jsonl", scenario.key));
            write_records(&kept, &records)?;
        }

        let findings = watch.end(&records, &deeds, counters);
        let case = Case {
            unavoidable: deeds.lost,
            outages: merged(&deeds.outages),
            goodbyes: scenario.goodbyes,
        };
        let verdict = Verdict::of(&records, &case, start_ms);
        let judged = scenario.is_judged();
        Ok(Played {
            key: scenario.key.clone(),
            title: scenario.title.clone(),
            judged,
            ok: !judged || (verdict.is_ok() && findings.is_ok()),
            verdict,
            fault_ms: (case.outages.iter())
                .map(|w| w.until_ms - w.from_ms)
                .fold(0.0, f64::max),
            outages: since(deeds.outages, start_ms),
            times: 1,
            error: None,
            done: deeds.done.iter().map(|d| told(d, start_ms)).collect(),
            recovered: counters.recovered,
            machine_busy,
            findings,
        })
    }

    /// Lets the clients work and does meanwhile what the script says.
    fn run_traffic(
        &self,
        scenario: &Scenario,
        actor: &mut Actor,
        out: &Path,
        tell: &mut dyn FnMut(f64),
    ) -> Result<()> {
        let mut script: VecDeque<&Step> = scenario.script.iter().collect();
        let limit = Instant::now() + Duration::from_secs_f64(scenario.mix.longest_s()) + SLACK;
        let mut client = client::begin(actor.plan(), &scenario.mix, self.seed, out)?;
        while client.next(TICK)?.is_some() {
            self.interrupt.check()?;
            if Instant::now() > limit {
                bail!("the traffic does not come to its end");
            }
            let Some(elapsed) = client.elapsed() else {
                continue;
            };
            tell(elapsed.as_secs_f64());
            let due = |step: &Step| step.at_s <= elapsed.as_secs_f64();
            if let Some(step) = script.front().copied().filter(|step| due(step)) {
                script.pop_front();
                for action in &step.actions {
                    actor.act(action)?;
                }
                in_time(scenario, step, client.elapsed())?;
            }
        }
        match script.front() {
            Some(step) => bail!(
                "the traffic ended before what was to happen at {} s",
                step.at_s
            ),
            None => Ok(()),
        }
    }
}

fn in_time(scenario: &Scenario, step: &Step, elapsed: Option<Duration>) -> Result<()> {
    let over_s = elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64());
    match over_s + AFTERWARDS_S <= scenario.mix.seconds {
        true => Ok(()),
        false => Err(TooLate {
            step_s: step.at_s,
            over_s,
        }
        .into()),
    }
}

fn since(outages: Vec<Outage>, start_ms: f64) -> Vec<Outage> {
    let outages = outages.into_iter();
    outages
        .map(|outage| Outage {
            window: outage.window.since(start_ms),
            ..outage
        })
        .collect()
}

impl Played {
    /// A scenario that could not be played to its end shows nothing, and says why.
    pub fn broken(scenario: &Scenario, error: &anyhow::Error) -> Played {
        Played {
            key: scenario.key.clone(),
            title: scenario.title.clone(),
            judged: scenario.is_judged(),
            ok: false,
            verdict: Verdict::default(),
            outages: Vec::new(),
            fault_ms: 0.0,
            times: 1,
            error: Some(format!("{error:#}")),
            done: Vec::new(),
            recovered: 0,
            machine_busy: 0.0,
            findings: Findings::None,
        }
    }
}

fn told(done: &Done, start_ms: f64) -> String {
    format!("{:.2} s: {}", (done.at_ms - start_ms) / 1e3, done.action)
}
