//! Every way `server.toml` can be wrong, and what is said about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use srlb_server::config::Settings;
use srlb_server::policy::Accept;

const FINE: &str = r#"
name = "s1"
locator = "fd00:5e:1::/64"
vips = ["2001:db8:80::1"]
lb_locators = ["fd00:1b::/32"]
domain = ["fd00:1b::/32", "fd00:5e::/32"]
domain_interfaces = ["eth0"]

[application]
scoreboard = "run/scoreboard"

[policy]
accept = "static"
c = 4
"#;

fn write(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: &str) -> Result<Settings, String> {
    let (_folder, path) = write(text);
    Settings::load(&path).map_err(|errors| errors.to_string())
}

#[test]
fn a_right_file_is_taken_with_its_defaults() {
    let settings = load(FINE).unwrap();
    assert_eq!(settings.engine.accept, Accept::Static { c: 4 });
    assert_eq!(settings.tun, "srlb-s0");
    assert_eq!(settings.host().steering_tun(), "srlb-s0w");
    assert_eq!(settings.engine.mss_bytes(), 1_224);
    assert!(settings.engine.pending);
    assert!(settings.application.is_some());
    assert!(settings.sizes().contains("MSS 1224"));
    let dynamic = load(&FINE.replace("\"static\"", "\"dynamic\"")).unwrap();
    assert_eq!(
        dynamic.engine.accept,
        Accept::Dynamic {
            window: 50,
            epsilon: 0.1
        }
    );
    let accept = |text: &str| load(text).unwrap().engine.accept;
    let by_default = accept(&FINE.replace("accept = \"static\"\nc = 4", ""));
    let cores = std::thread::available_parallelism().unwrap().get() as u32;
    let median = |window, least| Accept::Median { window, least };
    assert_eq!(by_default, median(50, cores));
    let told = "accept = \"median\"\nwindow = 20\nleast = 6";
    let told = FINE.replace("accept = \"static\"\nc = 4", told);
    assert_eq!(accept(&told), median(20, 6));
}

