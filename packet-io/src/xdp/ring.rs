//! One end of a ring that is shared with the kernel.
//!
//! A ring has a power of two of slots and two counters, which run on for ever and wrap at 2^32; a counter's slot is its remainder. Producer and consumer
//! each write one counter and read the other one:
//!
//! | who | does | so that |
//! | --- | --- | --- |
//! | producer | writes slots, then stores its counter with release | who sees the counter sees the slots |
//! | consumer | loads that counter with acquire, reads slots, then stores its own with release | who sees it may write the slots again |
//! | producer | loads the consumer's counter with acquire | its writes come after those reads |
//!
//! Each end keeps a copy of the other's counter and looks again only when the copy says that nothing is left: one shared cache line a batch.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use rustix::net::xdp::{XdpDesc, XdpRingFlags, XdpRingOffset};

use super::memory::Memory;

/// What lies in slots: plain numbers, for which any bits are a value.
pub(super) trait Slot: Copy + Send + sealed::Sealed {}
impl Slot for u64 {}
impl Slot for XdpDesc {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u64 {}
    impl Sealed for rustix::net::xdp::XdpDesc {}
}

/// A ring's parts.
#[derive(Debug)]
struct Ring<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: Option<NonNull<AtomicU32>>,
    slots: NonNull<T>,
    size: u32,
    /// What the addresses lead into.
    _memory: Arc<Memory>,
}

// SAFETY: the addresses lead into `_memory`, which is `Sync` and lives as long; slots are numbers without a home.
unsafe impl<T: Slot> Send for Ring<T> {}

impl<T: Slot> Ring<T> {
    fn new(memory: &Arc<Memory>, at: &XdpRingOffset, size: u32) -> io::Result<Self> {
        let outside = || io::Error::other("a ring of the kernel that is not inside its memory");
        let counter = |offset: u64| {
            let offset = usize::try_from(offset).ok()?;
            memory.place::<AtomicU32>(offset, 1)
        };
        let slots = usize::try_from(at.desc)
            .ok()
            .and_then(|offset| memory.place::<T>(offset, size as usize));
        if !size.is_power_of_two() {
            return Err(io::Error::other("a ring's size is a power of two"));
        }
        Ok(Ring {
            producer: counter(at.producer).ok_or_else(outside)?,
            consumer: counter(at.consumer).ok_or_else(outside)?,
            flags: at.flags.and_then(counter),
            slots: slots.ok_or_else(outside)?,
            size,
            _memory: Arc::clone(memory),
        })
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: aligned and inside memory that lives as long as `self`; the kernel, too, treats it as an atomic.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer's.
        unsafe { self.consumer.as_ref() }
    }

    fn slot(&self, counter: u32) -> NonNull<T> {
        // SAFETY: there are `size` slots, a power of two, and the remainder is smaller.
        unsafe { self.slots.add((counter & (self.size - 1)) as usize) }
    }

    fn needs_wakeup(&self) -> bool {
        let Some(flags) = self.flags else {
            // A kernel that can't say so must always be told.
            return true;
        };
        // SAFETY: as for the counters.
        let flags = unsafe { flags.as_ref() }.load(Ordering::Relaxed);
        flags & XdpRingFlags::XDP_RING_NEED_WAKEUP.bits() != 0
    }
}

/// The end that puts things in.
#[derive(Debug)]
pub(super) struct Producer<T> {
    ring: Ring<T>,
    /// Our counter, ahead of what is published.
    next: u32,
    /// The consumer's counter as last seen.
    seen: u32,
}

impl<T: Slot> Producer<T> {
    /// The producer's end of a ring, at the place where its counters are.
    pub fn new(memory: &Arc<Memory>, at: &XdpRingOffset, size: u32) -> io::Result<Self> {
        let ring = Ring::new(memory, at, size)?;
        let next = ring.producer().load(Ordering::Relaxed);
        let seen = ring.consumer().load(Ordering::Acquire);
        Ok(Producer { ring, next, seen })
    }

