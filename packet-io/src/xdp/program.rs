//! The XDP program: what is for us goes to the socket of its queue, all else goes on into the kernel as if there were no program.
//!
//! | packet | goes to |
//! | --- | --- |
//! | not IPv6 right behind the Ethernet header (VLAN tags, ARP), or not to the interface's own address | the kernel |
//! | for our locator, on an interface of the domain | us |
//! | for our locator, elsewhere | the kernel, whose filter drops it at the edge |
//! | for a VIP, on an interface of the domain | us |
//! | for a VIP, elsewhere | us; from an address of the domain: the kernel, whose filter drops it |
//! | any other | the kernel |
//!
//! "Us" is the kernel, too, while the queue has no socket. What passes to the kernel and is for us comes back by the TUN device.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use crate::bpf::asm::{Assembler, Label, Op, Reg, When, Width};
use crate::bpf::numbers::frame::{DESTINATION, ETHER_TYPE, HEADERS_BYTES, IPV6, SOURCE};
use crate::bpf::numbers::helper;
use crate::bpf::numbers::xdp::{DATA, DATA_END, PASS, QUEUE};
use crate::bpf::sys::{self, MapKind, ProgramKind};
use Reg::{Frame, R0, R1, R2, R3, R6, R7, R8};

// Offsets in the frame: a prefix's key, length and address.
const PREFIX: i16 = -40;
const PREFIX_ADDRESS: i16 = PREFIX + 4;
const NEAR_KEY: i16 = -8;
/// The most VIPs and prefixes.
const MAX_ADDRESSES: u32 = 1 << 16;
/// The most queues of an interface.
pub(super) const MAX_QUEUES: u32 = 1 << 10;

/// VIPs that are compared in place, before the map is asked for the rest.
const NEAR_VIPS: usize = 8;
/// Bytes that say, for each first byte of an address, whether there are prefixes of the domain with it.
const FIRST_BYTES: usize = 256;
/// Both of them as the program reads them: first bytes, then VIPs.
const NEAR_WORDS: usize = (FIRST_BYTES + 16 * NEAR_VIPS) / 8;

/// The addresses that all programs look at; they may change while packets come.
#[derive(Debug)]
pub(super) struct Addresses {
    /// What spares most packets the look into the other two: a hash costs more than the rest of the program.
    near: OwnedFd,
    vips: OwnedFd,
    domain: OwnedFd,
    now: (Vec<Ipv6Addr>, Vec<Prefix>),
}

/// A prefix: address and length.
pub type Prefix = (Ipv6Addr, u8);

impl Addresses {
    pub fn new() -> io::Result<Self> {
        Ok(Addresses {
            near: sys::array::<NEAR_WORDS>(1)?,
            vips: sys::map(MapKind::Hash, 16, 1, MAX_ADDRESSES)?,
            domain: sys::map(MapKind::Prefixes, 20, 1, MAX_ADDRESSES)?,
            now: (Vec::new(), Vec::new()),
        })
    }

    /// Takes other addresses. What stays is in force all the time; what is new comes before the old goes.
    pub fn set(&mut self, vips: &[Ipv6Addr], domain: &[Prefix]) -> io::Result<()> {
        for prefix in domain {
            sys::put(&self.domain, &key(prefix), &[1])?;
        }
        for vip in vips {
            sys::put(&self.vips, &vip.octets(), &[1])?;
        }
        // Behind what is new in the maps, and before what is old there goes: it never says more than they do.
        sys::write(&self.near, near(vips, domain))?;
        let (old_vips, old_domain) =
            std::mem::replace(&mut self.now, (vips.to_vec(), domain.to_vec()));
        for vip in old_vips.iter().filter(|vip| !vips.contains(vip)) {
            sys::take_out(&self.vips, &vip.octets())?;
        }
        for prefix in old_domain.iter().filter(|prefix| !domain.contains(prefix)) {
            sys::take_out(&self.domain, &key(prefix))?;
        }
        Ok(())
    }
}

/// What programs look at first.
fn near(vips: &[Ipv6Addr], domain: &[Prefix]) -> [u64; NEAR_WORDS] {
    let mut bytes = [0_u8; 8 * NEAR_WORDS];
    for (address, len) in domain {
        let first = address.octets()[0];
        // A prefix shorter than a byte has several first bytes.
        let more = 0xff_u8.checked_shr(u32::from(*len)).unwrap_or(0);
        for byte in first & !more..=first | more {
            bytes[usize::from(byte)] = 1;
        }
    }
    let places = bytes[FIRST_BYTES..].chunks_mut(16);
    // A place that is free is ::, which is nobody's VIP.
    for (place, vip) in places.zip(vips) {
        place.copy_from_slice(&vip.octets());
    }
    let mut words = [0; NEAR_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        *word = u64::from_ne_bytes(eight);
    }
    words
}

