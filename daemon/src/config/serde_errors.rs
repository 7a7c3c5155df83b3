//! What serde and the TOML parser say, in the form of a [`ConfigError`].

use std::path::Path;

use super::error::ConfigError;
use super::keys::{line_of, Keys};

/// Turns an error of the `toml` crate into ours.
pub(super) fn translate(
    file: &Path,
    text: &str,
    keys: &Keys,
    error: &toml::de::Error,
) -> ConfigError {
    let offset = error.span().map(|span| span.start);
    let at = offset
        .and_then(|offset| keys.at(offset))
        .unwrap_or("")
        .to_owned();
    let message = error.message();
    let (key, problem, expected) = if let Some((name, known)) = unknown_field(message) {
        let key = if last_name(&at) == name {
            at
        } else {
            join(&at, name)
        };
        (key, "unknown key".to_owned(), suggestion(name, &known))
    } else if let Some(name) = quoted_after(message, "missing field ") {
        (
            join(
                error.span().map_or("", |span| keys.whose_value_is(&span)),
                name,
            ),
            "this key is missing".to_owned(),
            format!("a line {name} = ..."),
        )
    } else {
        let (problem, expected) = message.split_once(", expected ").unwrap_or((message, ""));
        (at, problem.replace('\n', " "), expected.replace('\n', " "))
    };
    let line = offset.map(|offset| line_of(text, offset));
    ConfigError {
        file: file.to_owned(),
        line,
        key,
        problem,
        expected,
    }
}

/// The name in backquotes that follows `start` at the beginning of `message`.
fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message
        .strip_prefix(start)?
        .strip_prefix('`')?
        .split('`')
        .next()
}

/// The unknown name, and the names that are known.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let name = quoted_after(message, "unknown field ")?;
    let known = message.split('`').skip(3).step_by(2).collect();
    Some((name, known))
}

fn last_name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// "did you mean", then all that is possible.
fn suggestion(name: &str, known: &[&str]) -> String {
    let all = match known {
        [] => return "no key here".to_owned(),
        [one] => (*one).to_owned(),
        more => format!("one of {}", more.join(", ")),
    };
    match nearest(name, known) {
        Some(near) => format!("{all} (did you mean {near}?)"),
        None => all,
    }
}

/// The known name that `name` was probably meant to be; of two that are as near, the one that is known first.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let bound = 1 + name.len() / 3;
    let distances = known
        .iter()
        .map(|&candidate| (edit_distance(name, candidate), candidate));
    distances
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or replaced to get from `a` to `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let replaced = above[column] + usize::from(from != *to);
            line.push(replaced.min(above[column + 1] + 1).min(line[column] + 1));
        }
        above = line;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_only_if_it_is_near() {
        let known = ["locator", "pool", "tun"];
        assert_eq!(nearest("locater", &known), Some("locator"));
        assert_eq!(nearest("tum", &known), Some("tun"));
        assert_eq!(nearest("weight", &known), None);
        assert_eq!(nearest("nmae", &["name", "hmac"]), Some("name"));
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, distance) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
            ("ab", "", 2),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }
}
