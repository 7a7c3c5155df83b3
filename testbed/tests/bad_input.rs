//! What `model`, `simulate` and `reproduce` say to what they can't use, and what they leave behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_srlb-testbed"));
    command.args(line.split_whitespace());
    command
}

/// Runs it; expects this code, these words on standard error, and no panic.
#[track_caller]
fn fails(command: &mut Command, code: i32, words: &str) -> Output {
    let output = command.output().expect("srlb-testbed runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    assert!(said.contains(words), "{command:?}: {said}");
    assert!(!said.contains("panicked"), "{command:?}: {said}");
    output
}

#[test]
fn numbers_that_make_no_sense() {
    for (line, words) in [
        (
            "model --lambda 1",
            "lambda = 1: expected above 0 and below 1",
        ),
        ("model --lambda 1.5", "expected above 0 and below 1"),
        ("model --lambda 0", "expected above 0 and below 1"),
        ("model --lambda -0.5", "expected above 0 and below 1"),
        ("model --lambda NaN", "expected above 0 and below 1"),
        ("model --lambda many", "a number is needed"),
        ("model --lambda 0.5 --c 0", "0 is not in 1..=64"),
        ("model --lambda 0.5 --c -1", "-1 is not in 1..=64"),
        ("model --lambda 0.5 --c 65", "65 is not in 1..=64"),
        (
            "model --lambda 0.5 --delay -1",
            "expected a number from 0 on",
        ),
        (
            "model --lambda 0.5 --percentile 100",
            "expected above 0 and below 100",
        ),
        (
            "model --lambda 0.5 --percentile -1",
            "expected above 0 and below 100",
        ),
        (
            "model --lambda 0.5 --percentile NaN",
            "expected above 0 and below 100",
        ),
        (
            "model --lambda 0.5 --sla 1",
            "sla = 1: expected a number above",
        ),
        ("simulate --load 0", "load = 0: expected a number above 0"),
        ("simulate --load 1", "load = 1: expected a number below 1"),
        (
            "simulate --load 1.5",
            "load = 1.5: expected a number below 1",
        ),
        (
            "model --lambda 0.5 --percentile 0",
            "expected above 0 and below 100",
        ),
        ("simulate --load -1", "load = -1: expected a number above 0"),
        (
            "simulate --load NaN",
            "load = NaN: expected a number above 0",
        ),
        (
            "simulate --load inf",
            "load = inf: expected a number above 0",
        ),
        (
            "simulate --overload --load 1e300",
            "expected a number above 0, 1000000000 at most",
        ),
        (
            "simulate --service-mean-ms 0",
            "service-mean-ms = 0: expected",
        ),
        ("simulate --service-mean-ms 1e300", "up to 10000 s"),
        (
            "simulate --service lognormal:-1",
            "\"-1\" is no deviation from 0 to 10",
        ),
        (
            "simulate --service weibull",
            "expected exponential, constant or lognormal:SIGMA",
        ),
        ("simulate --balancing static:0", "c = 0: expected 1 to"),
        ("simulate --balancing best", "round-robin"),
        ("simulate --servers 0", "servers = 0: expected 1 to 65535"),
        ("simulate --servers -3", "invalid value '-3'"),
        ("simulate --queries 0", "queries = 0: expected 1 to"),
        ("simulate --workers 0", "workers = 0: expected 1 to"),
        ("simulate --choices 9", "choices = 9: expected 1 to 8"),
        ("simulate --buckets 1000", "for example 1009"),
        (
            "simulate --wan-us 18446744073709551615",
            "expected 0 to 60000000",
        ),
        (
            "simulate --queries 100 --warm-up 100",
            "expected less than all 100 queries",
        ),
        ("reproduce 13", "no figure is called \"13\""),
        ("reproduce --threads 0", "0 is not in 1..=256"),
        ("reproduce 8a --trace t.csv", "--trace is for figure 12"),
    ] {
        fails(&mut command(line), 2, words);
    }
}

#[test]
fn traces_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let rows: [(&[u8], &str); 8] = [
        (b"", "t.csv, line 1: empty: expected a head such as"),
        (
            b"at_s,service_ms\n1,2\n3\n",
            "t.csv, line 3: 1 columns: expected 2",
        ),
        (
            b"at_s,service_ms\n1,2\n,5\n",
            "t.csv, line 3: at_s is \"\": expected a number from 0",
        ),
        (
            b"at_s,service_ms\n1,2\n0,5\n",
            "t.csv, line 3: it is 1 s earlier",
        ),
        (
            b"at_s,service_ms\n1,NaN\n",
            "t.csv, line 2: service_ms is \"NaN\": expected a number from 0",
        ),
        (
            b"at_s,service_ms\n1,2\n9999,2\n",
            "t.csv, line 3: a hole of 9998 s",
        ),
        (b"at_s,service_ms\n\xff,2\n", "t.csv, line 2: not UTF-8"),
        (
            b"\x1f\x8b\x08",
            "t.csv, line 1: the file is packed: expected text, so gunzip it",
        ),
    ];
    let out = folder.path().join("out");
    for (content, words) in rows {
        fs::write(&path, content).unwrap();
        fails(command("simulate --trace").arg(&path), 1, words);
        let mut reproduce = command("reproduce 12 --trace");
        fails(reproduce.arg(&path).arg("--out").arg(&out), 1, words);
        assert!(!out.exists(), "nothing was begun");
    }
    fails(
        &mut command("simulate --trace /nowhere/t.csv"),
        1,
        "/nowhere/t.csv: No such file",
    );
    fails(
        &mut command("simulate --trace /dev/null"),
        1,
        "expected a file, which is read twice",
    );
}

