//! CSV with a head.

use std::str::from_utf8;

use super::url::class_of;
use super::Entry;
use crate::queueing::workload::Class;

/// Later times are a mistake in the file: this is 317 years behind 1970.
const MOST_AT_S: f64 = 1e10;
/// So are longer services.
const MOST_SERVICE_MS: f64 = 1e9;
const EXPECTED: &str =
    "expected a head such as \"at_s,service_ms\" (columns: at_s, and service_ms, class, url), \
                        or WikiBench's \"counter time url flag\"";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    At,
    Service,
    Class,
    Url,
}

impl Column {
    fn of(name: &str) -> Option<Column> {
        match name.trim() {
            "at_s" => Some(Column::At),
            "service_ms" => Some(Column::Service),
            "class" => Some(Column::Class),
            "url" => Some(Column::Url),
            _ => None,
        }
    }
}

/// The head of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    head: String,
    all: Vec<Column>,
}

impl Columns {
    /// The columns that a head names.
    pub fn of(head: &[u8]) -> Result<Columns, String> {
        if head.is_empty() {
            return Err(format!("empty: {EXPECTED}"));
        }
        let head = from_utf8(head).map_err(|_| format!("not UTF-8: {EXPECTED}"))?;
        let head = head.trim_start_matches('\u{feff}');
        let wrong = |what: &str| format!("the head is \"{}\"{what}: {EXPECTED}", shortened(head));
        let all: Option<Vec<Column>> = head.split(',').map(Column::of).collect();
        let all = all.ok_or_else(|| wrong(""))?;
        let has = |column| all.contains(&column);
        let twice = (0..all.len()).any(|n| all[n + 1..].contains(&all[n]));
        let is_url_inside = all
            .iter()
            .rev()
            .skip(1)
            .any(|&column| column == Column::Url);
        match () {
            () if twice => Err(wrong(", with a column twice")),
            () if is_url_inside => Err(wrong(", where url is not the last column")),
            () if !has(Column::At) => Err(wrong(", without at_s")),
            () if all.len() == 1 => Err(wrong(", which says nothing about the work")),
            () if has(Column::Class) && has(Column::Url) => {
                Err(wrong(", where class and url may say different things"))
            }
            () => Ok(Columns {
                head: head.to_owned(),
                all,
            }),
        }
    }

    /// Does it say how much work a query is?
    pub fn has_service(&self) -> bool {
        self.all.contains(&Column::Service)
    }

    /// The query of a line.
    pub fn entry(&self, line: &[u8]) -> Result<Entry, String> {
        let count = self.all.len();
        if line.is_empty() {
            return Err(format!(
                "empty: expected {count} columns, \"{}\"",
                self.head
            ));
        }
        let line = from_utf8(line)
            .map_err(|_| format!("not UTF-8: expected {count} columns, \"{}\"", self.head))?;
        // a URL may have commas of its own
        let most = match self.all.contains(&Column::Url) {
            true => count,
            false => usize::MAX,
        };
        let found = line.splitn(most, ',').count();
        if found != count {
            return Err(format!(
                "{found} columns: expected {count}, \"{}\"",
                self.head
            ));
        }
        let mut entry = Entry {
            at_us: 0,
            class: Class::default(),
            service_us: None,
        };
        for (column, text) in self.all.iter().zip(line.splitn(most, ',')) {
            match column {
                Column::At => entry.at_us = micros("at_s", text, MOST_AT_S, 1e6)?,
                Column::Service => {
                    let service = micros("service_ms", text, MOST_SERVICE_MS, 1e3)?;
                    entry.service_us = Some(service);
                }
                Column::Class => entry.class = class(text)?,
                Column::Url if text.trim().is_empty() => {
                    return Err("url is empty: expected one".to_owned())
                }
                Column::Url => entry.class = class_of(text.as_bytes()),
            }
        }
        Ok(entry)
    }
}

fn class(text: &str) -> Result<Class, String> {
    match text.trim() {
        "wiki" => Ok(Class::Wiki),
        "static" => Ok(Class::Static),
        other => Err(format!(
            "class is \"{}\": expected wiki or static",
            shortened(other)
        )),
    }
}

/// A time in microseconds.
pub fn micros(column: &str, text: &str, most: f64, in_one: f64) -> Result<u64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..=most).contains(&number) => Ok((number * in_one).round() as u64),
        _ => Err(format!(
            "{column} is \"{}\": expected a number from 0 to {most:.0}",
            shortened(text)
        )),
    }
}

/// So much of a text as fits a message.
pub fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_owned(),
    }
}
