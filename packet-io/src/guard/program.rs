//! The guard's program: what [`super`] says, step by step, for the kernel's BPF machine.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use crate::bpf::asm::{Assembler, Label, Op, Reg, When, Width};
use crate::bpf::numbers::helper;
use Reg::{Frame, R0, R1, R2, R3, R4, R6, R7, R8, R9};
use Width::{Byte, Double, Word};

/// Cells for addresses of clients: one for each that is active.
pub(super) const CLIENT_CELLS: u32 = 1 << 18;
/// Cells for knocks: enough for those of a second or two of a flood.
pub(super) const KNOCK_CELLS: u32 = 1 << 22;
/// Bits by which nanoseconds are shifted: the clock's unit is 1.05 ms.
const CLOCK_SHIFT: i32 = 20;
/// How long a knock is remembered, in the clock's units: 70 s, the longest pause between the first SYNs of a client.
const KNOCK_LIFE: i32 = 66_757;
/// Bits by which the clock is shifted to number the windows in which knocks are counted: 67 ms.
const WINDOW_SHIFT: i32 = 6;
/// How soon somebody knocks again whose first knock was dropped, in the clock's units: after 200 ms, the shortest time for which a sender waits for an answer.
const AGAIN_SOONEST: i32 = 191;
/// How long a flood counts as one after its last sign, in the clock's units: 1 s.
const FLOOD_LIFE: i32 = 954;

/// What the program keeps in the one entry of its state: offsets of 64-bit numbers.
pub(super) mod state {
    /// Number of the window.
    pub const WINDOW: i16 = 0;
    /// First knocks in it.
    pub const FIRSTS: i16 = 8;
    /// Second knocks by SYNs in it.
    pub const SECONDS: i16 = 16;
    /// Other second knocks in it.
    pub const OTHERS: i16 = 24;
    /// When there were last too many first knocks in a window.
    pub const FLOOD_AT: i16 = 32;
    /// Strangers that passed.
    pub const PASSED: i16 = 40;
    /// Strangers that were dropped.
    pub const DROPPED: i16 = 48;
    /// Clients that became known.
    pub const ADMITTED: i16 = 56;
    /// Second knocks that were dropped.
    pub const REFUSED: i16 = 64;
    /// How many numbers that is.
    pub const NUMBERS: usize = 9;
}

/// What the program is told, in the one entry of its settings: offsets of 64-bit numbers.
pub(super) mod settings {
    /// First knocks that may pass in a window; 0: all.
    pub const FIRSTS_PER_WINDOW: i16 = 0;
    /// Second knocks by SYNs that may pass in a window; 0: all.
    pub const SECONDS_PER_WINDOW: i16 = 8;
    /// Other second knocks that may pass in a window; 0: all.
    pub const OTHERS_PER_WINDOW: i16 = 16;
    /// The time, in the clock's units; 0: the kernel's.
    pub const CLOCK: i16 = 24;
    /// How many numbers that is.
    pub const NUMBERS: usize = 4;
}

/// Knocks that may pass in one window at a rate.
pub(super) fn per_window(pps: u32) -> u64 {
    let window_ns = 1_u64 << (CLOCK_SHIFT + WINDOW_SHIFT);
    (u64::from(pps) * window_ns).div_ceil(1_000_000_000)
}

/// A time in the clock's units.
pub(super) fn units(time: Duration) -> u64 {
    time.as_nanos() as u64 >> CLOCK_SHIFT
}

/// The frame: the IPv6 header, 4 bytes behind it, an index into a map, and what has to survive a call.
const HEADER: i16 = -48;
const HEADER_BYTES: i32 = 40;
const NEXT_HEADER: i16 = HEADER + 6;
const SOURCE: i16 = HEADER + 8;
const DESTINATION: i16 = HEADER + 24;
const PORTS: i16 = HEADER + 40;
const INDEX: i16 = -4;
const CELL: i16 = -56;
const CLIENT_MARK: i16 = -64;
const FIRSTS_PER_WINDOW: i16 = -72;
const SECONDS_PER_WINDOW: i16 = -80;
const OTHERS_PER_WINDOW: i16 = -88;
const FLAGS: i16 = -96;

const PASS: i32 = -1;
const DROP: i32 = 0;
const TCP: i32 = 6;
const UDP: i32 = 17;
/// Of TCP: where the flags stand, and two of them.
const FLAGS_OFFSET: i32 = 13;
const SYN: i32 = 2;
const ACK: i32 = 16;

