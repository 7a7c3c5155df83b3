//! `config`: any text as `lb.toml`, `pool.toml` or `server.toml`, and edits of a pool. Never a panic; an error names its
//! file and, if the file can be read at all, a key or a line; what was accepted can be put to use.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use daemon::config::ConfigErrors;
use srlb_lb::pool::edit::{self, Change};
use srlb_lb::pool::file::{self, PoolFile};
use srlb_lb::pool::view::{tables, Registry};

use crate::place;
use crate::tape::Tape;

/// Parses what the input says, as the file that its first byte says.
pub fn run(input: &[u8]) {
    let mut tape = Tape::new(input);
    match tape.below(4) {
        0 => lb(tape.rest(), GOOD_POOL.as_bytes()),
        1 => pool(tape.rest()),
        2 => server(tape.rest()),
        _ => edits(&mut tape),
    }
}

/// A key that such files may name.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/// An LB's file that nothing is wrong with; every key is named.
pub const GOOD_LB: &str = r#"
name = "lb1"
locator = "fd00:1b:1::/64"
pool = "pool.toml"
encoding = "insert"
domain_interfaces = ["eth0"]
domain = ["fd00:1b::/32", "fd00:5e::/32"]
fabric_mtu_bytes = 1500
tun = "srlb-lb0"
driver = "auto"
workers = 2
interfaces = ["eth0", "eth1"]
control_socket = "lb.sock"
[xdp]
queues = 2
busy_poll_us = 20
[flows]
max = 1000
idle_timeout_s = 3600
udp_idle_timeout_s = 300
[guard]
strangers_pps = 1000
newcomers_pps = 1000
hunts_pps = 10000
recoveries_pps = 500
[icmp]
packet_too_big = true
rate_pps = 100
[hmac]
sign = 2
keys = [{ id = 1, file = "key.hex" }, { id = 2, file = "key.hex" }]
required = true
text = "rfc8754"
"#;

/// A server's file that nothing is wrong with; every key is named.
pub const GOOD_SERVER: &str = r#"
name = "s1"
locator = "fd00:5e:1::/64"
vips = ["2001:db8:80::1", "2001:db8:80::2"]
lb_locators = ["fd00:1b::/32"]
domain = ["fd00:1b::/32", "fd00:5e::/32"]
domain_interfaces = ["eth0"]
fabric_mtu_bytes = 1500
tun = "srlb-s0"
control_socket = "server.sock"
[application]
scoreboard = "scoreboard"
pid_file = "apache.pid"
[policy]
accept = "dynamic"
c = 4
window = 50
epsilon = 0.1
least = 2
pending = true
[flows]
max = 1000
udp_max = 1000
udp_idle_timeout_s = 300
[hmac]
sign = 1
keys = [{ id = 1, file = "key.hex", format = "hex" }]
required = false
text = "linux"
"#;

/// A pool that nothing is wrong with; every key is named that a user writes.
pub const GOOD_POOL: &str = r#"
cluster_key = "000102030405060708090a0b0c0d0e0f"
buckets = 31
[[server]]
name = "s1"
locator = "fd00:5e:1::/64"
[[server]]
name = "s2"
locator = "fd00:5e:2::/64"
[[vip]]
name = "web"
address = "2001:db8:80::1"
[[vip]]
name = "mail"
address = "2001:db8:80::2"
[[generation]]
number = 1
state = "active"
since = "2026-01-01T00:00:00Z"
[generation.members.web]
s1 = 1
s2 = 2
[generation.members.mail]
s1 = 1
[generation.drain]
mail = ["s2"]
"#;

fn lb(text: &[u8], pool: &[u8]) {
    let pool = place::write("pool.toml", pool);
    place::write("key.hex", KEY.as_bytes());
    let path = place::write("lb.toml", text);
    match srlb_lb::config::Settings::load(&path) {
        Ok(settings) => {
            settings.advice();
            assert!(!settings.sizes().is_empty());
            settings
                .may_become(&settings, &path)
                .expect("what doesn't change may stay");
            assert!(settings.engine.client_mtu_bytes() >= 1_280);
            made(&settings.pool);
        }
        // Which pool is read is for lb.toml to say.
        Err(errors) => complaints(&errors, &path, text, Some(&pool)),
    }
}

fn server(text: &[u8]) {
    place::write("key.hex", KEY.as_bytes());
    let path = place::write("server.toml", text);
    match srlb_server::config::Settings::load(&path) {
        Ok(settings) => {
            settings.advice();
            assert!(!settings.sizes().is_empty());
            settings
                .may_become(&settings, &path)
                .expect("what doesn't change may stay");
            assert!(settings.engine.mss_bytes() >= 1_000);
            settings.host().plan();
        }
        Err(errors) => complaints(&errors, &path, text, None),
    }
}