/// As the kernel's prefix maps want it.
fn key((address, len): &Prefix) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&u32::from(*len).to_ne_bytes());
    key[4..].copy_from_slice(&address.octets());
    key
}

/// A program for one interface, with its sockets.
#[derive(Debug)]
pub(super) struct Program {
    code: OwnedFd,
    sockets: OwnedFd,
}

/// What is built into a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The interface's hardware address.
    pub mac: [u8; 6],
    /// The first 8 bytes of every address of our own SIDs.
    pub locator: [u8; 8],
    /// May functions come from here?
    pub in_domain: bool,
}

impl Program {
    pub fn load(place: Place, addresses: &Addresses) -> io::Result<Self> {
        let sockets = sys::map(MapKind::Sockets, 4, 4, MAX_QUEUES)?;
        let code = assemble(place, addresses, &sockets);
        Ok(Program {
            code: sys::load(ProgramKind::Xdp, &code)?,
            sockets,
        })
    }

    /// From now on this queue's packets go to this socket.
    pub fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        let socket = socket.as_raw_fd().to_ne_bytes();
        sys::put(&self.sockets, &queue.to_ne_bytes(), &socket)
    }

    /// Attaches it; it stays as long as what is returned.
    pub fn attach(&self, if_index: u32, flags: u32) -> io::Result<OwnedFd> {
        sys::attach_xdp(&self.code, if_index, flags)
    }

    /// What it does with a frame, on queue 0.
    #[cfg(test)]
    pub fn run(&self, frame: &[u8]) -> io::Result<u32> {
        sys::run(&self.code, frame)
    }
}

/// R6: context, R7: packet, R8: what is near.
fn assemble(place: Place, addresses: &Addresses, sockets: &OwnedFd) -> Vec<u64> {
    let mut code = Assembler::default();
    let (pass, ours) = (code.label(), code.label());
    code.op_reg(Op::Move, R6, R1);
    code.load(Width::Word, R7, R6, DATA);
    code.load(Width::Word, R3, R6, DATA_END);
    code.op_reg(Op::Move, R2, R7);
    code.op(Op::Add, R2, HEADERS_BYTES);
    code.jump_if_reg(When::Greater, R2, R3, pass);
    ethernet(&mut code, place.mac, pass);
    code.load(Width::Double, R0, R7, DESTINATION);
    code.set(R1, u64::from_ne_bytes(place.locator));
    let other = code.label();
    code.jump_if_reg(When::NotEqual, R0, R1, other);
    code.jump(if place.in_domain { ours } else { pass });
    code.place(other);
    code.store_value(Width::Word, Frame, NEAR_KEY, 0);
    look_up(&mut code, &addresses.near, Frame, NEAR_KEY);
    code.jump_if(When::Equal, R0, 0, pass);
    code.op_reg(Op::Move, R8, R0);
    let vip = code.label();
    near_vips(&mut code, vip);
    look_up(&mut code, &addresses.vips, R7, DESTINATION);
    code.jump_if(When::Equal, R0, 0, pass);
    code.place(vip);
    if !place.in_domain {
        code.load(Width::Byte, R1, R7, SOURCE);
        code.op_reg(Op::Add, R8, R1);
        code.load(Width::Byte, R1, R8, 0);
        code.jump_if(When::Equal, R1, 0, ours);
        code.store_value(Width::Word, Frame, PREFIX, 128);
        copy_address(&mut code, SOURCE, PREFIX_ADDRESS);
        look_up(&mut code, &addresses.domain, Frame, PREFIX);
        code.jump_if(When::NotEqual, R0, 0, pass);
    }
    code.place(ours);
    code.set_map(R1, sockets.as_raw_fd());
    code.load(Width::Word, R2, R6, QUEUE);
    code.op(Op::Move, R3, PASS);
    code.call(helper::REDIRECT_MAP);
    code.exit_with_r0();
    code.place(pass);
    code.exit(PASS);
    code.finish()
}