/// What the program works with.
pub(super) struct Parts<'a> {
    pub clients: &'a OwnedFd,
    pub knocks: &'a OwnedFd,
    pub state: &'a OwnedFd,
    pub settings: &'a OwnedFd,
    /// The first 8 bytes of every address of our own SIDs.
    pub locator: [u8; 8],
    pub key: [u64; 2],
}

/// Puts the program together. R6: the packet, R7: hash, R8: time, R9: a cell.
///
/// A cell is (mark << 32 | time): a mark is the hash's upper half, never 0; an empty cell has mark 0.
pub(super) fn assemble(parts: &Parts) -> Vec<u64> {
    let mut code = Assembler::default();
    let pass = code.label();
    read_heads(&mut code, parts, pass);
    hash_source(&mut code, parts.key);
    read_settings(&mut code, parts, pass);
    find_client(&mut code, parts, pass);
    hash_flow(&mut code, parts.key[1]);
    let first = code.label();
    find_knock(&mut code, parts, first, pass);
    second_knock(&mut code, parts, pass);
    code.place(first);
    first_knock(&mut code, parts, pass);
    code.place(pass);
    code.exit(PASS);
    code.finish()
}

/// Takes in the IPv6 header and the ports. What goes to our SIDs comes from inside the domain and passes.
fn read_heads(code: &mut Assembler, parts: &Parts, pass: Label) {
    code.op_reg(Op::Move, R6, R1);
    code.store_value(Double, Frame, PORTS, 0);
    packet_bytes(code, 0, HEADER, HEADER_BYTES);
    code.jump_if(When::NotEqual, R0, 0, pass);
    code.load(Double, R0, Frame, DESTINATION);
    code.set(R1, u64::from_ne_bytes(parts.locator));
    code.jump_if_reg(When::Equal, R0, R1, pass);
    let no_ports = code.label();
    let ports = code.label();
    code.load(Byte, R0, Frame, NEXT_HEADER);
    code.jump_if(When::Equal, R0, TCP, ports);
    code.jump_if(When::NotEqual, R0, UDP, no_ports);
    code.place(ports);
    // A packet without ports leaves zeros here.
    packet_bytes(code, HEADER_BYTES, PORTS, 4);
    code.place(no_ports);
}

/// Leaves the limits in the frame and the time in R8.
fn read_settings(code: &mut Assembler, parts: &Parts, pass: Label) {
    let told = code.label();
    first_entry(code, parts.settings, pass);
    for (limit, to) in [
        (settings::FIRSTS_PER_WINDOW, FIRSTS_PER_WINDOW),
        (settings::SECONDS_PER_WINDOW, SECONDS_PER_WINDOW),
        (settings::OTHERS_PER_WINDOW, OTHERS_PER_WINDOW),
    ] {
        code.load(Double, R1, R0, limit);
        code.store(Double, Frame, to, R1);
    }
    code.load(Double, R0, R0, settings::CLOCK);
    code.jump_if(When::NotEqual, R0, 0, told);
    code.call(helper::CLOCK);
    code.op(Op::ShiftRight, R0, CLOCK_SHIFT);
    code.place(told);
    code.op_reg_32(Op::Move, R8, R0);
}

fn packet_bytes(code: &mut Assembler, offset: i32, to: i16, bytes: i32) {
    code.op_reg(Op::Move, R1, R6);
    code.op(Op::Move, R2, offset);
    code.op_reg(Op::Move, R3, Frame);
    code.op(Op::Add, R3, i32::from(to));
    code.op(Op::Move, R4, bytes);
    code.call(helper::PACKET_BYTES);
}

/// R7 = hash of the source address; the mark is not 0.
fn hash_source(code: &mut Assembler, key: [u64; 2]) {
    code.set(R7, key[0]);
    for offset in [SOURCE, SOURCE + 8] {
        code.load(Double, R0, Frame, offset);
        mix(code, key[1]);
    }
    make_mark(code);
}

/// R7 = hash of the flow, going on from that of the source.
fn hash_flow(code: &mut Assembler, key: u64) {
    code.store(Double, Frame, CLIENT_MARK, R7);
    for offset in [DESTINATION, DESTINATION + 8] {
        code.load(Double, R0, Frame, offset);
        mix(code, key);
    }
    code.load(Word, R0, Frame, PORTS);
    code.op(Op::ShiftLeft, R0, 8);
    code.load(Byte, R1, Frame, NEXT_HEADER);
    code.op_reg(Op::Or, R0, R1);
    mix(code, key);
    make_mark(code);
}

