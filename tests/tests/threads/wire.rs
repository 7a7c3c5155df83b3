//! The wire in memory between two threads.

use shuttle::thread;
use srh::Frame;

use crate::memory::{pair, MemoryDriver};
use crate::{Driver, PacketBuf};

const CAPACITY_PACKETS: usize = 2;

fn packet(id: u8) -> PacketBuf {
    PacketBuf::from_slice(&[id])
}

/// Sends these packets one by one; those that the wire took.
fn send(end: &mut MemoryDriver, ids: &[u8]) -> Vec<u8> {
    let mut taken = ids.to_vec();
    taken.retain(|&id| end.transmit(&[packet(id)]).unwrap() == 1);
    taken
}

/// Receives a few times, one or two packets at once.
fn receive(end: &mut MemoryDriver, times: usize) -> Vec<u8> {
    let mut received = Vec::new();
    for _ in 0..times {
        let mut into = [packet(0), packet(0)];
        let n = end.receive(&mut into).unwrap();
        received.extend(into[..n].iter().map(|packet| packet.bytes()[0]));
    }
    received
}

/// Whatever the wire took arrives once and in its order, or waits; the wire holds no more than it may.
#[test]
fn nothing_is_lost_twice_or_out_of_order() {
    shuttle::check_dfs(
        || {
            let (mut near, mut far) = pair(CAPACITY_PACKETS);
            let sender = thread::spawn(move || {
                let taken = send(&mut near, &[1, 2, 3, 4]);
                (near, taken)
            });
            let mut received = receive(&mut far, 2);
            assert!(far.waiting() <= CAPACITY_PACKETS);
            let (_near, taken) = sender.join().unwrap();
            received.extend(receive(&mut far, 2));
            assert_eq!(received, taken);
            assert_eq!(far.waiting(), 0);
        },
        None,
    );
}

/// Both ends send and receive at the same time: no order of the two locks stops them.
#[test]
fn both_directions_at_once() {
    shuttle::check_dfs(
        || {
            let (mut near, mut far) = pair(CAPACITY_PACKETS);
            let other = thread::spawn(move || {
                let taken = send(&mut near, &[1]);
                (taken, receive(&mut near, 1), near)
            });
            let taken = send(&mut far, &[9]);
            let received = receive(&mut far, 1);
            let (others, there, mut near) = other.join().unwrap();
            assert_eq!(
                (&taken[..], &others[..]),
                (&[9][..], &[1][..]),
                "there is room"
            );
            assert_eq!([there, receive(&mut near, 1)].concat(), [9]);
            assert_eq!([received, receive(&mut far, 1)].concat(), [1]);
        },
        None,
    );
}
