//! A client at work in its own namespace, as a child process that tells its progress.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use serde::de::DeserializeOwned;

use crate::plan::{Node, Plan};
use crate::shell;

/// How far a client is.
pub trait Progress: DeserializeOwned + Copy + Default + Send + 'static {
    /// Time since its start, in seconds.
    fn elapsed_s(&self) -> f64;
}

/// One client. Dropped, it is ended.
pub struct ClientProcess<P> {
    child: Child,
    lines: Receiver<P>,
    last: P,
    /// When its own clock began, as far as its words tell.
    began: Option<Instant>,
}

impl<P: Progress> ClientProcess<P> {
    /// Starts a program that tells its progress as lines of JSON on standard output.
    pub fn start(plan: &Plan, args: &[String]) -> Result<ClientProcess<P>> {
        let (program, args) = args.split_first().context("no program")?;
        let mut command: Command =
            shell::command_in(&plan.namespace(Node::Client), program.as_ref());
        let mut child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the load")?;
        let stdout = child.stdout.take().context("the load has no output")?;
        let (sender, lines) = mpsc::channel();
        // Ends with the child's output, at the latest when the child is killed.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(progress) = serde_json::from_str(&line) else {
                    continue;
                };
                if sender.send(progress).is_err() {
                    return;
                }
            }
        });
        Ok(ClientProcess {
            child,
            lines,
            last: P::default(),
            began: None,
        })
    }

    /// Waits for news, but not longer than `timeout`; nothing when the load is over.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<P>> {
        match self.lines.recv_timeout(timeout) {
            Ok(progress) => {
                let began = || Instant::now() - Duration::from_secs_f64(progress.elapsed_s());
                self.began.get_or_insert_with(began);
                self.last = progress;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return self.ended().map(|()| None),
        }
        Ok(Some(self.last))
    }

    /// Time since the load's start.
    pub fn elapsed(&self) -> Option<Duration> {
        self.began.map(|began| began.elapsed())
    }

    /// Failed requests make exit code 1 and words on no channel: those are in the records.
    fn ended(&mut self) -> Result<()> {
        let mut words = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut words);
        }
        let status = self.child.wait()?;
        if !words.trim().is_empty() || status.code().is_none() {
            bail!("the load ended ({status}): {}", words.trim());
        }
        Ok(())
    }
}

impl<P> Drop for ClientProcess<P> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
