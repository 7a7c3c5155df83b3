//! A configuration file that has the right shape, with its text at hand, so that later
//! errors can name lines.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::Spanned;

use super::check::Check;
use super::error::{ConfigError, ConfigErrors};
use super::keys::{line_of, Keys};
use super::serde_errors::translate;

/// How many errors of shape are looked for in one file.
const MAX_SHAPE_ERRORS: usize = 20;

/// A file's content as `T`, and what is needed to speak about it.
pub struct Document<T> {
    /// The content.
    pub value: T,
    file: PathBuf,
    text: String,
    /// Only what is wrong needs them, and a long file has many.
    keys: OnceCell<Keys>,
}

impl<T> Document<T> {
    /// One whose text says this.
    pub fn of(file: &Path, text: String, value: T) -> Self {
        Document {
            value,
            file: file.to_owned(),
            text,
            keys: OnceCell::new(),
        }
    }

    /// The file, as the operator named it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A path that the file mentions: relative ones start in the file's own folder.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The line of the key `path` (such as `server[1].locator`), or of what holds it.
    pub fn line_of(&self, path: &str) -> Option<usize> {
        let keys = || {
            let table = DeTable::parse(&self.text);
            table.map_or_else(|_| Keys::default(), |table| Keys::of(table.get_ref()))
        };
        self.keys
            .get_or_init(keys)
            .offset_of(path)
            .map(|offset| line_of(&self.text, offset))
    }

    /// An error about the key `path`.
    pub fn error(
        &self,
        path: &str,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            line: self.line_of(path),
            key: path.to_owned(),
            problem: problem.into(),
            expected: expected.into(),
        }
    }

    /// The content, and what is needed to speak about it further.
    pub fn into_parts(self) -> (T, Document<()>) {
        let rest = Document {
            value: (),
            file: self.file,
            text: self.text,
            keys: self.keys,
        };
        (self.value, rest)
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Begins to look at what the values mean.
    pub fn check(&self) -> Check<'_, T> {
        Check::new(self)
    }
}

/// Reads `file` as a `T`.
pub fn load<T: DeserializeOwned>(file: &Path) -> Result<Document<T>, ConfigErrors> {
    parse(file, read(file)?)
}

/// Reads the text of `file`.
pub fn read(file: &Path) -> Result<String, ConfigErrors> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let (problem, expected) = match error.kind() {
            std::io::ErrorKind::NotFound => (
                "there is no such file".to_owned(),
                "a TOML file at this path",
            ),
            std::io::ErrorKind::InvalidData => ("not a text in UTF-8".to_owned(), "a TOML file"),
            _ => (format!("cannot be read: {error}"), "a readable TOML file"),
        };
        ConfigError::of_file(file, problem, expected)
    });
    Ok(text?)
}

/// Reads `text`, the content of `file`, as a `T`.
pub fn parse<T: DeserializeOwned>(file: &Path, text: String) -> Result<Document<T>, ConfigErrors> {
    let value = {
        let parsed = || {
            DeTable::parse(&text).map_err(|error| translate(file, &text, &Keys::default(), &error))
        };
        match T::deserialize(toml::de::Deserializer::from(parsed()?)) {
            Ok(value) => value,
            // Once more, for all that is wrong.
            Err(_) => shape(file, &text, parsed()?)?,
        }
    };
    Ok(Document::of(file, text, value))
}

/// Deserializes; on an error takes the offending key out and tries again, so that one
/// run reports all of them.
fn shape<T: DeserializeOwned>(
    file: &Path,
    text: &str,
    mut table: Spanned<DeTable<'_>>,
) -> Result<T, ConfigErrors> {
    let keys = Keys::of(table.get_ref());
    let mut errors: Vec<ConfigError> = Vec::new();
    loop {
        let attempt = T::deserialize(toml::de::Deserializer::from(table.clone()));
        let error = match attempt {
            Ok(value) => return ConfigErrors::none_or(errors).map(|()| value),
            Err(error) => translate(file, text, &keys, &error),
        };
        // A key that was taken out is missed now: that is our doing, not the operator's.
        let ours = errors.iter().any(|earlier| earlier.key == error.key);
        if !ours {
            errors.push(error.clone());
        }
        if ours || errors.len() == MAX_SHAPE_ERRORS || !remove(table.get_mut(), &error.key) {
            return Err(ConfigErrors::none_or(errors)
                .err()
                .unwrap_or_else(|| error.into()));
        }
    }
}

/// Takes the key `path` out of `table`. Elements of arrays stay: taking one out would
/// shift the others.
fn remove(table: &mut DeTable<'_>, path: &str) -> bool {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, place) = match name.split_once('[') {
        Some((name, place)) => (name, place.trim_end_matches(']').parse::<usize>().ok()),
        None => (name, None),
    };
    if rest.is_empty() && place.is_none() {
        return table.remove(name).is_some();
    }
    let value = match (table.get_mut(name).map(Spanned::get_mut), place) {
        (Some(DeValue::Array(array)), Some(place)) => array.get_mut(place).map(Spanned::get_mut),
        (value, None) => value,
        _ => None,
    };
    match value {
        Some(DeValue::Table(inner)) if !rest.is_empty() => remove(inner, rest),
        _ => false,
    }
}
