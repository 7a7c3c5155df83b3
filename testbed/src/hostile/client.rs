//! Our own programs in the client's namespace.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{bail, Context, Result};
use serde::de::DeserializeOwned;

use crate::process::ProcessId;
use crate::shell;

/// A program in the client's namespace that says what came of it as one line of JSON. Dropped, it is ended.
pub(super) struct Client {
    child: Child,
    process: ProcessId,
    words: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Client {
    pub(super) fn start(mut command: Command, log: PathBuf) -> Result<Client> {
        let file = std::fs::File::create(&log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .context("cannot start a client")?;
        let stdout = child.stdout.take().context("a client has no output")?;
        let process = ProcessId::of(child.id()).context("a client ended at once")?;
        Ok(Client {
            child,
            process,
            words: BufReader::new(stdout),
            log,
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    pub(super) fn end(&mut self) {
        self.process.signal(rustix::process::Signal::TERM);
    }

    pub(super) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.words.read_line(&mut line)? {
            0 => bail!("{}", shell::tail(&self.log)),
            _ => Ok(line),
        }
    }

    pub(super) fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut text = String::new();
        self.words.read_to_string(&mut text)?;
        self.child.wait()?;
        serde_json::from_str(&text)
            .with_context(|| format!("no answer: {text} {}", shell::tail(&self.log)))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
