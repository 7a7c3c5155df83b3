//! Wrong files, and what the operator is told, row by row.

use std::path::Path;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct File {
    name: String,
    locator: String,
    #[serde(default)]
    vips: Vec<String>,
    #[serde(default = "one")]
    buckets: u32,
    #[serde(default)]
    flows: Flows,
    #[serde(default)]
    server: Vec<Server>,
    #[serde(default)]
    encoding: Encoding,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code)]
struct Flows {
    max: u64,
    idle_timeout_s: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Server {
    name: String,
    locator: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Encap,
    Insert,
}

const GOOD: &str = "name = \"lb1\"\nlocator = \"fd00:1b:1::/64\"\n";

fn errors_of(text: &str) -> Vec<String> {
    match parse::<File>(Path::new("lb.toml"), text.to_owned()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.list().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_right_file_is_read() {
    assert_eq!(errors_of(GOOD), Vec::<String>::new());
}

#[test]
fn errors_of_shape_name_line_key_and_expectation() {
    let rows: &[(&str, &[&str])] = &[
        ("name = \"x\"\n", &["lb.toml: line 1: locator: this key is missing; expected a line locator = ..."]),
        (
            "name = \"x\"\nlocater = \"y\"\nlocator = \"z\"\n",
            &["lb.toml: line 2: locater: unknown key; expected one of name, locator, vips, buckets, flows, server, \
               encoding (did you mean locator?)"],
        ),
        (
            "name = \"x\"\nlocator = \"z\"\n\n[[server]]\nlocator = \"a\"\n",
            &["lb.toml: line 4: server[0].name: this key is missing; expected a line name = ..."],
        ),
        (
            "name = \"x\"\nlocator = \"z\"\n[flows]\nmx = 1\n",
            &["lb.toml: line 4: flows.mx: unknown key; expected one of max, idle_timeout_s (did you mean max?)"],
        ),
        (
            "name = \"x\"\nlocator = \"z\"\nbuckets = \"many\"\n",
            &["lb.toml: line 3: buckets: invalid type: string \"many\"; expected u32"],
        ),
        (
            "name = \"x\"\nlocator = \"z\"\nencoding = \"gre\"\n",
            &["lb.toml: line 3: encoding: unknown variant `gre`; expected `encap` or `insert`"],
        ),
        (
            "name = \"x\"\nlocator = \"z\"\n[[server]]\nname = \"s1\"\nlocator = \"a\"\n[[server]]\nname = 3\n\
             locator = \"b\"\n",
            &["lb.toml: line 7: server[1].name: invalid type: integer `3`; expected a string"],
        ),
        (
            "name = \"x\"\nlocator = \"z\"\ntun = \"t\"\nbuckets = -1\n[flows]\nmax = []\n",
            &[
                "lb.toml: line 3: tun: unknown key; expected one of name, locator, vips, buckets, flows, server, \
                 encoding",
                "lb.toml: line 4: buckets: invalid value: integer `-1`; expected u32",
                "lb.toml: line 6: flows.max: invalid type: sequence; expected u64",
            ],
        ),
    ];
    for (text, expected) in rows {
        let mut errors = errors_of(text);
        errors.sort();
        assert_eq!(errors, *expected, "{text}");
    }
}

#[test]
fn a_key_that_was_taken_out_is_not_called_missing() {
    let errors = errors_of("name = 1\nlocator = \"z\"\n");
    assert_eq!(
        errors,
        ["lb.toml: line 1: name: invalid type: integer `1`; expected a string"]
    );
}

#[test]
fn text_that_is_no_toml_names_the_line() {
    for (text, line) in [
        ("name = \n", 1),
        ("name = \"a\"\n[flows\n", 2),
        ("a = 1\na = 2\n", 2),
    ] {
        let errors = errors_of(text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with(&format!("lb.toml: line {line}: ")),
            "{errors:?}"
        );
    }
}

#[test]
fn a_missing_file_and_one_that_is_no_text_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lb.toml");
    let message = || load::<File>(&file).err().unwrap().to_string();
    let shown = file.display().to_string();
    assert_eq!(
        message(),
        format!("{shown}: there is no such file; expected a TOML file at this path")
    );
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_eq!(
        message(),
        format!("{shown}: not a text in UTF-8; expected a TOML file")
    );
}

#[test]
fn a_files_paths_start_in_its_own_folder() {
    let document = parse::<File>(Path::new("/etc/srlb/lb.toml"), GOOD.to_owned()).unwrap();
    assert_eq!(
        document.resolve("pool.toml"),
        Path::new("/etc/srlb/pool.toml")
    );
    assert_eq!(
        document.resolve("/run/pool.toml"),
        Path::new("/run/pool.toml")
    );
}

type Ask = fn(&mut Check<'_, File>, &str) -> bool;

#[test]
fn values_that_mean_nothing_are_refused_with_what_is_expected() {
    let locator: Ask = |check, text| check.locator("locator", text).is_some();
    let prefix: Ask = |check, text| check.prefix("locator", text).is_some();
    let address: Ask = |check, text| check.address("locator", text).is_some();
    let name: Ask = |check, text| check.name("name", text);
    let device: Ask = |check, text| check.device("locator", text, 1);
    let rows: &[(Ask, &str, &str)] = &[
        (locator, "fd00:1b:1::/64", ""),
        (locator, "fd00::/48", "line 2: locator: \"fd00::/48\" is not a /64; expected an IPv6 prefix of 64 bits, such as fd00:1b:1::/64"),
        (locator, "fd00:1b:1::", "line 2: locator: \"fd00:1b:1::\" is not an IPv6 prefix; expected an IPv6 prefix of 64 bits, such as fd00:1b:1::/64"),
        (locator, "10.0.0.0/8", "line 2: locator: \"10.0.0.0/8\" is not an IPv6 prefix; expected an IPv6 prefix of 64 bits, such as fd00:1b:1::/64"),
        (locator, "fd00::1/64", "line 2: locator: \"fd00::1/64\" has bits set behind its length; expected the prefix itself: fd00::/64"),
        (locator, "ff02::/64", "line 2: locator: ff02:: is a multicast address; expected a global or unique-local unicast address"),
        (locator, "::/64", "line 2: locator: :: is the unspecified address; expected a global or unique-local unicast address"),
        (prefix, "fd00:5e::/32", ""),
        (prefix, "fd00:5e::/129", "line 2: locator: \"fd00:5e::/129\" is not an IPv6 prefix; expected an IPv6 prefix, such as fd00:5e::/32"),
        (address, "2001:db8:80::1", ""),
        (address, "192.0.2.1", "line 2: locator: \"192.0.2.1\" is not an IPv6 address; expected an address such as 2001:db8:80::1"),
        (address, "fe80::1", "line 2: locator: fe80::1 is a link-local address; expected a global or unique-local unicast address"),
        (address, "::1", "line 2: locator: ::1 is the loopback address; expected a global or unique-local unicast address"),
        (name, "lb-1_a", ""),
        (name, "1lb", "line 1: name: \"1lb\" cannot be a name; expected 1 to 32 letters, digits, '-' or '_', a letter first"),
        (name, "a\"; flush ruleset", "line 1: name: \"a\"; flush ruleset\" cannot be a name; expected 1 to 32 letters, digits, '-' or '_', a letter first"),
        (device, "srlb-s0.100", ""),
        (device, "abcdefghijklmno", "line 2: locator: \"abcdefghijklmno\" cannot be the name of a network device; expected 1 to 14 printable letters without '/', ':', '%', '*' and quotes, such as eth0"),
        (device, "eth\"0", "line 2: locator: \"eth\"0\" cannot be the name of a network device; expected 1 to 14 printable letters without '/', ':', '%', '*' and quotes, such as eth0"),
    ];
    let document = parse::<File>(Path::new("lb.toml"), GOOD.to_owned()).unwrap();
    for (ask, text, expected) in rows {
        let mut check = document.check();
        let right = ask(&mut check, text);
        let said = check
            .finish()
            .map_or_else(|errors| errors.to_string(), |()| String::new());
        let expected = if expected.is_empty() {
            String::new()
        } else {
            format!("lb.toml: {expected}")
        };
        assert_eq!(said, expected);
        assert_eq!(right, expected.is_empty(), "{text}");
    }
}

#[test]
fn all_problems_of_a_file_are_reported_together_with_their_own_lines() {
    let text = "name = \"x\"\nlocator = \"z\"\nvips = [\n  \"::1\",\n  \"2001:db8::1\",\n  \"2001:db8::1\",\n]\n\
                [[server]]\nname = \"s1\"\nlocator = \"q\"\n";
    let document = parse::<File>(Path::new("f.toml"), text.to_owned()).unwrap();
    let mut check = document.check();
    assert_eq!(check.locator("locator", &document.value.locator), None);
    assert_eq!(check.addresses("vips", &document.value.vips).len(), 1);
    check.problem("server[0].locator", "q", "r");
    check.problem("server[0].weight", "none", "one");
    assert_eq!(check.within("buckets", document.value.buckets, 2, 9), None);
    assert!(!check.is_clean());
    let said = check.finish().unwrap_err().to_string();
    let lines: Vec<_> = said
        .lines()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(
        lines,
        ["line 2", "line 4", "line 6", "line 10", "line 8", "buckets"],
        "{said}"
    );
}

#[test]
fn lists_may_not_be_empty() {
    let document = parse::<File>(Path::new("f.toml"), GOOD.to_owned()).unwrap();
    let mut check = document.check();
    assert!(check.prefixes("domain", &[]).is_empty());
    assert!(check.addresses("vips", &[]).is_empty());
    check.devices("domain_interfaces", &[]);
    let keys: Vec<_> = check
        .finish()
        .unwrap_err()
        .into_list()
        .into_iter()
        .map(|error| error.key)
        .collect();
    assert_eq!(keys, ["domain", "vips", "domain_interfaces"]);
}
