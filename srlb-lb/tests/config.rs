//! Wrong configurations: each is refused with file, key and what is expected.

mod good;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use good::POOL;
use srlb_lb::config::Settings;
use tempfile::TempDir;

const LB: &str = r#"
name = "lb1"
locator = "fd00:1b:1::/64"
pool = "pool.toml"
domain_interfaces = ["eth0"]
"#;

fn load(lb: &str, pool: &str) -> Result<Settings, String> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("lb.toml"), lb).unwrap();
    fs::write(folder.path().join("pool.toml"), pool).unwrap();
    Settings::load(&folder.path().join("lb.toml")).map_err(|errors| errors.to_string())
}

/// Replaces a line of a good file, and looks for words in the complaint.
fn refused(what: &str, lb: &str, pool: &str, words: &[&str]) {
    let text = load(lb, pool).expect_err(what);
    for word in words {
        assert!(text.contains(word), "{what}: no \"{word}\" in: {text}");
    }
}

#[test]
fn a_good_configuration_is_taken_with_its_defaults() {
    let settings = load(LB, POOL).unwrap();
    assert_eq!(settings.tun, "srlb-lb0");
    assert_eq!(settings.fabric_mtu_bytes, 1_500);
    assert_eq!(settings.engine.client_mtu_bytes(), 1_340);
    assert_eq!(settings.pool.choices(), 2);
    assert_eq!(settings.pool.buckets(), 65_537);
    assert!(settings.pool.is_complete());
    assert!(settings
        .sizes()
        .contains("64 B on a new flow, 40 B on a pinned one"));
    assert!(settings.advice()[0].contains("edge router"));
}

#[test]
fn every_wrong_lb_toml_is_refused() {
    let rows: &[(&str, &str, &str, &[&str])] = &[
        (
            "unknown key",
            "name =",
            "nmae =",
            &["lb.toml", "nmae", "did you mean name?"],
        ),
        (
            "no /64",
            "1b:1::/64",
            "1b::/48",
            &["locator", "is not a /64"],
        ),
        (
            "not a prefix",
            "fd00:1b:1::/64",
            "here",
            &["locator", "not an IPv6 prefix"],
        ),
        (
            "no interface",
            "[\"eth0\"]",
            "[]",
            &["domain_interfaces", "empty"],
        ),
        (
            "missing pool",
            "pool.toml",
            "gone.toml",
            &["gone.toml", "no such file"],
        ),
        (
            "a name that is none",
            "\"lb1\"",
            "\"l b\"",
            &["name", "cannot be a name"],
        ),
        (
            "a server's locator",
            "1b:1::/64",
            "5e:2::/64",
            &["locator", "server \"s2\""],
        ),
        (
            "no worker",
            "name =",
            "workers = 0\nname =",
            &["workers", "0", "256"],
        ),
        (
            "fewer queues than workers",
            "name =",
            "workers = 4\ninterfaces = [\"eth0\"]\nxdp.queues = 2\nname =",
            &["xdp.queues", "2 for 4 workers", "at least 4"],
        ),
        (
            "small MTU",
            "name =",
            "fabric_mtu_bytes = 1400\nname =",
            &["fabric_mtu_bytes", "at least 1440"],
        ),
        (
            "small MTU, insert",
            "name =",
            "encoding = \"insert\"\nfabric_mtu_bytes = 1440\nname =",
            &["fabric_mtu_bytes", "at least 1448"],
        ),
        (
            "encoding",
            "name =",
            "encoding = \"gre\"\nname =",
            &["encoding"],
        ),
        (
            "long device name",
            "name =",
            "tun = \"a-very-long-device\"\nname =",
            &["tun", "network device"],
        ),
    ];
    for (what, from, to, words) in rows {
        let lb = LB.replacen(from, to, 1);
        assert_ne!(lb, LB, "{what}");
        refused(what, &lb, POOL, words);
    }
    let flows = format!("{LB}[flows]\nmax = 10\nidle_timeout_s = 5\nudp_idle_timeout_s = 9\n");
    refused(
        "flows",
        &flows,
        POOL,
        &[
            "flows.max",
            "flows.idle_timeout_s",
            "flows.udp_idle_timeout_s",
            "out of range",
        ],
    );
}

