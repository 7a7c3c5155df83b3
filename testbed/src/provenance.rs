//! Where a report comes from: which commit, which command, when.

use crate::shell;

/// The commit that this binary was built from; none where git could not tell.
pub fn commit() -> Option<&'static str> {
    option_env!("SRLB_COMMIT")
}

/// The command line of this process, as a shell would take it.
pub fn command() -> String {
    let arguments = std::env::args_os().skip(1);
    let words = arguments.map(|word| quoted(&word.to_string_lossy()));
    std::iter::once("srlb-testbed".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Now, UTC, to the minute.
pub fn now() -> String {
    shell::run("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
        .map_or_else(|_| "unknown".into(), |words| words.trim().to_owned())
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        for (word, expected) in [
            ("--report=a/b", "--report=a/b"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
