//! A guard in front of a TUN device's queue: under a flood, strangers have to knock twice.
//!
//! A flood from spoofed sources and the packets of clients meet in one queue, which a flood fills long before the daemon's engine could tell
//! them apart. So the kernel tells them apart in front of the queue, in the context of whoever brings the packet, by a small BPF
//! program (`TUNSETFILTEREBPF`):
//!
//! | packet | what happens |
//! | --- | --- |
//! | for our locator: a function from inside the domain | passes |
//! | from a client address that is known | passes |
//! | of a flow that has knocked within the last 70 s: a second knock | passes, and its source address is known from now on; unless it comes sooner than 200 ms after a first that was dropped, or is one of too many SYNs in this window of 67 ms |
//! | any other: a first knock | is remembered, and passes unless too many of them came in this window or in one of the last second |
//!
//! "Too many" is a limit for each kind. So without a flood nothing is ever dropped: a SYN is a first knock, the ACK behind it the second.
//! In a flood no first knock passes: letting some in, up to the limit, would let the flood in and hardly a client. A client's SYN comes again after a
//! second, and passes. Sources that nobody has don't retransmit. Clients that are known, and all their flows, notice nothing.
//!
//! An attacker who sends every SYN twice, with a pause, is bounded by the limit for second knocks; new clients share that limit with him.
//! Other second knocks have none at first: they come in numbers when ECMP moves clients here. While the engine finds that most of them belong to
//! nobody, they get a limit, too ([`Guard::limit_others`]). Whoever spoofs the address of a known client meets the engine's bounds alone.
//!
//! Memory is fixed: 2^18 cells for clients (two places each, the one used longest ago goes first) and 2^22 for knocks, 8 bytes each, 34 MiB of
//! kernel memory. A cell is a mark and a time; marks are of a keyed hash, which needs to be no better: a
//! wrong hit lets one stranger pass.

mod program;

use crate::bpf::sys;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use program::{per_window, settings, state, units, Parts};

/// The program with its memory, in the kernel.
#[derive(Debug)]
pub struct Guard {
    program: OwnedFd,
    state: OwnedFd,
    settings: OwnedFd,
}

/// How many knocks may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// First knocks a second over which there is a flood, and none passes; 0: any number passes.
    pub strangers_pps: u32,
    /// Second knocks by SYNs that pass a second; 0: any number.
    pub newcomers_pps: u32,
}

/// What a guard has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounts {
    /// First packets of strangers that passed.
    pub strangers_passed: u64,
    /// First packets of strangers that were dropped.
    pub strangers_dropped: u64,
    /// Clients that became known.
    pub admitted: u64,
    /// Second knocks that were dropped.
    pub refused: u64,
}

impl Guard {
    /// Kernel memory that one takes, now and for good.
    pub const MEMORY_BYTES: usize =
        (program::CLIENT_CELLS as usize + program::KNOCK_CELLS as usize) * 8;

    /// Loads the program. `locator` is the first 8 bytes of our SIDs, `key` is random. Needs CAP_BPF and CAP_NET_ADMIN, and a kernel with BPF.
    pub fn load(locator: [u8; 8], key: [u8; 16], limits: Limits) -> io::Result<Guard> {
        let clients = sys::array::<1>(program::CLIENT_CELLS)?;
        let knocks = sys::array::<1>(program::KNOCK_CELLS)?;
        let state = sys::array::<{ state::NUMBERS }>(1)?;
        let settings = sys::array::<{ settings::NUMBERS }>(1)?;
        let half = |at: usize| {
            let bytes = key[at..at + 8].try_into().unwrap_or_default();
            u64::from_ne_bytes(bytes)
        };
        let code = program::assemble(&Parts {
            clients: &clients,
            knocks: &knocks,
            state: &state,
            settings: &settings,
            locator,
            key: [half(0), half(8)],
        });
        let guard = Guard {
            program: sys::load(sys::ProgramKind::SocketFilter, &code)?,
            state,
            settings,
        };
        guard.set_limits(limits)?;
        Ok(guard)
    }

    /// Takes new limits.
    pub fn set_limits(&self, limits: Limits) -> io::Result<()> {
        self.set(
            settings::FIRSTS_PER_WINDOW,
            per_window(limits.strangers_pps),
        )?;
        self.set(
            settings::SECONDS_PER_WINDOW,
            per_window(limits.newcomers_pps),
        )
    }

    /// So many second knocks that are no SYNs may come in a second; 0: any number, as at the beginning.
    pub fn limit_others(&self, others_pps: u32) -> io::Result<()> {
        self.set(settings::OTHERS_PER_WINDOW, per_window(others_pps))
    }

    /// Stops the program's clock at a time after 0 of its own, which tests need.
    pub fn stop_clock(&self, at: Duration) -> io::Result<()> {
        self.set(settings::CLOCK, units(at).max(1))
    }

    fn set(&self, offset: i16, value: u64) -> io::Result<()> {
        let mut numbers: [u64; settings::NUMBERS] = sys::read(&self.settings)?;
        numbers[offset as usize / 8] = value;
        sys::write(&self.settings, numbers)
    }

    /// What has been counted so far.
    pub fn counts(&self) -> io::Result<GuardCounts> {
        let numbers: [u64; state::NUMBERS] = sys::read(&self.state)?;
        let at = |offset: i16| numbers[offset as usize / 8];
        Ok(GuardCounts {
            strangers_passed: at(state::PASSED),
            strangers_dropped: at(state::DROPPED),
            admitted: at(state::ADMITTED),
            refused: at(state::REFUSED),
        })
    }

    /// Would it let this packet pass? It is counted and remembered as any other.
    pub fn try_packet(&self, packet: &[u8]) -> io::Result<bool> {
        // The kernel's test run takes an Ethernet frame.
        let mut frame = vec![0; 12];
        frame.extend_from_slice(&[0x86, 0xdd]);
        frame.extend_from_slice(packet);
        sys::run(&self.program, &frame).map(|answer| answer != 0)
    }

    pub(crate) fn attach(&self, tun: RawFd) -> io::Result<()> {
        sys::attach(tun, &self.program)
    }
}
