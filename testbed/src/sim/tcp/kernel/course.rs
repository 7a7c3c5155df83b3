//! How a connection goes on after something has happened to it: its application, its timers, and what becomes of it.

use smoltcp::socket::tcp::State;
use srh::Flow;

use super::{has_shaken_hands, Kernel, Slot, TimeWait};
use super::{SYN_RECV_LIFE_US, SYN_SENT_LIFE_US, TIME_WAIT_US};
use crate::sim::tcp::live::Live;
use crate::sim::tcp::report::{Around, Gone, Wake};

impl Kernel {
    /// Goes on with a connection that something has happened to, and puts it where it belongs now.
    pub(super) fn keep(
        &mut self,
        flow: Flow,
        mut live: Box<Live>,
        gone: Option<Gone>,
        around: &mut Around,
    ) {
        let now_us = around.now_us;
        if !live.was_established && has_shaken_hands(live.end.state()) {
            live.was_established = true;
            self.enqueue(flow, &mut live);
        }
        if live.served && live.was_established {
            let spec = &around.specs[live.connection];
            live.player.play(now_us, spec, live.end.socket());
        }
        // In TIME_WAIT everything is acknowledged already, and a second ACK would be answered by RST.
        if live.end.state() != State::TimeWait {
            live.end.poll(now_us, &mut around.out);
        }
        let gone = gone.or_else(|| match live.end.state() {
            State::Closed if live.player.aborted => Some(Gone::Aborted),
            State::Closed | State::TimeWait => Some(Gone::Closed),
            _ => None,
        });
        around.reports.push(live.report(self.side, now_us, gone));
        if live.player.done || gone.is_some() {
            self.release(&mut live);
        }
        if gone.is_none() {
            self.schedule(flow, &mut live, around);
            self.slots.insert(flow, Slot::Live(live));
        } else if live.end.state() == State::TimeWait {
            let wait = TimeWait {
                connection: live.connection,
                first: live.end.numbers.first,
                until_us: now_us + TIME_WAIT_US,
                next: live.end.numbers.next,
                expected: live.end.numbers.expected,
                challenged_us: None,
            };
            self.slots.insert(flow, Slot::TimeWait(wait));
        }
        self.serve(around);
    }

    /// A connection whose handshake is over gets a worker, or waits for one.
    fn enqueue(&mut self, flow: Flow, live: &mut Live) {
        let Some(listener) = &mut self.listener else {
            return;
        };
        if listener.has_room() && listener.waiting.is_empty() {
            listener.busy += 1;
            (live.served, live.has_worker) = (true, true);
        } else {
            listener.waiting.push_back(flow);
        }
    }

    pub(super) fn release(&mut self, live: &mut Live) {
        if let (Some(listener), true) = (&mut self.listener, live.has_worker) {
            listener.busy -= 1;
            live.has_worker = false;
        }
    }

    /// Workers that are free pick up what waits.
    fn serve(&mut self, around: &mut Around) {
        while let Some(listener) = self.listener.as_mut().filter(|l| l.has_room()) {
            let Some(flow) = listener.waiting.pop_front() else {
                return;
            };
            match self.slots.remove(&flow) {
                Some(Slot::Live(mut live)) if !live.served && live.was_established => {
                    listener.busy += 1;
                    (live.served, live.has_worker) = (true, true);
                    self.keep(flow, live, None, around);
                }
                Some(other) => _ = self.slots.insert(flow, other),
                None => {}
            }
        }
    }

    fn schedule(&mut self, flow: Flow, live: &mut Live, around: &mut Around) {
        let gives_up = match live.end.state() {
            State::SynReceived => Some(live.born_us + SYN_RECV_LIFE_US),
            State::SynSent => Some(live.born_us + patience_us(live, around)),
            _ => None,
        };
        live.persist(around.now_us);
        let timer = live.end.due_us(around.now_us);
        let fin = live.fin_again_us(around.now_us);
        let wishes = [gives_up, timer, fin, live.player.wakes_us()];
        let Some(at_us) = wishes.into_iter().flatten().min() else {
            return;
        };
        if live.wake_us.is_none_or(|wake| at_us < wake) {
            live.wake_us = Some(at_us);
            around.wakes.push(Wake {
                flow,
                serial: live.serial,
                at_us,
            });
        }
    }

    /// The time has come that a connection wished to be woken at.
    pub fn wake(&mut self, wake: &Wake, around: &mut Around) {
        match self.slots.remove(&wake.flow) {
            Some(Slot::Live(mut live)) if live.serial == wake.serial => {
                live.wake_us = None;
                let fin = live.send_fin_again(around.now_us);
                around
                    .out
                    .extend(fin.map(|fin| fin.packet(&wake.flow, self.side)));
                let age_us = around.now_us - live.born_us;
                let gone = match live.end.state() {
                    State::SynReceived if age_us >= SYN_RECV_LIFE_US => Some(Gone::HalfOpen),
                    State::SynSent if age_us >= SYN_SENT_LIFE_US => Some(Gone::TimedOut),
                    State::SynSent if age_us >= patience_us(&live, around) => Some(Gone::Aborted),
                    _ => None,
                };
                self.keep(wake.flow, live, gone, around);
            }
            Some(other) => _ = self.slots.insert(wake.flow, other),
            None => {}
        }
    }
}

/// How long a client waits for the answer to its SYN.
fn patience_us(live: &Live, around: &Around) -> u64 {
    let patience_ms = around.specs[live.connection].patience_ms;
    let patience_us = patience_ms.map(|ms| u64::from(ms) * 1_000);
    patience_us.unwrap_or(u64::MAX).min(SYN_SENT_LIFE_US)
}
