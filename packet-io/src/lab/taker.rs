//! The least that a program for AF_XDP can be: all IPv6 goes to one socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use crate::bpf::asm::{Assembler, Op, Reg, When, Width};
use crate::bpf::numbers::frame::{ETHERNET_BYTES, ETHER_TYPE, IPV6};
use crate::bpf::numbers::helper;
use crate::bpf::numbers::xdp::{DATA, DATA_END, NATIVE, PASS};
use crate::bpf::sys::{self, MapKind, ProgramKind};
use Reg::{R0, R1, R2, R3};

/// The program and its socket.
#[derive(Debug)]
pub(crate) struct Taker {
    code: OwnedFd,
    sockets: OwnedFd,
}

impl Taker {
    pub fn load() -> io::Result<Self> {
        let sockets = sys::map(MapKind::Sockets, 4, 4, 1)?;
        let mut code = Assembler::default();
        let pass = code.label();
        code.load(Width::Word, R2, R1, DATA);
        code.load(Width::Word, R3, R1, DATA_END);
        code.op_reg(Op::Move, R1, R2);
        code.op(Op::Add, R1, ETHERNET_BYTES);
        code.jump_if_reg(When::Greater, R1, R3, pass);
        code.load(Width::Half, R0, R2, ETHER_TYPE);
        code.jump_if(When::NotEqual, R0, IPV6, pass);
        code.set_map(R1, sockets.as_raw_fd());
        code.op(Op::Move, R2, 0);
        code.op(Op::Move, R3, PASS);
        code.call(helper::REDIRECT_MAP);
        code.exit_with_r0();
        code.place(pass);
        code.exit(PASS);
        Ok(Taker {
            code: sys::load(ProgramKind::Xdp, &code.finish())?,
            sockets,
        })
    }

    pub fn set_socket(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let socket = socket.as_raw_fd().to_ne_bytes();
        sys::put(&self.sockets, &0_u32.to_ne_bytes(), &socket)
    }

    /// It stays as long as what is returned.
    pub fn attach(&self, if_index: u32) -> io::Result<OwnedFd> {
        sys::attach_xdp(&self.code, if_index, NATIVE)
    }
}