    /// How many slots there are.
    pub fn size(&self) -> u32 {
        self.ring.size
    }

    fn free_as_seen(&self) -> u32 {
        let used = self.next.wrapping_sub(self.seen);
        self.ring.size.saturating_sub(used)
    }

    /// How many slots are free; looks at the consumer only if it would be fewer than `wanted`.
    pub fn free(&mut self, wanted: u32) -> u32 {
        if self.free_as_seen() < wanted {
            self.seen = self.ring.consumer().load(Ordering::Acquire);
        }
        self.free_as_seen()
    }

    /// How many slots hold something that the consumer hasn't taken.
    pub fn waiting(&mut self) -> u32 {
        self.ring.size - self.free(self.ring.size)
    }

    /// Puts something in, which nobody sees before [`Producer::publish`]; false if the ring is full.
    pub fn push(&mut self, value: T) -> bool {
        if self.free(1) == 0 {
            return false;
        }
        // SAFETY: the slot is inside, and free: the consumer has said so with its counter, and reads it only after it has seen ours.
        unsafe { self.ring.slot(self.next).write(value) };
        self.next = self.next.wrapping_add(1);
        true
    }

    /// Shows what was put in.
    pub fn publish(&mut self) {
        self.ring.producer().store(self.next, Ordering::Release);
    }

    /// Has everything that was put in been taken out?
    pub fn is_drained(&mut self) -> bool {
        self.free(self.ring.size) == self.ring.size
    }

    /// Must the kernel be told that there is something?
    pub fn needs_wakeup(&self) -> bool {
        self.ring.needs_wakeup()
    }
}

/// The end that takes things out.
#[derive(Debug)]
pub(super) struct Consumer<T> {
    ring: Ring<T>,
    /// Our counter, ahead of what is released.
    next: u32,
    /// The producer's counter as last seen.
    seen: u32,
}

impl<T: Slot> Consumer<T> {
    /// The consumer's end of a ring, at the place where its counters are.
    pub fn new(memory: &Arc<Memory>, at: &XdpRingOffset, size: u32) -> io::Result<Self> {
        let ring = Ring::new(memory, at, size)?;
        let next = ring.consumer().load(Ordering::Relaxed);
        let seen = ring.producer().load(Ordering::Acquire);
        Ok(Consumer { ring, next, seen })
    }

    /// Takes out the next thing. Its slot stays ours until [`Consumer::release`].
    pub fn pop(&mut self) -> Option<T> {
        if self.next == self.seen {
            self.seen = self.ring.producer().load(Ordering::Acquire);
            if self.next == self.seen {
                return None;
            }
        }
        // SAFETY: the slot is inside, and written: the producer has said so with its counter, and writes it again only after it has seen ours.
        let value = unsafe { self.ring.slot(self.next).read() };
        self.next = self.next.wrapping_add(1);
        Some(value)
    }

    /// Gives the slots of what was taken out back.
    pub fn release(&mut self) {
        self.ring.consumer().store(self.next, Ordering::Release);
    }
}

/// Both ends of rings that no kernel knows.
#[cfg(test)]
pub(super) mod fake {
    use super::*;

    /// A ring whose counters begin with `start`.
    pub fn ring<T: Slot>(size: u32, start: u32) -> (Producer<T>, Consumer<T>) {
        let at = XdpRingOffset {
            producer: 0,
            consumer: 64,
            flags: Some(128),
            desc: 192,
        };
        let memory = Arc::new(Memory::heap(192 + size as usize * size_of::<T>()));
        for offset in [at.producer, at.consumer] {
            assert!(memory.write(offset as usize, &start.to_ne_bytes()));
        }
        (
            Producer::new(&memory, &at, size).unwrap(),
            Consumer::new(&memory, &at, size).unwrap(),
        )
    }

    impl<T: Slot> Consumer<T> {
        /// The next `n` that were taken out, and not released, come again.
        pub fn put_back(&mut self, n: u32) {
            self.next = self.next.wrapping_sub(n);
        }
    }

