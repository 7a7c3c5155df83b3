//! Network namespaces for tests: each belongs to one thread, has no name, and vanishes with
//! the thread, however the test ends.
#![allow(dead_code)] // each test file uses a part of it

use std::process::Command;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::{self, JoinHandle};

use nix::sched::{unshare, CloneFlags};

type Job = Box<dyn FnOnce() + Send>;

/// A thread in a network namespace of its own.
pub struct Netns {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    tid: String,
}

impl Netns {
    /// A new namespace with `lo` up; says why on standard output where that cannot be.
    pub fn new() -> Option<Self> {
        let (jobs, todo): (Sender<Job>, Receiver<Job>) = channel();
        let (tell, told) = channel();
        let thread = thread::spawn(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET).map(|()| own_tid());
            let lives = made.is_ok();
            tell.send(made).unwrap();
            if lives {
                todo.into_iter().for_each(|job| job());
            }
        });
        let tid = match told.recv().unwrap() {
            Ok(tid) => tid,
            Err(error) => {
                println!("skipped: no network namespace can be made here: {error}");
                return None;
            }
        };
        for tool in ["ip", "nft", "sysctl"] {
            if Command::new(tool).arg("--version").output().is_err() {
                println!("skipped: {tool} is not installed");
                return None;
            }
        }
        let netns = Netns {
            jobs: Some(jobs),
            thread: Some(thread),
            tid,
        };
        netns.run(|| sh("ip link set lo up"));
        Some(netns)
    }

    /// Runs `job` inside; a panic there is a panic here.
    pub fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        self.start(job).join()
    }

    /// Runs `job` inside while the caller goes on.
    pub fn start<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Started<R> {
        let (tell, told) = channel();
        let job: Job = Box::new(move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            let _ = tell.send(done);
        });
        self.jobs.as_ref().unwrap().send(job).unwrap();
        Started(told)
    }

    /// Connects this namespace with another by a pair of devices named `dev` at both ends.
    pub fn connect(&self, dev: &'static str, other: &Netns) {
        let tid = other.tid.clone();
        self.run(move || {
            sh(&format!(
                "ip link add {dev} type veth peer name {dev} netns {tid}"
            ))
        });
        for netns in [self, other] {
            netns.run(move || {
                sh(&format!("sysctl -qw net.ipv6.conf.{dev}.accept_dad=0"));
                sh(&format!("ip link set {dev} up"));
            });
        }
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A job that runs.
pub struct Started<R>(Receiver<thread::Result<R>>);

impl<R> Started<R> {
    /// Its result.
    pub fn join(self) -> R {
        match self.0.recv().unwrap() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn own_tid() -> String {
    let link = std::fs::read_link("/proc/thread-self").unwrap();
    link.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Runs a command in this thread's namespace, gives its output, and insists on success.
pub fn sh(command: &str) -> String {
    let words: Vec<_> = command.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Everything that a daemon might change, as one text.
pub fn snapshot() -> String {
    let mut text = String::new();
    for command in [
        "ip -6 route show table all",
        "ip -6 rule show",
        "nft list ruleset",
        "ip -o -6 addr show dev lo",
        "sysctl net.ipv6.conf.all.forwarding",
    ] {
        // The kernel's own routes come and go with addresses and devices, a moment later.
        let shown = sh(command);
        let lines = shown.lines().filter(|line| !line.contains("proto kernel"));
        text += &format!("{command}\n{}\n", lines.collect::<Vec<_>>().join("\n"));
    }
    text
}
