//! What is seen while scenarios are played: a bar over all of them on a terminal, lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::play::Played;
use super::scenario::Scenario;

/// A bar over all scenarios, by the time that they are expected to take.
pub struct Display {
    bar: ProgressBar,
    terminal: bool,
    expected_s: Vec<f64>,
    at: usize,
}

impl Display {
    /// For these scenarios, on standard error.
    pub fn new(scenarios: &[Scenario]) -> Display {
        let expected_s: Vec<f64> = scenarios.iter().map(Scenario::expected_s).collect();
        let terminal = std::io::stderr().is_terminal();
        let bar = match terminal {
            true => ProgressBar::new(expected_s.iter().sum::<f64>() as u64),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("[{bar:30}] {msg}");
        Display {
            bar: bar.with_style(
                style
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            ),
            terminal,
            expected_s,
            at: 0,
        }
    }

    /// A scenario is so many seconds old.
    pub fn show(&self, scenario: &Scenario, elapsed_s: f64) {
        let passed: f64 = self.expected_s[..self.at].iter().sum();
        let left: f64 = self.expected_s[self.at..].iter().sum::<f64>() - elapsed_s;
        self.bar.set_position((passed + elapsed_s) as u64);
        self.bar.set_message(format!(
            "{}/{} {}, about {} left",
            self.at + 1,
            self.expected_s.len(),
            scenario.key,
            minutes(left)
        ));
    }

    /// A scenario is over.
    pub fn finish(&mut self, played: &Played) {
        let word = match (played.ok, played.judged) {
            (true, true) => "ok",
            (_, false) => "compared",
            (false, true) => "FAILED",
        };
        let v = &played.verdict;
        let line = format!(
            "{:<20} {word}: {} connections, {} completed, {} unavoidable, {} avoidable, longest stall {:.2} s",
            played.key,
            v.connections,
            v.completed,
            v.unavoidable,
            v.avoidable,
            v.longest_stall_ms / 1e3
        );
        match self.terminal {
            true => self.bar.println(line),
            false => eprintln!("{line}"),
        }
        self.at += 1;
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
