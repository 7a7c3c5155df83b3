//! Wrong keys, row by row, and what is said about them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use srh::hmac::{Keys, Text};
use tempfile::TempDir;

use super::super::{load, ConfigErrors};
use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    hmac: Option<Hmac>,
}

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
const FILE: &str = r#"[hmac]
sign = 2
keys = [
  { id = 1, file = "one.key" },
  { id = 2, file = "two.key", format = "raw" },
]
"#;

/// A folder with two good keys.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "one.key", HEX.as_bytes(), 0o600);
    write(&folder, "two.key", &[0xf5; 64], 0o400);
    folder
}

fn write(folder: &TempDir, name: &str, content: &[u8], mode: u32) {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn read(folder: &TempDir, text: &str) -> Result<Option<Keys>, ConfigErrors> {
    let path = folder.path().join("lb.toml");
    fs::write(&path, text).unwrap();
    let document = load::<Only>(Path::new(&path))?;
    let mut check = document.check();
    let keys = check.hmac(document.value.hmac.as_ref());
    check.finish()?;
    Ok(keys)
}

#[test]
fn good_keys_are_taken() {
    let folder = folder();
    let keys = read(&folder, FILE).unwrap().unwrap();
    assert_eq!(keys.signs(), 2);
    assert_eq!(keys.accepted().collect::<Vec<_>>(), [1, 2]);
    assert!(keys.is_required());
    assert_eq!(keys.text(), Text::Rfc8754);
    assert_eq!(
        hmac_words(Some(&keys)),
        "HMAC by key 2, accepted by 1, 2, required"
    );
    assert_eq!(hmac_advice(Some(&keys)), None);
    let lax = format!("{FILE}required = false\ntext = \"linux\"\n");
    let keys = read(&folder, &lax).unwrap().unwrap();
    assert!(!keys.is_required());
    assert_eq!(keys.text(), Text::Linux);
    assert!(hmac_words(Some(&keys)).ends_with("not required"));
    assert!(hmac_advice(Some(&keys)).unwrap().contains("hmac.required"));
    assert!(read(&folder, "").unwrap().is_none());
    assert_eq!(hmac_words(None), "no HMAC");
}

/// Both formats give the bytes that they say: a packet signed with the one is verified with the other.
#[test]
fn hex_and_raw_say_the_same() {
    let folder = folder();
    let bytes: Vec<u8> = (0..32).collect();
    write(&folder, "raw.key", &bytes, 0o600);
    write(
        &folder,
        "spaced.key",
        format!("\n {HEX} \n").to_uppercase().as_bytes(),
        0o600,
    );
    let read = |name: &str, format| secret(&folder.path().join(name), format).unwrap();
    for (name, format) in [
        ("one.key", Format::Hex),
        ("raw.key", Format::Raw),
        ("spaced.key", Format::Hex),
    ] {
        assert_eq!(read(name, format), bytes, "{name}");
    }
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const ROWS: &[Row] = &[
    (
        "nobody signs",
        "sign = 2",
        "sign = 3",
        &["hmac.sign", "no key 3", "the id of one of them"],
    ),
    ("no sign", "sign = 2\n", "", &["hmac.sign", "missing"]),
    (
        "a number that is none",
        "id = 1",
        "id = 0",
        &["hmac.keys[0].id", "0 is no key's number", "1 to 4294967295"],
    ),
    (
        "a number too high",
        "id = 1",
        "id = 4294967296",
        &["hmac.keys[0]", "u32"],
    ),
    (
        "two of a number",
        "id = 1",
        "id = 2",
        &["hmac.keys[1].id", "two keys 2"],
    ),
    (
        "no such file",
        "one.key",
        "gone.key",
        &["hmac.keys[0].file", "gone.key", "cannot be read"],
    ),
    (
        "a folder",
        "\"one.key\"",
        "\".\"",
        &["hmac.keys[0].file", "no regular file"],
    ),
    (
        "others may read it",
        "one.key",
        "open.key",
        &["open.key", "mode 0644", "0600"],
    ),
    (
        "the group may write it",
        "one.key",
        "group.key",
        &["group.key", "mode 0620", "0600"],
    ),
    (
        "too short",
        "one.key",
        "short.key",
        &["short.key", "holds 62 hexadecimal digits", "64 to 128"],
    ),
    (
        "too long",
        "two.key",
        "long.key",
        &["long.key", "holds more bytes", "32 to 64"],
    ),
    (
        "half a byte",
        "one.key",
        "odd.key",
        &["odd.key", "pairs of hexadecimal digits", "openssl"],
    ),
    (
        "raw bytes as hex",
        "format = \"raw\"",
        "format = \"hex\"",
        &["two.key", "pairs of hexadecimal digits", "format = \"raw\""],
    ),
    (
        "an unknown format",
        "\"raw\"",
        "\"base64\"",
        &["hmac.keys[1]", "base64", "`hex` or `raw`"],
    ),
    (
        "an unknown text",
        "sign = 2",
        "sign = 2\ntext = \"cisco\"",
        &["hmac.text"],
    ),
    (
        "an unknown key",
        "sign = 2",
        "sings = 2",
        &["hmac.sings", "did you mean sign?"],
    ),
];

#[test]
fn every_wrong_key_is_named_and_none_is_shown() {
    let folder = folder();
    write(&folder, "open.key", HEX.as_bytes(), 0o644);
    write(&folder, "group.key", HEX.as_bytes(), 0o620);
    write(&folder, "short.key", &HEX.as_bytes()[..62], 0o600);
    write(&folder, "long.key", &[0xf5; 65], 0o600);
    write(
        &folder,
        "odd.key",
        &HEX.as_bytes()[1..].repeat(2)[..65],
        0o600,
    );
    for (what, from, to, words) in ROWS {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE, "{what}");
        let said = read(&folder, &text).expect_err(what).to_string();
        for word in *words {
            assert!(said.contains(word), "{what}: no \"{word}\" in: {said}");
        }
        assert!(!said.contains("0102030405"), "{what}: {said}");
    }
}

#[test]
fn a_key_of_a_stranger_is_refused() {
    let folder = folder();
    let path = folder.path().join("one.key");
    if std::os::unix::fs::chown(&path, Some(4_242), None).is_err() {
        println!("skipped: only root can give files away");
        return;
    }
    let said = read(&folder, FILE).unwrap_err().to_string();
    assert!(said.contains("belongs to user 4242"), "{said}");
}

#[test]
fn nothing_that_can_be_printed_has_a_secret_in_it() {
    let keys = read(&folder(), FILE).unwrap();
    let shown = format!("{keys:?}");
    for part in ["0102", "f5f5", "245, 245", "1, 2, 3"] {
        assert!(!shown.contains(part), "{shown}");
    }
}
