//! The daemon with AF_XDP beside its TUN device.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::balancer::{Daemon, CONFIG, POOL};
use crate::lab::{wait_until, Lab, Running};

/// A good lb.toml for AF_XDP.
pub fn config() -> String {
    let keys = "driver = \"af-xdp\"\ninterfaces = [\"eth0\"]\n[flows]";
    CONFIG.replace("[flows]", keys)
}

pub fn has_program(lab: &Lab) -> bool {
    lab.output("ip", &["link", "show", "eth0"]).contains("xdp")
}

/// Does the balancer's kernel answer, as without any daemon?
fn ping(lab: &Lab) -> bool {
    let mut ping = lab.outside("/usr/bin/python3");
    ping.args(["-c", include_str!("echo.py"), "fd00:fa::11"]);
    ping.status().unwrap().success()
}

/// Lets both ends know each other, and waits until the daemon knows, too.
pub fn introduce(lab: &Lab, daemon: &Daemon) {
    assert!(ping(lab), "{}", daemon.log());
    wait_until(|| (count(&daemon.status()["driver"], "neighbours") > 0).then_some(()));
}

#[track_caller]
pub fn count(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key}: {value:#}"))
}

/// How many hunts and recoveries there may be a second.
fn bounds(daemon: &Daemon) -> [u64; 2] {
    let bounds = &daemon.status()["bounds"];
    ["hunts_pps", "recoveries_pps"].map(|key| count(bounds, key))
}

fn a_connection(lab: &Lab, encoding: &str) {
    let driver = a_connection_with(lab, &config(), encoding);
    let port = &driver["interfaces"][0];
    assert_eq!(
        (port["interface"].as_str(), port["program"].as_str()),
        (Some("eth0"), Some("native"))
    );
}

/// Returns what `status` says of the driver in the end.
fn a_connection_with(lab: &Lab, config: &str, encoding: &str) -> Value {
    let daemon = Daemon::start(lab, &config.replace("encap", encoding));
    introduce(lab, &daemon);
    let [first, second] = crate::candidates(&daemon).try_into().unwrap();
    let status = crate::hunt(lab, &daemon, &[encoding, &first, &second, "past"]);
    let driver = &status["driver"];
    assert_eq!(driver["name"], "af-xdp", "{status:#}");
    let port = &driver["interfaces"][0];
    // SYN, two createStickiness of which one is a stranger's, ACK; three of them go on.
    assert_eq!((count(port, "received"), count(port, "sent")), (4, 3));
    assert_eq!(port["mode"], "copy");
    for dropped in [
        "too_long",
        "malformed",
        "tx_full",
        "tx_dropped",
        "rx_ring_full",
        "fill_empty",
    ] {
        assert_eq!(port[dropped], 0, "{dropped}: {status:#}");
    }
    assert!(count(port, "tx_wakeups") >= 3, "{status:#}");
    for reason in ["no_neighbour", "other_interface", "not_taken"] {
        assert_eq!(driver["sent_by_kernel"][reason], 0, "{status:#}");
    }
    // What isn't ours is the kernel's.
    assert!(ping(lab));
    let driver = daemon.status()["driver"].clone();
    assert_eq!(count(&driver["interfaces"][0], "received"), 4);
    driver
}

#[test]
fn a_connection_past_the_kernel_in_encap() {
    let Some(lab) = Lab::new("xen") else { return };
    if lab.has_scapy() {
        a_connection(&lab, "encap");
    }
}

#[test]
fn a_connection_past_the_kernel_in_insert() {
    let Some(lab) = Lab::new("xin") else { return };
    if lab.has_scapy() {
        a_connection(&lab, "insert");
    }
}

