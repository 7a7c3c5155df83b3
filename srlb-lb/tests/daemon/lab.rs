//! Two network namespaces, a load balancer's and the fabric's, that vanish with the test.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The namespaces.
pub struct Lab {
    balancer: String,
    fabric: String,
    queues: usize,
}

impl Lab {
    /// Makes them; `None`, and says so, where that is not possible.
    pub fn new(word: &str) -> Option<Lab> {
        Self::with_queues(word, 1)
    }

    /// The same with so many queues between the two. What the fabric's processor `n` sends comes by queue `n`.
    pub fn with_queues(word: &str, queues: usize) -> Option<Lab> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if cores < queues {
            eprintln!("skipped: {queues} processors are needed");
            return None;
        }
        let lab = Lab {
            queues,
            balancer: format!("srlb-lbt-{word}-l{}", std::process::id()),
            fabric: format!("srlb-lbt-{word}-f{}", std::process::id()),
        };
        if !run("ip", &["netns", "add", &lab.balancer])
            || !run("ip", &["netns", "add", &lab.fabric])
        {
            eprintln!("skipped: no network namespaces (root and ip are needed)");
            return None;
        }
        if !run("nft", &["--version"]) {
            eprintln!("skipped: no nft");
            return None;
        }
        lab.plug_in();
        Some(lab)
    }

    /// A command in the load balancer's namespace.
    pub fn command(&self, program: &str) -> Command {
        within(&self.balancer, program)
    }

    /// What a command in the load balancer's namespace prints.
    pub fn output(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A command in the fabric's namespace.
    pub fn outside(&self, program: &str) -> Command {
        within(&self.fabric, program)
    }

    /// Puts the cable between the two, with addresses and routes.
    pub fn plug_in(&self) {
        // The fabric's kernel must not say that it knows no client and no server.
        let (l, f) = (self.balancer.as_str(), self.fabric.as_str());
        let queues = format!("numtxqueues {0} numrxqueues {0}", self.queues);
        let steps = format!(
            "link add eth0 netns {l} {queues} type veth peer name eth0 netns {f} {queues}
            -n {l} link set lo up
            -n {l} link set eth0 up
            -n {f} link set eth0 up
            -n {l} addr add fd00:fa::11/64 dev eth0 nodad
            -n {f} addr add fd00:fa::1/64 dev eth0 nodad
            -n {l} route add default via fd00:fa::1
            -n {f} route add fd00:1b:1::/64 via fd00:fa::11
            -n {f} route add 2001:db8:80::1 via fd00:fa::11
            -n {f} route replace blackhole 2001:db8:c::/64
            -n {f} route replace blackhole fd00:5e::/32"
        );
        for step in steps.lines() {
            let words: Vec<&str> = step.split_whitespace().collect();
            assert!(run("ip", &words), "ip {step}");
        }
        let several = (0..self.queues).filter(|_| self.queues > 1);
        for queue in several {
            let file = format!("/sys/class/net/eth0/queues/tx-{queue}/xps_cpus");
            let write = format!("echo {:x} > {file}", 1 << queue);
            let mut shell = self.outside("sh");
            let written = shell.args(["-c", &write]).status().unwrap().success();
            assert!(written, "{write}");
        }
    }

    /// A run of `fabric.py` in the fabric's namespace.
    pub fn fabric(&self, words: &[&str]) -> Command {
        let mut command = within(&self.fabric, "/usr/bin/python3");
        command.args(["-c", include_str!("fabric.py")]).args(words);
        command
    }

    /// So many new clients, who send a SYN each, all at once, and again after a second, until this is dropped.
    pub fn strangers(&self, first: u32, count: u32) -> Running {
        let mut command = within(&self.fabric, "/usr/bin/python3");
        command.args(["-c", include_str!("strangers.py")]);
        command.args([first.to_string(), count.to_string()]);
        Running(command.spawn().unwrap())
    }

    /// Is there a python3? Says so where there is none.
    pub fn has_python(&self) -> bool {
        can_run("python3", "pass")
    }

    /// Is scapy installed? Says so where it is not.
    pub fn has_scapy(&self) -> bool {
        can_run("scapy", "import scapy.all")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in [&self.balancer, &self.fabric] {
            run("ip", &["netns", "del", name]);
        }
    }
}

fn within(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// Does python3 run this? Says what is missing where it does not.
fn can_run(what: &str, python: &str) -> bool {
    let can = run("/usr/bin/python3", &["-c", python]);
    if !can {
        eprintln!("skipped: no {what}");
    }
    can
}

/// Does this command succeed?
pub fn run(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A process that does not outlive the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries until there is a result; fails the test if there is none in time.
#[track_caller]
pub fn wait_until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lets every user write into a folder.
pub fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
}
