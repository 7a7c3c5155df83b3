//! A reload, step by step: files and tables, packets, and then what stands in front of them.
//!
//! A file with other servers alone is seen by packets as soon as its tables are there. The host's filter and the XDP program's prefixes follow: they
//! drop what comes from outside the domain, and were no stricter before. What the host may refuse (a VIP that is its own address) comes first, also where no VIP
//! is new: the address may be.

use std::path::Path;
use std::sync::{Arc, Mutex};

use daemon::control::ConnId;
use daemon::host::{Host, Plan};
use daemon::reload::Stage;
use serde_json::json;

use super::{guard, host, load, Daemon, Overrides};
use crate::config::Settings;
use crate::engine::Pool;
use crate::pool::view::{tables, Registry};

/// What is done on a thread of its own, while packets go on.
pub(super) enum Step {
    /// There is something for packets to see.
    Prepared(Box<Ready>),
    /// The host is as the files say.
    Installed,
}

/// Files that were read.
pub(super) struct Ready {
    settings: Settings,
    pool: Pool,
    registry: Registry,
    /// What is left to be done on the host.
    plan: Option<Plan>,
}

impl Daemon {
    /// Reads the configuration again; what is wrong with it is said, and the one in force stays. `by` is told when it is done.
    pub(super) fn reload(&mut self, by: Option<ConnId>) {
        if self.reloads.ask(by) {
            self.start_reload();
        }
    }

    fn start_reload(&mut self) {
        let (path, overrides) = (self.config.clone(), self.overrides);
        let (before, registry) = (Arc::clone(&self.settings), self.registry.clone());
        let host = Arc::clone(&self.host);
        self.reloads.start(move || {
            let ready = prepare(&path, overrides, &before, registry, &host)?;
            Ok(Step::Prepared(Box::new(ready)))
        });
    }

    /// Goes on with a reload that has come further.
    pub(super) fn take_what_is_ready(&mut self) {
        match self.reloads.ended() {
            None => {}
            Some(Ok(Step::Prepared(ready))) => self.take(*ready),
            Some(Ok(Step::Installed)) => self.end_reload(None),
            Some(Err(error)) => self.end_reload(Some(error)),
        }
    }

    /// Packets see it first.
    fn take(&mut self, ready: Ready) {
        let Ready {
            mut settings,
            pool,
            registry,
            plan,
        } = ready;
        settings.set_bounds(self.fast.is_open());
        let pool = Arc::new(pool);
        let (config, desk) = (&settings.engine, &self.desk);
        self.team.take(|| desk.prepare(config, &pool));
        // After the workers: what is large of the old pool goes here, and no packet waits for it.
        self.desk.take(self.desk.prepare(config, &pool));
        self.desk.forget_strangers();
        self.registry = registry;
        self.settings = Arc::new(settings);
        self.failed_in_front = Some(self.update_in_front());
        let Some(plan) = plan else {
            return self.end_reload(None);
        };
        let host = Arc::clone(&self.host);
        // Whatever failed before it: the filter is to let through what workers send.
        self.reloads.start(move || {
            host::update(&host, plan)?;
            Ok(Step::Installed)
        });
    }

    /// Changes what stands in front of the workers and is not the host's; all of it, whatever fails. Gives what has failed.
    fn update_in_front(&mut self) -> Vec<anyhow::Error> {
        let guard = guard::update(&mut self.guard, &self.settings, &self.tun);
        self.pressure.tell_again();
        let fast = self.fast.update(&self.settings);
        [guard, fast].into_iter().filter_map(Result::err).collect()
    }

    /// Tells those who asked for it. `error` is what the last step has met with.
    fn end_reload(&mut self, error: Option<anyhow::Error>) {
        let (stage, mut errors) = match self.failed_in_front.take() {
            None => (Stage::Before, Vec::new()),
            Some(failed) => (Stage::Seen, failed),
        };
        errors.extend(error);
        let result = self.reloaded.end(stage, &errors);
        match &result {
            Ok(()) => eprintln!("srlb-lb: reloaded; {}", self.settings.sizes()),
            Err(error) => eprintln!("srlb-lb: the reload failed, {error}"),
        }
        for conn in self.reloads.told() {
            match &result {
                Ok(()) => self.control.send(conn, &json!({ "reloaded": true })),
                Err(error) => self.control.refuse(conn, error),
            };
        }
        if self.reloads.is_wanted_again() {
            self.start_reload();
        }
    }
}

/// The long part: files, tables, and what the host has to have before.
fn prepare(
    path: &Path,
    overrides: Overrides,
    before: &Settings,
    mut registry: Registry,
    host: &Mutex<Host>,
) -> anyhow::Result<Ready> {
    let settings = load(path, overrides, Some(before))?;
    before.may_become(&settings, path)?;
    let pool = tables(&settings.pool, &mut registry)?;
    let plan = host::plan(&settings);
    let plan = match host::may_wait(host, &plan)? {
        true => Some(plan),
        false => {
            host::update(host, plan)?;
            None
        }
    };
    Ok(Ready {
        settings,
        pool,
        registry,
        plan,
    })
}
