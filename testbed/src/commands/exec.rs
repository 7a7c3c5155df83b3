//! `exec`: a command on a node.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{bail, Context, Result};

use crate::cli::ExecArgs;
use crate::state::State;
use crate::tools;

/// Becomes the command, inside the node's namespace.
pub fn run(name: &str, args: &ExecArgs) -> Result<ExitCode> {
    tools::check_host()?;
    let state = State::load(name).context("no testbed is up. Build one with: srlb-testbed up")?;
    let plan = state.settings.plan;
    if !plan.has(args.node) {
        bail!(
            "there is no {}: this testbed has lb1..lb{} and s1..s{}",
            args.node,
            plan.lbs,
            plan.servers
        );
    }
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &plan.namespace(args.node)]);
    // Our own binaries are found although they may not be in PATH.
    let program = &args.command[0];
    match tools::own_binary(program)
        .ok()
        .filter(|_| program.starts_with("srlb-"))
    {
        Some(path) => command.arg(path),
        None => command.arg(program),
    };
    Err(command.args(&args.command[1..]).exec()).context("cannot run ip")
}
