//! Two workers: a connection of which each sees a part, reloads while packets come, ends, and what cannot be.

use std::process::Stdio;

use serde_json::Value;

use crate::balancer::{Daemon, CONFIG, POOL};
use crate::fast::{self, count, has_program, introduce, refused};
use crate::lab::{wait_until, Lab, Running};

fn with_workers(config: &str, workers: usize) -> String {
    config.replace("[flows]", &format!("workers = {workers}\n[flows]"))
}

/// Two workers, AF_XDP and two queues; none where scapy is missing.
fn lab(word: &str) -> Option<Lab> {
    Lab::with_queues(word, 2).filter(Lab::has_scapy)
}

fn config() -> String {
    with_workers(&fast::config(), 2)
}

/// What each worker says of itself under this key.
fn of_workers(status: &Value, key: &str) -> Vec<u64> {
    let workers = status["workers"].as_array().unwrap().iter();
    workers.map(|worker| count(worker, key)).collect()
}

fn a_connection(lab: &Lab, encoding: &str) {
    let daemon = Daemon::start(lab, &config().replace("encap", encoding));
    introduce(lab, &daemon);
    let [first, second] = crate::candidates(&daemon).try_into().unwrap();
    let words = [encoding, &first, &second, "past", "split"];
    let status = crate::hunt(lab, &daemon, &words);
    // The client's SYN and ACK; createStickiness of a stranger and of the server.
    assert_eq!(of_workers(&status, "received"), [2, 2], "{status:#}");
    assert_eq!(of_workers(&status, "transmitted"), [2, 1]);
    assert_eq!(of_workers(&status, "dropped"), [0, 1]);
    assert_eq!(of_workers(&status, "af_xdp_queues"), [1, 1]);
    let port = &status["driver"]["interfaces"][0];
    assert_eq!(
        (
            count(port, "queues"),
            count(port, "received"),
            count(port, "sent")
        ),
        (2, 4, 3)
    );
    assert_eq!(status["flows"]["confirmed"], 1, "{status:#}");
    let cores: Vec<_> = of_workers(&status, "core");
    assert!(cores[0] != cores[1], "{cores:?}");
    let explained = daemon.json("explain", &crate::FLOW);
    let owner = explained["entry"]["server"].as_str().unwrap();
    assert_eq!(second, format!("fd00:5e:{}::", &owner[1..]));
}

#[test]
fn a_connection_of_which_each_sees_a_part_in_encap() {
    let Some(lab) = lab("wen") else { return };
    a_connection(&lab, "encap");
}

#[test]
fn a_connection_of_which_each_sees_a_part_in_insert() {
    let Some(lab) = lab("win") else { return };
    a_connection(&lab, "insert");
}

#[test]
fn on_a_tun_device_each_has_a_queue() {
    let Some(lab) = Lab::new("wtun") else { return };
    if !lab.has_scapy() {
        return;
    }
    let daemon = Daemon::start(&lab, &with_workers(CONFIG, 2));
    let [first, second] = crate::candidates(&daemon).try_into().unwrap();
    let status = crate::hunt(&lab, &daemon, &["encap", &first, &second]);
    assert_eq!(status["driver"]["name"], "tun");
    assert_eq!(status["guard"]["admitted"], 1, "{status:#}");
    let trace = daemon
        .command("trace")
        .args(["--count", "40"])
        .stdout(std::fs::File::create(daemon.file("trace")).unwrap())
        .spawn();
    let mut trace = Running(trace.unwrap());
    // The trace has begun once packets are shown.
    let ended = wait_until(|| {
        assert!(lab.fabric(&["many", "50"]).status().unwrap().success());
        trace.0.try_wait().unwrap()
    });
    assert!(ended.success());
    let said = std::fs::read_to_string(daemon.file("trace")).unwrap();
    assert_eq!(said.lines().count(), 40, "{said}");
    let status = daemon.status();
    let received = of_workers(&status, "received");
    assert!(received.iter().all(|&packets| packets > 0), "{received:?}");
    let all = count(&status["events"], "received");
    assert_eq!(received.iter().sum::<u64>(), all);
}

/// Pools that differ in who gets new flows; the connection's server stays.
fn pools(stays: &str) -> [String; 2] {
    let weights = ["s1 = 1", "s2 = 1", "s3 = 1"];
    let others: Vec<&str> = weights.into_iter().filter(|w| !w.contains(stays)).collect();
    [
        POOL.to_owned(),
        POOL.replace(&format!("{}\n", others[0]), ""),
    ]
}