#[test]
fn with_keys_sizes_grow_and_so_does_the_least_mtu() {
    let with = |more: &str| {
        let (folder, path) = write(&format!(
            "{more}\n{FINE}\n[hmac]\nsign = 7\nkeys = [{{ id = 7, file = \"hmac.key\" }}]\n"
        ));
        let key = folder.path().join("hmac.key");
        fs::write(&key, "ab".repeat(32)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        Settings::load(&path).map_err(|errors| errors.to_string())
    };
    let settings = with("").unwrap();
    let said = settings.sizes();
    let sizes = "104 B (encap) or 96 B (insert), at most 216 B";
    assert!(said.contains(sizes), "{said}");
    // The same as without keys: they may come while connections last.
    assert_eq!(settings.engine.mss_bytes(), 1_224);
    assert!(load(FINE).unwrap().sizes().contains("at most 168 B"));
    assert!(load(&format!("fabric_mtu_bytes = 1448\n{FINE}")).is_ok());
    assert!(with("fabric_mtu_bytes = 1496").is_ok());
    let refused = with("fabric_mtu_bytes = 1495").unwrap_err();
    assert!(refused.contains("at least 1496"), "{refused}");
    let before = load(FINE).unwrap();
    assert!(before
        .may_become(&settings, Path::new("server.toml"))
        .is_ok());
}

#[test]
fn paths_start_in_the_files_own_folder() {
    let (folder, path) = write(&FINE.replace(
        "[application]",
        "control_socket = \"s.sock\"\n[application]",
    ));
    let settings = Settings::load(&path).unwrap();
    assert_eq!(settings.control_socket, folder.path().join("s.sock"));
    let target = format!("{:?}", settings.application);
    let expected = folder.path().join("run/scoreboard");
    assert!(target.contains(expected.to_str().unwrap()), "{target}");
}

#[test]
fn every_wrong_value_is_named_with_its_line_and_the_remedy() {
    let rows = [
        (
            "name = \"s1\"",
            "name = \"1 s\"",
            "name: ",
            "a letter first",
        ),
        ("fd00:5e:1::/64", "fd00:5e:1::/48", "locator: ", "64"),
        ("fd00:5e:1::/64", "fd00:77:1::/64", "locator: ", "domain"),
        (
            "fd00:5e:1::/64",
            "fd00:1b:1::/64",
            "locator: ",
            "lb_locators",
        ),
        (
            "2001:db8:80::1",
            "fd00:5e:9::1",
            "vips[0]: ",
            "outside of it",
        ),
        ("2001:db8:80::1", "10.0.0.1", "vips[0]: ", "IPv6"),
        ("[\"2001:db8:80::1\"]", "[]", "vips: ", "expected"),
        (
            "lb_locators = [\"fd00:1b::/32\"]",
            "lb_locators = [\"fd00:1c::/32\"]",
            "lb_locators[0]: ",
            "domain",
        ),
        (
            "[\"eth0\"]",
            "[\"no such device name\"]",
            "domain_interfaces[0]: ",
            "expected",
        ),
        (
            "accept = \"static\"",
            "accept = \"sometimes\"",
            "policy.accept: ",
            "dynamic",
        ),
        ("c = 4", "", "policy.c: ", "c = ..."),
        ("c = 4", "c = -4", "policy.c: ", "u32"),
        (
            "accept = \"static\"",
            "accept = \"dynamic\"\nepsilon = 0.7",
            "policy.epsilon: ",
            "0.5",
        ),
        (
            "accept = \"static\"",
            "accept = \"dynamic\"\nwindow = 1",
            "policy.window: ",
            "2",
        ),
        (
            "accept = \"static\"",
            "accept = \"median\"\nwindow = 1",
            "policy.window: ",
            "2",
        ),
        (
            "accept = \"static\"",
            "accept = \"median\"\nleast = 70000",
            "policy.least: ",
            "65535",
        ),
        (
            "scoreboard = \"run/scoreboard\"",
            "",
            "application: ",
            "always",
        ),
        (
            "name = \"s1\"",
            "name = \"s1\"\nfabric_mtu_bytes = 1400",
            "fabric_mtu_bytes: ",
            "1448",
        ),
        (
            "name = \"s1\"",
            "name = \"s1\"\ntun = \"fifteen-letters\"",
            "tun: ",
            "device",
        ),
        (
            "name = \"s1\"",
            "name = \"s1\"\nlocater = 1",
            "locater: ",
            "did you mean locator?",
        ),
        ("name = \"s1\"", "", "name: ", "missing"),
    ];
    for (right, wrong, key, remedy) in rows {
        let text = FINE.replace(right, wrong);
        assert_ne!(text, FINE, "{right}");
        let said = load(&text).expect_err(wrong);
        assert!(said.contains("server.toml: "), "{wrong}: {said}");
        assert!(said.contains(key), "{wrong}: {said}");
        assert!(said.contains(remedy), "{wrong}: {said}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let said = Settings::load(&PathBuf::from("/nonexistent/server.toml")).unwrap_err();
    assert!(said.to_string().contains("/nonexistent/server.toml"));
}

#[test]
fn what_is_built_in_does_not_change_while_the_daemon_runs() {
    let old = load(FINE).unwrap();
    let path = PathBuf::from("server.toml");
    let same = load(&FINE.replace("c = 4", "c = 9")).unwrap();
    assert!(old.may_become(&same, &path).is_ok());
    for (right, wrong, key) in [
        ("\"s1\"", "\"s2\"", "name"),
        ("fd00:5e:1::/64", "fd00:5e:2::/64", "locator"),
        ("name = \"s1\"", "name = \"s1\"\ntun = \"t0\"", "tun"),
        (
            "name = \"s1\"",
            "name = \"s1\"\nfabric_mtu_bytes = 9000",
            "fabric_mtu_bytes",
        ),
    ] {
        let mut new = load(&FINE.replace(right, wrong)).unwrap();
        new.control_socket = old.control_socket.clone();
        let said = old.may_become(&new, &path).unwrap_err().to_string();
        assert!(said.contains(key) && said.contains("restart"), "{said}");
    }
}

/// What a file may have, as the complaint about `wrong` in it says.
fn known(wrong: &str, text: &str) -> Vec<String> {
    let said = load(&format!("{wrong}\n{text}")).unwrap_err();
    let list = said.split_once("expected one of ");
    let (_, list) = list.unwrap_or_else(|| panic!("{said}"));
    let list = list.split(" (did you mean").next().unwrap_or(list);
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_has_its_line_in_the_operators_page() {
    let (top, _) = FINE.split_once("[application]").unwrap();
    let tables = ["application", "policy", "flows"];
    let mut keys = known("nonsense = 1", FINE);
    keys.retain(|key| !tables.contains(&key.as_str()));
    for table in tables {
        let of_table = known(&format!("{table}.nonsense = 1"), top);
        keys.extend(of_table.iter().map(|key| format!("{table}.{key}")));
    }
    assert!(keys.len() > 20, "{keys:?}");
    let manual = include_str!("../../docs/operating.md");
    let (_, section) = manual.split_once("## server.toml\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for key in keys {
        let word = format!("`{}`", if key == "hmac" { "hmac.*" } else { &key });
        let mut rows = section.lines().filter(|line| line.starts_with("| `"));
        assert!(
            rows.any(|row| row.contains(&word)),
            "docs/operating.md has no row for {key}"
        );
    }
}
