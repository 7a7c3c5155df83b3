//! A batch does what its packets would do one by one.

use packet_io::PacketBuf;
use proptest::prelude::*;
use srh::{Encoding, Frame};

use super::anything::{entry, input};
use super::world::{Entry, World};
use crate::engine::batch::BATCH;
use crate::engine::{Event, Verdict};

fn world(encoding: Encoding, is_signed: bool, entry: Entry) -> World {
    let mut world = match is_signed {
        true => World::signed(encoding),
        false => World::new(encoding),
    };
    world.make(entry);
    world
}

/// What came of each packet: its bytes as they are then, even if it is dropped.
fn results(frames: &[PacketBuf], verdicts: Vec<Verdict>) -> Vec<(Verdict, Vec<u8>)> {
    let bytes = frames.iter().map(|frame| frame.bytes().to_vec());
    verdicts.into_iter().zip(bytes).collect()
}

fn assert_same(encoding: Encoding, is_signed: bool, entry: Entry, packets: &[Vec<u8>]) {
    let frames = || -> Vec<PacketBuf> {
        let frame = |packet: &Vec<u8>| PacketBuf::from_slice(packet);
        packets.iter().map(frame).collect()
    };
    let (mut one, mut all) = (frames(), frames());
    let mut single = world(encoding, is_signed, entry);
    let mut batched = world(encoding, is_signed, entry);
    let process = |frame| single.engine.process(single.now, frame);
    let expected: Vec<Verdict> = one.iter_mut().map(process).collect();
    let mut verdicts = vec![Verdict::Transmit; 3];
    batched
        .engine
        .process_batch(batched.now, &mut all, &mut verdicts);

    assert_eq!(verdicts.len(), packets.len());
    assert_eq!(results(&all, verdicts), results(&one, expected));
    assert_eq!(batched.entry(), single.entry());
    let entries = |world: &World| -> Vec<_> { world.engine.flows.iter().collect() };
    assert_eq!(entries(&batched), entries(&single));
    let counts = |world: &World| {
        (
            world.engine.drops().to_json(),
            world.engine.events().to_json(),
        )
    };
    assert_eq!(counts(&batched), counts(&single));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_batch_does_what_its_packets_do_one_by_one(
        encoding in prop_oneof![Just(Encoding::Encap), Just(Encoding::Insert)],
        is_signed in prop::bool::weighted(0.2),
        entry in entry(),
        packets in prop::collection::vec(input(), 0..2 * BATCH),
    ) {
        assert_same(encoding, is_signed, entry, &packets);
    }
}

/// The entry that one packet makes is there for the next one of the same batch.
#[test]
fn packets_of_a_batch_see_what_those_before_them_wrote() {
    let world = World::new(Encoding::Encap);
    let server = world.candidates()[0];
    let packets = [
        world.says(
            server,
            super::world::CREATE,
            &world.syn_ack(super::world::NUMBER),
        ),
        world.ack(),
        world.says(server, super::world::RETURN_FLOW, &world.ack()),
        world.ack(),
    ];
    let mut frames = packets
        .each_ref()
        .map(|packet| PacketBuf::from_slice(packet));
    let mut batched = World::new(Encoding::Encap);
    let now = batched.now;
    let mut verdicts = Vec::new();
    batched
        .engine
        .process_batch(now, &mut frames, &mut verdicts);
    assert_eq!(verdicts, [Verdict::Transmit; 4]);
    let count = |event| batched.engine.events().get(event);
    assert_eq!((count(Event::Pinned), count(Event::Steered)), (1, 1));
    assert_eq!(count(Event::Recovered), 2, "returned, and after that");
    assert_same(Encoding::Encap, false, Entry::None, &packets);
}
