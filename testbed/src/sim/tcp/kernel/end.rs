//! The end of an application, and what goes with it.

use srh::Flow;

use super::{Kernel, Slot};
use crate::sim::tcp::live::Live;
use crate::sim::tcp::report::{Around, Gone};

impl Kernel {
    /// The listener closes: what it has not handed to the application goes with it.
    pub fn close_listener(&mut self, around: &mut Around) {
        if let Some(listener) = &mut self.listener {
            listener.is_open = false;
            listener.waiting.clear();
        }
        self.kill(around, |live| !live.served);
    }

    /// The application is killed: the kernel resets what it has not closed itself.
    pub fn kill_application(&mut self, around: &mut Around) {
        if let Some(listener) = &mut self.listener {
            listener.is_open = false;
            listener.waiting.clear();
        }
        self.kill(around, |live| !live.player.done);
    }

    fn kill(&mut self, around: &mut Around, whom: impl Fn(&Live) -> bool) {
        let flows: Vec<Flow> = self.slots.keys().copied().collect();
        for flow in flows {
            match self.slots.remove(&flow) {
                Some(Slot::Live(mut live)) if whom(&live) => {
                    // A half-open connection is forgotten; its client learns of it when it answers.
                    if live.was_established {
                        live.end.socket().abort();
                        live.end.poll(around.now_us, &mut around.out);
                    }
                    self.release(&mut live);
                    let report = live.report(self.side, around.now_us, Some(Gone::Killed));
                    around.reports.push(report);
                }
                Some(other) => _ = self.slots.insert(flow, other),
                None => {}
            }
        }
    }
}
