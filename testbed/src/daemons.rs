//! The two daemons of this project as the testbed runs them: their files, start and stop.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use daemon::control::Client;

use crate::apache::{Apache, CORES_PER_SERVER};
use crate::hmac;
use crate::plan::{Node, Plan, LB_LOCATORS, ONE_VIP, SERVER_LOCATORS, VIP};
use crate::process::ProcessId;
use crate::settings::{Policy, Settings};
use crate::shell;
use crate::signals::Interrupt;
use crate::tools;

/// Role of an LB's daemon.
pub const LB: &str = "srlb-lb";
/// Role of a server's daemon.
pub const SERVER: &str = "srlb-server";
/// The service's name in the pool file.
pub const VIP_NAME: &str = "web";
/// The other one's.
const ONE_VIP_NAME: &str = "one";

/// Writes pool file and every daemon's configuration.
pub fn write_files(settings: &Settings) -> Result<()> {
    let plan = &settings.plan;
    let write = |path: PathBuf, text: String| {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for id in &settings.hmac {
        hmac::write_key(plan, *id)?;
    }
    let all: Vec<Node> = plan.server_nodes().collect();
    write(plan.pool_file(), pool_file(settings, &all))?;
    for lb in plan.lb_nodes() {
        write(config_path(plan, lb), lb_file(settings, lb))?;
    }
    for server in plan.server_nodes() {
        write(config_path(plan, server), server_file(settings, server))?;
    }
    Ok(())
}

/// The daemon's configuration file.
pub fn config_path(plan: &Plan, node: Node) -> PathBuf {
    plan.node_dir(node).join(match node {
        Node::Lb(_) => "lb.toml",
        _ => "server.toml",
    })
}

/// The daemon of a node.
pub fn role(node: Node) -> &'static str {
    match node {
        Node::Lb(_) => LB,
        _ => SERVER,
    }
}

/// Starts the daemon of an LB or a server.
pub fn start(plan: &Plan, node: Node) -> Result<ProcessId> {
    let program = tools::own_binary(role(node))?;
    let mut command = shell::command_in(&plan.namespace(node), &program);
    command
        .arg("run")
        .arg("--config")
        .arg(config_path(plan, node));
    let child = shell::spawn_logged(command, &log_path(plan, node))?;
    ProcessId::of(child.id()).with_context(|| format!("{} on {node} ended at once", role(node)))
}

/// Waits until the daemon answers on its control socket. It listens there from its first moment
/// on, and answers when everything is installed.
pub fn wait_ready(
    plan: &Plan,
    node: Node,
    process: ProcessId,
    interrupt: &Interrupt,
) -> Result<()> {
    let what = format!("{} on {node} does not come up", role(node));
    interrupt.wait_for(&what, Duration::from_secs(15), || {
        if !process.is_alive() {
            bail!("{what}; {}", shell::tail(&log_path(plan, node)));
        }
        Ok(answers(plan, node))
    })
}

/// Does the daemon answer? It listens before it serves.
pub fn answers(plan: &Plan, node: Node) -> bool {
    let daemon = Client::connect(role(node), &plan.control_socket(node));
    daemon.and_then(Client::greet).is_ok()
}

/// The daemon's log.
pub fn log_path(plan: &Plan, node: Node) -> PathBuf {
    plan.node_dir(node).join("daemon.log")
}

/// What the daemon says of itself.
pub fn status(plan: &Plan, node: Node) -> Result<serde_json::Value> {
    let program = tools::own_binary(role(node))?;
    let socket = plan.control_socket(node);
    let text = shell::run(
        &program.to_string_lossy(),
        &["status", "--json", "--control", &socket.to_string_lossy()],
    )?;
    serde_json::from_str(&text).with_context(|| format!("{node}'s status is not JSON: {text}"))
}

/// Runs `srlb-lb pool ACTION --pool FILE ARGUMENTS`.
pub fn edit_pool(plan: &Plan, action: &str, arguments: &[&str]) -> Result<()> {
    let program = tools::own_binary(LB)?;
    let pool = plan.pool_file();
    let pool = pool.to_string_lossy();
    let mut args = vec!["pool", action, "--pool", &pool];
    args.extend(arguments);
    shell::run(&program.to_string_lossy(), &args).map(drop)
}

