//! The wire in memory.

use packet_io::memory::pair;
use packet_io::{Batch, Driver, PacketBuf};
use srh::Frame;

fn packets(ids: std::ops::Range<u8>) -> Vec<PacketBuf> {
    ids.map(|id| PacketBuf::from_slice(&[id; 40])).collect()
}

fn ids(batch: &Batch) -> Vec<u8> {
    batch.packets().iter().map(|p| p.bytes()[0]).collect()
}

#[test]
fn what_one_end_sends_the_other_receives_in_order_and_in_batches() {
    let (mut a, mut b) = pair(100);
    assert_eq!(a.transmit(&packets(0..5)).unwrap(), 5);
    assert_eq!(b.transmit(&packets(10..12)).unwrap(), 2);
    assert_eq!((a.waiting(), b.waiting()), (2, 5));

    let mut batch = Batch::new(3, 1500);
    assert_eq!(batch.receive(&mut b).unwrap(), 3);
    assert_eq!(ids(&batch), [0, 1, 2]);
    assert_eq!(batch.receive(&mut b).unwrap(), 2);
    assert_eq!(ids(&batch), [3, 4]);
    assert_eq!(batch.receive(&mut b).unwrap(), 0);
    assert!(batch.packets_mut().is_empty());
    assert_eq!(batch.receive(&mut a).unwrap(), 2);
    assert_eq!(ids(&batch), [10, 11]);
}

#[test]
fn a_full_wire_loses_what_does_not_fit() {
    let (mut a, mut b) = pair(3);
    assert_eq!(a.transmit(&packets(0..5)).unwrap(), 3);
    assert_eq!(a.transmit(&packets(5..6)).unwrap(), 0);
    let mut batch = Batch::new(Batch::PACKETS, 1500);
    batch.receive(&mut b).unwrap();
    assert_eq!(ids(&batch), [0, 1, 2]);
    assert_eq!(a.transmit(&packets(6..7)).unwrap(), 1);
}

#[test]
fn a_packet_too_long_for_the_buffer_is_cut() {
    let (mut a, mut b) = pair(3);
    a.transmit(&packets(7..8)).unwrap();
    let mut batch = Batch::new(1, 16);
    batch.receive(&mut b).unwrap();
    assert_eq!(batch.packets()[0].bytes(), [7; 16]);
}

#[test]
fn headroom_is_there_again_on_the_other_side() {
    let (mut a, mut b) = pair(3);
    let mut packet = PacketBuf::from_slice(&[1; 40]);
    packet.push_front(200).unwrap();
    a.transmit(&[packet]).unwrap();
    let mut batch = Batch::new(1, 1500);
    batch.receive(&mut b).unwrap();
    let got = &mut batch.packets_mut()[0];
    assert_eq!(got.len(), 240);
    got.push_front(PacketBuf::HEADROOM_BYTES).unwrap();
}
