//! BPF as far as our programs need it: an assembler, maps, loading. No compiler at build time, no further crate.

pub(crate) mod asm;
pub(crate) mod numbers;
#[allow(unsafe_code)] // bpf(2) and one ioctl, and nothing else
pub(crate) mod sys;
