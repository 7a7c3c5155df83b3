//! A scoreboard without an Apache, written into an ordinary file: for tests, benches and examples, here and in other crates.
//!
//! Watch it with `Target::score_board_file(path).ignoring_parent()`: it has no processes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::layout::{Geometry, Layout};
use crate::status::Status;

/// The writer's end of a made-up scoreboard.
#[derive(Debug)]
pub struct Synthetic {
    file: File,
    geometry: Geometry,
}

impl Synthetic {
    /// Makes the file, which must not exist, with every slot free.
    pub fn create(
        path: &Path,
        layout: &'static Layout,
        server_limit: u32,
        thread_limit: u32,
    ) -> io::Result<Synthetic> {
        let geometry = Geometry::new(layout, server_limit, thread_limit)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such limits"))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        let bytes = geometry.bytes() as u64;
        file.set_len(bytes)?;
        file.write_all_at(&bytes.to_ne_bytes(), 0)?;
        let board = Synthetic { file, geometry };
        board.u32(geometry.server_limit_at(), server_limit)?;
        board.u32(geometry.thread_limit_at(), thread_limit)?;
        Ok(board)
    }

    /// Sets the running generation, as a restart does.
    pub fn set_generation(&self, generation: u32) -> io::Result<()> {
        self.u32(self.geometry.generation_at(), generation)
    }

    /// Sets the time of the last start or SIGHUP.
    pub fn set_restart_time_us(&self, time_us: u64) -> io::Result<()> {
        self.file.write_all_at(
            &time_us.to_ne_bytes(),
            self.geometry.restart_time_at() as u64,
        )
    }

    /// Puts a process into a slot; pid 0 frees it.
    pub fn set_process(&self, slot: u32, pid: u32, generation: u32) -> io::Result<()> {
        let process = self.geometry.process(slot);
        self.u32(process.pid(), pid)?;
        self.u32(process.generation(), generation)
    }

    /// Marks a process as going down, or not.
    pub fn set_quiescing(&self, slot: u32, is_quiescing: bool) -> io::Result<()> {
        let at = self.geometry.process(slot).quiescing();
        self.byte(at, u8::from(is_quiescing))
    }

    /// Marks a process as full, or not.
    pub fn set_not_accepting(&self, slot: u32, is_full: bool) -> io::Result<()> {
        let at = self.geometry.process(slot).not_accepting();
        self.byte(at, u8::from(is_full))
    }

    /// Sets what a worker is doing.
    pub fn set_status(&self, slot: u32, thread: u32, status: Status) -> io::Result<()> {
        self.set_status_number(slot, thread, status as u8)
    }

    /// Sets a worker's status to any number, also one that httpd does not have.
    pub fn set_status_number(&self, slot: u32, thread: u32, number: u8) -> io::Result<()> {
        let at = self.geometry.worker(slot, thread).status();
        self.byte(at, number)
    }

    /// Fills every slot with a process (pids from 1000) whose workers all are in `status`.
    pub fn fill(&self, status: Status) -> io::Result<()> {
        for slot in 0..self.geometry.server_limit() {
            self.set_process(slot, 1000 + slot, 0)?;
            for thread in 0..self.geometry.thread_limit() {
                self.set_status(slot, thread, status)?;
            }
        }
        Ok(())
    }

    fn byte(&self, offset: usize, value: u8) -> io::Result<()> {
        self.file.write_all_at(&[value], offset as u64)
    }

    fn u32(&self, offset: usize, value: u32) -> io::Result<()> {
        self.file.write_all_at(&value.to_ne_bytes(), offset as u64)
    }
}
