//! A whole testbed: built, looked after while we hold it, taken down when we let go.

use std::fs;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::apache::{Apache, APACHE};
use crate::daemons;
use crate::plan::{run_dir, Node, Plan};
use crate::process::{end_all, ProcessId};
use crate::settings::Settings;
use crate::signals::Interrupt;
use crate::state::{Phase, Started, State};
use crate::teardown::{anything_there, tear_down};
use crate::tools;
use crate::topology;

/// How long daemons may take to clean up behind themselves.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A testbed in our hands. Dropped, it is taken down, unless it was left to the user.
#[derive(Debug)]
pub struct Testbed {
    state: State,
    interrupt: Interrupt,
    left: bool,
}

impl Testbed {
    /// Builds one. `phase` is what it is to be once it stands; `step` hears what is done.
    pub fn up(
        settings: Settings,
        phase: Phase,
        interrupt: &Interrupt,
        step: &dyn Fn(&str),
    ) -> Result<Testbed> {
        tools::check_host()?;
        tools::apache_modules()?;
        if !settings.bare {
            tools::own_binary(daemons::LB)?;
            tools::own_binary(daemons::SERVER)?;
        }
        let state = State {
            owner: ProcessId::own(),
            phase: Phase::Starting,
            settings,
            processes: Vec::new(),
        };
        claim(&state, step)?;
        // From here on the guard cleans up, whatever happens.
        let mut testbed = Testbed {
            state,
            interrupt: interrupt.clone(),
            left: false,
        };
        testbed.build(step)?;
        testbed.state.phase = phase;
        testbed.state.save()?;
        Ok(testbed)
    }

    fn build(&mut self, step: &dyn Fn(&str)) -> Result<()> {
        let plan = self.plan().clone();
        step("network");
        topology::build(&plan, self.state.settings.fabric_mtu_bytes)?;
        self.interrupt.check()?;
        for node in plan.nodes() {
            fs::create_dir_all(plan.node_dir(node))?;
        }
        step("Apache on every server");
        self.start_apaches()?;
        daemons::write_files(&self.state.settings)?;
        let timeout = Duration::from_secs(15);
        (self.interrupt).wait_for("the links do not come up", timeout, || {
            topology::links_are_up(&plan)
        })?;
        if !self.state.settings.bare {
            step("server routers and load balancers");
            self.start_daemons()?;
        }
        Ok(())
    }

    fn start_apaches(&mut self) -> Result<()> {
        let mut started = Vec::new();
        for server in self.plan().clone().server_nodes() {
            self.interrupt.check()?;
            let apache = self.apache(server);
            apache.write_files()?;
            let cores = apache.start_cores(self.state.settings.service_mean_ms)?;
            self.note(server, "cores", cores)?;
            if let Some(backend) = apache.start_backend()? {
                self.note(server, "backend", backend)?;
            }
            let process = apache.start()?;
            self.note(server, APACHE, process)?;
            started.push((apache, process));
        }
        for (apache, process) in started {
            apache.wait_ready(process, &self.interrupt)?;
        }
        Ok(())
    }

    fn apache(&self, server: Node) -> Apache {
        Apache::new(self.plan(), server).long_lived(self.state.settings.long_lived)
    }

    /// Starts every server router and LB and waits until they answer.
    pub fn start_daemons(&mut self) -> Result<()> {
        let plan = self.plan().clone();
        let mut started = Vec::new();
        for node in plan.server_nodes().chain(plan.lb_nodes()) {
            self.interrupt.check()?;
            let process = daemons::start(&plan, node)?;
            self.note(node, daemons::role(node), process)?;
            started.push((node, process));
        }
        for (node, process) in started {
            daemons::wait_ready(&plan, node, process, &self.interrupt)?;
        }
        Ok(())
    }

    /// Starts the daemon of one LB or server.
    pub fn launch_daemon(&mut self, node: Node) -> Result<ProcessId> {
        let process = daemons::start(self.plan(), node)?;
        self.note(node, daemons::role(node), process)?;
        Ok(process)
    }

    /// Starts the daemon of one LB or server and waits until it answers.
    pub fn start_daemon(&mut self, node: Node) -> Result<()> {
        let process = self.launch_daemon(node)?;
        daemons::wait_ready(self.plan(), node, process, &self.interrupt)
    }

    /// Starts the Apache of one server and waits until all of its workers are there.
    pub fn start_apache(&mut self, server: Node) -> Result<()> {
        let apache = self.apache(server);
        let process = apache.start()?;
        self.note(server, APACHE, process)?;
        apache.wait_ready(process, &self.interrupt)
    }

    /// A process that was ended on purpose is no longer missed.
    pub fn forget(&mut self, node: Node, role: &str) -> Result<()> {
        if let Some(process) = self.state.process(node, role) {
            process.reap();
        }
        let name = node.to_string();
        let processes = &mut self.state.processes;
        processes.retain(|p| p.node != name || p.role != role);
        self.state.save()
    }

    /// Stops every server router and LB.
    pub fn stop_daemons(&mut self) -> Result<()> {
        let is_daemon = |p: &Started| p.role == daemons::LB || p.role == daemons::SERVER;
        let (ended, kept) = self.state.processes.drain(..).partition(is_daemon);
        self.state.processes = kept;
        let ended: Vec<Started> = ended;
        let processes: Vec<_> = ended.iter().map(|p| p.process).collect();
        end_all(&processes, STOP_GRACE);
        self.state.save()
    }

    /// Stops the daemons, changes settings that only their files know, and starts them again.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Settings)) -> Result<()> {
        self.stop_daemons()?;
        change(&mut self.state.settings);
        daemons::write_files(&self.state.settings)?;
        self.start_daemons()
    }

    fn note(&mut self, node: Node, role: &str, process: ProcessId) -> Result<()> {
        self.state.processes.push(Started {
            node: node.to_string(),
            role: role.to_owned(),
            process,
        });
        self.state.save()
    }

    /// Who is where.
    pub fn plan(&self) -> &Plan {
        &self.state.settings.plan
    }

    /// What was started and chosen.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Leaves it running for `exec`, `status` and `down`.
    pub fn leave(mut self) {
        self.left = true;
    }

    /// Takes it down and says what could not be removed.
    pub fn down(mut self) -> Result<()> {
        self.left = true;
        tear_down(&self.plan().name)
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        if let Err(error) = tear_down(&self.plan().name) {
            eprintln!("srlb-testbed: {error:#}");
        }
    }
}

/// Takes the run folder, which stands for the name; what a killed testbed left is removed.
fn claim(state: &State, step: &dyn Fn(&str)) -> Result<()> {
    let name = &state.settings.plan.name;
    let dir = run_dir(name);
    if State::load(name).is_some_and(|state| state.is_live()) {
        bail!(
            "a testbed is up already ({}). Use it with `srlb-testbed exec` and `status`, or end it with `srlb-testbed down`",
            dir.display()
        );
    }
    if anything_there(name) {
        step("removing what an earlier testbed left behind");
        tear_down(name)?;
    }
    state.create().with_context(|| {
        format!(
            "cannot make {}: is another srlb-testbed just starting?",
            dir.display()
        )
    })
}
