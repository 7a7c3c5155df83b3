//! Other people's commands: run, checked, and their words kept when they fail.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{bail, Context, Result};

/// Runs a command to its end and returns what it printed; its complaint is our error.
pub fn run(program: &str, args: &[&str]) -> Result<String> {
    run_with_input(program, args, "")
}

/// The same, with text for its standard input.
pub fn run_with_input(program: &str, args: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C at the terminal is ours to handle, not theirs: no half-built step.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ends early says why itself; the broken pipe adds nothing.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .with_context(|| format!("cannot wait for {program}"))?;
    check(program, args, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn check(program: &str, args: &[&str], output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!(
        "`{program} {}` failed ({}): {}",
        args.join(" "),
        output.status,
        said.trim()
    );
}

/// Runs lines of `ip` commands, in a namespace or outside.
pub fn ip_batch(namespace: Option<&str>, lines: &str) -> Result<()> {
    let mut args = Vec::new();
    if let Some(namespace) = namespace {
        args.extend(["-n", namespace]);
    }
    args.extend(["-batch", "-"]);
    run_with_input("ip", &args, lines)?;
    Ok(())
}

/// Runs a command inside a namespace to its end.
pub fn run_in(namespace: &str, command: &[&str], input: &str) -> Result<String> {
    let mut args = vec!["netns", "exec", namespace];
    args.extend(command);
    run_with_input("ip", &args, input)
}

/// A command that will run inside a namespace. `ip netns exec` becomes the command: one pid.
pub fn command_in(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace])
        .arg(program)
        .process_group(0);
    command
}

/// Starts a background process whose words go to a log file.
pub fn spawn_logged(mut command: Command, log: &Path) -> Result<Child> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let again = file.try_clone()?;
    command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(again)
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))
}

/// The end of a log file, for an error message.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n  ");
    format!("the end of {}:\n  {last}", log.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_quoted() {
        let error = run("sh", &["-c", "echo broken >&2; exit 3"]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("broken") && text.contains('3'), "{text}");
        assert_eq!(run_with_input("cat", &[], "hello").unwrap(), "hello");
    }

    #[test]
    fn a_missing_command_is_named() {
        let error = run("no-such-command-here", &[]).unwrap_err();
        assert!(error.to_string().contains("no-such-command-here"));
    }
}