#[test]
fn with_keys_sizes_grow_and_so_does_the_least_mtu() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("hmac.key");
    fs::write(&key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let with = |more: &str| {
        let file = key.display();
        let section = format!("[hmac]\nsign = 7\nkeys = [{{ id = 7, file = \"{file}\" }}]\n");
        load(&format!("{more}\n{LB}{section}"), POOL)
    };
    // new flow, pinned one, longest, what clients may send, least MTU
    for (encoding, sizes, client_mtu, least) in [
        (
            "encap",
            "120 B on a new flow, 104 B on a pinned one, at most 216 B",
            1_284,
            1_496,
        ),
        (
            "insert",
            "112 B on a new flow, 96 B on a pinned one, at most 208 B",
            1_292,
            1_488,
        ),
    ] {
        let encoding = format!("encoding = \"{encoding}\"");
        let settings = with(&encoding).unwrap();
        let said = settings.sizes();
        assert!(said.contains(sizes), "{said}");
        assert!(
            said.contains("HMAC by key 7, accepted by 7, required"),
            "{said}"
        );
        assert_eq!(settings.engine.client_mtu_bytes(), client_mtu);
        assert!(with(&format!("{encoding}\nfabric_mtu_bytes = {least}")).is_ok());
        let refused = with(&format!("{encoding}\nfabric_mtu_bytes = {}", least - 1)).unwrap_err();
        let words = format!("at least {least}: 1280 and the longest header");
        assert!(
            refused.contains(&words) && refused.contains("with an HMAC"),
            "{refused}"
        );
        let (before, after) = (load(LB, POOL).unwrap(), settings);
        assert!(before.sizes().contains("no HMAC"));
        assert!(after
            .may_become(&with(&encoding).unwrap(), Path::new("lb.toml"))
            .is_ok());
    }
}

#[test]
fn every_wrong_pool_is_refused() {
    let rows: &[(&str, &str, &str, &[&str])] = &[
        ("key", "000102", "zz0102", &["cluster_key", "32 hex digits"]),
        (
            "key with signs",
            "000102",
            "+0+1+2",
            &["cluster_key", "32 hex digits"],
        ),
        (
            "buckets",
            "[[server]]",
            "buckets = 65540\n[[server]]",
            &["pool.toml", "buckets", "65540", "prime or a power of two"],
        ),
        (
            "choices",
            "[[server]]",
            "choices = 9\n[[server]]",
            &["choices", "from 1 to 8"],
        ),
        (
            "duplicate server",
            "\"s2\"",
            "\"s1\"",
            &["server[1].name", "listed twice"],
        ),
        (
            "overlapping locators",
            "5e:2::",
            "5e:1::",
            &["server[1].locator", "overlaps"],
        ),
        (
            "VIP in a locator",
            "2001:db8:80::1",
            "fd00:5e:2::1",
            &["vip[0].address", "locator of server \"s2\""],
        ),
        (
            "VIP without servers",
            "s1 = 1\ns2 = 1",
            "",
            &["generation[0].members", "no server"],
        ),
        (
            "weights of 0",
            "s1 = 1\ns2 = 1",
            "s1 = 0\ns2 = 0",
            &["no server"],
        ),
        (
            "a server nobody knows",
            "s2 = 1",
            "s9 = 1",
            &["no server \"s9\""],
        ),
        (
            "a VIP nobody knows",
            "members.web",
            "members.wab",
            &["no VIP \"wab\""],
        ),
        (
            "no active one",
            "\"active\"",
            "\"kept\"",
            &["generation", "0 generations are active"],
        ),
        ("an unknown state", "\"active\"", "\"alive\"", &["state"]),
        (
            "an IPv4 VIP",
            "2001:db8:80::1",
            "192.0.2.1",
            &["vip[0].address", "not an IPv6 address"],
        ),
        (
            "a VIP in the LB's locator",
            "2001:db8:80::1",
            "fd00:1b:1::1",
            &["locator", "VIP \"web\""],
        ),
        (
            "a number out of range",
            "number = 1",
            "number = 18446744073709551615",
            &["generation[0].number"],
        ),
        (
            "forgotten out of range",
            "[[server]]",
            "forgotten = 18446744073709551615\n[[server]]",
            &["forgotten"],
        ),
        (
            "a multicast VIP",
            "2001:db8:80::1",
            "ff02::1",
            &["vip[0].address", "multicast"],
        ),
    ];
    for (what, from, to, words) in rows {
        let pool = POOL.replacen(from, to, 1);
        assert_ne!(pool, POOL, "{what}");
        refused(what, LB, &pool, words);
    }
}

#[test]
fn problems_of_both_files_are_reported_together() {
    let lb = LB.replace("1b:1::/64", "1b::/48");
    let pool = POOL.replace("000102", "zz0102");
    refused("both", &lb, &pool, &["is not a /64", "32 hex digits"]);
}

