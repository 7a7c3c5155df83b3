//! Events in the order of their time; what comes at the same time keeps the order in which it was put in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What will happen.
pub struct Queue<E> {
    /// Time, number, and place in `events`: what moves about in a heap had better be small.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<E>>,
    free: Vec<usize>,
    number: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Queue {
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            number: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Something will happen.
    pub fn push(&mut self, at_us: u64, event: E) {
        self.number += 1;
        let place = self.free.pop().unwrap_or(self.events.len());
        if place == self.events.len() {
            self.events.push(None);
        }
        self.events[place] = Some(event);
        self.heap.push(Reverse((at_us, self.number, place)));
    }

    /// How many things were to happen at once.
    pub fn most(&self) -> usize {
        self.events.len()
    }

    /// The next thing that happens, and when.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        let Reverse((at_us, _, place)) = self.heap.pop()?;
        self.free.push(place);
        Some((at_us, self.events[place].take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_and_then_as_it_came() {
        let mut queue = Queue::default();
        for (at, name) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd'), (0, 'e')] {
            queue.push(at, name);
        }
        let order: String = std::iter::from_fn(|| queue.pop())
            .map(|(_, name)| name)
            .collect();
        assert_eq!(order, "ebdac");
    }
}