/// Goes on only with IPv6 to our own hardware address: what a switch floods is somebody else's.
fn ethernet(code: &mut Assembler, mac: [u8; 6], pass: Label) {
    let halves = [
        (0, [mac[0], mac[1]]),
        (2, [mac[2], mac[3]]),
        (4, [mac[4], mac[5]]),
    ];
    for (offset, bytes) in halves {
        code.load(Width::Half, R0, R7, offset);
        let value = u16::from_ne_bytes(bytes);
        code.jump_if(When::NotEqual, R0, i32::from(value), pass);
    }
    code.load(Width::Half, R0, R7, ETHER_TYPE);
    code.jump_if(When::NotEqual, R0, IPV6, pass);
}

/// Compares the destination with the VIPs at R8.
fn near_vips(code: &mut Assembler, vip: Label) {
    code.load(Width::Double, R2, R7, DESTINATION);
    code.load(Width::Double, R3, R7, DESTINATION + 8);
    for number in 0..NEAR_VIPS {
        let other = code.label();
        let at = (FIRST_BYTES + 16 * number) as i16;
        code.load(Width::Double, R0, R8, at);
        code.jump_if_reg(When::NotEqual, R0, R2, other);
        code.load(Width::Double, R0, R8, at + 8);
        code.jump_if_reg(When::Equal, R0, R3, vip);
        code.place(other);
    }
}

/// Words, because an address in a prefix's key is not aligned to more.
fn copy_address(code: &mut Assembler, from: i16, to: i16) {
    for word in 0..4 {
        code.load(Width::Word, R0, R7, from + 4 * word);
        code.store(Width::Word, Frame, to + 4 * word, R0);
    }
}

