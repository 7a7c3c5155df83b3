//! Headers of plain packets are those that the rewriter writes.
#![forbid(unsafe_code)]

use std::net::Ipv6Addr;

use packet_io_free::Buf;
use proptest::prelude::*;
use srh::carry::{put_on, Encoding, Segments, Sender};
use srh::plain::{self, PlainHeaders};
use srh::rewrite::{self, RewriteError};
use srh::{parse, Frame, Function, Locator};

/// A buffer of this test's own.
mod packet_io_free {
    use srh::{Frame, NoHeadroom};

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Buf {
        pub bytes: Vec<u8>,
        pub room: usize,
    }

    impl Frame for Buf {
        fn bytes(&self) -> &[u8] {
            &self.bytes
        }
        fn bytes_mut(&mut self) -> &mut [u8] {
            &mut self.bytes
        }
        fn push_front(&mut self, n: usize) -> Result<(), NoHeadroom> {
            self.room = self.room.checked_sub(n).ok_or(NoHeadroom)?;
            self.bytes.splice(0..0, vec![0; n]);
            Ok(())
        }
        fn pull_front(&mut self, n: usize) {
            self.bytes.drain(..n);
        }
        fn truncate(&mut self, len: usize) {
            self.bytes.truncate(len);
        }
    }
}

fn packet(class: u8, hops: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60 | class >> 4, class << 4 | 3, 0x45, 0x67];
    packet.extend((data.len() as u16).to_be_bytes());
    packet.extend([59, hops]);
    packet.extend((1..=32u8).collect::<Vec<u8>>());
    packet.extend(data);
    packet
}

/// Both ways, along so many SIDs.
fn both<const SIDS: usize>(
    before: Buf,
    encoding: Encoding,
    label: u32,
) -> [(Result<(), RewriteError>, Buf); 2] {
    use Function::{AckStickiness, ConnectAvail, ConnectForce};
    let node = Locator(0xfd00_001b_0001_0000);
    let functions = [ConnectAvail, ConnectForce, AckStickiness];
    let sid = |n: usize| Locator(0xfd00_005e_0000_0000 + n as u64).sid(functions[n % 3]);
    let sids: [Ipv6Addr; SIDS] = std::array::from_fn(sid);
    let mut list = Segments::default();
    sids.iter().for_each(|&sid| list.push(sid));
    let parsed = parse::packet(&before.bytes).unwrap();
    let (mut written, mut copied) = (before.clone(), before);
    let sender = Sender { node, keys: None };
    let said = put_on(&mut written, &parsed, sender, encoding, &list, label);
    let also = PlainHeaders::new(node).put_on(&mut copied, sids, encoding, label);
    [(said, written), (also, copied)]
}

proptest! {
    #[test]
    fn the_same_bytes_as_the_rewriter(
        (class, hops) in (any::<u8>(), 0u8..5),
        data in prop_oneof![
            9 => prop::collection::vec(any::<u8>(), 0..100),
            1 => (65_300usize..65_540).prop_map(|len| vec![7; len.min(65_535)]),
        ],
        (label, count) in (any::<u32>(), 0..4),
        insert in any::<bool>(),
        room in prop_oneof![1 => 0usize..60, 3 => Just(256)],
    ) {
        let encoding = if insert { Encoding::Insert } else { Encoding::Encap };
        let before = Buf { bytes: packet(class, hops, &data), room };
        let [(said, written), (also, copied)] = match count {
            0 => both::<1>(before, encoding, label),
            1 => both::<2>(before, encoding, label),
            2 => both::<3>(before, encoding, label),
            _ => both::<8>(before, encoding, label),
        };
        prop_assert_eq!(said, also);
        if said.is_ok() {
            prop_assert_eq!(written.bytes(), copied.bytes());
        }
        let expected = [Ok(()), Err(RewriteError::HopLimit), Err(RewriteError::TooLong)];
        prop_assert!(expected.contains(&said) || room < 168);
    }
}

/// A segment of an application with a function on it, in one of the encodings.
fn carried(class: u8, hops: u8, data: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[12] = 5 << 4;
    segment.extend(data);
    let mut bytes = packet(class, hops, &segment);
    bytes[6] = parse::next_header::TCP;
    let (room, node) = (256, Locator(0xfd00_005e_0000_0001));
    let mut frame = Buf { bytes, room };
    let sids = [Locator(0xfd00_001b_0001_0000).sid(Function::CreateStickiness)];
    let put_on = PlainHeaders::new(node).put_on(&mut frame, sids, encoding, 7);
    put_on.unwrap();
    frame.bytes
}

proptest! {
    #[test]
    fn what_is_put_on_is_taken_off_as_the_rewriter_does(
        (class, hops) in (any::<u8>(), 2u8..5),
        data in prop::collection::vec(any::<u8>(), 0..100),
        behind in prop::collection::vec(any::<u8>(), 0..9),
        insert in any::<bool>(),
    ) {
        let encoding = if insert { Encoding::Insert } else { Encoding::Encap };
        let mut bytes = carried(class, hops, &data, encoding);
        bytes.extend(&behind);
        let len = parse::carried_tcp(&bytes).unwrap().len_bytes();
        let parsed = parse::packet(&bytes).unwrap();
        let mut written = Buf { bytes, room: 0 };
        let mut copied = written.clone();
        match encoding {
            Encoding::Encap => rewrite::decap(&mut written, &parsed),
            Encoding::Insert => {
                written.truncate(parsed.len);
                rewrite::strip(&mut written, &parsed).unwrap();
            }
        }
        plain::take_off(&mut copied, len, encoding).unwrap();
        prop_assert_eq!(written.bytes(), copied.bytes());
    }
}
