//! Changes of the pool as an operator makes them, and how they reach the LBs.

use std::fs;

use anyhow::{Context, Result};
use daemon::control::Client;
use serde_json::json;

use super::action::Edit;
use crate::daemons;
use crate::plan::{Node, Plan};
use crate::settings::Settings;
use crate::testbed::Testbed;

/// Edits the pool's file and stages the change in it.
pub fn stage(plan: &Plan, edits: &[Edit]) -> Result<()> {
    for edit in edits {
        self::edit(plan, *edit)?;
    }
    daemons::edit_pool(plan, "stage", &[])
}

/// Servers that are no members any more after these edits.
pub fn leaving(edits: &[Edit]) -> Vec<Node> {
    let gone = |edit: &Edit| match edit {
        Edit::Remove(n) => Some(Node::Server(*n)),
        Edit::Add(_) | Edit::Drain(_) => None,
    };
    edits.iter().filter_map(gone).collect()
}

fn edit(plan: &Plan, edit: Edit) -> Result<()> {
    let (action, server) = match edit {
        Edit::Add(n) => ("add", n),
        Edit::Remove(n) => ("remove", n),
        Edit::Drain(n) => ("drain", n),
    };
    let server = Node::Server(server);
    let name = server.to_string();
    let locator = server.locator().unwrap_or_default();
    let mut arguments = vec!["--vip", daemons::VIP_NAME, &name];
    if action == "add" {
        arguments.extend(["--locator", &locator]);
    }
    daemons::edit_pool(plan, action, &arguments)
}

/// Makes an LB read its files, and waits until it has taken them on.
pub fn reload(plan: &Plan, lb: Node) -> Result<()> {
    Client::connect(daemons::LB, &plan.control_socket(lb))?
        .request(&json!({ "cmd": "reload" }))
        .with_context(|| format!("{lb} does not reload"))?;
    Ok(())
}

/// Gives an LB a pool of its own, whose only generation is today's.
///
/// Its recovery lists are then the flow's candidates of today, with the last word behind them: what
/// the paper's LB does with a packet without an entry (section IV), and with one candidate Maglev.
pub fn forget_history(testbed: &Testbed, lb: Node) -> Result<()> {
    let plan = testbed.plan();
    let settings = &testbed.state().settings;
    let own = plan.node_dir(lb).join("pool.toml");
    let members = members(plan)?;
    fs::write(&own, daemons::pool_file(settings, &members))?;
    let config = daemons::config_path(plan, lb);
    fs::write(&config, lb_file(settings, lb))?;
    reload(plan, lb)
}

fn lb_file(settings: &Settings, lb: Node) -> String {
    daemons::lb_file(settings, lb).replace("\"../pool.toml\"", "\"pool.toml\"")
}

/// The servers of the web service in the newest generation.
fn members(plan: &Plan) -> Result<Vec<Node>> {
    let show = daemons::show_pool(plan)?;
    let newest = show["generations"].as_array().and_then(|all| all.last());
    let members = newest.and_then(|g| g["members"][daemons::VIP_NAME].as_array());
    let members = members.context("`srlb-lb pool show --json` does not name the members")?;
    let names = members.iter().filter_map(|m| m["server"].as_str());
    names
        .map(|name| name.parse().map_err(anyhow::Error::msg))
        .collect()
}
