//! What stands behind a server's Apache: bodies made on the fly, uploads checked byte by byte.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /traffic/content?seed=S&bytes=N` | the first N bytes of the content |
//! | `GET /traffic/push?seed=S&lines=N&every_ms=M` | N lines of 64 bytes of it, one every M ms, in chunks |
//! | `POST /traffic/upload?seed=S` with a Content-Length | how many bytes came and how many of them were right |

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};

use super::content::Content;
use super::script::{receipt, LINE_BYTES};
use crate::clock::now_ms;
use crate::peer::{self, query_value, Peer};
use crate::signals::Interrupt;

const LISTENER: Token = Token(usize::MAX);
/// The most that is kept in memory of one request's body.
const MAX_INPUT_BYTES: usize = 64 * 1024;
/// No small body is larger.
const MAX_CONTENT_BYTES: u64 = 1 << 20;
/// No push is slower or quicker.
const PUSH_EVERY_MS: std::ops::RangeInclusive<f64> = 1.0..=600_000.0;

/// What a worker's connection is about.
#[derive(Debug, PartialEq)]
enum Task {
    /// Waiting for a request.
    None,
    /// Sending lines.
    Push {
        content: Content,
        line: u64,
        lines: u64,
        every_ms: f64,
        next_ms: f64,
    },
    /// Reading a body.
    Upload {
        content: Content,
        came: u64,
        right: u64,
        bytes: u64,
    },
}

struct Worker {
    peer: Peer,
    task: Task,
}

struct Backend {
    poll: Poll,
    listener: UnixListener,
    workers: Vec<Option<Worker>>,
}

/// Serves until interrupted.
pub fn serve(socket: &Path, interrupt: &Interrupt) -> Result<()> {
    let mut listener = peer::listen(socket)?;
    let poll = Poll::new()?;
    (poll.registry()).register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut backend = Backend {
        poll,
        listener,
        workers: Vec::new(),
    };
    let mut events = Events::with_capacity(1024);
    while !interrupt.is_set() {
        backend.turn(&mut events)?;
    }
    let _ = fs::remove_file(socket);
    Ok(())
}

impl Backend {
    fn turn(&mut self, events: &mut Events) -> Result<()> {
        let tasks = self.workers.iter().flatten().map(|worker| &worker.task);
        let next_ms = tasks.filter_map(Task::next_ms).min_by(f64::total_cmp);
        let timeout =
            next_ms.map(|at_ms| Duration::from_secs_f64((at_ms - now_ms()).max(0.0) / 1e3));
        match self.poll.poll(events, timeout) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept()?,
                Token(slot) => self.look(slot),
            }
        }
        let now = now_ms();
        for slot in 0..self.workers.len() {
            let worker = self.workers[slot].as_ref();
            let next_ms = worker.and_then(|worker| worker.task.next_ms());
            if next_ms.is_some_and(|at_ms| at_ms <= now) {
                self.look(slot);
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e).context("cannot accept"),
            };
            let slot = match self.workers.iter().position(Option::is_none) {
                Some(slot) => slot,
                None => {
                    self.workers.push(None);
                    self.workers.len() - 1
                }
            };
            let both = Interest::READABLE | Interest::WRITABLE;
            (self.poll.registry()).register(&mut stream, Token(slot), both)?;
            self.workers[slot] = Some(Worker {
                peer: Peer::new(stream),
                task: Task::None,
            });
            // What it has sent already makes no second event.
            self.look(slot);
        }
    }

    fn look(&mut self, slot: usize) {
        let Some(Some(worker)) = self.workers.get_mut(slot) else {
            return;
        };
        if !worker.go_on(now_ms()) {
            self.workers[slot] = None;
        }
    }
}

impl Task {
    fn next_ms(&self) -> Option<f64> {
        match self {
            Task::Push { next_ms, .. } => Some(*next_ms),
            Task::None | Task::Upload { .. } => None,
        }
    }
}

