//! Frames out of a map into an interface, by a program that the kernel runs over and over (`BPF_F_TEST_XDP_LIVE_FRAMES`).
//!
//! The frames come from pages that go round, as a driver's do; there is no socket buffer before the machine under test makes one.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::bpf::asm::{Assembler, Op, Reg, When, Width};
use crate::bpf::numbers::helper;
use crate::bpf::numbers::xdp::{DATA, DATA_END, DROP};
use crate::bpf::sys::{self, MapKind, ProgramKind};
use Reg::{Frame, R0, R1, R2, R3, R6, R7, R8};

/// The longest frame.
const SLOT_BYTES: usize = 256;
/// The shortest frame: Ethernet and IPv6 headers.
const MIN_BYTES: usize = 54;
/// Frames that the kernel makes before it sends them, the most that it allows: as many pages it keeps, and new ones are dear.
const BATCH: u32 = 256;
/// Slowness is runs of the program without a frame: this power of two for each frame.
const PACE_LOG: i32 = 6;
// Places in the counters.
const SENT: i16 = 0;
const NEXT: i16 = 8;
/// Where a map's key is built in the frame.
const KEY: i16 = -4;

/// Frames of one length.
#[derive(Debug)]
pub struct Frames {
    map: OwnedFd,
    slots: u32,
    len_bytes: usize,
}

impl Frames {
    /// Room for `slots` frames, at least one, of `len_bytes` each, 54 to 256, Ethernet header and all.
    pub fn new(slots: u32, len_bytes: usize) -> io::Result<Self> {
        if slots == 0 || !(MIN_BYTES..=SLOT_BYTES).contains(&len_bytes) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Frames {
            map: sys::map(MapKind::Array, 4, len_bytes.next_multiple_of(8), slots)?,
            slots,
            len_bytes,
        })
    }

    /// Puts a frame into a slot; what is longer than said is cut.
    pub fn set(&self, slot: u32, frame: &[u8]) -> io::Result<()> {
        // The kernel reads as much as a slot of the map has.
        let mut value = [0; SLOT_BYTES];
        let len = frame.len().min(self.len_bytes);
        value[..len].copy_from_slice(&frame[..len]);
        sys::put(&self.map, &slot.to_ne_bytes(), &value)
    }

    /// How many there are.
    pub fn slots(&self) -> u32 {
        self.slots
    }
}

/// In which order frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each one as likely as any other, every time.
    Random,
    /// From the first to the last, and from the first again; slowly, some hundred thousand a second, so that whoever is to get each one does.
    Turns,
}

/// Sends frames out of an interface.
#[derive(Debug)]
pub struct Generator {
    program: OwnedFd,
    /// For the kernel, which wants to be given a packet.
    template: Vec<u8>,
    /// Frames that were sent, and whose turn it is.
    counters: OwnedFd,
    stop: OwnedFd,
    runs_a_frame: u32,
}

impl Generator {
    /// One for the interface with this index. It is the interface of the network namespace in which [`Generator::run`] will be called. The other end of the veth pair must have an
    /// XDP program, or GRO switched on.
    pub fn new(frames: &Frames, if_index: u32, order: Order) -> io::Result<Self> {
        let (counters, stop) = (sys::array::<2>(1)?, sys::array::<1>(1)?);
        let code = assemble(frames, if_index, order, &counters, &stop);
        Ok(Generator {
            program: sys::load(ProgramKind::Xdp, &code)?,
            template: vec![0; frames.len_bytes],
            counters,
            stop,
            runs_a_frame: match order {
                Order::Random => 1,
                Order::Turns => 1 << PACE_LOG,
            },
        })
    }

    /// Frames sent so far, lost ones too.
    pub fn sent(&self) -> io::Result<u64> {
        let [sent, _] = sys::read(&self.counters)?;
        Ok(sent)
    }

    /// While it is stopped, runs send nothing, one that is going on neither, and end the sooner for it.
    pub fn set_stopped(&self, stopped: bool) -> io::Result<()> {
        sys::write(&self.stop, [u64::from(stopped)])
    }

