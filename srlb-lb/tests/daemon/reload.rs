//! Reloads of the daemon: what is taken, what is refused, and what is said of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::balancer::{Daemon, CONFIG, POOL};
use crate::candidates;
use crate::fast::count;
use crate::lab::{wait_until, Lab};

/// The pool with a generation more, of one server.
fn newer() -> String {
    POOL.replace("\"active\"", "\"kept\"")
        + "[[generation]]\nnumber = 3\nstate = \"active\"\n[generation.members.web]\ns3 = 1\n"
}

/// Reloads in vain; what is said of it.
fn refused(daemon: &Daemon) -> String {
    let failed = || daemon.log().matches("the reload failed").count();
    let before = failed();
    daemon.signal("HUP");
    wait_until(|| (failed() > before).then_some(()));
    wait_until(|| {
        let error = daemon.status()["last_reload_error"].clone();
        error.as_str().map(str::to_owned)
    })
}

#[test]
fn a_wrong_reload_changes_nothing_and_is_said_a_good_one_is_taken() {
    let Some(lab) = Lab::new("hup") else { return };
    let daemon = Daemon::start(&lab, CONFIG);
    let status = daemon.status();
    assert_eq!(status["pool"]["active"], 2, "{status:#}");
    assert_eq!(status["last_reload_error"], Value::Null);

    let newer = newer();
    let wrong = newer.replace("fd00:5e:2::/64", "nonsense");
    fs::write(daemon.file("pool.toml"), wrong).unwrap();
    let before = candidates(&daemon);
    let said = refused(&daemon);
    for word in ["all stays as it was", "pool.toml", "locator", "nonsense"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(daemon.status()["pool"]["active"], 2);
    assert_eq!(candidates(&daemon), before);

    fs::write(daemon.file("pool.toml"), newer).unwrap();
    daemon.signal("HUP");
    // Packets see the pool before the host's filter follows, and the reload ends with that.
    wait_until(|| (daemon.status()["pool"]["active"] == 3).then_some(()));
    assert_eq!(candidates(&daemon), ["fd00:5e:3::"]);
    wait_until(|| daemon.status()["last_reload_error"].is_null().then_some(()));
    daemon.assert_all_present();
}

/// Reloads with these lines behind a good lb.toml.
fn reload_with(daemon: &Daemon, lines: &str) {
    fs::write(daemon.file("lb.toml"), format!("{CONFIG}{lines}")).unwrap();
    let reloads = || daemon.log().matches("srlb-lb: reloaded").count();
    let before = reloads();
    daemon.signal("HUP");
    wait_until(|| (reloads() > before).then_some(()));
}

#[test]
fn what_a_flood_may_do_is_taken_from_the_file_with_each_reload() {
    const STRANGERS: u32 = 60;
    const ANY: &str = "strangers_pps = 1000000\nnewcomers_pps = 1000000\n";
    let Some(lab) = Lab::new("fld") else { return };
    if !lab.has_python() {
        return;
    }
    let guard = format!("[guard]\n{ANY}");
    let daemon = Daemon::start(&lab, &format!("{CONFIG}{guard}"));
    // What the guard has counted, and what the workers refuse behind it.
    let counts = || {
        let status = daemon.status();
        let guard = [
            "strangers_passed",
            "admitted",
            "strangers_dropped",
            "newcomers_dropped",
        ];
        let [passed, admitted, dropped, refused] = guard.map(|key| count(&status["guard"], key));
        let rate = count(&status["drops"], "hunt_rate");
        (passed, admitted, [dropped, refused, rate])
    };
    let first = lab.strangers(0x100, STRANGERS);
    let all = u64::from(STRANGERS);
    wait_until(|| (counts().0 >= all && counts().1 >= all).then_some(()));
    drop(first);
    assert_eq!(counts().2, [0, 0, 0], "{}", daemon.status());

    reload_with(&daemon, &format!("{guard}hunts_pps = 1\n"));
    let second = lab.strangers(0x200, STRANGERS);
    wait_until(|| (counts().2[2] > 0).then_some(()));
    drop(second);
    assert_eq!(counts().2[..2], [0, 0], "{}", daemon.status());

    reload_with(&daemon, "[guard]\nstrangers_pps = 1\nnewcomers_pps = 1\n");
    let third = lab.strangers(0x300, STRANGERS);
    wait_until(|| (counts().2[0] > 0 && counts().2[1] > 0).then_some(()));
    drop(third);

    // Without a limit, nothing more is dropped.
    let before = counts();
    reload_with(
        &daemon,
        "[guard]\nstrangers_pps = 0\nnewcomers_pps = 1000000\n",
    );
    let fourth = lab.strangers(0x400, STRANGERS);
    wait_until(|| (counts().1 >= before.1 + all).then_some(()));
    drop(fourth);
    assert_eq!(counts().2, before.2, "{}", daemon.status());
}

/// An `nft` that does what the real one does, unless there is a file of the name `broken` beside it.
struct Nft(tempfile::TempDir);

impl Nft {
    fn new(lab: &Lab) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let real = lab.output("sh", &["-c", "command -v nft"]);
        let (here, file) = (folder.path().display(), folder.path().join("nft"));
        let script = format!(
            "#!/bin/sh\nif [ -e {here}/broken ]; then echo out of order >&2; exit 1; fi\nexec {real} \"$@\"\n"
        );
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        Nft(folder)
    }

    fn start(&self, lab: &Lab) -> Daemon {
        let others = std::env::var("PATH").unwrap_or_default();
        let path = format!("PATH={}:{others}", self.0.path().display());
        Daemon::start_under(lab, &["env", &path], CONFIG)
    }

    fn breaks(&self) {
        fs::write(self.0.path().join("broken"), "").unwrap();
    }

    fn is_mended(&self) {
        fs::remove_file(self.0.path().join("broken")).unwrap();
    }
}

