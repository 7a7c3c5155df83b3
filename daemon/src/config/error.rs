//! One problem of a configuration file, and the list of all of them.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as the operator named it.
    pub file: PathBuf,
    /// The line of the key, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The key, such as `flows.max` or `server[1].locator`; empty for the file itself.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right; empty where the problem says it.
    pub expected: String,
}

impl ConfigError {
    /// A problem of the file itself, such as that it is missing.
    pub fn of_file(file: &Path, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        ConfigError {
            file: file.to_owned(),
            line: None,
            key: String::new(),
            problem: problem.into(),
            expected: expected.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong in one or several files; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The list, or `Ok` if there is nothing in it.
    pub fn none_or(errors: Vec<ConfigError>) -> Result<(), ConfigErrors> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(errors))
        }
    }

    /// The problems, in the order in which they were found.
    pub fn list(&self) -> &[ConfigError] {
        &self.0
    }

    /// The problems, to be put together with those of another file.
    pub fn into_list(self) -> Vec<ConfigError> {
        self.0
    }
}

impl ConfigErrors {
    /// A reload that changes what is built into devices, sockets and tables: `rows` are keys, and
    /// whether the file at `path` has another value for them than the running daemon.
    pub fn if_changed(path: &Path, rows: &[(&str, bool)]) -> Result<(), ConfigErrors> {
        let changed = rows.iter().filter(|(_, changed)| *changed);
        let errors = changed.map(|(key, _)| ConfigError {
            key: (*key).to_owned(),
            ..ConfigError::of_file(
                path,
                "cannot change while the daemon runs",
                "the value that it was started with, or a restart",
            )
        });
        ConfigErrors::none_or(errors.collect())
    }
}

/// What an operator should know about `domain_interfaces` although nothing is wrong.
pub fn interface_advice(interfaces: &[String]) -> Vec<String> {
    let mut advice = Vec::new();
    if let [interface] = interfaces {
        advice.push(format!(
            "if {interface} is this host's only interface, nothing here can tell packets of the domain \
             from outside ones: the edge router must drop what comes from outside for locators"
        ));
    }
    let missing = |name: &&String| !Path::new("/sys/class/net").join(name).exists();
    advice.extend(interfaces.iter().filter(missing).map(|interface| {
        format!(
            "there is no interface {interface} on this host now: what comes from the domain by another one is dropped"
        )
    }));
    advice
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        ConfigErrors(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
