//! Frames out of a map into an interface, by a program that the kernel runs over and over (`BPF_F_TEST_XDP_LIVE_FRAMES`).
//!
//! The frames come from pages that go round, as a driver's do; there is no socket buffer before the machine under test makes one.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::bpf::asm::{Assembler, Op, Reg, When, Width};
use crate::bpf::numbers::helper;
use crate::bpf::numbers::xdp::{DATA, DATA_END, DROP};
use crate::bpf::sys::{self, MapKind, ProgramKind};
use Reg::{Frame, R0, R1, R2, R3, R6, R7, R8, R9};

/// The longest frame.
const SLOT_BYTES: usize = 256;
/// The shortest frame: Ethernet and IPv6 headers.
const MIN_BYTES: usize = 54;
/// Frames that the kernel makes before it sends them, the most that it allows: as many pages it keeps, and new ones are dear.
const BATCH: u32 = 256;
// Places in the counters.
const SENT: i16 = 0;
const NEXT: i16 = 8;
const DUE: i16 = 16;
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
    /// From the first to the last, and from the first again.
    Turns,
}

/// Sends frames out of an interface.
#[derive(Debug)]
pub struct Generator {
    program: OwnedFd,
    /// For the kernel, which wants to be given a packet.
    template: Vec<u8>,
    /// Frames that were sent, whose turn it is, and when the next one is due.
    counters: OwnedFd,
    /// The interface's index, or 0.
    aim: OwnedFd,
}

impl Generator {
    /// One that sends a frame every so many nanoseconds, or as fast as it can if it can't so fast, once it is aimed at an interface.
    pub fn new(frames: &Frames, order: Order, every_ns: u32) -> io::Result<Self> {
        let (counters, aim) = (sys::array::<3>(1)?, sys::array::<1>(1)?);
        let every_ns = i32::try_from(every_ns).map_err(|_| io::ErrorKind::InvalidInput)?;
        let code = assemble(frames, order, every_ns, &counters, &aim);
        Ok(Generator {
            program: sys::load(ProgramKind::Xdp, &code)?,
            template: vec![0; frames.len_bytes],
            counters,
            aim,
        })
    }

    /// Frames sent so far, lost ones too.
    pub fn sent(&self) -> io::Result<u64> {
        let [sent, ..] = sys::read::<3>(&self.counters)?;
        Ok(sent)
    }

    /// From now on frames go to the interface with this index, of the network namespace in which [`Generator::run`] is called; nowhere without one. The other end of the veth pair must
    /// have an XDP program, or GRO switched on.
    pub fn aim(&self, if_index: Option<u32>) -> io::Result<()> {
        sys::write(&self.aim, [u64::from(if_index.unwrap_or(0))])
    }

    /// Looks so often whether a frame is due, and sends those that are, in the network namespace of this thread. Those for which there is no room at the other end are lost. Each call
    /// costs the kernel some ten milliseconds, and a look less than 100 ns.
    pub fn run(&self, looks: u32) -> io::Result<()> {
        sys::run_live(&self.program, &self.template, looks, BATCH)
    }
}

/// R6: where frames go, R7: packet, R8: number of the frame, R9: counters.
fn assemble(
    frames: &Frames,
    order: Order,
    every_ns: i32,
    counters: &OwnedFd,
    aim: &OwnedFd,
) -> Vec<u64> {
    let mut code = Assembler::default();
    let drop = code.label();
    code.load(Width::Word, R7, R1, DATA);
    code.load(Width::Word, R3, R1, DATA_END);
    code.op_reg(Op::Move, R2, R7);
    code.op(Op::Add, R2, frames.len_bytes as i32);
    code.jump_if_reg(When::Greater, R2, R3, drop);
    code.store_value(Width::Word, Frame, KEY, 0);
    look_up(&mut code, aim);
    code.jump_if(When::Equal, R0, 0, drop);
    code.load(Width::Double, R6, R0, 0);
    code.jump_if(When::Equal, R6, 0, drop);
    look_up(&mut code, counters);
    code.jump_if(When::Equal, R0, 0, drop);
    code.op_reg(Op::Move, R9, R0);
    code.call(helper::CLOCK);
    code.load(Width::Double, R1, R9, DUE);
    code.jump_if_reg(When::Greater, R1, R0, drop);
    // The next one is due in time, or at once if this one was so late; what was missed before is not made up for.
    let in_time = code.label();
    code.op(Op::Add, R1, every_ns);
    code.jump_if_reg(When::Greater, R1, R0, in_time);
    code.op_reg(Op::Move, R1, R0);
    code.place(in_time);
    code.store(Width::Double, R9, DUE, R1);
    code.load(Width::Double, R1, R9, SENT);
    code.op(Op::Add, R1, 1);
    code.store(Width::Double, R9, SENT, R1);
    match order {
        Order::Random => {
            code.call(helper::RANDOM);
            code.set(R1, u64::from(frames.slots));
            code.op_reg(Op::Mul, R0, R1);
            code.op(Op::ShiftRight, R0, 32);
            code.op_reg(Op::Move, R8, R0);
        }
        Order::Turns => {
            let further = code.label();
            code.load(Width::Double, R8, R9, NEXT);
            code.op_reg(Op::Move, R1, R8);
            code.op(Op::Add, R1, 1);
            code.set(R2, u64::from(frames.slots));
            code.jump_if_reg(When::NotEqual, R1, R2, further);
            code.op(Op::Move, R1, 0);
            code.place(further);
            code.store(Width::Double, R9, NEXT, R1);
        }
    }
    code.store(Width::Word, Frame, KEY, R8);
    look_up(&mut code, &frames.map);
    code.jump_if(When::Equal, R0, 0, drop);
    copy(&mut code, frames.len_bytes);
    code.op_reg(Op::Move, R1, R6);
    code.op(Op::Move, R2, 0);
    code.call(helper::REDIRECT);
    code.exit_with_r0();
    code.place(drop);
    code.exit(DROP);
    code.finish()
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
