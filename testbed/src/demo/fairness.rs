//! How evenly the servers are loaded: Jain's index of their busy workers, sampled.

use std::time::Duration;

use anyhow::{Context, Result};
use apache_probe::{locate, Board, Target};

use crate::apache::Apache;
use crate::plan::{Node, Plan};

/// How often the scoreboards are read.
const EVERY: Duration = Duration::from_millis(100);

/// Jain's index: 1 when all are equal, 1/n when one has all; none where there is nothing.
pub fn jain(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|x| x * x).sum();
    (sum > 0.0).then(|| sum * sum / (values.len() as f64 * squares))
}

/// Reads every server's scoreboard from time to time.
pub struct Sampler {
    boards: Vec<(Node, Board)>,
    due: Duration,
    sum: f64,
    samples: u32,
}

impl Sampler {
    /// Opens the scoreboards.
    pub fn new(plan: &Plan) -> Result<Sampler> {
        let open = |server| {
            let apache = Apache::new(plan, server);
            let target =
                Target::score_board_file(apache.scoreboard()).with_pid_file(apache.pid_file());
            let board = locate(&target).and_then(|found| Board::map(&found));
            let board = board.with_context(|| format!("cannot read {server}'s scoreboard"))?;
            Ok((server, board))
        };
        Ok(Sampler {
            boards: plan.server_nodes().map(open).collect::<Result<_>>()?,
            due: Duration::ZERO,
            sum: 0.0,
            samples: 0,
        })
    }

    /// Takes a sample if it is time.
    pub fn sample(&mut self, elapsed: Duration) {
        if elapsed < self.due {
            return;
        }
        self.due = elapsed + EVERY;
        let busy: Vec<f64> = (self.boards.iter())
            .map(|(_, board)| f64::from(board.counts().busy))
            .collect();
        if let Some(index) = jain(&busy) {
            self.sum += index;
            self.samples += 1;
        }
    }

    /// A server that is no more is not unevenly loaded.
    pub fn forget(&mut self, server: Node) {
        self.boards.retain(|(node, _)| *node != server);
    }

    /// The mean over the samples in which anybody was busy.
    pub fn fairness(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / f64::from(self.samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jain_knows_its_ends() {
        assert_eq!(jain(&[3.0, 3.0, 3.0]), Some(1.0));
        assert_eq!(jain(&[4.0, 0.0, 0.0, 0.0]), Some(0.25));
        assert_eq!(jain(&[1.0, 3.0]), Some(0.8));
        assert_eq!(jain(&[0.0, 0.0]), None);
        assert_eq!(jain(&[]), None);
    }
}
