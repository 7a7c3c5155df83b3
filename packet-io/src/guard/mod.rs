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
//! | of a flow that has knocked within the last 70 s | passes, and its source address is known from now on |
//! | any other: a stranger's first | is remembered as a knock, and passes unless too many strangers came in this window of 67 ms |
//!
//! So without a flood nothing is ever dropped: a SYN is a knock, the ACK behind it makes the client known. During one a new client's SYN is
//! most likely dropped, its retransmission passes. Sources that nobody has don't retransmit. Clients that are known, and all their flows, notice
//! nothing. Whoever spoofs the address of a known client, or sends every packet twice, gets through to the engine, as without the guard.
//!
//! Memory is fixed: 2^18 cells for clients (two places each, the one used longest ago goes first) and 2^22 for knocks, 8 bytes each, 34 MiB of
//! kernel memory. A cell is a mark and a time; marks are of a keyed hash, which needs to be no better: a
//! wrong hit lets one stranger pass.

mod asm;
mod program;
#[allow(unsafe_code)] // bpf(2) and one ioctl, and nothing else
mod sys;

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use program::{per_window, state, Parts};

/// The program with its memory, in the kernel.
#[derive(Debug)]
pub struct Guard {
    program: OwnedFd,
    state: OwnedFd,
    settings: OwnedFd,
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
}

impl Guard {
    /// Kernel memory that one takes, now and for good.
    pub const MEMORY_BYTES: usize =
        (program::CLIENT_CELLS as usize + program::KNOCK_CELLS as usize) * 8;

    /// Loads the program. `locator` is the first 8 bytes of our SIDs, `key` is random. Needs CAP_BPF and CAP_NET_ADMIN, and a kernel with BPF.
    pub fn load(locator: [u8; 8], key: [u8; 16], strangers_pps: u32) -> io::Result<Guard> {
        let clients = sys::array::<1>(program::CLIENT_CELLS)?;
        let knocks = sys::array::<1>(program::KNOCK_CELLS)?;
        let state = sys::array::<{ state::NUMBERS }>(1)?;
        let settings = sys::array::<1>(1)?;
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
            program: sys::load(&code)?,
            state,
            settings,
        };
        guard.set_limit(strangers_pps)?;
        Ok(guard)
    }

    /// So many strangers a second pass at their first packet; 0: all.
    pub fn set_limit(&self, strangers_pps: u32) -> io::Result<()> {
        sys::write(&self.settings, [per_window(strangers_pps)])
    }

    /// What has been counted so far.
    pub fn counts(&self) -> io::Result<GuardCounts> {
        let numbers: [u64; state::NUMBERS] = sys::read(&self.state)?;
        let at = |offset: i16| numbers[offset as usize / 8];
        Ok(GuardCounts {
            strangers_passed: at(state::PASSED),
            strangers_dropped: at(state::DROPPED),
            admitted: at(state::ADMITTED),
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
