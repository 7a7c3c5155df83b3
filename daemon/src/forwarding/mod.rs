//! Follows the kernel's routes and neighbours, for a driver that goes past the kernel.
//!
//! A thread of its own listens to the kernel's notifications, reads everything again when something has changed, and publishes a table that packet threads read without
//! locks. So a full routing table costs them nothing, and nothing is ever half old.
//!
//! The kernel doesn't see what is sent past it, and takes neighbours for unused. So those that packets went to, and that are stale, are looked up again ("use", as the kernel's own traffic would do):
//! a neighbour that has gone vanishes from the table within seconds. What isn't in the table is sent by the kernel, which then looks for the neighbour.

mod build;

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use packet_io::xdp::forwarding::Publisher;

use crate::host::netlink::Netlink;

const NEWS: Token = Token(0);
const STOP: Token = Token(1);
/// What is listened to: links, neighbours, IPv6 routes, IPv6 rules.
const GROUPS: [u32; 4] = [1, 3, 11, 19];
/// The kernel says many things at once; they are read together.
const TOGETHER: Duration = Duration::from_millis(20);
/// How often neighbours in use are looked at.
const CARE: Duration = Duration::from_secs(1);

/// What the thread knows about itself.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// How often a table was published.
    pub published: u64,
    /// Why the table is empty on purpose, or could not be read.
    pub problem: Option<String>,
}

/// The thread; it ends with this value.
#[derive(Debug)]
pub struct Follower {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    state: Arc<Mutex<Followed>>,
}

impl Follower {
    /// Publishes a first table, and follows what changes on these interfaces, in the network namespace of this thread.
    pub fn start(interfaces: Vec<u32>, publisher: Publisher) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let news = listen()?;
        poll.registry()
            .register(&mut SourceFd(&news.as_raw_fd()), NEWS, Interest::READABLE)?;
        let state = Arc::new(Mutex::new(Followed::default()));
        let mut follows = Follows {
            news,
            netlink: Netlink::open()?,
            interfaces,
            publisher,
            state: Arc::clone(&state),
            stale: Vec::new(),
        };
        follows.publish();
        let thread = thread::Builder::new()
            .name("routes".into())
            .spawn(move || follows.run(poll))?;
        Ok(Follower {
            waker,
            thread: Some(thread),
            state,
        })
    }

    /// What it has done.
    pub fn followed(&self) -> Followed {
        locked(&self.state).clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn locked(state: &Mutex<Followed>) -> std::sync::MutexGuard<'_, Followed> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    for group in GROUPS {
        socket.add_membership(group)?;
    }
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// What the thread has.
struct Follows {
    news: Socket,
    netlink: Netlink,
    interfaces: Vec<u32>,
    publisher: Publisher,
    state: Arc<Mutex<Followed>>,
    /// Neighbours that the kernel has not heard of for a while.
    stale: Vec<build::Neighbour>,
}

impl Follows {
    fn run(&mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(8);
        let mut care_at = Instant::now() + CARE;
        loop {
            let left = care_at.saturating_duration_since(Instant::now());
            match poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    locked(&self.state).problem = Some(format!("waiting for news: {error}"));
                    return;
                }
                Ok(()) => {}
            }
            if events.iter().any(|event| event.token() == STOP) {
                return;
            }
            if events.iter().any(|event| event.token() == NEWS) {
                thread::sleep(TOGETHER);
                self.skip_news();
                self.publish();
            }
            if Instant::now() >= care_at {
                care_at = Instant::now() + CARE;
                self.care();
            }
        }
    }

    /// What the news are doesn't matter: all is read again. If the kernel had more to say than there was room, this is
    /// right, too.
    fn skip_news(&mut self) {
        loop {
            match self.news.recv_from_full() {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return,
            }
        }
    }

    /// Reads everything and publishes it. A table that can't be read right now stays as it was.
    fn publish(&mut self) {
        let read = build::read(&mut self.netlink, &self.interfaces);
        let mut state = locked(&self.state);
        match read {
            Ok(read) => {
                self.stale = read.stale;
                state.published += 1;
                state.problem = read.problem;
                self.publisher.publish(read.table);
            }
            Err(error) => state.problem = Some(format!("reading routes and neighbours: {error}")),
        }
    }

    /// Has the kernel look again for stale neighbours that packets went to.
    fn care(&mut self) {
        let table = self.publisher.current();
        for hop in table.hops().filter(|hop| hop.take_used()) {
            let neighbour = (hop.if_index, hop.address);
            if self.stale.contains(&neighbour) {
                // One that vanished meanwhile is no loss.
                let _ = build::use_neighbour(&mut self.netlink, neighbour);
            }
        }
    }
}
