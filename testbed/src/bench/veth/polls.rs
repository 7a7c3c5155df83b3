//! Which processor takes packets off a veth.
//!
//! A veth end takes its packets by NAPI, which the kernel runs where the sender runs, unless a thread does it (`threaded`). So every end has its thread, bound to
//! the processor of the machine that it belongs to.
//!
//! At the sink's ends the thread comes by the clock (`gro_flush_timeout`) while a case is measured: a thread that sleeps until a packet
//! comes would have to be woken by the machine under test, again and again, which a network card does not ask for either.

use std::fs;
use std::path::PathBuf;
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
/// The sink looks so often. A veth holds 256 packets: at three million a second it is full after 85 us.
const SINK_NS: u64 = 40_000;
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

/// Gives an interface a thread on a processor. The interface has an XDP program already (a veth end without one has no NAPI), and a name that no other on
/// this host has.
pub fn give_thread(namespace: &str, interface: &str, processor: usize, rank: &str) -> Result<()> {
    set(namespace, interface, "threaded", 1)?;
    let threads = threads(interface)?;
    if threads.is_empty() {
        bail!("the kernel has made no thread for {interface}");
    }
    for pid in threads {
        bind_thread(Pid::from_raw(pid), processor)?;
        set_rank(Some(pid), rank)?;
    }
    Ok(())
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
    let thread = thread.unwrap_or_else(|| rustix::thread::gettid().as_raw_nonzero().get());
    let thread = thread.to_string();
    let args = ["--fifo", "--reset-on-fork", "--pid", rank, &thread];
    shell::run("chrt", &args).map(drop)
}

/// Keeps the processor of the machine under test from falling asleep, which it is slow to wake from on a virtual machine, with a thread that runs when
/// nobody else wants to: what it runs is what is left. Dropped, it ends.
pub struct Idle {
    stop: Arc<AtomicBool>,
    times: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Idle {
    /// Starts it.
    pub fn start() -> Result<Idle> {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let (say, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
            let begun = bind(UNDER_TEST)
                .and_then(|()| shell::run("chrt", &["--idle", "--pid", "0", &thread]))
                .map(|_| thread);
            let goes = begun.is_ok();
            let _ = say.send(begun);
            while goes && !stopped.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let mut idle = Idle {
            stop,
            times: PathBuf::new(),
            thread: Some(thread),
        };
        let thread = ready.recv().context("the idle thread ended")??;
        idle.times = PathBuf::from(format!("/proc/self/task/{thread}/schedstat"));
        Ok(idle)
    }

    /// How long it has run.
    pub fn ran(&self) -> Result<Duration> {
        let text = fs::read_to_string(&self.times).context("reading a thread's time")?;
        let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
        Ok(Duration::from_nanos(
            ns.context("a thread's time is no number")?,
        ))
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

/// The sink looks by the clock, or waits to be woken.
pub fn by_clock(namespace: &str, interface: &str, on: bool) -> Result<()> {
    let (ns, turns) = if on { (SINK_NS, FOR_EVER) } else { (0, 0) };
    set(namespace, interface, "gro_flush_timeout", ns)?;
    set(namespace, interface, "napi_defer_hard_irqs", turns)
}

/// What the page says.
pub fn words() -> String {
    format!(
        "Generator and sink have processor {OUTSIDE}; the machine under test has processor {UNDER_TEST}: its programs, and the kernel thread that takes packets off its veth (`threaded`). \
         The sink's thread looks every {} us by the clock (`gro_flush_timeout`), so that nobody has to wake it. All of them have real-time ranks, so that nobody else on the host takes their time.",
        SINK_NS / 1_000
    )
}
