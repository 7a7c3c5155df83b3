//! What `explain`, `trace` and batches show is what happens.

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::Encoding::{Encap, Insert};
use srh::{Flow, Frame};

use super::world::*;
use crate::engine::state::{Action, Event, Next, Sender, State};
use crate::engine::{Opinion, Verdict};

fn name(server: u16) -> String {
    format!("s{server}")
}

#[test]
fn explain_says_what_a_packet_would_meet() {
    for (entry, on_syn, on_other) in [
        (Entry::None, Action::Hunt, Action::Recover),
        (Entry::Unconfirmed(2, 9), Action::ToPinned, Action::ToPinned),
        (Entry::Confirmed(2), Action::ToPinned, Action::ToPinned),
        (Entry::Closing(2), Action::Hunt, Action::ToPinned),
    ] {
        let mut world = World::new(Encap);
        world.make(entry);
        let explained = world.engine.explain(world.flow(), world.now).unwrap();
        assert_eq!(
            (explained.on_syn, explained.on_other),
            (Some(on_syn), Some(on_other))
        );
        assert_eq!(explained.vip, "web");
        assert_eq!(explained.bucket, world.bucket());
        let candidates = world.candidates().into_iter();
        let expected: Vec<_> = candidates.map(|s| (name(s), Opinion::Alive)).collect();
        assert_eq!(explained.candidates, expected);
        let recovery: Vec<_> = world.recovery().into_iter().map(name).collect();
        assert_eq!(explained.recovery, recovery);
        assert!(explained.complete);
        let shown = world
            .pin()
            .map(|pin| (pin.state(), name(2), world.left_ms()));
        assert_eq!(explained.entry, shown);
        assert_eq!(shown.is_none(), entry == Entry::None);
    }
}

#[test]
fn explain_knows_no_other_address() {
    let world = World::new(Encap);
    let vip = "2001:db8:80::9".parse().unwrap();
    let flow = Flow {
        vip,
        ..world.flow()
    };
    assert_eq!(world.engine.explain(flow, world.now), None);
}

#[test]
fn a_note_says_what_happened_to_the_last_packet_and_only_while_tracing() {
    let mut world = World::new(Insert);
    world.make(Entry::Unconfirmed(2, 9));
    assert!(world.engine.note().flow.is_none());
    world.engine.set_tracing(true);
    world.sent(&world.ack());
    let note = *world.engine.note();
    assert_eq!(note.flow, Some(world.flow()));
    assert_eq!(note.event, Some(Event::ClientOther));
    assert_eq!(note.before, Some(State::Steer { confirmed: false }));
    assert_eq!(note.said, Some((Action::ToPinned, Next::Confirmed)));
    assert_eq!((note.pinned, note.sender), (Some(2), None));

    let late = world.says(1, CREATE, &world.syn_ack(9));
    assert_eq!(world.dropped(&late), DropReason::LosersSynAck);
    let note = *world.engine.note();
    let event = Event::CreateOnSynAck {
        sender: Sender::Other,
        same_number: true,
    };
    assert_eq!(note.event, Some(event));
    assert_eq!(note.said, Some((Action::DropLoser, Next::Unchanged)));
    assert_eq!((note.pinned, note.sender), (Some(2), Some(1)));

    world.dropped(b"nothing");
    assert!(world.engine.note().flow.is_none(), "of this packet");
    world.engine.set_tracing(false);
    world.sent(&world.ack());
    assert!(world.engine.note().flow.is_none());
}

#[test]
fn a_batch_is_its_packets_one_by_one() {
    let (mut one_by_one, mut batch) = (World::new(Encap), World::new(Encap));
    let w = World::new(Encap);
    let answer = w.says(1, CREATE, &w.syn_ack(NUMBER));
    let packets = [
        w.syn(),
        answer,
        w.ack(),
        w.data(1_450),
        b"what?".to_vec(),
        w.rst(),
    ];
    let mut frames = packets.clone().map(|bytes| PacketBuf::from_slice(&bytes));
    let mut verdicts = vec![Verdict::Transmit];
    batch
        .engine
        .process_batch(batch.now, &mut frames, &mut verdicts);
    assert_eq!(verdicts.len(), packets.len());
    for ((packet, frame), verdict) in packets.iter().zip(&frames).zip(verdicts) {
        let expected = match one_by_one.send(packet) {
            Out::Sent(bytes) => {
                assert_eq!(frame.bytes(), bytes);
                Verdict::Transmit
            }
            Out::Dropped(reason) => Verdict::Drop(reason),
        };
        assert_eq!(verdict, expected);
    }
    assert_eq!(batch.entry(), one_by_one.entry());
    let (events, drops) = (batch.engine.events(), batch.engine.drops());
    assert_eq!(events, one_by_one.engine.events());
    assert_eq!(drops, one_by_one.engine.drops());
    let done = events.get(crate::engine::Event::Transmitted) + drops.total();
    assert_eq!(events.get(crate::engine::Event::Received), done);
}