#[test]
fn a_history_that_begins_late_is_taken_and_mentioned() {
    let pool = POOL.replace("number = 1", "number = 5");
    let settings = load(LB, &pool).unwrap();
    assert!(!settings.pool.is_complete());
    assert!(settings
        .advice()
        .iter()
        .any(|line| line.contains("does not reach back")));
    let told = pool.replace("cluster_key", "forgotten = 4\ncluster_key");
    assert!(load(LB, &told).unwrap().pool.is_complete());
}

/// What another value of a key does to a daemon that runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reload {
    /// It is taken.
    Taken,
    /// Only a restart takes it, and that is said.
    Refused,
}

/// Every key, with a value that is not its default, and not that of [`LB`].
const KEYS: &[(&str, &str, Reload)] = &[
    ("name", "\"lb2\"", Reload::Refused),
    ("locator", "\"fd00:1b:2::/64\"", Reload::Refused),
    ("pool", "\"other.toml\"", Reload::Taken),
    ("domain_interfaces", "[\"eth1\"]", Reload::Taken),
    ("domain", "[\"fd00::/16\"]", Reload::Taken),
    ("encoding", "\"insert\"", Reload::Taken),
    ("fabric_mtu_bytes", "9000", Reload::Refused),
    ("tun", "\"t0\"", Reload::Refused),
    ("driver", "\"tun\"", Reload::Refused),
    ("workers", "2", Reload::Refused),
    ("interfaces", "[\"eth0\"]", Reload::Refused),
    ("xdp.queues", "4", Reload::Refused),
    ("xdp.busy_poll_us", "20", Reload::Refused),
    ("control_socket", "\"other.sock\"", Reload::Refused),
    ("flows.max", "99", Reload::Refused),
    ("flows.idle_timeout_s", "99", Reload::Taken),
    ("flows.udp_idle_timeout_s", "99", Reload::Taken),
    ("icmp.packet_too_big", "false", Reload::Taken),
    ("icmp.rate_pps", "99", Reload::Taken),
    (
        "hmac",
        "{ sign = 1, keys = [{ id = 1, file = \"hmac.key\" }] }",
        Reload::Taken,
    ),
    ("guard.strangers_pps", "99", Reload::Taken),
    ("guard.newcomers_pps", "99", Reload::Taken),
    ("guard.hunts_pps", "99", Reload::Taken),
    ("guard.recoveries_pps", "99", Reload::Taken),
];

#[test]
fn with_a_reload_each_key_is_taken_or_refused_by_its_name() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    put("pool.toml", POOL);
    put("other.toml", &POOL.replace("s2 = 1", "s2 = 3"));
    put("hmac.key", &"ab".repeat(32));
    let path = put("lb.toml", LB);
    let old = Settings::load(&path).unwrap();
    for (key, value, expected) in KEYS {
        let before = |line: &&str| line.split(" = ").next() != Some(key);
        let others: Vec<&str> = LB.lines().filter(before).collect();
        put(
            "lb.toml",
            &format!("{key} = {value}\n{}\n", others.join("\n")),
        );
        let new = Settings::load(&path).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_ne!(format!("{new:?}"), format!("{old:?}"), "{key} is not read");
        match (old.may_become(&new, &path), expected) {
            (Ok(()), Reload::Taken) => {}
            (Err(error), Reload::Refused) => {
                let (said, table) = (error.to_string(), key.split('.').next().unwrap());
                let named = [
                    format!("{key}: cannot change"),
                    format!("{table}: cannot change"),
                ];
                assert!(named.iter().any(|n| said.contains(n)), "{key}: {said}");
            }
            (result, _) => panic!("{key}: {result:?}"),
        }
    }
    // With AF_XDP its programs know which interfaces are the domain's.
    let past = LB.replace("name =", "interfaces = [\"eth0\"]\nname =");
    let other = past.replace(
        "domain_interfaces = [\"eth0\"]",
        "domain_interfaces = [\"eth1\"]",
    );
    put("lb.toml", &past);
    let old = Settings::load(&path).unwrap();
    put("lb.toml", &other);
    let new = Settings::load(&path).unwrap();
    let said = old.may_become(&new, &path).unwrap_err().to_string();
    assert!(said.contains("domain_interfaces: cannot change"), "{said}");
    // With TUN alone there are none.
    let [old, new] = [&past, &other].map(|file| {
        put("lb.toml", &format!("driver = \"tun\"\n{file}"));
        Settings::load(&path).unwrap()
    });
    old.may_become(&new, &path).unwrap();
}

