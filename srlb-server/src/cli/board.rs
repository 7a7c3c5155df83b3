//! `srlb-server probe`: Apache's scoreboard, for people and as JSON.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use apache_probe::{render, Event, Snapshot, Target, Watcher};
use clap::Args;
use daemon::say;
use serde_json::{json, Value};
use srlb_server::config::Settings;

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_millis(200);
/// Looks between two boards that are shown although nothing has happened.
const LOOKS_A_BOARD: u32 = 5;

#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub(super) struct Probe {
    /// The path that Apache's configuration gives as ScoreBoardFile
    #[arg(long, group = "which")]
    scoreboard: Option<PathBuf>,
    /// The path that Apache's configuration gives as PidFile
    #[arg(long, group = "which")]
    pid_file: Option<PathBuf>,
    /// The parent process
    #[arg(long, group = "which")]
    pid: Option<u32>,
    /// A server.toml that names the scoreboard
    #[arg(long, group = "which", conflicts_with_all = ["scoreboard", "pid_file", "pid"])]
    config: Option<PathBuf>,
    /// Go on: a board a second, and what happens to Apache, until interrupted
    #[arg(long)]
    watch: bool,
    /// Print JSON, a line a board with --watch
    #[arg(long)]
    json: bool,
}

impl Probe {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let mut watcher = Watcher::new(self.target()?);
        if self.watch {
            return self.watch(&mut watcher);
        }
        let event = watcher.check();
        match (watcher.snapshot(), self.json) {
            (Some(snapshot), true) => say!("{:#}", as_json(&watcher, &event, &snapshot)),
            (Some(snapshot), false) => say!("{}", render(&snapshot).trim_end()),
            (None, _) => {}
        }
        match (watcher.is_up(), watcher.reason()) {
            (true, _) => Ok(()),
            (false, Some(reason)) => Err(anyhow!("{reason}")),
            (false, None) => Err(anyhow!("{event}")),
        }
    }

    fn target(&self) -> anyhow::Result<Target> {
        if let Some(config) = &self.config {
            return Settings::load(config)?.application.ok_or_else(|| {
                daemon::cli::usage(format!("{} names no Apache", config.display()))
            });
        }
        let scoreboard = self
            .scoreboard
            .as_ref()
            .map(std::path::absolute)
            .transpose()?;
        match (scoreboard, &self.pid_file, self.pid) {
            (Some(board), Some(pid_file), None) => {
                Ok(Target::score_board_file(board).with_pid_file(pid_file))
            }
            (Some(board), None, None) => Ok(Target::score_board_file(board)),
            (None, Some(pid_file), None) => Ok(Target::pid_file(pid_file)),
            (None, None, Some(pid)) => Ok(Target::pid(pid)),
            _ => Err(daemon::cli::usage("--pid stands alone")),
        }
    }

    fn watch(&self, watcher: &mut Watcher) -> anyhow::Result<()> {
        for look in 0u32.. {
            let event = watcher.check();
            let is_due = look % LOOKS_A_BOARD == 0;
            if is_due || event != Event::Unchanged {
                self.show(watcher, &event)?;
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn show(&self, watcher: &Watcher, event: &Event) -> anyhow::Result<()> {
        let snapshot = watcher.snapshot();
        if self.json {
            match &snapshot {
                Some(snapshot) => say!("{}", as_json(watcher, event, snapshot)),
                None => say!("{}", absent(watcher, event)),
            }
            return Ok(());
        }
        if *event != Event::Unchanged {
            say!("{event}");
        }
        match &snapshot {
            Some(snapshot) => say!("{}", render(snapshot)),
            None if *event == Event::Unchanged => say!("no board"),
            None => {}
        }
        Ok(())
    }
}

fn absent(watcher: &Watcher, event: &Event) -> Value {
    json!({
        "up": false,
        "event": event.to_string(),
        "reason": watcher.reason().map(ToString::to_string),
    })
}

fn as_json(watcher: &Watcher, event: &Event, snapshot: &Snapshot) -> Value {
    let counts = &snapshot.counts;
    json!({
        "up": watcher.is_up(),
        "event": event.to_string(),
        "scoreboard": snapshot.path,
        "layout": snapshot.layout,
        "mpm": snapshot.mpm.to_string(),
        "parent_pid": snapshot.parent_pid,
        "generation": snapshot.generation,
        "server_limit": snapshot.server_limit,
        "thread_limit": snapshot.thread_limit,
        "busy": counts.busy,
        "idle": counts.idle,
        "total": counts.total,
        "starting": counts.starting,
        "leaving": counts.leaving,
        "not_accepting": counts.not_accepting,
        "letters": snapshot.letters(),
    })
}
