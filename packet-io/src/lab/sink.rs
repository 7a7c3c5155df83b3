//! The end of the way: a program that counts and drops, or gives packets to a socket to be looked at.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::bpf::asm::{Assembler, Op, Reg, When, Width};
use crate::bpf::numbers::frame::{ETHER_TYPE, HEADERS_BYTES, IPV6, NEXT_HEADER};
use crate::bpf::numbers::helper;
use crate::bpf::numbers::xdp::{DATA, DATA_END, DROP, NATIVE, PASS};
use crate::bpf::sys::{self, MapKind, ProgramKind};
use crate::xdp::bare::Listener;
use crate::xdp::XdpError;
use crate::PacketBuf;
use Reg::{Frame, R0, R1, R2, R3, R6, R7, R8, R9};

/// Where a map's key is built in the frame.
const KEY: i16 = -4;

/// What a packet looks like that has come the right way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its length from the IPv6 header on.
    pub len_bytes: usize,
    /// The next header in its IPv6 header.
    pub next_header: u8,
}

/// What has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Of the shape that was said.
    pub right: u64,
    /// Other IPv6.
    pub wrong: u64,
}

/// An interface that swallows IPv6. The rest goes into the kernel.
#[derive(Debug)]
pub struct Sink {
    counts: OwnedFd,
    /// What is wanted: 0: give it to the socket; else length and next header.
    wanted: OwnedFd,
    socket: Listener,
    _sockets: OwnedFd,
    /// The program stays attached as long as this.
    _link: OwnedFd,
}

impl Sink {
    /// Swallows what comes to the interface `name` of this thread's network namespace, and keeps it for [`Sink::look`].
    pub fn open(name: &str) -> Result<Self, XdpError> {
        let at = |action| move |error| XdpError::at(name, action, error);
        let socket = Listener::open(name)?;
        let counts = sys::array::<2>(1).map_err(at("make BPF maps"))?;
        let wanted = sys::array::<2>(1).map_err(at("make BPF maps"))?;
        let sockets = sys::map(MapKind::Sockets, 4, 4, 1).map_err(at("make BPF maps"))?;
        let fd = socket.as_fd().as_raw_fd();
        sys::put(&sockets, &0_u32.to_ne_bytes(), &fd.to_ne_bytes())
            .map_err(at("give its program a socket"))?;
        let program = sys::load(ProgramKind::Xdp, &assemble(&counts, &wanted, &sockets))
            .map_err(at("load its XDP program"))?;
        let link = sys::attach_xdp(&program, socket.if_index(), NATIVE)
            .map_err(at("attach its XDP program"))?;
        Ok(Sink {
            counts,
            wanted,
            socket,
            _sockets: sockets,
            _link: link,
        })
    }

    /// From now on counts, by this shape; without one: keeps packets to be looked at.
    pub fn expect(&self, shape: Option<Shape>) -> io::Result<()> {
        let wanted = match shape {
            Some(shape) => [14 + shape.len_bytes as u64, shape.next_header.into()],
            None => [0, 0],
        };
        sys::write(&self.wanted, wanted)
    }

    /// How many have been counted.
    pub fn arrived(&self) -> io::Result<Arrived> {
        let [right, wrong] = sys::read(&self.counts)?;
        Ok(Arrived { right, wrong })
    }

    /// Takes what was kept, as a driver's `receive`.
    pub fn look(&mut self, into: &mut [PacketBuf]) -> usize {
        self.socket.receive(into)
    }
}

/// R6: context, R7: packet, R8: its length, R9: what is wanted.
fn assemble(counts: &OwnedFd, wanted: &OwnedFd, sockets: &OwnedFd) -> Vec<u64> {
    let mut code = Assembler::default();
    let (pass, count, wrong, keep) = (code.label(), code.label(), code.label(), code.label());
    code.op_reg(Op::Move, R6, R1);
    code.load(Width::Word, R7, R6, DATA);
    code.load(Width::Word, R8, R6, DATA_END);
    code.op_reg(Op::Move, R2, R7);
    code.op(Op::Add, R2, HEADERS_BYTES);
    code.jump_if_reg(When::Greater, R2, R8, pass);
    // What the machine under test says of itself (MLD and the like) is no packet of ours.
    code.load(Width::Byte, R0, R7, 0);
    code.op(Op::And, R0, 1);
    code.jump_if(When::NotEqual, R0, 0, pass);
    code.load(Width::Half, R0, R7, ETHER_TYPE);
    code.jump_if(When::NotEqual, R0, IPV6, pass);
    code.op_reg(Op::Sub, R8, R7);
    look_up(&mut code, wanted);
    code.jump_if(When::Equal, R0, 0, pass);
    code.op_reg(Op::Move, R9, R0);
    code.load(Width::Double, R1, R9, 0);
    code.jump_if(When::Equal, R1, 0, keep);
    code.jump_if_reg(When::NotEqual, R1, R8, wrong);
    code.load(Width::Double, R1, R9, 8);
    code.load(Width::Byte, R2, R7, NEXT_HEADER);
    code.jump_if_reg(When::NotEqual, R1, R2, wrong);
    code.op(Op::Move, R7, 0);
    code.jump(count);
    code.place(wrong);
    code.op(Op::Move, R7, 8);
    code.place(count);
    look_up(&mut code, counts);
    code.jump_if(When::Equal, R0, 0, pass);
    code.op(Op::Move, R1, 1);
    let second = code.label();
    let done = code.label();
    code.jump_if(When::NotEqual, R7, 0, second);
    code.atomic_add(R0, 0, R1);
    code.jump(done);
    code.place(second);
    code.atomic_add(R0, 8, R1);
    code.place(done);
    code.exit(DROP);
    code.place(keep);
    code.set_map(R1, sockets.as_raw_fd());
    code.op(Op::Move, R2, 0);
    code.op(Op::Move, R3, DROP);
    code.call(helper::REDIRECT_MAP);
    code.exit_with_r0();
    code.place(pass);
    code.exit(PASS);
    code.finish()
}

/// R0 = the first entry of an array.
fn look_up(code: &mut Assembler, map: &OwnedFd) {
    code.store_value(Width::Word, Frame, KEY, 0);
    code.set_map(R1, map.as_raw_fd());
    code.op_reg(Op::Move, R2, Frame);
    code.op(Op::Add, R2, i32::from(KEY));
    code.call(helper::MAP_LOOKUP);
}
