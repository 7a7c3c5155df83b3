//! The benchmark over veth pairs in miniature: every case forwards, and what arrives is right. How fast is nobody's business here.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{processes_with, Guard};
use rustix::process::{kill_process, Pid, Signal};
use testbed::plan;

/// What is left of a run of the process with this number.
fn left_of(pid: u32) -> Vec<String> {
    let mine = format!("srlbv{pid}");
    let names = std::fs::read_dir("/run/netns").into_iter().flatten();
    let names = names
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let mut left: Vec<String> = names.filter(|name| name.starts_with(&mine)).collect();
    let folder = plan::run_dir(&mine);
    if folder.exists() {
        left.push(folder.display().to_string());
    }
    left.extend(processes_with(&format!("{}/", folder.display())));
    left
}

/// What the kernel is told about empty pages for socket buffers, while nobody measures; nothing where it can't be told.
fn min_partial() -> Vec<String> {
    assert!(wait(60, || !Path::new(RECORD).exists()), "{RECORD} is left");
    let caches = ["skbuff_head_cache", "skbuff_small_head"];
    let read = |cache| std::fs::read_to_string(format!("/sys/kernel/slab/{cache}/min_partial"));
    caches.into_iter().filter_map(|c| read(c).ok()).collect()
}

/// Where runs note what the settings were before.
const RECORD: &str = "/run/srlb-bench-slabs.json";

/// True as soon as the condition is, false if it is not for so long.
fn wait(seconds: u32, condition: impl Fn() -> bool) -> bool {
    for _ in 0..seconds * 50 {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    condition()
}

/// Settings of the kernel are everybody's: one run at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run that would last for minutes, once its load balancer has come up; nothing where the kernel can't have one.
fn long_run() -> Option<Child> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_srlb-testbed"))
        .args(["bench", "veth", "--only", "l2fwd,lb-encap,kernel"])
        .args(["--rounds", "1000", "--flows", "300", "--servers", "5"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = plan::run_dir(&format!("srlbv{}", child.id()));
    let socket = folder.join(format!("srlbv{}-1/control.sock", child.id()));
    let is_up = || socket.exists();
    for _ in 0..500 {
        if is_up() || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if child.try_wait().unwrap().is_none() {
        assert!(is_up(), "no load balancer has come up");
        return Some(child);
    }
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("Operation not supported"), "{words}");
    eprintln!("skipped: this kernel lacks something: {words}");
    None
}

fn signal(child: &Child, signal: Signal) {
    let number = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(number, signal).unwrap();
}

fn can_be_made(guard: &Option<Guard>) -> bool {
    let two = std::thread::available_parallelism().is_ok_and(|n| n.get() >= 2);
    if guard.is_some() && !two {
        eprintln!("skipped: one processor, and what is measured needs one for itself");
    }
    guard.is_some() && two
}

/// The run itself compares 64 packets of each case byte by byte with what was sent, and fails if one differs; here it is seen that it
/// ran, for every case, and that what arrived later had the shape of those.
#[test]
fn every_case_forwards_and_its_packets_are_right() {
    let guard = Guard::with_daemons();
    if !can_be_made(&guard) {
        return;
    }
    let _alone = alone();
    let before = min_partial();
    let command = Command::new(env!("CARGO_BIN_EXE_srlb-testbed"))
        .args([
            "bench",
            "veth",
            "--json",
            "--rounds",
            "1",
            "--round-ms",
            "30",
        ])
        // A rate that any machine carries.
        .args(["--flows", "300", "--servers", "5", "--rate-kpps", "10"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = command.id();
    let output = command.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && words.contains("Operation not supported") {
        eprintln!("skipped: this kernel lacks something: {words}");
        return;
    }
    assert!(output.status.success(), "{words}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = json["veth"].as_array().unwrap();
    let shape = |name: &str| {
        let figure = figures.iter().find(|f| f["case"] == name);
        let figure = figure.unwrap_or_else(|| panic!("{name} is missing: {json:#}"));
        assert!(
            figure["ns"].as_f64().unwrap() > 0.0,
            "{name}: nothing has arrived"
        );
        assert_eq!(figure["wrong"], 0, "{name}");
        (
            figure["bytes_out"].as_u64().unwrap(),
            figure["next_header"].as_u64().unwrap(),
        )
    };
    const PLAIN: (u64, u64) = (86, 6);
    for name in [
        "bare AF_XDP l2fwd",
        "bare AF_XDP l2fwd, few frames",
        "its driver alone",
        "kernel forwarding",
    ] {
        assert_eq!(shape(name), PLAIN, "{name}");
    }
    // One segment: an outer header is enough. Inserted: an SRH with three entries, its VIP one of them.
    assert_eq!(shape("LB over AF_XDP, encap"), (86 + 40, 41));
    assert_eq!(shape("LB over AF_XDP, insert"), (86 + 8 + 48, 43));
    assert_eq!(shape("kernel seg6 inline"), (86 + 8 + 32, 43));
    assert_eq!(shape("kernel seg6 encap"), (86 + 40 + 8 + 16, 43));
    assert_eq!(figures.len(), 8);
    assert_eq!(left_of(pid), Vec::<String>::new());
    assert_eq!(min_partial(), before);
}

#[test]
fn nothing_is_left_after_an_interruption_and_down_leaves_a_run_alone() {
    let guard = Guard::with_daemons();
    if !can_be_made(&guard) {
        return;
    }
    let _alone = alone();
    let before = min_partial();
    let Some(child) = long_run() else {
        return;
    };
    let pid = child.id();
    let built = left_of(pid);
    guard.as_ref().unwrap().ok(&["down"]);
    assert_eq!(left_of(pid), built, "it is under way");
    assert_eq!(Path::new(RECORD).exists(), !before.is_empty());
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        words.contains("interrupted"),
        "it failed by itself: {words}"
    );
    assert_eq!(left_of(pid), Vec::<String>::new(), "{words}");
    assert_eq!(min_partial(), before);
}

#[test]
fn what_a_killed_run_leaves_goes_with_down_and_with_the_next_run() {
    let guard = Guard::with_daemons();
    if !can_be_made(&guard) {
        return;
    }
    let _alone = alone();
    let before = min_partial();
    let next = ["bench", "veth", "--only", "l2fwd", "--flows", "64"];
    let next = [&next[..], &["--rounds", "1", "--round-ms", "10"]].concat();
    for remover in [&["down"][..], &next] {
        let Some(mut child) = long_run() else {
            return;
        };
        let pid = child.id();
        let machine = format!("srlbv{pid}-2");
        let mut bystander = Command::new("ip")
            .args(["netns", "exec", &machine, "sleep", "60"])
            .spawn()
            .unwrap();
        let name = format!("/proc/{}/comm", bystander.id());
        let is_inside = || std::fs::read_to_string(&name).is_ok_and(|n| n.trim() == "sleep");
        assert!(wait(10, is_inside), "a program that is not the run's");
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        assert!(left_of(pid).len() > 6, "namespaces, a folder, a process");
        assert_eq!(Path::new(RECORD).exists(), !before.is_empty());
        guard.as_ref().unwrap().ok(remover);
        let left = left_of(pid);
        let is_spared = bystander.try_wait().unwrap().is_none();
        bystander.kill().unwrap();
        bystander.wait().unwrap();
        assert_eq!(left, Vec::<String>::new(), "{remover:?}");
        assert_eq!(min_partial(), before, "{remover:?}");
        assert!(is_spared, "somebody else's program is not ours to end");
    }
}
