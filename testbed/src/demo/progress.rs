//! The load as a child process, and what is shown meanwhile.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::load::Progress;
use crate::plan::{Node, Plan};
use crate::shell;

/// The load generator at work inside the client. Dropped, it is ended.
pub struct LoadProcess {
    child: Child,
    lines: Receiver<Progress>,
    last: Progress,
    /// When its own clock began, as far as its words tell.
    began: Option<Instant>,
}

impl LoadProcess {
    /// Starts it.
    pub fn start(plan: &Plan, args: &[String]) -> Result<LoadProcess> {
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
        Ok(LoadProcess {
            child,
            lines,
            last: Progress::default(),
            began: None,
        })
    }

    /// Waits for news, but not longer than `timeout`; nothing when the load is over.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Progress>> {
        match self.lines.recv_timeout(timeout) {
            Ok(progress) => {
                let began = || Instant::now() - Duration::from_secs_f64(progress.elapsed_s);
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

impl Drop for LoadProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where progress goes: bars on a terminal, lines elsewhere, always on standard error.
pub struct Display {
    terminal: bool,
}

impl Default for Display {
    fn default() -> Self {
        Display::new()
    }
}

impl Display {
    /// For the standard error that there is.
    pub fn new() -> Display {
        Display {
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Says what happens now.
    pub fn note(&self, what: &str) {
        eprintln!("  {what}");
    }

    /// A bar for a stage.
    pub fn stage(&self, title: &str, requests: u64) -> StageBar {
        if !self.terminal {
            eprintln!("{title} ...");
            return StageBar(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} requests, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(requests).with_style(style);
        StageBar(bar.with_prefix(title.to_owned()))
    }
}

/// One stage's bar.
pub struct StageBar(ProgressBar);

impl StageBar {
    /// Moves it.
    pub fn show(&self, progress: Progress) {
        // The number to come is an expectation; Poisson may go beyond it.
        if progress.ended > self.0.length().unwrap_or(0) {
            self.0.set_length(progress.ended);
        }
        self.0.set_position(progress.ended);
        self.0.set_message(format!("{} failed", progress.failed));
    }

    /// Leaves it standing at its end.
    pub fn finish(&self) {
        self.0.set_length(self.0.position());
        self.0.abandon();
    }
}

impl Drop for StageBar {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
