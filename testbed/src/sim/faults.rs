//! What goes wrong, and what operators do.

use srh::Flow;

use super::nodes::Node;
use super::outcome::Cause;
use super::pool::Delivery;
use super::scenario::What;
use super::world::{Done, Event, World};

impl World<'_> {
    /// The fault at this place of the scenario happens.
    pub fn fault(&mut self, place: usize) {
        let scenario = self.scenario;
        let what = &scenario.faults[place].what;
        self.trace.event(self.now_us, [6, place as u64, 0], || {
            format!("*** {what:?}")
        });
        let lbs = self.lbs.len() as u16;
        let servers = self.servers.len() as u16;
        let is_lb = |n: u16| (1..=lbs).contains(&n);
        let is_server = |n: u16| (1..=servers).contains(&n);
        match *what {
            What::EdgeRehash { salt } => self.rehash(salt),
            What::EdgeFlap {
                salt,
                every_ms,
                times,
            } => self.flap(salt, every_ms, times),
            What::LbKill { lb } if is_lb(lb) => self.kill_lb(lb),
            What::LbStop { lb, forwards_ms } if is_lb(lb) => self.stop_lb(lb, forwards_ms),
            What::LbStart { lb } if is_lb(lb) => self.start_lb(lb),
            What::Pool(ref change) => {
                let deliveries = self.pools.change(change.clone(), lbs);
                self.deliver_files(deliveries);
            }
            What::ServerKill { server } if is_server(server) => self.kill_server(server),
            What::ServerStart { server } if is_server(server) => self.start_server(server),
            What::RouterRestart { server, gap_ms } if is_server(server) => {
                self.restart_router(server, gap_ms);
            }
            What::AppDown { server } if is_server(server) => self.application_ends(server, false),
            What::AppKill { server } if is_server(server) => self.application_ends(server, true),
            What::AppUp { server } if is_server(server) => self.application_starts(server),
            What::Burst { for_ms, loss_ppm } => {
                let until_us = self.now_us + u64::from(for_ms) * 1_000;
                self.bursts.push((until_us, loss_ppm));
            }
            _ => {}
        }
    }

    /// The edge takes another hash.
    pub fn rehash(&mut self, salt: u64) {
        self.edge.rehash(salt);
        self.trace
            .event(self.now_us, [7, salt, 0], || "the edge hashes anew".into());
    }

    fn flap(&mut self, salt: u64, every_ms: u32, times: u32) {
        let usual = self.edge.salt();
        for change in 0..times {
            let at_us = self.now_us + u64::from(change) * u64::from(every_ms) * 1_000;
            let salt = if change % 2 == 0 { salt } else { usual };
            self.queue.push(at_us, Event::Rehash(salt));
        }
    }

    /// LB `n` starts, with the file that lies on its disk.
    pub fn start_lb(&mut self, n: u16) {
        let host = &mut self.lbs[usize::from(n) - 1];
        if host.engine.is_none() {
            let pool = self.pools.pool(host.file).clone();
            host.start(n, &self.settings, pool, &mut self.secrets);
        }
        self.edge.announce(n);
        self.watch.causes.lbs(self.now_us, true);
    }

    fn kill_lb(&mut self, n: u16) {
        let host = &mut self.lbs[usize::from(n) - 1];
        if let Some(engine) = host.engine.take() {
            host.life += 1;
            let life = host.life;
            self.end_of_lb(&engine, n);
            let at_us = self.now_us + u64::from(self.scenario.withdraw_ms) * 1_000;
            self.queue.push(at_us, Event::Withdraw(n, life));
        }
    }

    /// The edge has found out that an LB is gone.
    pub fn withdraw(&mut self, n: u16, life: u64) {
        if self.lbs[usize::from(n) - 1].life == life {
            self.edge.withdraw(n);
            self.note_whether_lbs();
        }
    }

    fn note_whether_lbs(&mut self) {
        let any = self.edge.pick(&super::nodes::flow(1, 1)).is_some();
        self.watch.causes.lbs(self.now_us, any);
    }

    fn stop_lb(&mut self, n: u16, forwards_ms: u32) {
        let life = self.lbs[usize::from(n) - 1].life;
        self.edge.withdraw(n);
        self.note_whether_lbs();
        let at_us = self.now_us + u64::from(forwards_ms) * 1_000;
        self.queue.push(at_us, Event::LbExit(n, life));
    }

    /// An LB that was stopped exits, unless it was started again meanwhile.
    pub fn lb_exit(&mut self, n: u16, life: u64) {
        let host = &mut self.lbs[usize::from(n) - 1];
        if host.life == life && !self.edge.has(n) {
            if let Some(engine) = host.engine.take() {
                host.life += 1;
                self.end_of_lb(&engine, n);
            }
        }
    }

    fn deliver_files(&mut self, deliveries: Vec<Delivery>) {
        self.files_under_way += deliveries.len();
        for delivery in deliveries {
            let at_us = self.now_us + delivery.after_us;
            self.queue.push(at_us, Event::File(delivery));
        }
    }

    /// A version of the pool's file has reached an LB.
    pub fn file(&mut self, delivery: Delivery) {
        let Delivery { lb, file, .. } = delivery;
        self.trace
            .event(self.now_us, [8, lb.into(), file as u64], || {
                format!("lb{lb} reads version {file} of the pool")
            });
        let host = &mut self.lbs[usize::from(lb) - 1];
        host.file = file;
        if let Some(engine) = &mut host.engine {
            engine.set_pool(self.pools.pool(file).clone());
            let seeing = self.watch.seeing(lb, host.life);
            seeing.pool(|server| engine.pool().is_member(server));
        }
        let pools = &self.pools;
        self.watch
            .pins_end(lb, |server| !pools.has_member(file, server));
        self.note_members(file);
        self.files_under_way -= 1;
        if self.files_under_way == 0 {
            let next = self.pools.delivered(self.lbs.len() as u16);
            self.deliver_files(next);
        }
    }

    /// Which servers are removed for good, now that somebody has this file?
    fn note_members(&mut self, file: usize) {
        for server in 1..=self.servers.len() as u16 {
            let files = self.lbs.iter().map(|host| host.file);
            let everywhere = files.into_iter().all(|f| self.pools.has_member(f, server));
            if everywhere || !self.pools.has_member(file, server) {
                self.watch.causes.removed(self.now_us, server, !everywhere);
            }
        }
        let undecided = self.watch.undecided();
        for (connection, flow) in undecided {
            self.note_candidates(connection, &flow);
        }
    }

    /// Whom a flow's SYN may be offered to, as the LBs see it now.
    pub fn note_candidates(&mut self, connection: usize, flow: &Flow) {
        for host in &self.lbs {
            let vip = &self.pools.pool(host.file).vips()[0];
            let bucket = vip.tables.bucket(&flow.key());
            let list = vip.tables.candidates(bucket);
            let servers = list.iter().map(|server| server + 1).collect();
            self.watch.causes.candidates(connection, servers);
        }
    }

    /// Server `n` is switched on.
    pub fn start_server(&mut self, n: u16) {
        let host = &mut self.servers[usize::from(n) - 1];
        if host.kernel.is_none() {
            host.start(n, &self.settings, self.now_us, &mut self.secrets);
            self.watch.causes.application(self.now_us, n, true);
        }
    }

    fn kill_server(&mut self, n: u16) {
        let host = &mut self.servers[usize::from(n) - 1];
        let Some(kernel) = host.kernel.take() else {
            return;
        };
        host.life += 1;
        host.router_life += 1;
        let engine = host.engine.take();
        self.watch.causes.application(self.now_us, n, false);
        self.watch
            .causes
            .sockets_lost(kernel.owned(), Cause::ServerDied);
        if let Some(engine) = engine {
            self.end_of_router(&engine, n);
        }
    }

    fn restart_router(&mut self, n: u16, gap_ms: u32) {
        let host = &mut self.servers[usize::from(n) - 1];
        let Some(engine) = host.engine.take() else {
            return;
        };
        host.router_life += 1;
        let life = host.router_life;
        self.end_of_router(&engine, n);
        let at_us = self.now_us + u64::from(gap_ms) * 1_000;
        self.queue.push(at_us, Event::RouterStart(n, life));
    }

    /// A router starts again.
    pub fn router_start(&mut self, n: u16, life: u64) {
        let host = &mut self.servers[usize::from(n) - 1];
        if host.kernel.is_some() && host.router_life == life {
            host.start_router(n, &self.settings, self.now_us, &mut self.secrets);
            self.trace.event(self.now_us, [9, n.into(), 0], || {
                format!("s{n}'s router is back")
            });
        }
    }

    fn application_ends(&mut self, n: u16, hard: bool) {
        let mut around = self.around();
        let Some(kernel) = &mut self.servers[usize::from(n) - 1].kernel else {
            return;
        };
        self.watch.causes.application(self.now_us, n, false);
        if hard {
            let lost = kernel.unfinished();
            self.watch.causes.sockets_lost(lost, Cause::AppKilled);
            kernel.kill_application(&mut around);
        } else {
            let lost = kernel.not_taken();
            self.watch.causes.sockets_lost(lost, Cause::ListenerClosed);
            kernel.close_listener(&mut around);
        }
        self.settle(Node::Server(n), Done::of(around));
    }

    fn application_starts(&mut self, n: u16) {
        let host = &mut self.servers[usize::from(n) - 1];
        let listener = host.kernel.as_mut().and_then(|k| k.listener.as_mut());
        if let Some(listener) = listener {
            listener.is_open = true;
            self.watch.causes.application(self.now_us, n, true);
        }
    }
}