impl Worker {
    /// Reads, works and writes as far as possible; false if the peer has gone.
    fn go_on(&mut self, now: f64) -> bool {
        loop {
            let there = self.peer.read(MAX_INPUT_BYTES);
            let was_full = self.peer.input.len() >= MAX_INPUT_BYTES;
            self.work(now);
            if !there || !self.peer.flush() {
                return false;
            }
            if !was_full {
                return true;
            }
            if self.peer.input.len() >= MAX_INPUT_BYTES {
                // Nobody wants what it sends.
                return false;
            }
        }
    }

    fn work(&mut self, now: f64) {
        if self.task == Task::None {
            if let Some(head) = self.peer.take_head() {
                self.begin(&head, now);
            }
        }
        match &self.task {
            Task::None => {}
            Task::Push { .. } => self.push(now),
            Task::Upload { .. } => self.take_upload(),
        }
    }

    fn begin(&mut self, head: &str, now: f64) {
        let answered = self.request(head, now);
        if let Err(why) = answered {
            self.say(&peer::answer("400 Bad Request", &format!("{why}\n")));
        }
    }

    fn request(&mut self, head: &str, now: f64) -> Result<(), String> {
        let (path, query) = peer::target_of(head);
        let content = Content {
            seed: number(query, "seed")?,
        };
        match path {
            "/traffic/content" => {
                let bytes = number(query, "bytes")?.min(MAX_CONTENT_BYTES);
                self.say(&format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n"
                ));
                let body = content.bytes(0, bytes as usize);
                self.peer.output.extend_from_slice(&body);
            }
            "/traffic/push" => {
                let every_ms = query_value(query, "every_ms").and_then(|v| v.parse().ok());
                let every_ms = every_ms.filter(|ms| PUSH_EVERY_MS.contains(ms));
                self.task = Task::Push {
                    content,
                    line: 0,
                    lines: number(query, "lines")?,
                    every_ms: every_ms.ok_or("every_ms= is too odd")?,
                    next_ms: now,
                };
                self.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            }
            "/traffic/upload" => {
                let bytes = content_length(head).ok_or("an upload needs a Content-Length")?;
                self.task = Task::Upload {
                    content,
                    came: 0,
                    right: 0,
                    bytes,
                };
            }
            _ => return Err("content, push and upload are all there is".into()),
        }
        Ok(())
    }

    /// The lines that are due.
    fn push(&mut self, now: f64) {
        let Task::Push {
            content,
            line,
            lines,
            every_ms,
            next_ms,
        } = &mut self.task
        else {
            return;
        };
        while *line < *lines && *next_ms <= now {
            let bytes = content.bytes(*line * LINE_BYTES, LINE_BYTES as usize);
            let size = format!("{LINE_BYTES:x}\r\n");
            self.peer.output.extend_from_slice(size.as_bytes());
            self.peer.output.extend_from_slice(&bytes);
            self.peer.output.extend_from_slice(b"\r\n");
            *line += 1;
            *next_ms += *every_ms;
        }
        if line == lines {
            self.task = Task::None;
            self.say("0\r\n\r\n");
        }
    }

    /// What has come of an upload, and the receipt at its end.
    fn take_upload(&mut self) {
        let Task::Upload {
            content,
            came,
            right,
            bytes,
        } = &mut self.task
        else {
            return;
        };
        let left = usize::try_from(*bytes - *came).unwrap_or(usize::MAX);
        let n = self.peer.input.len().min(left);
        if right == came {
            *right += content.right(*came, &self.peer.input[..n]) as u64;
        }
        *came += n as u64;
        self.peer.input.drain(..n);
        if came == bytes {
            let text = receipt(*right, *bytes);
            self.task = Task::None;
            self.say(&peer::answer("200 OK", &text));
        }
    }

    fn say(&mut self, text: &str) {
        self.peer.output.extend_from_slice(text.as_bytes());
    }
}

fn number(query: &str, key: &str) -> Result<u64, String> {
    query_value(query, key)
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| format!("{key}= is a number"))
}

fn content_length(head: &str) -> Option<u64> {
    let mut headers = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(key, _)| key.eq_ignore_ascii_case("Content-Length"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests;
