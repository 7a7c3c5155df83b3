//! Work that a reload takes, on a thread of its own: packets go on meanwhile.

use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::Arc;

use anyhow::{anyhow, Context};
use daemon::control::ConnId;
use mio::Waker;

/// Reloads, one at a time. `T` is what one of them comes to.
pub(super) struct Reloads<T> {
    waker: Arc<Waker>,
    under_way: Option<Receiver<anyhow::Result<T>>>,
    /// Who is told how it ends.
    asked: Vec<ConnId>,
    /// One was asked for while another was under way, by these: what that one has read may be old by now.
    again: Option<Vec<ConnId>>,
}

impl<T: Send + 'static> Reloads<T> {
    /// Says by `waker` that one has ended.
    pub fn new(waker: Arc<Waker>) -> Self {
        Reloads {
            waker,
            under_way: None,
            asked: Vec::new(),
            again: None,
        }
    }

    /// Somebody wants one. Is it to be started now?
    pub fn ask(&mut self, by: Option<ConnId>) -> bool {
        let now = self.under_way.is_none();
        let list = match now {
            true => &mut self.asked,
            false => self.again.get_or_insert_default(),
        };
        list.extend(by);
        now
    }

    /// Begins with the work.
    pub fn start(&mut self, work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) {
        let (result, receiver) = mpsc::channel();
        self.under_way = Some(receiver);
        let waker = Arc::clone(&self.waker);
        let and_say_so = {
            let result = result.clone();
            move || {
                // Nobody listens any more if the daemon is about to end.
                let _ = result.send(work());
                let _ = waker.wake();
            }
        };
        let thread = std::thread::Builder::new().name("reload".into());
        if let Err(error) = thread.spawn(and_say_so) {
            let _ = result.send(Err(error).context("starting a thread"));
        }
    }

    /// What the work has come to; none while it goes on. More may be started of the same reload.
    pub fn ended(&mut self) -> Option<anyhow::Result<T>> {
        let result = match self.under_way.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(anyhow!("the thread that did it has failed")),
            Ok(result) => result,
        };
        self.under_way = None;
        Some(result)
    }

    /// All of it has ended: who is to be told?
    pub fn told(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.asked)
    }

    /// After that: was another asked for meanwhile, and is to be started now?
    pub fn is_wanted_again(&mut self) -> bool {
        let again = self.again.take();
        let is_wanted = again.is_some();
        self.asked.extend(again.into_iter().flatten());
        is_wanted
    }

    /// Waits for the one under way, whatever it comes to.
    pub fn wait(&mut self) {
        if let Some(receiver) = self.under_way.take() {
            let _ = receiver.recv();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll, Token};
    use std::sync::mpsc::Sender;
    use std::time::Duration;

    const RELOADED: Token = Token(7);

    struct Bench {
        poll: Poll,
        reloads: Reloads<u32>,
    }

    impl Bench {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let waker = Waker::new(poll.registry(), RELOADED).unwrap();
            let reloads = Reloads::new(Arc::new(waker));
            Bench { poll, reloads }
        }

        /// Starts work that comes to `result` as soon as it is told to go on.
        fn start(&mut self, result: anyhow::Result<u32>) -> Sender<()> {
            let (go_on, may_go_on) = mpsc::channel();
            self.reloads.start(move || {
                may_go_on.recv()?;
                result
            });
            go_on
        }

        fn is_woken(&mut self) -> bool {
            let mut events = Events::with_capacity(4);
            let patience = Duration::from_secs(60);
            self.poll.poll(&mut events, Some(patience)).unwrap();
            events.iter().any(|event| event.token() == RELOADED)
        }
    }

    #[test]
    fn work_goes_on_beside_and_its_end_wakes() {
        let mut bench = Bench::new();
        assert!(bench.reloads.ask(None));
        let go_on = bench.start(Ok(5));
        assert!(bench.reloads.ended().is_none(), "nobody waits for it");
        go_on.send(()).unwrap();
        assert!(bench.is_woken());
        let result = bench.reloads.ended().unwrap();
        assert_eq!(result.unwrap(), 5);
        assert!(bench.reloads.ended().is_none(), "once");
        assert!(!bench.reloads.is_wanted_again());
    }

    #[test]
    fn one_asked_for_meanwhile_comes_after_it() {
        let mut bench = Bench::new();
        assert!(bench.reloads.ask(None));
        let go_on = bench.start(Err(anyhow!("wrong")));
        assert!(!bench.reloads.ask(None), "one at a time");
        assert!(!bench.reloads.ask(None));
        go_on.send(()).unwrap();
        assert!(bench.is_woken());
        let result = bench.reloads.ended().unwrap();
        assert_eq!(result.unwrap_err().to_string(), "wrong");
        assert!(
            bench.reloads.is_wanted_again(),
            "it may have read old files"
        );
        assert!(!bench.reloads.is_wanted_again(), "but once is enough");
        assert!(bench.reloads.ask(None));
    }

    #[test]
    fn work_that_panics_has_ended_with_an_error() {
        let mut bench = Bench::new();
        bench.reloads.start(|| panic!("so that it does"));
        let result = loop {
            if let Some(result) = bench.reloads.ended() {
                break result;
            }
            std::thread::yield_now();
        };
        assert!(result.is_err());
        assert!(bench.reloads.ask(None), "and another may come");
    }

    #[test]
    fn who_ends_waits_for_it_whatever_it_comes_to() {
        let mut bench = Bench::new();
        // what it waits for never comes
        drop(bench.start(Ok(1)));
        bench.reloads.wait();
        assert!(bench.reloads.ended().is_none());
    }
}