/// The keys that a complaint about an unknown one lists.
fn listed(said: &str) -> Vec<String> {
    let list = said.split_once("expected one of ");
    let (_, list) = list.unwrap_or_else(|| panic!("{said}"));
    let list = list.split(" (did you mean").next().unwrap_or(list);
    list.split(", ").map(str::to_owned).collect()
}

/// What a file may have, as the complaint about `wrong` in it says.
fn known(wrong: &str) -> Vec<String> {
    let wrong = LB.replace("name =", &format!("{wrong}\nname ="));
    listed(&load(&wrong, POOL).unwrap_err())
}

#[test]
fn the_list_of_keys_is_whole_and_so_is_the_operators() {
    let tables = ["xdp", "flows", "icmp", "guard"];
    let mut keys = known("nonsense = 1");
    keys.retain(|key| !tables.contains(&key.as_str()));
    for table in tables {
        let of_table = known(&format!("{table}.nonsense = 1"));
        keys.extend(of_table.iter().map(|key| format!("{table}.{key}")));
    }
    keys.sort();
    let mut listed: Vec<&str> = KEYS.iter().map(|row| row.0).collect();
    listed.sort_unstable();
    assert_eq!(keys, listed);
    // server.toml has keys of the same names in a section of its own.
    let manual = include_str!("../../docs/operating.md");
    let (_, section) = manual.split_once("## lb.toml\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for key in listed {
        let row = format!("\n| `{}` |", if key == "hmac" { "hmac.*" } else { key });
        assert!(
            section.contains(&row),
            "docs/operating.md has no row for {key}"
        );
    }
}

#[test]
fn every_key_of_a_pool_has_its_line_in_the_operators_page() {
    // (a line, what is put in front of it, how the page calls the table)
    let places = [
        ("[[server]]\nname = \"s1\"", "nonsense = 1\n", ""),
        ("name = \"s1\"", "nonsense = 1\n", "server."),
        ("name = \"web\"", "nonsense = 1\n", "vip."),
        ("number = 1", "nonsense = 1\n", "generation."),
    ];
    let manual = include_str!("../../docs/operating.md");
    let (_, section) = manual.split_once("## pool.toml\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for (line, before, table) in places {
        let said = load(LB, &POOL.replace(line, &format!("{before}{line}"))).unwrap_err();
        let mut keys = listed(&said);
        keys.retain(|key| !["server", "vip", "generation"].contains(&key.as_str()));
        assert!(keys.len() >= 2, "{said}");
        for key in keys {
            let word = format!("`{table}{key}`");
            let mut rows = section.lines().filter(|line| line.starts_with("| `"));
            assert!(rows.any(|row| row.contains(&word)), "no row for {word}");
        }
    }
}

#[test]
fn queues_are_enough_for_workers_or_not_wanted() {
    use srlb_lb::config::DriverName;
    let queues = |n: u32| format!("workers = 2\ninterfaces = [\"eth0\"]\nxdp.queues = {n}\nname =");
    let mut settings = load(&LB.replace("name =", &queues(2)), POOL).unwrap();
    settings.check_queues().unwrap();
    settings.workers = 3;
    let text = settings.check_queues().unwrap_err().to_string();
    for word in ["lb.toml", "xdp.queues", "2 for 3 workers", "at least 3"] {
        assert!(text.contains(word), "no \"{word}\" in: {text}");
    }
    settings.set_driver(DriverName::Tun).unwrap();
    settings.check_queues().unwrap();
    let tun = queues(1).replace("workers", "driver = \"tun\"\nworkers");
    let mut settings = load(&LB.replace("name =", &tun), POOL).unwrap();
    settings.set_driver(DriverName::Auto).unwrap();
    settings.check_queues().unwrap_err();
}

#[test]
fn bounds_fit_the_driver_unless_the_file_says_them() {
    use srlb_lb::config::DriverName;
    let bounds = |settings: &Settings| (settings.engine.hunts_pps, settings.engine.recoveries_pps);
    let fast = LB.replace("name =", "interfaces = [\"eth0\"]\nname =");
    assert_eq!(bounds(&load(LB, POOL).unwrap()), (10_000, 500));
    let mut settings = load(&fast, POOL).unwrap();
    assert_eq!(bounds(&settings), (100_000, 5_000));
    settings.set_driver(DriverName::Tun).unwrap();
    assert_eq!(bounds(&settings), (10_000, 500));
    let said = format!("{fast}\n[guard]\nhunts_pps = 7\n");
    let mut settings = load(&said, POOL).unwrap();
    assert_eq!(bounds(&settings), (7, 5_000));
    settings.set_driver(DriverName::Tun).unwrap();
    assert_eq!(bounds(&settings), (7, 500));
}