/// What the pool's file says.
pub fn show_pool(plan: &Plan) -> Result<serde_json::Value> {
    let program = tools::own_binary(LB)?;
    let pool = plan.pool_file();
    let args = ["pool", "show", "--json", "--pool", &pool.to_string_lossy()];
    let text = shell::run(&program.to_string_lossy(), &args)?;
    serde_json::from_str(&text).context("`srlb-lb pool show` speaks no JSON")
}

/// A pool with one generation, in which these servers serve.
pub fn pool_file(settings: &Settings, members: &[Node]) -> String {
    let mut text = format!(
        "cluster_key = \"000102030405060708090a0b0c0d0e0f\"\nbuckets = {}\nchoices = {}\n",
        settings.tables.buckets, settings.choices
    );
    for server in settings.plan.server_nodes() {
        let locator = server.locator().unwrap_or_default();
        let _ = write!(
            text,
            "\n[[server]]\nname = \"{server}\"\nlocator = \"{locator}\"\n"
        );
    }
    let _ = write!(
        text,
        "\n[[vip]]\nname = \"{VIP_NAME}\"\naddress = \"{VIP}\"\n\
         \n[[vip]]\nname = \"{ONE_VIP_NAME}\"\naddress = \"{ONE_VIP}\"\n\
         \n[[generation]]\nnumber = 1\nstate = \"active\"\n\
         [generation.members.{ONE_VIP_NAME}]\n{first} = 1\n\
         [generation.members.{VIP_NAME}]\n",
        first = Node::Server(1),
    );
    for server in members {
        let _ = writeln!(text, "{server} = 1");
    }
    text
}

/// The LB's configuration.
pub fn lb_file(settings: &Settings, lb: Node) -> String {
    format!(
        "name = \"{lb}\"\nlocator = \"{locator}\"\npool = \"../pool.toml\"\nencoding = \"{encoding}\"\n\
         domain = [\"{LB_LOCATORS}\", \"{SERVER_LOCATORS}\"]\n\
         domain_interfaces = [\"eth0\"]
fabric_mtu_bytes = {mtu}
control_socket = \"control.sock\"
{flows}{hmac}",
        flows = flows_section(settings.tables.lb_flows) + &guard_section(settings.tables.strangers_pps),
        hmac = hmac::section(&settings.plan, &settings.hmac),
        locator = lb.locator().unwrap_or_default(),
        encoding = settings.encoding,
        mtu = settings.fabric_mtu_bytes,
    )
}

fn server_file(settings: &Settings, server: Node) -> String {
    let apache = Apache::new(&settings.plan, server);
    let policy = match settings.policy {
        Policy::Static(c) => format!("accept = \"static\"\nc = {c}\n"),
        Policy::Median => format!("accept = \"median\"\nleast = {CORES_PER_SERVER}\n"),
        other => format!("accept = \"{other}\"\n"),
    };
    format!(
        "name = \"{server}\"\nlocator = \"{locator}\"\nvips = {vips:?}\n\
         lb_locators = [\"{LB_LOCATORS}\"]\ndomain = [\"{LB_LOCATORS}\", \"{SERVER_LOCATORS}\"]\n\
         domain_interfaces = [\"eth0\"]\nfabric_mtu_bytes = {mtu}\ncontrol_socket = \"control.sock\"\n\
         \n[application]\nscoreboard = \"{scoreboard}\"\npid_file = \"{pid_file}\"\n\
         \n[policy]\n{policy}pending = {pending}\n{flows}{hmac}",
        flows = flows_section(settings.tables.server_flows),
        hmac = hmac::section(&settings.plan, &settings.hmac),
        locator = server.locator().unwrap_or_default(),
        vips = server.vips(),
        mtu = settings.fabric_mtu_bytes,
        scoreboard = apache.scoreboard().display(),
        pid_file = apache.pid_file().display(),
        pending = settings.pending,
    )
}

fn guard_section(strangers_pps: Option<u32>) -> String {
    strangers_pps.map_or(String::new(), |pps| {
        // Without a guard there is nothing for newcomers to pass.
        let newcomers_pps = pps.max(1);
        format!("\n[guard]\nstrangers_pps = {pps}\nnewcomers_pps = {newcomers_pps}\n")
    })
}

fn flows_section(max: Option<u32>) -> String {
    max.map_or(String::new(), |max| format!("\n[flows]\nmax = {max}\n"))
}
