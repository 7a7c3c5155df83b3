//! What the testbed needs from its host, and how to get it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

/// Programs without which nothing works, and the Debian package of each.
const NEEDED: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("nft", "nftables"),
    ("apache2", "apache2-bin"),
    ("sh", "dash"),
];

/// Where Apache's modules may lie.
const MODULE_DIRS: [&str; 2] = ["/usr/lib/apache2/modules", "/usr/lib64/apache2/modules"];

/// Where system programs lie even if PATH does not say so.
const SYSTEM_DIRS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// Finds a program in PATH or in the system's folders.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

/// Refuses to go on without root, and says what helps.
pub fn check_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("network namespaces need root: run it as root or with sudo");
    }
    Ok(())
}

/// Refuses to go on without root or without a tool, and says what helps.
pub fn check_host() -> Result<()> {
    check_root()?;
    let missing: Vec<_> = (NEEDED.iter())
        .filter(|(program, _)| find(program).is_none())
        .collect();
    if !missing.is_empty() {
        let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
        let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
        packages.dedup();
        bail!(
            "missing: {}. Install with: apt-get install {}",
            programs.join(", "),
            packages.join(" ")
        );
    }
    Ok(())
}

/// The folder with Apache's modules.
pub fn apache_modules() -> Result<&'static Path> {
    MODULE_DIRS
        .iter()
        .map(Path::new)
        .find(|dir| dir.join("mod_mpm_prefork.so").is_file())
        .with_context(|| {
            format!(
                "no mod_mpm_prefork.so in {}. Install with: apt-get install apache2-bin",
                MODULE_DIRS.join(" or ")
            )
        })
}

/// A binary of this workspace: beside this one, or in PATH.
pub fn own_binary(name: &str) -> Result<PathBuf> {
    let beside = env::current_exe()?.with_file_name(name);
    if beside.is_file() {
        return Ok(beside);
    }
    find(name).with_context(|| {
        format!(
            "{name} is neither beside {} nor in PATH. Build it with: cargo build --workspace",
            env::current_exe().unwrap_or_default().display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_or_not() {
        assert!(find("sh").is_some());
        assert!(find("no-such-command-here").is_none());
        let error = own_binary("no-such-command-here").unwrap_err().to_string();
        assert!(error.contains("cargo build"), "{error}");
    }
}
