//! Which processor takes packets off a veth.
//!
//! A veth end takes its packets by NAPI, which the kernel runs where the sender runs, unless a thread does it (`threaded`). So every end has its thread, bound to
//! the processor of the machine that it belongs to.
//!
//! While a case is measured these threads come by the clock (`gro_flush_timeout`), as the interrupts of a network card do. One that slept until a packet comes would be woken by every few of them:
//! the machine under test would pay for waking the sink's, and how many packets a program gets at once would be an accident.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use rustix::thread::{sched_setaffinity, CpuSet, Pid};

use super::bed::write_in;
use crate::shell;

/// Where generator and sink are.
pub const OUTSIDE: usize = 0;
/// Where the machine under test is.
pub const UNDER_TEST: usize = 1;
/// A look so often. A veth holds 256 packets: less than that may come in this time.
const LOOK_NS: u64 = 200_000;
/// "For ever", in turns without a packet.
const FOR_EVER: u64 = 1 << 30;
/// Binds this thread, and those that it makes, to a processor.
pub fn bind(processor: usize) -> Result<()> {
    bind_thread(None, processor)
}

fn bind_thread(thread: Option<Pid>, processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(thread, &set).with_context(|| format!("binding to processor {processor}"))
}

fn set(namespace: &str, interface: &str, file: &str, value: u64) -> Result<()> {
    let path = format!("/sys/class/net/{interface}/{file}");
    write_in(namespace, &path, &value.to_string())
}

/// Gives an interface a thread on a processor, and says its number. The interface has an XDP program already (a veth end without one has no NAPI), and a name that no other on
/// this host has.
pub fn give_thread(
    namespace: &str,
    interface: &str,
    processor: usize,
    rank: &str,
) -> Result<Vec<i32>> {
    set(namespace, interface, "threaded", 1)?;
    let threads = threads(interface)?;
    if threads.is_empty() {
        bail!("the kernel has made no thread for {interface}");
    }
    for &pid in &threads {
        bind_thread(Pid::from_raw(pid), processor)?;
        set_rank(Some(pid), rank)?;
    }
    Ok(threads)
}

/// Real-time rank of the generator, and of the kernel threads that take packets off the veths of a machine under test: nobody else on
/// this host is to take time from what is measured.
pub const WORK: &str = "1";
/// Of programs that are measured: their machine's kernel thread takes no packets off the veth while there are some that the program has not
/// worked on, else it would throw most of them away. And of the kernel threads of the sink's ends, which the generator must not keep from their work.
pub const FIRST: &str = "2";
/// Of who watches.
pub const WATCH: &str = "3";

/// Gives a thread, or this one, a rank, which those that it makes don't inherit.
pub fn set_rank(thread: Option<i32>, rank: &str) -> Result<()> {
    let thread = thread.unwrap_or_else(own_thread).to_string();
    let args = ["--fifo", "--reset-on-fork", "--pid", rank, &thread];
    shell::run("chrt", &args).map(drop)
}

/// This thread's number.
pub fn own_thread() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// How long these threads have run in all. One that is at it right now has its last few microseconds left out.
pub fn ran(threads: &[i32]) -> Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in threads {
        let text = fs::read_to_string(format!("/proc/{thread}/schedstat"))
            .context("reading a thread's time")?;
        let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
        all += Duration::from_nanos(ns.context("a thread's time is no number")?);
    }
    Ok(all)
}

/// Keeps the processor of the machine under test from falling asleep, which it is slow to wake from on a virtual machine, with a thread that runs when
/// nobody else wants to. Dropped, it ends.
pub struct Idle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Idle {
    /// Starts it.
    pub fn start() -> Result<Idle> {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let (say, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let thread = own_thread().to_string();
            let begun = bind(UNDER_TEST)
                .and_then(|()| shell::run("chrt", &["--idle", "--pid", "0", &thread]));
            let goes = begun.is_ok();
            let _ = say.send(begun);
            while goes && !stopped.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let idle = Idle {
            stop,
            thread: Some(thread),
        };
        ready.recv().context("the idle thread ended")??;
        Ok(idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn threads(interface: &str) -> Result<Vec<i32>> {
    let begin = format!("napi/{interface}-");
    let processes = fs::read_dir("/proc").context("reading /proc")?;
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with(&begin))
    };
    Ok(pids.filter(is_it).collect())
}

/// From now on an interface's thread looks by the clock.
pub fn by_clock(namespace: &str, interface: &str) -> Result<()> {
    set(namespace, interface, "gro_flush_timeout", LOOK_NS)?;
    set(namespace, interface, "napi_defer_hard_irqs", FOR_EVER)
}

/// What the page says.
pub fn words() -> String {
    format!(
        "Generator and sink have processor {OUTSIDE}; the machine under test has processor {UNDER_TEST}: its programs, and the kernel thread that takes packets off its veth (`threaded`). \
         Such threads look every {} us by the clock (`gro_flush_timeout`), as interrupts of a network card come, so that nobody has to wake them, and every case gets as many packets at a time. All of them have \
         real-time ranks, so that nobody else on the host takes their time.",
        LOOK_NS / 1_000
    )
}
