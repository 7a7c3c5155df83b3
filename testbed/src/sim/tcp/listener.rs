//! A server's application as its kernel sees it: a listener, workers, and a queue in between.

use std::collections::VecDeque;

use srh::Flow;

/// The application's side of a server's kernel.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Is somebody listening?
    pub is_open: bool,
    /// Connections served at a time.
    pub workers: u32,
    /// Connections that may wait for a worker.
    pub backlog: usize,
    /// Half-open connections above which there are cookies.
    pub syn_backlog: usize,
    /// Workers that have a connection.
    pub busy: u32,
    /// Connections that no worker has picked up yet, oldest first.
    pub waiting: VecDeque<Flow>,
    /// When the last SYN cookie was sent.
    pub cookie_us: Option<u64>,
}

impl Listener {
    /// An open one.
    pub fn new(workers: u32, backlog: usize, syn_backlog: usize) -> Self {
        Listener {
            is_open: true,
            workers,
            backlog,
            syn_backlog,
            busy: 0,
            waiting: VecDeque::new(),
            cookie_us: None,
        }
    }

    /// Is there a worker for one more connection, and nobody waiting for it?
    pub fn has_room(&self) -> bool {
        self.is_open && self.busy < self.workers
    }
}