fn pool(text: &[u8]) {
    let Some(text) = quick(text) else {
        return;
    };
    let path = PathBuf::from("pool.toml");
    match file::parse(&path, text.clone()) {
        Ok(pool) => made(&pool),
        Err(errors) => complaints(&errors, &path, text.as_bytes(), None),
    }
}

/// A pool as text, if its tables are quick to make: a fuzzer has no time for millions of buckets.
fn quick(text: &[u8]) -> Option<String> {
    let text = String::from_utf8(text.to_vec()).ok()?;
    let Some(at) = text.find("buckets") else {
        return Some(format!("buckets = 31\n{text}"));
    };
    let digits = text[at..]
        .bytes()
        .take(60)
        .filter(u8::is_ascii_hexdigit)
        .count();
    // "buckets" has three letters that are hex digits.
    (digits <= 3 + 4).then_some(text)
}

/// A pool that was accepted has tables.
fn made(pool: &PoolFile) {
    let mut registry = Registry::default();
    let made = tables(pool, &mut registry).expect("the tables of an accepted pool");
    assert_eq!(made.vips().len(), pool.vips().count());
    for vip in made.vips() {
        for bucket in [0, pool.buckets() - 1] {
            assert!(vip.tables.candidates(bucket).len() <= pool.choices());
            assert!(!vip.tables.recovery(bucket).is_empty());
        }
    }
    for (number, _) in pool.generations() {
        pool.vips()
            .for_each(|(vip, _)| drop(pool.members(number, vip)));
    }
}

/// Commands of `srlb-lb pool`, one after the other, on a good pool.
fn edits(tape: &mut Tape) {
    let path = place::write("edited.toml", GOOD_POOL.as_bytes());
    let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for _ in 0..12 {
        if tape.is_at_end() {
            return;
        }
        let change = change(tape);
        let vip = tape.one_of(&[None, Some("web"), Some("mail"), Some("nobody")]);
        now += Duration::from_secs(u64::from(tape.word()) * 60);
        let before = std::fs::read(&path).expect("the pool's file");
        match edit::apply(&path, vip, &change, now) {
            Ok(advice) => assert!(!advice.is_empty()),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert_eq!(
                    std::fs::read(&path).expect("the pool's file"),
                    before,
                    "a refused change changes nothing"
                );
            }
        }
        made(&file::load(&path).expect("an edited pool can be read"));
    }
}

fn change(tape: &mut Tape) -> Change {
    let kind = tape.below(6);
    let server = match tape.below(6) {
        0 => String::from_utf8_lossy(tape.bytes(3)).into_owned(),
        n => format!("s{n}"),
    };
    match kind {
        0 | 1 => Change::Add {
            locator: match tape.below(3) {
                0 => None,
                1 => Some(format!("fd00:5e:{:x}::/64", tape.below(6))),
                _ => Some(String::from_utf8_lossy(tape.bytes(8)).into_owned()),
            },
            weight: tape.one_of(&[1, 0, 2, 100, u32::MAX]),
            server,
        },
        2 => Change::Remove { server },
        3 => Change::Drain { server },
        4 => Change::Stage,
        _ => Change::Activate,
    }
}

/// Every error says where, what and, where nothing is broken before that, which key.
fn complaints(errors: &ConfigErrors, path: &Path, text: &[u8], other: Option<&Path>) {
    assert!(!errors.list().is_empty());
    let lines = text.split(|&byte| byte == b'\n').count();
    for error in errors.list() {
        assert!(!error.problem.is_empty(), "{error:?}");
        if error.file != path {
            // The pool, wherever lb.toml says that it is.
            assert!(other.is_some(), "{error:?}");
            continue;
        }
        assert!(
            error.line.is_none_or(|line| (1..=lines).contains(&line)),
            "{error:?}"
        );
        let is_text = std::str::from_utf8(text).is_ok();
        assert!(
            !is_text || !error.key.is_empty() || error.line.is_some(),
            "no place: {error:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wrong_with_the_good_files() {
        place::write("key.hex", KEY.as_bytes());
        place::write("pool.toml", GOOD_POOL.as_bytes());
        let path = place::write("lb.toml", GOOD_LB.as_bytes());
        srlb_lb::config::Settings::load(&path).expect("a good lb.toml");
        let path = place::write("server.toml", GOOD_SERVER.as_bytes());
        srlb_server::config::Settings::load(&path).expect("a good server.toml");
    }
}