/// A macvlan's driver has no XDP: the kernel runs the program behind it, and `auto` is content with that.
#[test]
fn a_connection_where_the_driver_has_no_xdp() {
    let Some(lab) = Lab::new("xgen") else { return };
    if !lab.has_scapy() {
        return;
    }
    for words in [
        "link add link eth0 name mac0 type macvlan mode private",
        "link set mac0 up",
        "addr del fd00:fa::11/64 dev eth0",
        "addr add fd00:fa::11/64 dev mac0 nodad",
        "route replace default via fd00:fa::1 dev mac0",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        assert!(lab.command("ip").args(&words).status().unwrap().success());
    }
    let auto = config().replace("af-xdp", "auto").replace("eth0", "mac0");
    let driver = a_connection_with(&lab, &auto, "encap");
    let port = &driver["interfaces"][0];
    assert_eq!(
        (port["interface"].as_str(), port["program"].as_str()),
        (Some("mac0"), Some("generic"))
    );
}

#[test]
fn a_connection_with_busy_polling() {
    let Some(lab) = Lab::new("xbusy") else { return };
    if lab.has_scapy() {
        let polling = config().replace("[flows]", "[xdp]\nbusy_poll_us = 50\n[flows]");
        let driver = a_connection_with(&lab, &polling, "encap");
        // A look that finds nothing asks the network driver to work: one at least behind each of four packets' batches.
        let port = &driver["interfaces"][0];
        assert!(count(port, "rx_wakeups") >= 4, "{driver:#}");
    }
}

#[test]
fn nothing_stays_attached_and_a_killed_one_starts_again() {
    let Some(lab) = Lab::new("xkill") else { return };
    if !lab.has_scapy() {
        return;
    }
    assert!(!has_program(&lab));
    let mut daemon = Daemon::start(&lab, &config());
    assert!(has_program(&lab));
    daemon.assert_all_present();
    daemon.kill();
    assert!(!has_program(&lab));
    assert!(ping(&lab));

    let mut daemon = Daemon::start(&lab, &config());
    assert!(has_program(&lab));
    assert_eq!(daemon.status()["driver"]["name"], "af-xdp");
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    assert!(!has_program(&lab));
}

