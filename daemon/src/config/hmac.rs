//! The section `[hmac]` of both daemons' files: which keys are accepted, and which one signs.
//! No secret gets into a message.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use srh::hmac::{Key, Keys, Text};

use super::check::Check;

/// Fewest bytes of a secret: those of the digest (RFC 2104 section 3).
const LEAST_BYTES: usize = 32;
/// Most bytes of a secret: HMAC would hash a longer one to 32, and Linux takes no longer one.
const MOST_BYTES: usize = 64;

/// `[hmac]`: with it every function is signed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    sign: u32,
    keys: Vec<KeyFile>,
    #[serde(default = "yes")]
    required: bool,
    #[serde(default)]
    text: TextName,
}

/// One key that is accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    id: u32,
    file: PathBuf,
    #[serde(default)]
    format: Format,
}

/// How a secret is written in its file.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// 64 to 128 hexadecimal digits, with white space around them.
    #[default]
    Hex,
    /// The bytes themselves, all of them.
    Raw,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TextName {
    #[default]
    Rfc8754,
    Linux,
}

fn yes() -> bool {
    true
}

/// What is wrong with a key's file, and what would be right.
type Wrong = (String, String);

impl<T> Check<'_, T> {
    /// Reads the keys that the section names.
    pub fn hmac(&mut self, section: Option<&Hmac>) -> Option<Keys> {
        let section = section?;
        let each = section.keys.iter().enumerate();
        let keys: Vec<Key> = each
            .filter_map(|(place, key)| self.hmac_key(section, place, key))
            .collect();
        let named = section.keys.iter().any(|key| key.id == section.sign);
        self.require(
            named,
            "hmac.sign",
            format!("there is no key {} in hmac.keys", section.sign),
            "the id of one of them",
        );
        let text = match section.text {
            TextName::Rfc8754 => Text::Rfc8754,
            TextName::Linux => Text::Linux,
        };
        // A key that is named and can't be read has been complained about.
        let keys = Keys::new(section.sign, keys)?;
        Some(keys.with_text(text).with_required(section.required))
    }

    fn hmac_key(&mut self, section: &Hmac, place: usize, key: &KeyFile) -> Option<Key> {
        let path = |name: &str| format!("hmac.keys[{place}].{name}");
        self.require(
            key.id != 0,
            &path("id"),
            "0 is no key's number",
            "a number from 1 to 4294967295",
        );
        let earlier = &section.keys[..place];
        self.require(
            !earlier.iter().any(|other| other.id == key.id),
            &path("id"),
            format!("there are two keys {}", key.id),
            "each number once",
        );
        let file = self.resolve(&key.file);
        match secret(&file, key.format) {
            Ok(secret) => Some(Key::new(key.id, &secret)),
            Err((problem, expected)) => {
                let problem = format!("{}: {problem}", file.display());
                self.problem(&path("file"), problem, expected);
                None
            }
        }
    }
}

/// Reads the secret in a file that nobody but its owner can read.
fn secret(path: &Path, format: Format) -> Result<Vec<u8>, Wrong> {
    let readable = "a file that the daemon can read";
    let cannot = |error: std::io::Error| (format!("cannot be read: {error}"), readable.to_owned());
    // Opening a pipe would wait for somebody who writes into it.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(("is no regular file".to_owned(), readable.to_owned()));
    }
    let file = File::open(path).map_err(cannot)?;
    let meta = file.metadata().map_err(cannot)?;
    if meta.mode() & 0o077 != 0 {
        return Err((
            format!("has mode {:04o}: others may read it", meta.mode() & 0o7777),
            "mode 0600, or 0400".to_owned(),
        ));
    }
    let us = std::fs::metadata("/proc/self").map_or(0, |own| own.uid());
    if meta.uid() != 0 && meta.uid() != us {
        return Err((
            format!("belongs to user {}", meta.uid()),
            "a file of root's, or of the user that the daemon runs as".to_owned(),
        ));
    }
    let mut bytes = Vec::new();
    file.take(1_024).read_to_end(&mut bytes).map_err(cannot)?;
    match format {
        Format::Raw => sized(bytes, "bytes", LEAST_BYTES, MOST_BYTES),
        Format::Hex => {
            let digits = bytes.trim_ascii().to_vec();
            let digits = sized(
                digits,
                "hexadecimal digits",
                2 * LEAST_BYTES,
                2 * MOST_BYTES,
            )?;
            unhex(&digits).ok_or((
                "is not made of pairs of hexadecimal digits".to_owned(),
                "what openssl rand -hex 32 prints, or format = \"raw\"".to_owned(),
            ))
        }
    }
}

fn sized(bytes: Vec<u8>, what: &str, least: usize, most: usize) -> Result<Vec<u8>, Wrong> {
    if (least..=most).contains(&bytes.len()) {
        return Ok(bytes);
    }
    let size = match bytes.len() {
        n if n > most => "more".to_owned(),
        n => n.to_string(),
    };
    Err((
        format!("holds {size} {what}"),
        format!("{least} to {most} {what}"),
    ))
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| Some((digit as char).to_digit(16)? as u8);
    if digits.len() % 2 != 0 {
        return None;
    }
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?))
        .collect()
}

/// The keys in a few words, for the line about sizes.
pub fn hmac_words(keys: Option<&Keys>) -> String {
    let Some(keys) = keys else {
        return "no HMAC".to_owned();
    };
    let accepted: Vec<String> = keys.accepted().map(|id| id.to_string()).collect();
    let required = match keys.is_required() {
        true => "required",
        false => "not required",
    };
    format!(
        "HMAC by key {}, accepted by {}, {required}",
        keys.signs(),
        accepted.join(", ")
    )
}

/// What an operator should know about `[hmac]` although nothing is wrong.
pub fn hmac_advice(keys: Option<&Keys>) -> Option<String> {
    keys.filter(|keys| !keys.is_required()).map(|_| {
        "hmac.required is false: functions without an HMAC are obeyed, too; \
         set it to true once status counts no more of them"
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