/// R7 = R7 mixed with R0.
fn mix(code: &mut Assembler, key: u64) {
    code.op_reg(Op::Xor, R7, R0);
    code.set(R1, key | 1);
    code.op_reg(Op::Mul, R7, R1);
    code.op_reg(Op::Move, R0, R7);
    code.op(Op::ShiftRight, R0, 32);
    code.op_reg(Op::Xor, R7, R0);
}

fn make_mark(code: &mut Assembler) {
    code.set(R1, 1 << 32);
    code.op_reg(Op::Or, R7, R1);
}

/// R0 = the entry whose index is in R1; a map without it lets everything pass.
fn entry(code: &mut Assembler, map: &OwnedFd, pass: Label) {
    code.store(Word, Frame, INDEX, R1);
    code.set_map(R1, map.as_raw_fd());
    code.op_reg(Op::Move, R2, Frame);
    code.op(Op::Add, R2, i32::from(INDEX));
    code.call(helper::MAP_LOOKUP);
    code.jump_if(When::Equal, R0, 0, pass);
}

/// A client that is known passes, and its cell is younger then. Of a stranger's two cells the older one's
/// address is left in the frame.
fn find_client(code: &mut Assembler, parts: &Parts, pass: Label) {
    let known = code.label();
    for shift in [0, 14] {
        code.op_reg(Op::Move, R1, R7);
        code.op(Op::ShiftRight, R1, shift);
        code.op(Op::And, R1, CLIENT_CELLS as i32 - 1);
        entry(code, parts.clients, pass);
        if shift == 0 {
            code.store(Double, Frame, CELL, R0);
        }
        code.op_reg(Op::Move, R9, R0);
        code.load(Double, R1, R9, 0);
        code.op(Op::ShiftRight, R1, 32);
        code.op_reg(Op::Move, R2, R7);
        code.op(Op::ShiftRight, R2, 32);
        code.jump_if_reg(When::Equal, R1, R2, known);
    }
    older_cell(code);
    let stranger = code.label();
    code.jump(stranger);
    code.place(known);
    write_cell(code, R9, R7);
    code.jump(pass);
    code.place(stranger);
}

/// Puts R9 into the frame as the cell to be written, unless the one that is there is older.
fn older_cell(code: &mut Assembler) {
    let first = code.label();
    code.load(Double, R1, Frame, CELL);
    code.load(Word, R2, R1, 0);
    code.op_reg_32(Op::Move, R3, R8);
    code.op_reg_32(Op::Sub, R3, R2);
    code.load(Word, R2, R9, 0);
    code.op_reg_32(Op::Move, R4, R8);
    code.op_reg_32(Op::Sub, R4, R2);
    code.jump_if_reg(When::Greater, R3, R4, first);
    code.store(Double, Frame, CELL, R9);
    code.place(first);
}

/// `*cell = mark of hash << 32 | now`; loses R1 and R2.
fn write_cell(code: &mut Assembler, cell: Reg, hash: Reg) {
    code.op_reg(Op::Move, R1, hash);
    code.op(Op::ShiftRight, R1, 32);
    code.op(Op::ShiftLeft, R1, 32);
    code.op_reg(Op::Or, R1, R8);
    code.store(Double, cell, 0, R1);
}

/// Goes on with `first` unless this flow has knocked before. R9 = its cell, R3 = how long ago it did.
fn find_knock(code: &mut Assembler, parts: &Parts, first: Label, pass: Label) {
    code.op_reg(Op::Move, R1, R7);
    code.op(Op::And, R1, KNOCK_CELLS as i32 - 1);
    entry(code, parts.knocks, pass);
    code.op_reg(Op::Move, R9, R0);
    code.load(Double, R2, R9, 0);
    code.op_reg_32(Op::Move, R3, R8);
    code.op_reg_32(Op::Sub, R3, R2);
    code.op(Op::ShiftRight, R2, 32);
    code.op_reg(Op::Move, R1, R7);
    code.op(Op::ShiftRight, R1, 32);
    code.jump_if_reg(When::NotEqual, R1, R2, first);
    code.jump_if(When::Greater, R3, KNOCK_LIFE, first);
}

