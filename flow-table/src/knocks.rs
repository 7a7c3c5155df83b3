//! Flows of which a packet was turned away lately: who comes again is no flood from sources that nobody has.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::OnceLock;
use std::time::Duration;

use packet_io::Instant;

use crate::shared::WORDS;
use crate::{FlowHash, Memory};

/// The most cells: 32 MiB.
const MOST_CELLS: usize = 1 << 22;
/// What time is counted in, so that 24 bits hold three days.
const TICK_MS: u64 = 16;
const TICK_BITS: u32 = 24;
const TICKS: u64 = (1 << TICK_BITS) - 1;

/// A fixed number of cells of 64 bits, each the one place for all flows that fall on it; the last one is known. Threads share it
/// without waiting: a cell is written as a whole.
///
/// A cell is a mark of 40 keyed bits of the flow's hash and the time in 24 bits. Of as many flows as there are cells two thirds are forgotten before the last
/// one has come; a flow is taken for another one with probability 2^-40.
pub struct Knocks {
    memory: OnceLock<Memory>,
    cells: usize,
    soonest_ticks: u64,
    latest_ticks: u64,
}

impl Knocks {
    /// With at least so many cells, as far as that is allowed. A packet comes again if it does between `soonest` and `latest` after the last one.
    /// The memory is taken when it is needed, or with [`Knocks::prepare`].
    pub fn new(cells: usize, soonest: Duration, latest: Duration) -> Self {
        let ticks = |time: Duration| (time.as_millis() as u64).div_ceil(TICK_MS);
        Knocks {
            memory: OnceLock::new(),
            cells: cells.clamp(WORDS, MOST_CELLS).next_power_of_two(),
            soonest_ticks: ticks(soonest),
            latest_ticks: ticks(latest),
        }
    }

    /// Takes the memory now, so that no packet has to wait for it.
    pub fn prepare(&self) {
        self.memory.get_or_init(|| {
            let bytes = self.cells * size_of::<u64>();
            Memory::map(bytes).unwrap_or_else(|_| Memory::plain(bytes))
        });
    }

    /// A packet of this flow is about to be turned away, unless that has happened to it before: has it? It is remembered from now on.
    ///
    /// One that comes sooner than it should changes nothing.
    pub fn comes_again(&self, flow: FlowHash, now: Instant) -> bool {
        self.prepare();
        let Some(memory) = self.memory.get() else {
            return false;
        };
        let place = flow.tag() as usize & (self.cells - 1);
        let cell = &memory[place / WORDS].0[place % WORDS];
        let mark = flow.tag() >> TICK_BITS << TICK_BITS;
        let tick = (now.millis() / TICK_MS) & TICKS;
        let before = cell.load(Relaxed);
        let age = tick.wrapping_sub(before) & TICKS;
        let is_known = before & !TICKS == mark && before != 0;
        if is_known && age < self.soonest_ticks {
            return false;
        }
        cell.store(mark | tick, Relaxed);
        is_known && age <= self.latest_ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_secs(100);

    fn knocks(cells: usize) -> Knocks {
        Knocks::new(cells, Duration::from_millis(200), Duration::from_secs(70))
    }

    fn flow(number: u64) -> FlowHash {
        let product =
            u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        FlowHash::from_parts(0, (product >> 64) as u64 ^ product as u64)
    }

    #[test]
    fn who_comes_again_in_time_is_known() {
        for (after_ms, is_again) in [
            (0, false),
            (180, false),
            (216, true),
            (1_000, true),
            (69_000, true),
            (71_000, false),
        ] {
            let knocks = knocks(64);
            assert!(!knocks.comes_again(flow(1), START));
            let later = START + Duration::from_millis(after_ms);
            assert!(!knocks.comes_again(flow(2), later), "another one");
            assert_eq!(knocks.comes_again(flow(1), later), is_again, "{after_ms}");
        }
    }

    #[test]
    fn each_time_takes_its_time_and_hurry_does_not_help() {
        let knocks = knocks(64);
        let mut passed = 0;
        for ms in 0..1_000 {
            let now = START + Duration::from_millis(ms);
            passed += u32::from(knocks.comes_again(flow(1), now));
        }
        assert_eq!(passed, 4);
    }

    /// One flow among many that come once: known if none of those that came since has its cell.
    #[test]
    fn a_flood_makes_it_forget_and_never_lets_itself_in() {
        let knocks = knocks(1_024);
        let (mut known, mut strangers) = (0, 0);
        for round in 0..200_u64 {
            let now = START + Duration::from_secs(round);
            known += u32::from(knocks.comes_again(flow(1), now));
            let flood = (0..1_024).map(|n| flow(2 + round * 1_024 + n));
            strangers += flood.filter(|&flow| knocks.comes_again(flow, now)).count();
        }
        // (1 - 1/1024)^1024 of the rounds
        assert!((45..105).contains(&known), "{known}");
        assert_eq!(strangers, 0);
    }

    #[test]
    fn the_clock_may_wrap() {
        let knocks = knocks(64);
        let late = Instant::from_millis((TICK_MS << TICK_BITS) - 100);
        assert!(!knocks.comes_again(flow(1), late));
        assert!(knocks.comes_again(flow(1), late + Duration::from_secs(1)));
    }
}
