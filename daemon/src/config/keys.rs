//! Where each key of a TOML file stands: the way from a byte offset to a key's path, and
//! from a path to a line.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::Spanned;

/// One key (or array element) of a file.
struct Key {
    path: String,
    own: Range<usize>,
    value: Range<usize>,
}

/// All keys of a file with their places.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// The keys of a parsed file.
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let mut keys = Keys::default();
        keys.collect_table("", table);
        keys
    }

    fn collect_table(&mut self, parent: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref();
            let path = if parent.is_empty() {
                name.to_string()
            } else {
                format!("{parent}.{name}")
            };
            self.0.push(Key {
                path: path.clone(),
                own: key.span(),
                value: value.span(),
            });
            self.collect_value(&path, value);
        }
    }

    fn collect_value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.collect_table(path, table),
            DeValue::Array(array) => {
                for (place, element) in array.iter().enumerate() {
                    let path = format!("{path}[{place}]");
                    self.0.push(Key {
                        path: path.clone(),
                        own: element.span(),
                        value: element.span(),
                    });
                    self.collect_value(&path, element);
                }
            }
            _ => {}
        }
    }

    /// The path of the key or value that the byte at `offset` belongs to, the innermost.
    pub(super) fn at(&self, offset: usize) -> Option<&str> {
        let innermost = |range: fn(&Key) -> &Range<usize>| {
            let holding = self.0.iter().filter(|key| range(key).contains(&offset));
            holding
                .max_by_key(|key| key.path.len())
                .map(|key| key.path.as_str())
        };
        innermost(|key| &key.own).or_else(|| innermost(|key| &key.value))
    }

    /// The path of the table or array element that has exactly this place; "" for the root.
    pub(super) fn whose_value_is(&self, place: &Range<usize>) -> &str {
        let found = self.0.iter().filter(|key| key.value == *place);
        found
            .max_by_key(|key| key.path.len())
            .map_or("", |key| key.path.as_str())
    }

    /// The byte offset of the key `path`, or of the nearest one that holds it.
    pub(super) fn offset_of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(key) = self.0.iter().find(|key| key.path == path) {
                return Some(key.own.start);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// The line of a byte offset, counted from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
}
