//! The application's state, out of Apache's scoreboard.

use apache_probe::{Event, Target, Watcher};
use serde_json::{json, Value};

use crate::engine::Application;

/// Apache as the engine sees it. Without a scoreboard the application counts as up, with no worker known:
/// what the policies `always` and `never` need.
pub struct Apache {
    watcher: Option<Watcher>,
    last_event: Option<String>,
}

impl Apache {
    /// Watches an Apache, or none.
    pub fn new(target: Option<Target>) -> Self {
        Apache {
            watcher: target.map(Watcher::new),
            last_event: None,
        }
    }

    /// Looks what has become of it, a few system calls: every 100 to 200 ms. What has happened, if
    /// anything has.
    pub fn check(&mut self) -> Option<String> {
        let event = self.watcher.as_mut()?.check();
        if event == Event::Unchanged {
            return None;
        }
        self.last_event = Some(event.to_string());
        self.last_event.clone()
    }

    /// What `status` shows.
    pub fn status(&self) -> Value {
        let Some(watcher) = &self.watcher else {
            return json!({ "configured": false, "up": true });
        };
        let counts = watcher.board().map(|board| board.counts());
        json!({
            "configured": true,
            "up": watcher.is_up(),
            "scoreboard": watcher.board().map(|board| board.path()),
            "busy": counts.map(|c| c.busy),
            "idle": counts.map(|c| c.idle),
            "total": counts.map(|c| c.total),
            "last_event": self.last_event,
            "reason": watcher.reason().map(ToString::to_string),
        })
    }
}

impl Application for Apache {
    fn is_up(&self) -> bool {
        self.watcher.as_ref().is_none_or(Watcher::is_up)
    }

    fn busy(&self) -> u32 {
        self.board().map_or(0, |board| board.counts().busy)
    }

    fn total(&self) -> u32 {
        self.board().map_or(0, |board| board.counts().total)
    }
}

impl Apache {
    fn board(&self) -> Option<&apache_probe::Board> {
        self.watcher.as_ref()?.board()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_apache_configured_is_up_with_nothing_busy() {
        let mut apache = Apache::new(None);
        assert_eq!(apache.check(), None);
        assert!(apache.is_up());
        assert_eq!((apache.busy(), apache.total()), (0, 0));
    }

    #[test]
    fn an_apache_that_does_not_run_is_down_and_says_why() {
        let mut apache = Apache::new(Some(Target::score_board_file("/nonexistent/scoreboard")));
        assert!(apache.check().is_some());
        assert!(!apache.is_up());
        let status = apache.status();
        assert_eq!(status["up"], false);
        assert!(status["reason"].is_string());
        assert_eq!(apache.check(), None, "nothing new");
    }
}