/// R0 = the entry for the key at this place, or 0.
fn look_up(code: &mut Assembler, map: &OwnedFd, base: Reg, key: i16) {
    code.set_map(R1, map.as_raw_fd());
    code.op_reg(Op::Move, R2, base);
    code.op(Op::Add, R2, i32::from(key));
    code.call(helper::MAP_LOOKUP);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::numbers::xdp;
    use rustix::net::{socket_with, AddressFamily, SocketFlags, SocketType};
    use std::os::fd::AsFd;

    const REDIRECT: u32 = xdp::REDIRECT as u32;
    const TO_KERNEL: u32 = PASS as u32;
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
    const VIP: &str = "2001:db8:80::1";
    const CLIENT: &str = "2001:db8:c::7";
    const SERVER: &str = "fd00:5e:1::100";
    const OUR_SID: &str = "fd00:1b:1::3000";

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn frame(from: &str, to: &str) -> Vec<u8> {
        let mut frame = [&MAC[..], &[2, 0, 0, 0, 0, 9], &[0x86, 0xdd]].concat();
        frame.extend([0x60, 0, 0, 0, 0, 0, 59, 64]);
        frame.extend(address(from).octets());
        frame.extend(address(to).octets());
        frame
    }

    /// None, and a word about it, where BPF is not allowed.
    fn addresses() -> Option<Addresses> {
        let made = Addresses::new();
        if let Err(error) = &made {
            eprintln!("skipped: no BPF: {error}");
        }
        made.ok()
    }

    fn program(addresses: &Addresses, in_domain: bool) -> (Program, OwnedFd) {
        let mut locator = [0; 8];
        locator.copy_from_slice(&address(OUR_SID).octets()[..8]);
        let place = Place {
            mac: MAC,
            locator,
            in_domain,
        };
        let program = Program::load(place, addresses).unwrap();
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::XDP, SocketType::RAW, flags, None).unwrap();
        program.set_socket(0, socket.as_fd()).unwrap();
        (program, socket)
    }

    #[test]
    fn only_what_is_ours_is_taken() {
        let Some(mut addresses) = addresses() else {
            return;
        };
        let domain = [(address("fd00:5e:1::"), 64), (address("fd00:1b:1::"), 64)];
        addresses.set(&[address(VIP)], &domain).unwrap();
        let (inside, _socket) = program(&addresses, true);
        let (outside, _other) = program(&addresses, false);
        for (from, to, at_inside, at_outside) in [
            (CLIENT, VIP, REDIRECT, REDIRECT),
            (SERVER, OUR_SID, REDIRECT, TO_KERNEL),
            (CLIENT, OUR_SID, REDIRECT, TO_KERNEL),
            (SERVER, VIP, REDIRECT, TO_KERNEL),
            (CLIENT, "2001:db8:80::2", TO_KERNEL, TO_KERNEL),
            (CLIENT, "fd00:1b:2::3000", TO_KERNEL, TO_KERNEL),
            (CLIENT, "ff02::1:ff00:1", TO_KERNEL, TO_KERNEL),
        ] {
            let frame = frame(from, to);
            assert_eq!(inside.run(&frame).unwrap(), at_inside, "{from} > {to}");
            assert_eq!(outside.run(&frame).unwrap(), at_outside, "{from} > {to}");
        }
    }

    #[test]
    fn tags_other_protocols_and_other_machines_pass() {
        let Some(mut addresses) = addresses() else {
            return;
        };
        addresses.set(&[address(VIP)], &[]).unwrap();
        let (program, _socket) = program(&addresses, true);
        let good = frame(CLIENT, VIP);
        assert_eq!(program.run(&good).unwrap(), REDIRECT);
        for (at, byte) in [(0, 4), (3, 1), (5, 8), (12, 8), (13, 0)] {
            let mut other = good.clone();
            other[at] = byte;
            assert_eq!(program.run(&other).unwrap(), TO_KERNEL, "byte {at}");
        }
        let mut tagged = good[..12].to_vec();
        tagged.extend([0x81, 0x00, 0x00, 0x05]);
        tagged.extend(&good[12..]);
        assert_eq!(program.run(&tagged).unwrap(), TO_KERNEL);
        assert_eq!(program.run(&good[..53]).unwrap(), TO_KERNEL, "cut");
    }

    #[test]
    fn addresses_change_while_it_runs() {
        let Some(mut addresses) = addresses() else {
            return;
        };
        let (program, _socket) = program(&addresses, false);
        let answer = |from: &str| program.run(&frame(from, VIP)).unwrap();
        assert_eq!(answer(CLIENT), TO_KERNEL);
        let client_net = (address("2001:db8:c::"), 48);
        addresses.set(&[address(VIP)], &[]).unwrap();
        assert_eq!(answer(CLIENT), REDIRECT);
        addresses.set(&[address(VIP)], &[client_net]).unwrap();
        assert_eq!(answer(CLIENT), TO_KERNEL, "it is one of the domain now");
        assert_eq!(answer("2001:db8:d::7"), REDIRECT);
        addresses.set(&[address(VIP)], &[]).unwrap();
        assert_eq!(answer(CLIENT), REDIRECT);
        addresses.set(&[address("2001:db8:80::2")], &[]).unwrap();
        assert_eq!(answer(CLIENT), TO_KERNEL);
    }

    #[test]
    fn many_vips_are_taken_and_prefixes_of_any_length_are_the_domains() {
        let Some(mut addresses) = addresses() else {
            return;
        };
        let vip = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, n);
        let (program, _socket) = program(&addresses, false);
        let answer = |from: &str, to: Ipv6Addr| {
            let frame = frame(from, &to.to_string());
            program.run(&frame).unwrap()
        };
        for many in [3 * NEAR_VIPS as u16, 2, NEAR_VIPS as u16 + 1] {
            let vips: Vec<Ipv6Addr> = (1..=many).map(vip).collect();
            addresses.set(&vips, &[]).unwrap();
            for n in 0..=4 * NEAR_VIPS as u16 {
                let expected = match (1..=many).contains(&n) {
                    true => REDIRECT,
                    false => TO_KERNEL,
                };
                assert_eq!(answer(CLIENT, vip(n)), expected, "{n} of {many}");
            }
        }
        for (len, inside, outside) in [
            (3, ["2001:db8:c::7", "3fff::1"], "4000::1"),
            (0, ["::1", "ffff::1"], ""),
            (11, ["2001::1", "201f::1"], "2020::1"),
            (128, ["2000::", "2000::"], "2000::1"),
        ] {
            addresses
                .set(&[vip(1)], &[(address("2000::"), len)])
                .unwrap();
            for from in inside {
                assert_eq!(answer(from, vip(1)), TO_KERNEL, "{from} in 2000::/{len}");
            }
            if !outside.is_empty() {
                assert_eq!(
                    answer(outside, vip(1)),
                    REDIRECT,
                    "{outside} in 2000::/{len}"
                );
            }
        }
    }

    #[test]
    fn a_queue_without_a_socket_is_the_kernels() {
        let Some(mut addresses) = addresses() else {
            return;
        };
        addresses.set(&[address(VIP)], &[]).unwrap();
        let place = Place {
            mac: MAC,
            locator: [0xfd; 8],
            in_domain: true,
        };
        let program = Program::load(place, &addresses).unwrap();
        assert_eq!(program.run(&frame(CLIENT, VIP)).unwrap(), TO_KERNEL);
    }
}