    /// Sends so many frames, in the network namespace of this thread. Those for which there is no room at the other end are lost. Each call costs the kernel some ten milliseconds.
    pub fn run(&self, frames: u32) -> io::Result<()> {
        let runs = frames.saturating_mul(self.runs_a_frame);
        sys::run_live(&self.program, &self.template, runs, BATCH)
    }
}

/// R6: context, R7: packet, R8: number of the frame.
fn assemble(
    frames: &Frames,
    if_index: u32,
    order: Order,
    counters: &OwnedFd,
    stop: &OwnedFd,
) -> Vec<u64> {
    let mut code = Assembler::default();
    let drop = code.label();
    code.op_reg(Op::Move, R6, R1);
    code.load(Width::Word, R7, R6, DATA);
    code.load(Width::Word, R3, R6, DATA_END);
    code.op_reg(Op::Move, R2, R7);
    code.op(Op::Add, R2, frames.len_bytes as i32);
    code.jump_if_reg(When::Greater, R2, R3, drop);
    code.store_value(Width::Word, Frame, KEY, 0);
    look_up(&mut code, stop);
    code.jump_if(When::Equal, R0, 0, drop);
    code.load(Width::Double, R1, R0, 0);
    code.jump_if(When::NotEqual, R1, 0, drop);
    look_up(&mut code, counters);
    code.jump_if(When::Equal, R0, 0, drop);
    match order {
        Order::Random => {
            count(&mut code);
            code.call(helper::RANDOM);
            code.set(R1, u64::from(frames.slots));
            code.op_reg(Op::Mul, R0, R1);
            code.op(Op::ShiftRight, R0, 32);
            code.op_reg(Op::Move, R8, R0);
        }
        Order::Turns => {
            let further = code.label();
            code.load(Width::Double, R8, R0, NEXT);
            code.op_reg(Op::Move, R1, R8);
            code.op(Op::Add, R1, 1);
            code.set(R2, u64::from(frames.slots) << PACE_LOG);
            code.jump_if_reg(When::NotEqual, R1, R2, further);
            code.op(Op::Move, R1, 0);
            code.place(further);
            code.store(Width::Double, R0, NEXT, R1);
            code.op_reg(Op::Move, R1, R8);
            code.op(Op::And, R1, (1 << PACE_LOG) - 1);
            code.jump_if(When::NotEqual, R1, 0, drop);
            count(&mut code);
            code.op(Op::ShiftRight, R8, PACE_LOG);
        }
    }
    code.store(Width::Word, Frame, KEY, R8);
    look_up(&mut code, &frames.map);
    code.jump_if(When::Equal, R0, 0, drop);
    copy(&mut code, frames.len_bytes);
    code.set(R1, u64::from(if_index));
    code.op(Op::Move, R2, 0);
    code.call(helper::REDIRECT);
    code.exit_with_r0();
    code.place(drop);
    code.exit(DROP);
    code.finish()
}

/// One more was sent. R0: the counters.
fn count(code: &mut Assembler) {
    code.load(Width::Double, R1, R0, SENT);
    code.op(Op::Add, R1, 1);
    code.store(Width::Double, R0, SENT, R1);
}

/// R0 = the entry for the key in the frame, or 0.
fn look_up(code: &mut Assembler, map: &OwnedFd) {
    code.set_map(R1, map.as_raw_fd());
    code.op_reg(Op::Move, R2, Frame);
    code.op(Op::Add, R2, i32::from(KEY));
    code.call(helper::MAP_LOOKUP);
}

/// Copies from R0 to R7. All of it each time: pages come back as the machine under test has left them.
fn copy(code: &mut Assembler, len_bytes: usize) {
    let mut at = 0;
    for (width, bytes) in [
        (Width::Double, 8),
        (Width::Word, 4),
        (Width::Half, 2),
        (Width::Byte, 1),
    ] {
        while len_bytes - at >= bytes {
            code.load(width, R1, R0, at as i16);
            code.store(width, R7, at as i16, R1);
            at += bytes;
        }
    }
}
