//! The benchmark over veth pairs in miniature: every case forwards, and what arrives is right. How fast is nobody's business here.

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::Guard;
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
    left
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
        .args(["--flows", "300", "--servers", "5"])
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
            figure["mpps"].as_f64().unwrap() > 0.0,
            "{name}: nothing has arrived"
        );
        assert_eq!(figure["wrong"], 0, "{name}");
        (
            figure["bytes_out"].as_u64().unwrap(),
            figure["next_header"].as_u64().unwrap(),
        )
    };
    const PLAIN: (u64, u64) = (86, 6);
    for name in ["bare AF_XDP l2fwd", "its driver alone", "kernel forwarding"] {
        assert_eq!(shape(name), PLAIN, "{name}");
    }
    // One segment: an outer header is enough. Inserted: an SRH with three entries, its VIP one of them.
    assert_eq!(shape("LB over AF_XDP, encap"), (86 + 40, 41));
    assert_eq!(shape("LB over AF_XDP, insert"), (86 + 8 + 48, 43));
    assert_eq!(shape("kernel seg6 inline"), (86 + 8 + 32, 43));
    assert_eq!(shape("kernel seg6 encap"), (86 + 40 + 8 + 16, 43));
    assert_eq!(figures.len(), 7);
    assert_eq!(left_of(pid), Vec::<String>::new());
}

#[test]
fn nothing_is_left_after_an_interruption() {
    let guard = Guard::with_daemons();
    if !can_be_made(&guard) {
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_srlb-testbed"))
        .args([
            "bench",
            "veth",
            "--only",
            "l2fwd,lb-encap,kernel",
            "--rounds",
            "1000",
        ])
        .args(["--flows", "300", "--servers", "5"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let machine = format!("/run/netns/srlbv{pid}-2");
    for _ in 0..100 {
        if Path::new(&machine).exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(700));
    if child.try_wait().unwrap().is_none() {
        assert_ne!(left_of(pid), Vec::<String>::new(), "it had built something");
    }
    let number = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(number, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(
        left_of(pid),
        Vec::<String>::new(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
