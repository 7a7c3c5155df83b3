//! The workers, from outside: their threads, what they are told, what they answer.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context};
use daemon::run::Clock;
use daemon::trace::TraceFilter;
use mio::Waker;
use packet_io::tun::Tun;

use super::cores;
use super::fast::Lanes;
use super::shown::{self, Shown, Sight, MOST_WAITING};
use super::worker::{Order, Parts, Report, Worker};
use crate::engine::{Change, Engine};

/// How long a worker may take to do what it is told: it does so after the batch that it is at.
const PATIENCE: Duration = Duration::from_secs(2);

struct Member {
    orders: Sender<Order>,
    waker: Waker,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// All workers.
pub(super) struct Team {
    members: Vec<Member>,
    sights: Receiver<Sight>,
    /// What was last said about whom to show.
    filters: Vec<TraceFilter>,
}

impl Team {
    /// Starts a worker for each engine, with a queue of the TUN device and a lane each. They wake by `waker` when there is something to see, and when one ends.
    pub fn start(
        engines: Vec<Engine>,
        tuns: Vec<Tun>,
        lanes: Lanes,
        clock: &Clock,
        waker: &Arc<Waker>,
    ) -> anyhow::Result<Self> {
        let (to, sights) = mpsc::sync_channel(MOST_WAITING);
        let cores = cores::chosen(engines.len(), &cores::allowed());
        let mut team = Team {
            members: Vec::new(),
            sights,
            filters: Vec::new(),
        };
        let places = tuns.into_iter().zip(lanes).zip(cores);
        for (number, (engine, ((tun, lane), core))) in engines.into_iter().zip(places).enumerate() {
            let (orders, taken) = mpsc::channel();
            let (worker, wakes) = Worker::new(Parts {
                number,
                core,
                engine,
                tun,
                lane,
                orders: taken,
                clock: clock.clone(),
                shown: Shown::new(to.clone(), Arc::clone(waker)),
            })?;
            let thread = std::thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn({
                    let says = End(Arc::clone(waker));
                    move || {
                        let _says = says;
                        worker.run()
                    }
                })
                .context("starting a thread")?;
            team.members.push(Member {
                orders,
                waker: wakes,
                thread,
            });
        }
        Ok(team)
    }

    fn tell(&self, member: &Member, order: Order) {
        // One that has ended is found out by `check`.
        if member.orders.send(order).is_ok() {
            let _ = member.waker.wake();
        }
    }

    /// Tells each one something and waits until all have done it.
    fn tell_all(&self, mut order: impl FnMut(Sender<()>) -> Order) {
        let (done, all_done) = mpsc::channel();
        for member in &self.members {
            self.tell(member, order(done.clone()));
        }
        drop(done);
        // Nobody sends anything: it ends when nobody could any more.
        let _ = all_done.recv_timeout(PATIENCE);
    }

    /// Another pool and other settings, prepared for each. Packets see them when this returns.
    pub fn take(&self, change: impl Fn() -> Change) {
        self.tell_all(|done| Order::Take(Box::new(change()), done));
    }

    /// Other lanes. The old ones are closed when this returns.
    pub fn set_lanes(&self, lanes: Lanes) {
        let mut lanes = lanes.into_iter();
        self.tell_all(|done| Order::Lane(lanes.next().flatten(), done));
    }

    /// Which packets are to be shown, if that is not what it was.
    pub fn set_filters(&mut self, filters: Vec<TraceFilter>) {
        if filters == self.filters {
            return;
        }
        for member in &self.members {
            self.tell(member, Order::Show(filters.clone().into()));
        }
        self.filters = filters;
    }

    /// What there is to see, as much as one turn may take.
    pub fn sights(&self) -> impl Iterator<Item = Sight> + '_ {
        shown::turn(&self.sights)
    }

    /// What each of them has done, in their order. One that doesn't answer is left out.
    pub fn reports(&self) -> Vec<Report> {
        let (to, from) = mpsc::channel();
        for member in &self.members {
            self.tell(member, Order::Report(to.clone()));
        }
        drop(to);
        let end = Instant::now() + PATIENCE;
        let left = || end.saturating_duration_since(Instant::now());
        let mut reports = Vec::new();
        while let Ok(report) = from.recv_timeout(left()) {
            reports.push(report);
        }
        reports.sort_by_key(|report| report.worker);
        reports
    }

    /// Have they all their work? One that has ended by itself, ends all.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let ended = |member: &Member| member.thread.is_finished();
        match self.members.iter().position(ended) {
            Some(number) => {
                joined(self.members.remove(number)).and(Err(anyhow!("a worker has ended")))
            }
            None => Ok(()),
        }
    }

    /// Ends all of them.
    pub fn stop(self) -> anyhow::Result<()> {
        for member in &self.members {
            self.tell(member, Order::Stop);
        }
        let mut all = Ok(());
        for member in self.members {
            all = all.and(joined(member));
        }
        all
    }
}

fn joined(member: Member) -> anyhow::Result<()> {
    let panicked = |_| Err(anyhow!("a worker has panicked"));
    member.thread.join().unwrap_or_else(panicked)
}

/// Wakes when it goes, however that comes about.
struct End(Arc<Waker>);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.0.wake();
    }
}
