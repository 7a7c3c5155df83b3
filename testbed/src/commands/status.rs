//! `status`: who is up.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{presets, Table};
use serde_json::json;

use crate::cli::StatusArgs;
use crate::netns;
use crate::state::State;

/// Shows it; exit code 1 if nothing is up or something has ended by itself.
pub fn run(name: &str, args: &StatusArgs) -> Result<ExitCode> {
    let state = State::load(name);
    let dead = |state: &State| state.processes.iter().any(|p| !p.process.is_alive());
    let healthy = state.as_ref().is_some_and(|s| s.is_live() && !dead(s));
    match (&state, args.json) {
        (_, true) => daemon::say!("{:#}", as_json(name, state.as_ref(), healthy)),
        (Some(state), false) => print_table(state)?,
        (None, false) => daemon::say!("nothing is up"),
    }
    let code = if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok(code)
}

fn as_json(name: &str, state: Option<&State>, healthy: bool) -> serde_json::Value {
    let processes: Vec<_> = state
        .iter()
        .flat_map(|state| &state.processes)
        .map(|p| {
            json!({ "node": p.node, "role": p.role, "pid": p.process.pid, "alive": p.process.is_alive() })
        })
        .collect();
    let namespaces: Vec<_> = netns::existing(name)
        .into_iter()
        .map(|(_, ns)| ns)
        .collect();
    json!({
        "up": state.is_some_and(State::is_live),
        "healthy": healthy,
        "phase": state.map(|s| s.phase),
        "settings": state.map(|s| &s.settings),
        "processes": processes,
        "namespaces": namespaces,
    })
}

fn print_table(state: &State) -> Result<()> {
    let settings = &state.settings;
    daemon::say!(
        "{:?}: {} LBs, {} servers, {}, choices {}, policy {}",
        state.phase,
        settings.plan.lbs,
        settings.plan.servers,
        settings.encoding,
        settings.choices,
        settings.policy
    );
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["node", "process", "pid", "state"]);
    for p in &state.processes {
        let alive = if p.process.is_alive() {
            "running"
        } else {
            "ENDED"
        };
        table.add_row([&p.node, &p.role, &p.process.pid.to_string(), alive]);
    }
    daemon::say!("{table}");
    Ok(())
}