#[test]
fn a_neighbour_that_vanishes_is_found_again_and_so_is_an_interface() {
    let Some(lab) = Lab::new("xgone") else { return };
    if !lab.has_scapy() {
        return;
    }
    let daemon = Daemon::start(&lab, &config());
    introduce(&lab, &daemon);
    let driver = || daemon.status()["driver"].clone();
    let sent = || count(&driver()["interfaces"][0], "sent");
    let knock = || {
        Running(
            lab.fabric(&["knock"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        )
    };

    // What was known of it is forgotten. A packet makes the kernel ask for it, unless the neighbour happens to speak first.
    let knocking = knock();
    let flush = ["neigh", "flush", "dev", "eth0"];
    wait_until(|| {
        assert!(lab.command("ip").args(flush).status().unwrap().success());
        (count(&driver()["sent_by_kernel"], "no_neighbour") > 0).then_some(())
    });
    let before = sent();
    wait_until(|| (sent() > before).then_some(()));
    drop(knocking);

    // The cable goes, with both interfaces.
    let cut = ["link", "del", "eth0"];
    assert!(lab.command("ip").args(cut).status().unwrap().success());
    let why = wait_until(|| driver()["why_not_af_xdp"].as_str().map(str::to_owned));
    assert!(why.contains("no network interface eth0"), "{why}");
    assert_eq!(bounds(&daemon), [10_000, 500]);
    lab.plug_in();
    wait_until(|| (driver()["name"] == "af-xdp").then_some(()));
    assert_eq!(bounds(&daemon), [100_000, 5_000]);
    assert!(has_program(&lab));
    introduce(&lab, &daemon);
    let _knocking = knock();
    wait_until(|| (sent() > 0).then_some(()));
}

#[test]
fn a_new_vip_is_taken_with_the_next_reload() {
    let Some(lab) = Lab::new("xvip") else { return };
    if !lab.has_scapy() {
        return;
    }
    let daemon = Daemon::start(&lab, &config());
    introduce(&lab, &daemon);
    let received = || count(&daemon.status()["driver"]["interfaces"][0], "received");
    let knock = || {
        Running(
            lab.fabric(&["knock"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        )
    };
    let other = POOL.replace("2001:db8:80::1", "2001:db8:80::2");
    std::fs::write(daemon.file("pool.toml"), other).unwrap();
    daemon.signal("HUP");
    wait_until(|| daemon.log().contains("reloaded").then_some(()));
    let knocking = knock();
    // They reach the host, which has no route for them.
    let counted = || lab.output("ip", &["-s", "link", "show", "eth0"]);
    let before = counted();
    wait_until(|| (counted() != before).then_some(()));
    assert_eq!(received(), 0);
    std::fs::write(daemon.file("pool.toml"), POOL).unwrap();
    daemon.signal("HUP");
    wait_until(|| (received() > 0).then_some(()));
    drop(knocking);
}

/// Runs the daemon in vain.
pub fn refused(lab: &Lab, config: &str, words: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lb.toml"), config).unwrap();
    std::fs::write(folder.path().join("pool.toml"), POOL).unwrap();
    let mut command: Command = lab.command("timeout");
    let output = command
        .args(["20", env!("CARGO_BIN_EXE_srlb-lb"), "run", "--config"])
        .arg(folder.path().join("lb.toml"))
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn what_cannot_be_is_an_error_of_the_configuration() {
    let Some(lab) = Lab::new("xbad") else { return };
    let tap = ["tuntap", "add", "tun7", "mode", "tun"];
    assert!(lab.command("ip").args(tap).status().unwrap().success());
    let with = |from: &str, to: &str| config().replace(from, to);
    for (config, words, expected) in [
        (
            with("[\"eth0\"]\n[flows]", "[\"eth7\"]\n[flows]"),
            vec![],
            "no network interface eth7",
        ),
        (
            with("[\"eth0\"]\n[flows]", "[\"lo\"]\n[flows]"),
            vec![],
            "lo is no Ethernet",
        ),
        (
            with("[\"eth0\"]\n[flows]", "[\"eth0\", \"tun7\"]\n[flows]"),
            vec![],
            "tun7 is no Ethernet",
        ),
        (
            with("[\"eth0\"]\n[flows]", "[]\n[flows]"),
            vec![],
            "the list is empty",
        ),
        (
            with("[flows]", "[xdp]\nqueues = 900\n[flows]"),
            vec![],
            "and 900 are asked for",
        ),
        (
            with("domain_i", "fabric_mtu_bytes = 9000\ndomain_i"),
            vec![],
            "has an MTU of 1500",
        ),
        (
            CONFIG.to_owned(),
            vec!["--driver", "af-xdp"],
            "the list is empty",
        ),
    ] {
        let (code, said) = refused(&lab, &config, &words);
        assert_eq!(code, Some(78), "{expected}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!has_program(&lab));
    }
}

#[test]
fn auto_serves_by_the_tun_device_where_af_xdp_cannot_be() {
    let Some(lab) = Lab::new("xauto") else { return };
    let auto = config().replace("af-xdp", "auto");
    let daemon = Daemon::start(
        &lab,
        &auto.replace("[\"eth0\"]\n[flows]", "[\"lo\"]\n[flows]"),
    );
    let driver = daemon.status()["driver"].clone();
    assert_eq!(driver["name"], "tun");
    assert!(driver["why_not_af_xdp"]
        .as_str()
        .unwrap()
        .contains("no Ethernet"));
    assert!(daemon.log().contains("no AF_XDP, the TUN device serves"));
    assert_eq!(bounds(&daemon), [10_000, 500]);
    daemon.signal("HUP");
    wait_until(|| daemon.log().contains("reloaded").then_some(()));
    assert_eq!(bounds(&daemon), [10_000, 500]);
    drop(daemon);
    let daemon = Daemon::start(&lab, &auto);
    assert_eq!(daemon.status()["driver"]["name"], "af-xdp");
    assert_eq!(bounds(&daemon), [100_000, 5_000]);
    drop(daemon);
    let daemon = Daemon::start(&lab, CONFIG);
    let driver = daemon.status()["driver"].clone();
    assert_eq!(
        (&driver["name"], &driver["why_not_af_xdp"]),
        (&"tun".into(), &Value::Null)
    );
    assert!(!has_program(&lab));
}
