//! The load as a child process, and what is shown meanwhile.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::child::{self, ClientProcess};
use crate::load::Progress;

/// The load generator at work inside the client.
pub type LoadProcess = ClientProcess<Progress>;

impl child::Progress for Progress {
    fn elapsed_s(&self) -> f64 {
        self.elapsed_s
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