    /// Says that the producer's other side wants to be told, or not.
    pub fn set_wakeup<T: Slot>(producer: &Producer<T>, wanted: bool) {
        let flags = producer.ring.flags.unwrap();
        // SAFETY: as for the real rings.
        unsafe { flags.as_ref() }.store(u32::from(wanted), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Publish,
        Pop(u8),
        Release,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1..12u8).prop_map(Step::Push),
            Just(Step::Publish),
            (1..12u8).prop_map(Step::Pop),
            Just(Step::Release),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        /// Against a queue: what is published comes out, once and in order; what is not does not; nothing is overwritten before it was released.
        #[test]
        fn nothing_is_lost_and_nothing_comes_twice(
            steps in steps(),
            before_the_wrap in 0..40u32,
            size_log in 0..5u32,
        ) {
            let size = 1 << size_log;
            let (mut producer, mut consumer) =
                fake::ring::<u64>(size, 0_u32.wrapping_sub(before_the_wrap));
            let (mut hidden, mut shown) = (VecDeque::new(), VecDeque::new());
            let (mut number, mut held) = (0_u64, 0_u32);
            for step in steps {
                match step {
                    Step::Push(times) => for _ in 0..times {
                        let used = (hidden.len() + shown.len()) as u32 + held;
                        let pushed = producer.push(number);
                        prop_assert_eq!(pushed, used < size);
                        if pushed {
                            hidden.push_back(number);
                            number += 1;
                        }
                    },
                    Step::Publish => {
                        producer.publish();
                        shown.append(&mut hidden);
                    }
                    Step::Pop(times) => for _ in 0..times {
                        let expected = shown.pop_front();
                        prop_assert_eq!(consumer.pop(), expected);
                        held += u32::from(expected.is_some());
                    },
                    Step::Release => {
                        consumer.release();
                        held = 0;
                    }
                }
            }
            let all_out = hidden.is_empty() && shown.is_empty() && held == 0;
            prop_assert_eq!(producer.is_drained(), all_out);
        }
    }

    #[test]
    fn two_threads_lose_nothing_over_the_wrap() {
        const ITEMS: u64 = 200_000;
        let (mut producer, mut consumer) = fake::ring::<u64>(8, u32::MAX - 1_000);
        let sender = std::thread::spawn(move || {
            for number in 0..ITEMS {
                while !producer.push(number) {
                    std::thread::yield_now();
                }
                producer.publish();
            }
        });
        for expected in 0..ITEMS {
            let number = loop {
                match consumer.pop() {
                    Some(number) => break number,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(number, expected);
            consumer.release();
        }
        assert_eq!(consumer.pop(), None);
        sender.join().unwrap();
    }

    #[test]
    fn a_ring_outside_its_memory_is_refused() {
        let memory = Arc::new(Memory::heap(256));
        let good = XdpRingOffset {
            producer: 0,
            consumer: 8,
            flags: Some(16),
            desc: 64,
        };
        Producer::<u64>::new(&memory, &good, 16).unwrap();
        assert!(Producer::<u64>::new(&memory, &good, 32).is_err());
        assert!(Producer::<u64>::new(&memory, &good, 12).is_err());
        assert!(Producer::<u64>::new(&memory, &good, 0).is_err());
        for bad in [
            XdpRingOffset {
                producer: 256,
                ..good
            },
            XdpRingOffset {
                consumer: 2,
                ..good
            },
            XdpRingOffset {
                desc: u64::MAX,
                ..good
            },
        ] {
            assert!(Consumer::<u64>::new(&memory, &bad, 16).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_kernel_says_when_it_wants_to_be_told() {
        let (producer, _consumer) = fake::ring::<u64>(4, 0);
        assert!(!producer.needs_wakeup());
        fake::set_wakeup(&producer, true);
        assert!(producer.needs_wakeup());
    }
}