#[test]
fn where_nft_fails_servers_change_without_the_filter_and_that_is_said() {
    let Some(lab) = Lab::new("nfs") else { return };
    let nft = Nft::new(&lab);
    let daemon = nft.start(&lab);
    let filter = || lab.output("nft", &["list", "ruleset"]);
    let before = filter();
    let other = newer().replace("fd00:5e:3::", "fd00:5e:7::");
    fs::write(daemon.file("pool.toml"), other).unwrap();
    nft.breaks();
    let said = refused(&daemon);
    for word in [
        "packets go by the new files",
        "reload again",
        "srlb_lb1",
        "out of order",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // nft does all or nothing, so nothing had to be put back.
    assert!(!said.contains("put back"), "{said}");
    assert!(daemon.log().contains(&said), "{}", daemon.log());
    let shown = daemon.shown("status");
    assert!(shown.contains("reload again"), "{shown}");
    assert_eq!(daemon.status()["pool"]["active"], 3);
    assert_eq!(filter(), before);

    // What changes nothing does not hide that the filter still lags behind: a wrong file, and VIPs that nft is in the way of.
    let pool = fs::read_to_string(daemon.file("pool.toml")).unwrap();
    let other_vip = pool.replace("2001:db8:80::1", "2001:db8:80::2");
    for (file, word) in [("nonsense", "pool.toml"), (&other_vip, "out of order")] {
        fs::write(daemon.file("pool.toml"), file).unwrap();
        let both = refused(&daemon);
        assert!(both.starts_with("all stays as it was"), "{both}");
        let (this, earlier) = both.split_once("\nan earlier reload").unwrap();
        assert!(this.contains(word), "{both}");
        assert!(earlier.ends_with(&said), "{both}");
    }
    assert_eq!(daemon.status()["pool"]["active"], 3);
    fs::write(daemon.file("pool.toml"), pool).unwrap();

    nft.is_mended();
    daemon.signal("HUP");
    wait_until(|| daemon.status()["last_reload_error"].is_null().then_some(()));
    assert!(filter().contains("fd00:5e:7::"), "{}", filter());
    daemon.assert_all_present();
}

#[test]
fn where_nft_fails_vips_stay_and_so_do_their_routes() {
    let Some(lab) = Lab::new("nfv") else { return };
    let nft = Nft::new(&lab);
    let daemon = nft.start(&lab);
    let installed = || {
        let routes = "-6 route show table all proto 83";
        let words: Vec<&str> = routes.split(' ').collect();
        (
            lab.output("ip", &words),
            lab.output("nft", &["list", "ruleset"]),
        )
    };
    let before = installed();
    let other = newer().replace("2001:db8:80::1", "2001:db8:80::2");
    fs::write(daemon.file("pool.toml"), other).unwrap();
    nft.breaks();
    let said = refused(&daemon);
    for word in ["all stays as it was", "srlb_lb1", "out of order"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("put back"), "{said}");
    assert_eq!(daemon.status()["pool"]["active"], 2);
    assert_eq!(installed(), before);
    nft.is_mended();
    daemon.assert_all_present();
    daemon.signal("HUP");
    wait_until(|| daemon.status()["last_reload_error"].is_null().then_some(()));
    assert!(
        installed().0.contains("2001:db8:80::2"),
        "{}",
        installed().0
    );
}

#[test]
fn a_vip_that_is_an_address_of_this_host_by_now_is_refused_whatever_has_changed() {
    let Some(lab) = Lab::new("own") else { return };
    let daemon = Daemon::start(&lab, CONFIG);
    let add = "addr add 2001:db8:80::1/128 dev lo nodad";
    let words: Vec<&str> = add.split(' ').collect();
    assert!(lab.command("ip").args(words).status().unwrap().success());
    let local = || lab.output("ip", &["-6", "route", "get", "2001:db8:80::1"]);
    wait_until(|| local().starts_with("local").then_some(()));
    fs::write(daemon.file("pool.toml"), newer()).unwrap();
    let said = refused(&daemon);
    for word in [
        "all stays as it was",
        "address 2001:db8:80::1",
        "remove the address",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(daemon.status()["pool"]["active"], 2);
}