#[test]
fn while_pools_change_no_packet_is_lost() {
    const PACKETS: u64 = 3_000;
    let Some(lab) = lab("wload") else { return };
    let daemon = Daemon::start(&lab, &config());
    introduce(&lab, &daemon);
    let [first, second] = crate::candidates(&daemon).try_into().unwrap();
    crate::hunt(&lab, &daemon, &["encap", &first, &second, "past", "split"]);
    let server = format!("s{}", &second["fd00:5e:".len()..second.len() - 2]);
    let before = daemon.status();
    let stream = lab.fabric(&["stream", &PACKETS.to_string()]).spawn();
    let mut stream = Running(stream.unwrap());
    let pools = pools(&server);
    let mut reloads = 0;
    while stream.0.try_wait().unwrap().is_none() {
        std::fs::write(daemon.file("pool.toml"), &pools[(reloads + 1) % 2]).unwrap();
        daemon.signal("HUP");
        reloads += 1;
        let done = || daemon.log().matches("reloaded;").count() >= reloads;
        wait_until(|| done().then_some(()));
    }
    assert!(stream.0.wait().unwrap().success());
    assert!(reloads >= 5, "{reloads}");
    let steered = |status: &Value| count(&status["events"], "steered");
    wait_until(|| (steered(&daemon.status()) == steered(&before) + PACKETS).then_some(()));
    let after = daemon.status();
    assert_eq!(after["drops"], before["drops"]);
    assert_eq!(after["lost_on_tun"], 0);
    let sent = |status: &Value| count(&status["driver"]["interfaces"][0], "sent");
    assert_eq!(sent(&after), sent(&before) + PACKETS);
    let shares = of_workers(&after, "received");
    assert!(shares.iter().all(|&n| n >= PACKETS / 2), "{shares:?}");
    assert_eq!(after["last_reload_error"], Value::Null);
}

/// The kernel sends what either worker can't, until somebody answers for the neighbour again.
#[test]
fn a_neighbour_that_vanishes_is_missed_by_both_and_found_again() {
    let Some(lab) = lab("wneigh") else { return };
    let daemon = Daemon::start(&lab, &config());
    introduce(&lab, &daemon);
    let [first, second] = crate::candidates(&daemon).try_into().unwrap();
    crate::hunt(&lab, &daemon, &["encap", &first, &second, "past", "split"]);
    let of_driver = || {
        let driver = daemon.status()["driver"].clone();
        let sent = count(&driver["interfaces"][0], "sent");
        [sent, count(&driver["sent_by_kernel"], "no_neighbour")]
    };
    let stream = || {
        let stream = lab.fabric(&["stream", "20000"]).spawn();
        Running(stream.unwrap())
    };
    let [sent, _] = of_driver();
    let streaming = stream();
    wait_until(|| (of_driver()[0] > sent).then_some(()));

    let address = |verb| {
        let words = ["addr", verb, "fd00:fa::1/64", "dev", "eth0", "nodad"];
        assert!(lab.outside("ip").args(words).status().unwrap().success());
    };
    address("del");
    let forget = ["neigh", "flush", "dev", "eth0"];
    // By turns a packet comes to the one worker and to the other one: of so many in a row each has some.
    wait_until(|| {
        assert!(lab.command("ip").args(forget).status().unwrap().success());
        let [sent, missed] = of_driver();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let [still, more] = of_driver();
        (still == sent && more >= missed + 20).then_some(())
    });

    address("add");
    let [sent, _] = of_driver();
    wait_until(|| (of_driver()[0] > sent + 20).then_some(()));
    drop(streaming);
    let status = daemon.status();
    let received = of_workers(&status, "received");
    assert!(received.iter().all(|&packets| packets > 20), "{received:?}");
    assert_eq!(of_workers(&status, "lost"), [0, 0], "{status:#}");
}

#[test]
fn ends_leave_nothing_and_a_killed_one_starts_again() {
    let Some(lab) = lab("wend") else { return };
    let devices = || lab.output("ip", &["link"]);
    let mut daemon = Daemon::start(&lab, &config());
    assert!(has_program(&lab));
    daemon.assert_all_present();
    daemon.kill();
    assert!(!has_program(&lab) && !devices().contains("srlb-lb0"));

    let mut daemon = Daemon::start(&lab, &config());
    let status = daemon.status();
    assert_eq!(status["driver"]["name"], "af-xdp", "{status:#}");
    assert_eq!(of_workers(&status, "af_xdp_queues"), [1, 1]);
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    assert!(!has_program(&lab) && !devices().contains("srlb-lb0"));
    assert_eq!(lab.output("nft", &["list", "tables"]), "");
    assert!(!daemon.file("lb.sock").exists());
}

