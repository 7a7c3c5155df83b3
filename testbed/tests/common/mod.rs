//! A testbed of a test's own, gone when the test is over, however it ends.
#![allow(dead_code)] // not every test binary needs all of it

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{kill_process, Pid, Signal};

use testbed::{netns, plan, tools};

/// A name that no other test uses.
pub struct Guard {
    pub name: String,
}

impl Guard {
    /// Nothing, with words, where testbeds cannot be made.
    pub fn new() -> Option<Guard> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if let Err(why) = tools::check_host().and_then(|()| tools::apache_modules().map(drop)) {
            eprintln!("skipped: {why}");
            return None;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Guard {
            name: format!("srlb-t{}-{count}", std::process::id()),
        })
    }

    /// The same, where the daemons have been built too.
    pub fn with_daemons() -> Option<Guard> {
        let beside = Path::new(env!("CARGO_BIN_EXE_srlb-testbed"));
        for daemon in ["srlb-lb", "srlb-server"] {
            if !beside.with_file_name(daemon).is_file() {
                eprintln!("skipped: {daemon} is not built (cargo build --workspace)");
                return None;
            }
        }
        Guard::new()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_srlb-testbed"));
        command.args(["--name", &self.name]).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("srlb-testbed runs")
    }

    /// Runs it and expects success; returns what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", words(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts it, interrupts it after so long, and sees that it fails and that nothing of it is left.
    pub fn interrupted(&self, args: &[&str], after: Duration) {
        let mut command = self.command(args);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.spawn().expect("srlb-testbed starts");
        std::thread::sleep(after);
        kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(1), "{args:?}");
        self.assert_gone();
    }

    /// Nothing of this testbed is left on the machine.
    pub fn assert_gone(&self) {
        assert_eq!(netns::existing(&self.name), Vec::new());
        let dir = plan::run_dir(&self.name);
        assert!(!dir.exists(), "{} is left", dir.display());
        let processes = processes_with(&self.name);
        assert!(processes.is_empty(), "left: {processes:?}");
        for server in 1..=8 {
            let board = dir.join(format!("s{server}")).join("scoreboard");
            let object = apache_probe::shm_name(&board).expect("an absolute path has a name");
            let object = Path::new("/dev/shm").join(object);
            assert!(!object.exists(), "{} is left", object.display());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.run(&["down"]);
    }
}

/// Everything that a command said.
pub fn words(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{} {} {}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Command lines that mention this name, other than our own.
pub fn processes_with(name: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc")
        .expect("/proc is there")
        .flatten();
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(name))
        .collect()
}
