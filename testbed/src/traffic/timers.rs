//! What is due when: a heap in which an entry that has lost its meaning is simply passed over.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::record::Class;

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Open a connection of this class.
    Open(Class),
    /// Look at the connection in this place, if it is still the one with this number.
    Look { slot: usize, id: u64 },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at_ms: f64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest: BinaryHeap gives the greatest first.
    fn cmp(&self, other: &Entry) -> Ordering {
        other.at_ms.total_cmp(&self.at_ms)
    }
}

/// All that is to be done.
#[derive(Debug, Default)]
pub struct Timers(BinaryHeap<Entry>);

impl Timers {
    /// Adds something.
    pub fn add(&mut self, at_ms: f64, due: Due) {
        self.0.push(Entry { at_ms, due });
    }

    /// The next thing that is due by now.
    pub fn take(&mut self, now_ms: f64) -> Option<Due> {
        match self.next_ms() {
            Some(at_ms) if at_ms <= now_ms => self.0.pop().map(|entry| entry.due),
            _ => None,
        }
    }

    /// When the next thing is due.
    pub fn next_ms(&self) -> Option<f64> {
        self.0.peek().map(|entry| entry.at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_not_before() {
        let mut timers = Timers::default();
        for (at_ms, id) in [(30.0, 3), (10.0, 1), (20.0, 2)] {
            timers.add(at_ms, Due::Look { slot: 0, id });
        }
        assert_eq!((timers.next_ms(), timers.take(9.9)), (Some(10.0), None));
        assert_eq!(timers.take(25.0), Some(Due::Look { slot: 0, id: 1 }));
        assert_eq!(timers.take(25.0), Some(Due::Look { slot: 0, id: 2 }));
        assert_eq!(timers.take(25.0), None);
        assert_eq!(timers.take(30.0), Some(Due::Look { slot: 0, id: 3 }));
    }
}