#[test]
fn places_that_can_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let reproduce = |out: &Path| {
        let mut command = command("reproduce 8a --out");
        command.arg(out);
        command
    };
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for out in [&file, &file.join("below"), Path::new("/proc/nowhere")] {
        let words = format!("cannot write to {}", out.display());
        fails(&mut reproduce(out), 1, &words);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    // a disk that is full
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    symlink("/dev/full", out.join("index.html")).unwrap();
    fails(&mut reproduce(&out), 1, "No space left on device");
    for line in [
        "model --lambda 0.5",
        "simulate --queries 100",
        "reproduce --list",
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        fails(command(line).stdout(full), 1, "No space left on device");
    }
}

fn stop(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits for `condition`, but not for ever.
fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(120), "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_is_stopped_keeps_what_is_there_and_says_what_is_not() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let mut command = command("reproduce 8a 12 --out");
        command.arg(folder.path()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait_for("figure 8a", || file("fig-8a.svg").exists());
        stop(&child, signal);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("srlb-testbed: interrupted"), "{said}");
        assert!(said.contains("marked as partial"), "{said}");
        assert!(
            fs::read_to_string(file("fig-8a.csv"))
                .unwrap()
                .lines()
                .count()
                > 80
        );
        let partial = fs::read_to_string(file("PARTIAL.txt")).unwrap();
        assert_eq!(partial, "Not there (yet): figure 12\n");
        let page = fs::read_to_string(file("index.html")).unwrap();
        assert!(page.contains("This page is partial. Not there (yet): figure 12."));
        assert!(!file("fig-12.csv").exists());
    }
    // nothing of a simulation that was stopped passes for its outcome
    let mut command = command("simulate --queries 100000000");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    stop(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("srlb-testbed: interrupted"), "{said}");
}

/// A trace as a user has one: figure 12 from it, and nothing that is said of the paper's day.
#[test]
fn figure_12_from_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wiki.txt");
    let line = |n: u32| {
        let at_s = 1_190_146_243.0 + f64::from(n);
        let page = ["wiki/Main_Page", "skins-1.5/a.css"][n as usize % 2];
        format!("{n} {at_s:.3} http://en.wikipedia.org/{page} -\n")
    };
    fs::write(&path, (0..1_500).map(line).collect::<String>()).unwrap();
    let out = folder.path().join("out");
    let mut command = command("reproduce 12 --json --trace");
    let output = command.arg(&path).arg("--out").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let claims = said[0]["claims"].as_array().unwrap();
    assert!(
        !claims.is_empty() && claims.iter().all(|c| c["verdict"] == "finding"),
        "{said}"
    );
    // 20:10:43 to 20:35:43, in bins of ten minutes that begin with the first query: one page in two seconds
    let csv = fs::read_to_string(out.join("fig-12.csv")).unwrap();
    let rates: Vec<&str> = csv
        .lines()
        .filter(|line| line.contains("12a, rate"))
        .collect();
    assert_eq!(rates.len(), 3, "{csv}");
    assert!(
        rates[0].contains(",20.26") && rates[0].ends_with(",0.5"),
        "{rates:?}"
    );
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("1500 queries from a trace"));
}
