//! Network namespaces that go when their guard goes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::tools;

static NUMBER: AtomicU32 = AtomicU32::new(0);
const LIMIT: Duration = Duration::from_secs(20);

/// A network namespace of one test.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace whose name says which test process it belongs to, with `lo` up.
    pub fn new(role: &str) -> Result<Self, String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("srlbt-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name])?;
        let netns = Netns { name };
        netns.ip("link set lo up")?;
        Ok(netns)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these words inside.
    pub fn ip(&self, words: &str) -> Result<Vec<u8>, String> {
        let mut args = vec!["-n", &self.name];
        args.extend(words.split_whitespace());
        ip(&args)
    }

    /// Sets a sysctl inside; `key` in its path form.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), String> {
        let setting = format!("{}={value}", key.replace('/', "."));
        self.run("sysctl", &["-qw", &setting], b"").map(drop)
    }

    /// Runs a program inside, to its end.
    pub fn run(&self, program: &str, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut all = vec!["netns", "exec", &self.name, program];
        all.extend(args);
        tools::run("ip", &all, input, LIMIT)
    }

    /// Starts a program inside that is ended with its guard.
    pub fn start(&self, program: &str, args: &[&str]) -> Result<Running, String> {
        let child = Command::new("ip")
            .args(["netns", "exec", &self.name, program])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{program}: {e}"))?;
        // `ip netns exec` becomes the program: the child is the program itself.
        Ok(Running { child })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if Path::new("/run/netns").join(&self.name).exists() {
            if let Err(why) = ip(&["netns", "del", &self.name]) {
                eprintln!("{} stays behind: {why}", self.name);
            }
        }
    }
}

fn ip(args: &[&str]) -> Result<Vec<u8>, String> {
    tools::run("ip", args, b"", LIMIT)
}

/// A process that is ended and waited for when this goes.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