/// Who knocks again, R3 after the first time, becomes known and passes, unless too many of his kind do in a window.
fn second_knock(code: &mut Assembler, parts: &Parts, pass: Label) {
    let (admit, refuse, no_syn) = (code.label(), code.label(), code.label());
    code.op_reg(Op::Move, R7, R3);
    code.store_value(Double, Frame, FLAGS, 0);
    packet_bytes(code, HEADER_BYTES + FLAGS_OFFSET, FLAGS, 1);
    first_entry(code, parts.state, pass);
    code.jump_if(When::AtMost, R7, AGAIN_SOONEST - 1, refuse);
    code.load(Byte, R1, Frame, NEXT_HEADER);
    code.jump_if(When::NotEqual, R1, TCP, no_syn);
    code.load(Byte, R1, Frame, FLAGS);
    code.op(Op::And, R1, SYN | ACK);
    code.jump_if(When::NotEqual, R1, SYN, no_syn);
    within_limit(code, state::SECONDS, SECONDS_PER_WINDOW, admit);
    code.jump(refuse);
    code.place(no_syn);
    within_limit(code, state::OTHERS, OTHERS_PER_WINDOW, admit);
    code.place(refuse);
    count(code, state::REFUSED);
    code.exit(DROP);
    code.place(admit);
    count(code, state::ADMITTED);
    code.load(Double, R3, Frame, CELL);
    code.load(Double, R4, Frame, CLIENT_MARK);
    write_cell(code, R3, R4);
    code.jump(pass);
}

/// A first knock passes unless this is a flood: too many of them in this window, or in one not long ago. What passes is written down
/// as if it had come earlier, so that whatever follows it is a second knock.
fn first_knock(code: &mut Assembler, parts: &Parts, pass: Label) {
    let (may, few, drop) = (code.label(), code.label(), code.label());
    first_entry(code, parts.state, pass);
    within_limit(code, state::FIRSTS, FIRSTS_PER_WINDOW, few);
    code.store(Double, R0, state::FLOOD_AT, R8);
    code.jump(drop);
    code.place(few);
    code.load(Double, R1, Frame, FIRSTS_PER_WINDOW);
    code.jump_if(When::Equal, R1, 0, may);
    code.load(Double, R2, R0, state::FLOOD_AT);
    code.op_reg_32(Op::Move, R1, R8);
    code.op_reg_32(Op::Sub, R1, R2);
    code.jump_if(When::Greater, R1, FLOOD_LIFE, may);
    code.place(drop);
    count(code, state::DROPPED);
    write_cell(code, R9, R7);
    code.exit(DROP);
    code.place(may);
    count(code, state::PASSED);
    code.op(Op::Move, R1, AGAIN_SOONEST);
    code.op_reg_32(Op::Sub, R8, R1);
    write_cell(code, R9, R7);
}

/// Counts one more in this window, and goes on with `few` if that is no more than the limit in the frame, or if there is none.
fn within_limit(code: &mut Assembler, number: i16, limit: i16, few: Label) {
    count_in_window(code, number);
    code.load(Double, R2, Frame, limit);
    code.jump_if(When::Equal, R2, 0, few);
    code.load(Double, R1, R0, number);
    code.jump_if_reg(When::AtMost, R1, R2, few);
}

/// Adds 1 to what is counted by windows in the state that R0 leads to, and begins a new one if it is time.
fn count_in_window(code: &mut Assembler, number: i16) {
    let same = code.label();
    code.op_reg(Op::Move, R2, R8);
    code.op(Op::ShiftRight, R2, WINDOW_SHIFT);
    code.load(Double, R1, R0, state::WINDOW);
    code.jump_if_reg(When::Equal, R1, R2, same);
    code.store(Double, R0, state::WINDOW, R2);
    code.store_value(Double, R0, state::FIRSTS, 0);
    code.store_value(Double, R0, state::SECONDS, 0);
    code.store_value(Double, R0, state::OTHERS, 0);
    code.place(same);
    count(code, number);
}

fn first_entry(code: &mut Assembler, map: &OwnedFd, pass: Label) {
    code.op(Op::Move, R1, 0);
    entry(code, map, pass);
}

/// Adds 1 to a number of the state that R0 leads to.
fn count(code: &mut Assembler, number: i16) {
    code.op(Op::Move, R1, 1);
    code.atomic_add(R0, number, R1);
}
