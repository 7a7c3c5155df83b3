//! A folder for a made-up board.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use apache_probe::{locate, Board, Counts, Error, Target};

/// A folder with room for one board.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("scoreboard")
    }

    pub fn target(&self) -> Target {
        Target::score_board_file(self.path()).ignoring_parent()
    }

    pub fn map(&self) -> Result<Board, Error> {
        Board::map(&locate(&self.target())?)
    }

    pub fn writer(&self) -> File {
        OpenOptions::new()
            .write(true)
            .open(self.path())
            .expect("the board's file")
    }
}

pub fn counts_of(busy: u32, idle: u32) -> Counts {
    Counts {
        busy,
        idle,
        total: busy + idle,
        ..Counts::default()
    }
}
