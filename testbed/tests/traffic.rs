//! Traffic that lasts, on real kernels: every class comes through, and a dead Apache costs its
//! own connections and no others.

mod common;

use std::collections::HashSet;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use common::Guard;
use testbed::apache::{children_of, APACHE};
use testbed::clock::now_ms;
use testbed::plan::Node;
use testbed::process::kill_all;
use testbed::records::read_records;
use testbed::sockets::clients_on;
use testbed::state::State;
use testbed::traffic::{Class, Outcome, Record};

const BINARY: &str = env!("CARGO_BIN_EXE_srlb-testbed");

/// Starts the traffic, a few connections of each class and these options.
fn start(bed: &Guard, out: &Path, more: &[&str]) -> Child {
    let out = out.to_str().unwrap();
    let mut args = vec!["exec", "client", BINARY, "traffic", "--json", "--out", out];
    args.extend("--downloads 4 --uploads 4 --keep-alive 6 --push 4 --idle 4 --ramp-s 1".split(' '));
    args.extend(more);
    bed.command(&args)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

fn up() -> Option<(Guard, tempfile::TempDir)> {
    let bed = Guard::with_daemons()?;
    bed.ok(&["up", "--long-lived", "--servers", "2"]);
    Some((bed, tempfile::tempdir().unwrap()))
}

#[test]
fn every_class_comes_through_with_the_right_bytes() {
    let Some((bed, folder)) = up() else { return };
    let out = folder.path().join("records");
    let options = "--seconds 8 --transfer-s 2,4 --idle-pause-s 3 --short-rate 10";
    let options: Vec<_> = options.split(' ').collect();
    let status = start(&bed, &out, &options).wait().unwrap();
    let records: Vec<Record> = read_records(&out).unwrap();
    assert!(status.success(), "{records:#?}");

    for record in &records {
        assert_eq!(record.outcome, Outcome::Completed, "{record:?}");
        assert!(record.bytes_right == record.bytes_expected && record.bytes_right > 0);
        // On a busy machine the client may see all of a short one at once.
        assert!(record.opened_ms <= record.connected_ms.unwrap());
        assert!(record.connected_ms.unwrap() <= record.ended_ms);
    }
    let of = |class| records.iter().filter(move |record| record.class == class);
    // Who goes for the whole run does so on one connection.
    for (class, count, requests) in [
        (Class::KeepAlive, 6, 3),
        (Class::Push, 4, 1),
        (Class::Idle, 4, 3),
    ] {
        assert_eq!(of(class).count(), count, "{class}");
        assert!(of(class).all(|record| record.requests >= requests));
        assert!(of(class).all(|record| record.ended_ms - record.opened_ms > 6_500.0));
    }
    for class in [Class::Download, Class::Upload] {
        assert!(of(class).count() > 4, "{class}");
        // The last ones are hurried at the end of the run; the first ones take their time.
        let first = of(class).next().unwrap();
        assert!(first.ended_ms - first.opened_ms > 1_800.0, "{first:?}");
    }
    assert!(of(Class::Short).count() > 20);
    let servers: HashSet<_> = records.iter().map(|record| &record.server).collect();
    let both = [Some("s1".to_owned()), Some("s2".to_owned())];
    assert_eq!(servers, both.iter().collect());
}

#[test]
fn a_killed_apache_costs_exactly_its_own_connections() {
    let Some((bed, folder)) = up() else { return };
    let out = folder.path().join("records");
    // Nothing ends by itself before the kill.
    let options = "--seconds 9 --transfer-s 30,40 --idle-pause-s 3 --short-rate 0";
    let options: Vec<_> = options.split(' ').collect();
    let mut traffic = start(&bed, &out, &options);
    std::thread::sleep(Duration::from_secs(4));

    let state = State::load(&bed.name).unwrap();
    let parent = state.process(Node::Server(1), APACHE).unwrap();
    let mut processes = vec![parent];
    processes.extend(children_of(parent));
    let had = clients_on(&state.settings.plan, Node::Server(1)).unwrap();
    let killed_at_ms = now_ms();
    kill_all(&processes);
    let dead_at_ms = now_ms();

    assert_eq!(traffic.wait().unwrap().code(), Some(1));
    let records: Vec<Record> = read_records(&out).unwrap();
    let failed = |record: &&Record| record.outcome != Outcome::Completed;
    let lost = |record: &&Record| had.contains(&record.client.unwrap());
    // A worker that is killed last may still have taken a connection after the look.
    let as_it_died = |record: &Record| (killed_at_ms..dead_at_ms).contains(&record.opened_ms);
    assert!(!had.is_empty() && had.len() < 22, "{had:?}");
    assert_eq!(
        records.iter().filter(lost).filter(failed).count(),
        had.len()
    );
    for record in records.iter().filter(failed) {
        assert!(lost(&record) || as_it_died(record), "{record:?}");
    }
    for record in records.iter().filter(failed) {
        let by_the_kernel = [Outcome::Reset, Outcome::ClosedEarly, Outcome::ClosedIdle];
        assert!(by_the_kernel.contains(&record.outcome), "{record:?}");
    }
    // Their successors found the other server.
    let failures = records.iter().filter(failed).count();
    assert_eq!(records.len(), 22 + failures, "{records:#?}");
}
