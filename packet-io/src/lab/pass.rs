//! A program that lets everything pass. A veth end with one takes frames as they are, as a network card does.

use std::io;
use std::os::fd::OwnedFd;

use crate::bpf::asm::Assembler;
use crate::bpf::numbers::xdp::{NATIVE, PASS};
use crate::bpf::sys::{self, ProgramKind};

/// Attached as long as this value lives.
#[derive(Debug)]
pub struct Pass {
    _link: OwnedFd,
}

impl Pass {
    /// Attaches it to the interface with this index in this thread's network namespace.
    pub fn attach(if_index: u32) -> io::Result<Self> {
        let mut code = Assembler::default();
        code.exit(PASS);
        let program = sys::load(ProgramKind::Xdp, &code.finish())?;
        Ok(Pass {
            _link: sys::attach_xdp(&program, if_index, NATIVE)?,
        })
    }
}
