//! The helper process of one server: a Unix socket before [`Cores`].
//!
//! Speaks as much HTTP/1.1 as Apache's mod_proxy_http needs: GET without a body, kept
//! alive. `/job?id=7&us=50000` is a job of 50 ms; without `us` the helper draws an
//! exponential time itself. `/cores` tells what the cores do now.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};

use super::Cores;
use crate::peer::{self, Peer, MAX_HEAD_BYTES};
use crate::rng::Rng;
use crate::signals::Interrupt;

const LISTENER: Token = Token(usize::MAX);
/// The longest job that a request may ask for.
const MAX_SERVICE: Duration = Duration::from_secs(60);

/// Whose job: the peer's place, its turn at that place, and the client's number.
struct Job {
    slot: usize,
    turn: u64,
    id: String,
}

struct Helper {
    poll: Poll,
    listener: UnixListener,
    /// Place, and how often it has been given to somebody.
    peers: Vec<(u64, Option<Peer>)>,
    cores: Cores<Job>,
    rng: Rng,
    service_mean: Duration,
    start: Instant,
}

/// Serves until interrupted.
pub fn serve(
    socket: &Path,
    cores: usize,
    service_mean: Duration,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut listener = peer::listen(socket)?;
    let poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut helper = Helper {
        poll,
        listener,
        peers: Vec::new(),
        cores: Cores::new(cores),
        rng: Rng::new(u64::from(std::process::id()), 0),
        service_mean,
        start: Instant::now(),
    };
    let mut events = Events::with_capacity(256);
    while !interrupt.is_set() {
        helper.turn(&mut events)?;
    }
    let _ = fs::remove_file(socket);
    Ok(())
}

impl Helper {
    fn turn(&mut self, events: &mut Events) -> Result<()> {
        let now = self.start.elapsed();
        let timeout = self.cores.next_timeout().map(|end| end.saturating_sub(now));
        match self.poll.poll(events, timeout) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept()?,
                Token(slot) => self.serve_peer(slot),
            }
        }
        while let Some(job) = self.cores.poll(self.start.elapsed()) {
            self.answer_job(&job);
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
            let slot = match self.peers.iter().position(|(_, peer)| peer.is_none()) {
                Some(slot) => slot,
                None => {
                    self.peers.push((0, None));
                    self.peers.len() - 1
                }
            };
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(slot), both)?;
            let place = &mut self.peers[slot];
            place.0 += 1;
            place.1 = Some(Peer::new(stream));
        }
    }

    fn serve_peer(&mut self, slot: usize) {
        let Some((turn, Some(peer))) = self.peers.get_mut(slot) else {
            return;
        };
        let (turn, mut alive) = (*turn, peer.read(usize::MAX) && peer.flush());
        let mut heads = Vec::new();
        while let Some(head) = peer.take_head() {
            heads.push(head);
        }
        alive &= peer.input.len() <= MAX_HEAD_BYTES;
        if !alive {
            self.peers[slot].1 = None;
            return;
        }
        for head in heads {
            self.request(slot, turn, &head);
        }
    }

    fn request(&mut self, slot: usize, turn: u64, head: &str) {
        let (path, query) = peer::target_of(head);
        match path {
            "/job" => {
                let service = match peer::query_value(query, "us").map(str::parse) {
                    Some(Ok(us)) => Duration::from_micros(us),
                    Some(Err(_)) => {
                        return self.answer(slot, turn, "400 Bad Request", "us= is a number\n")
                    }
                    None => self.service_mean.mul_f64(self.rng.exponential(1.0)),
                };
                let id = peer::query_value(query, "id").unwrap_or("-").to_owned();
                let job = Job { slot, turn, id };
                self.cores
                    .submit(self.start.elapsed(), service.min(MAX_SERVICE), job);
            }
            "/cores" => {
                let text = serde_json::json!({
                    "running": self.cores.running(),
                    "waiting": self.cores.waiting(),
                    "done": self.cores.done(),
                });
                self.answer(slot, turn, "200 OK", &format!("{text}\n"));
            }
            _ => self.answer(slot, turn, "404 Not Found", "only /job and /cores\n"),
        }
    }

    fn answer_job(&mut self, job: &Job) {
        self.answer(
            job.slot,
            job.turn,
            "200 OK",
            &format!("job {} done\n", job.id),
        );
    }

    /// Answers the peer that asked, unless it has left and another sits in its place.
    fn answer(&mut self, slot: usize, turn: u64, status: &str, body: &str) {
        let place = &mut self.peers[slot];
        let Some(peer) = place.1.as_mut().filter(|_| place.0 == turn) else {
            return;
        };
        peer.output
            .extend_from_slice(peer::answer(status, body).as_bytes());
        if !peer.flush() {
            place.1 = None;
        }
    }
}