#[test]
fn interfaces_that_change_are_opened_again_by_all() {
    let Some(lab) = lab("wgone") else { return };
    let daemon = Daemon::start(&lab, &config());
    introduce(&lab, &daemon);
    let ip = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        assert!(lab.command("ip").args(words).status().unwrap().success());
    };
    let driver = || daemon.status()["driver"].clone();
    let knocked_at_both = || {
        introduce(&lab, &daemon);
        wait_until(|| {
            assert!(lab.fabric(&["stream", "20"]).status().unwrap().success());
            let port = &driver()["interfaces"][0];
            (count(port, "received") >= 20 && count(port, "sent") > 0).then_some(())
        });
        let received = of_workers(&daemon.status(), "received");
        assert!(received.iter().all(|&packets| packets > 0), "{received:?}");
    };
    knocked_at_both();

    ip("link set eth0 down");
    ip("link set eth0 up");
    // A link that goes down takes them with it.
    ip("addr replace fd00:fa::11/64 dev eth0 nodad");
    ip("route replace default via fd00:fa::1");
    knocked_at_both();

    ip("link set eth0 mtu 1400");
    let why = wait_until(|| driver()["why_not_af_xdp"].as_str().map(str::to_owned));
    assert!(why.contains("MTU of 1400"), "{why}");
    assert_eq!(of_workers(&daemon.status(), "af_xdp_queues"), [0, 0]);
    assert!(!has_program(&lab));
    ip("link set eth0 mtu 1500");
    wait_until(|| (driver()["name"] == "af-xdp").then_some(()));
    assert_eq!(of_workers(&daemon.status(), "af_xdp_queues"), [1, 1]);
    knocked_at_both();
}

#[test]
fn fewer_queues_than_workers_and_other_nonsense_are_said() {
    let Some(lab) = lab("wbad") else { return };
    for (config, words, code, expected) in [
        (
            with_workers(&fast::config(), 3),
            vec![],
            78,
            "2 queues for 3 workers",
        ),
        (
            fast::config(),
            vec!["--workers", "5"],
            78,
            "2 queues for 5 workers",
        ),
        (
            fast::config().replace("[flows]", "[xdp]\nqueues = 2\n[flows]"),
            vec!["--workers", "3"],
            78,
            "2 for 3 workers",
        ),
        (with_workers(CONFIG, 0), vec![], 78, "workers"),
        (
            CONFIG.to_owned(),
            vec!["--workers", "0"],
            2,
            "from 1 to 256",
        ),
    ] {
        let (status, said) = refused(&lab, &config, &words);
        assert_eq!(status, Some(code), "{expected}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!has_program(&lab));
    }
    // Where the TUN device may serve, it does.
    let auto = with_workers(&fast::config(), 3).replace("af-xdp", "auto");
    let daemon = Daemon::start(&lab, &auto);
    let status = daemon.status();
    let why = status["driver"]["why_not_af_xdp"].as_str().unwrap();
    assert!(why.contains("2 queues for 3 workers"), "{why}");
    assert_eq!(status["workers"].as_array().unwrap().len(), 3);
}

#[test]
fn memory_that_may_not_be_locked_is_said_and_the_tun_device_serves() {
    let Some(lab) = lab("wmem") else { return };
    let little = [
        "prlimit",
        "--memlock=65536",
        "setpriv",
        "--bounding-set=-ipc_lock",
    ];
    let there = lab
        .command("sh")
        .args(["-c", "command -v prlimit setpriv"])
        .stdout(Stdio::null())
        .status();
    if !there.unwrap().success() {
        eprintln!("skipped: no prlimit or setpriv");
        return;
    }
    let daemon = Daemon::start_under(&lab, &little, &config().replace("af-xdp", "auto"));
    let status = daemon.status();
    let why = status["driver"]["why_not_af_xdp"].as_str().unwrap();
    assert!(why.contains("RLIMIT_MEMLOCK"), "{why}");
    assert_eq!(status["driver"]["name"], "tun");
    assert!(!has_program(&lab));
}

/// A worker that can't go on ends the daemon, which says why and takes along what it has installed.
#[test]
fn a_tun_device_that_is_taken_away_ends_all_of_it() {
    let Some(lab) = Lab::with_queues("wtake", 2) else {
        return;
    };
    let mut daemon = Daemon::start(&lab, &config());
    let take = ["link", "del", "srlb-lb0"];
    assert!(lab.command("ip").args(take).status().unwrap().success());
    assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
    let said = daemon.log();
    assert!(said.contains("was it removed by another program"), "{said}");
    assert!(!has_program(&lab));
    assert_eq!(lab.output("nft", &["list", "tables"]), "");
}
