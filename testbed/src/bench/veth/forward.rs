//! Forwarders of ours that are no load balancers: a thread each, in its machine's namespace, on its processor.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{anyhow, Context, Result};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use packet_io::lab::Forwarder;
use packet_io::xdp::forwarding::{Hop, Publisher, Table, Via};
use packet_io::xdp::{PortConfig, Xdp};
use packet_io::{Batch, PacketBuf};

use super::bed::{self, Machine, NEXT_HOP, OUT_MAC, SINK_MAC};
use super::polls;
use crate::bench::packets;
use crate::bench::place::enter;

/// How long a packet may be.
const MTU_BYTES: u32 = 1_500;
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Turns before that, while there are packets.
const TURNS: usize = 64;

/// A forwarder at work. Dropped, it stops.
pub struct Worker {
    /// Its number among threads.
    pub id: i32,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// The bare l2fwd, with all frames going round or few.
    pub fn bare(machine: &Machine, few: bool) -> Result<Worker> {
        let (inner, outer) = (machine.inner().to_owned(), machine.outer().to_owned());
        Worker::start(machine, move || {
            let mut forwarder = Forwarder::open(&inner, &outer, SINK_MAC, few)?;
            let fds = vec![forwarder.raw_fd()];
            Ok((fds, move || forwarder.turn(Batch::PACKETS)))
        })
    }

    /// The load balancer's driver.
    pub fn driver(machine: &Machine) -> Result<Worker> {
        let ports = [(machine.inner(), false), (machine.outer(), true)];
        let ports = ports.map(|(name, in_domain)| PortConfig {
            name: name.to_owned(),
            in_domain,
            queues: None,
            mtu_bytes: MTU_BYTES,
            busy_poll_us: 0,
        });
        let outer = machine.outer().to_owned();
        Worker::start(machine, move || {
            let routes = Publisher::default();
            let index = bed::if_index(&outer)?;
            routes.publish(one_way(index));
            let mut locator = [0; 8];
            locator.copy_from_slice(&packets::lb().network().octets()[..8]);
            let mut xdp = Xdp::open(&ports, locator, &routes)?;
            xdp.set_addresses(&[packets::vip()], &[])?;
            let fds = xdp.raw_fds().collect();
            let mut batch = vec![PacketBuf::with_capacity(MTU_BYTES as usize); Batch::PACKETS];
            Ok((fds, move || {
                let n = xdp.receive(&mut batch);
                for packet in &batch[..n] {
                    xdp.send(packet);
                }
                xdp.flush();
                n
            }))
        })
    }

    /// `make` is called on the thread, and what it returns is waited for and called there.
    fn start<F, T>(machine: &Machine, make: F) -> Result<Worker>
    where
        F: FnOnce() -> Result<(Vec<RawFd>, T)> + Send + 'static,
        T: FnMut() -> usize,
    {
        let stop = Arc::<AtomicBool>::default();
        let (namespace, stopped) = (machine.namespace.clone(), Arc::clone(&stop));
        let (say, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let opened = polls::bind(polls::UNDER_TEST)
                .and_then(|()| polls::set_rank(None, polls::FIRST))
                .and_then(|()| enter(&namespace))
                .and_then(|()| make())
                .and_then(|(fds, turn)| Ok((watch(&fds)?, turn)));
            match opened {
                Ok((poll, turn)) => {
                    let _ = say.send(Ok(polls::own_thread()));
                    serve(poll, &stopped, turn);
                }
                Err(error) => drop(say.send(Err(error))),
            }
        });
        let mut worker = Worker {
            id: 0,
            stop,
            thread: Some(thread),
        };
        let began = ready.recv();
        worker.id = began.map_err(|_| anyhow!("a forwarder panicked"))??;
        Ok(worker)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(fds: &[RawFd]) -> Result<Poll> {
    let poll = Poll::new().context("making an event loop")?;
    for fd in fds {
        poll.registry()
            .register(&mut SourceFd(fd), Token(0), Interest::READABLE)
            .context("watching a socket")?;
    }
    Ok(poll)
}

fn serve(mut poll: Poll, stop: &AtomicBool, mut turn: impl FnMut() -> usize) {
    let mut events = Events::with_capacity(8);
    while !stop.load(Ordering::Relaxed) {
        if (0..TURNS).any(|_| turn() == 0) {
            // Interrupted or not: there is a look at the packets either way.
            let _ = poll.poll(&mut events, Some(LOOK));
        }
    }
}

/// All goes to the sink.
fn one_way(index: u32) -> Table {
    let mut table = Table::default();
    table.set_route(packets::vip(), 64, vec![Via::Gateway(index, NEXT_HOP)]);
    table.set_hop(Hop::new(index, NEXT_HOP, SINK_MAC, OUT_MAC));
    table
}
