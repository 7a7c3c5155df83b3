//! Tells the binary which commit it is built from, and by which compiler, for its reports.

use std::path::Path;
use std::process::Command;

/// What a change makes "dirty": all that the binary is built from.
const SOURCES: [&str; 9] = [
    "apache-probe",
    "consistent-hash",
    "daemon",
    "flow-table",
    "packet-io",
    "srh",
    "srlb-lb",
    "srlb-server",
    "testbed",
];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed=../{source}/src");
    }
    // It grows with each commit and each checkout, in a worktree too. A file that isn't there would mean a build each time.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    if let Some(log) = log.filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    if let Some(commit) = git(&["describe", "--always", "--dirty"]) {
        println!("cargo:rustc-env=SRLB_COMMIT={commit}");
    }
    if let Some(compiler) = compiler() {
        println!("cargo:rustc-env=SRLB_COMPILER={compiler}");
    }
}

/// Nothing where there is no such compiler.
fn compiler() -> Option<String> {
    let output = Command::new(std::env::var_os("RUSTC")?)
        .arg("--version")
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| said.trim().to_owned())
}

/// Nothing where there is no git, or where this is no clone.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| said.trim().to_owned())
}
