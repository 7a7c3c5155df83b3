//! How a program of ours ends: exit codes, and a wrapper around `main`.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{ConfigError, ConfigErrors};

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// It did not work; the message says why.
    Failed = 1,
    /// The command line makes no sense (clap's own code).
    Usage = 2,
    /// The configuration is wrong (`EX_CONFIG` of sysexits.h).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A command line that clap takes but that makes no sense to us.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Prints a line to standard output. Where nobody reads any more (`status | head`) it returns from the
/// function with the error, which ends the program without a word: `println!` would panic.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($text)*)?
    }};
}

/// Runs a program: what goes wrong is said on standard error, and told by the exit code.
pub fn main(program: &str, run: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    let Err(error) = run() else {
        return Exit::Fine.into();
    };
    let exit = exit_for(&error);
    if exit != Exit::Fine {
        // Nobody is left to be told if this fails.
        let _ = io::stderr().write_all(message(program, &error).as_bytes());
    }
    exit.into()
}

/// The exit code that belongs to an error.
pub fn exit_for(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if cause.is::<ConfigErrors>() || cause.is::<ConfigError>() {
            return Exit::Config;
        }
        if cause.is::<UsageError>() {
            return Exit::Usage;
        }
        let io = cause.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            // Whoever read our output has seen enough, as in `status | head`.
            return Exit::Fine;
        }
    }
    Exit::Failed
}

/// What standard error gets: each line with the program's name, so that it is told from the
/// lines of others in a log.
fn message(program: &str, error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors speak of their cause themselves.
        if !text.contains(&cause) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = text + colon + &cause;
        }
    }
    text.lines()
        .map(|line| format!("{program}: {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::path::Path;

    #[test]
    fn each_kind_of_error_has_its_code_however_deep_it_lies() {
        let config =
            ConfigError::of_file(Path::new("lb.toml"), "there is no such file", "a TOML file");
        let configs = ConfigErrors::from(config.clone());
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        let rows = [
            (anyhow::Error::new(config), Exit::Config),
            (
                Err::<(), _>(configs).context("reading").unwrap_err(),
                Exit::Config,
            ),
            (
                anyhow::Error::new(UsageError("--count needs a number".into())),
                Exit::Usage,
            ),
            (anyhow::Error::new(broken), Exit::Fine),
            (anyhow::anyhow!("no TUN device"), Exit::Failed),
        ];
        for (error, exit) in rows {
            assert_eq!(exit_for(&error), exit, "{error:#}");
        }
    }

    #[test]
    fn a_cause_that_its_error_names_is_not_said_twice() {
        let cause = anyhow::anyhow!("denied");
        let error = cause
            .context("cannot open it (denied): be root")
            .context("starting");
        assert_eq!(
            message("x", &error),
            "x: starting: cannot open it (denied): be root\n"
        );
    }

    #[test]
    fn every_line_of_a_message_carries_the_program() {
        let error = anyhow::anyhow!("one\ntwo").context("reading");
        assert_eq!(
            message("srlb-lb", &error),
            "srlb-lb: reading: one\nsrlb-lb: two\n"
        );
    }
}
