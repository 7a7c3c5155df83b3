//! Every row of docs/protocol.md's table for the LB, as packets, in both encodings, with and
//! without HMAC.

mod back;
mod client;
mod server;

use daemon::DropReason;
use srh::Encoding::{Encap, Insert};

use super::world::*;

/// Where a packet is to go.
enum Goes {
    /// Along these SIDs: (server, function).
    Along(Vec<(u16, u16)>),
    /// On to the client, without our headers.
    ToClient(Vec<u8>),
    Dropped(DropReason),
}

struct Row {
    what: &'static str,
    before: Entry,
    packet: Vec<u8>,
    /// The client's packet inside, where one goes along SIDs.
    carries: Vec<u8>,
    goes: Goes,
    after: Entry,
}

fn check(mut world: World, row: Row) {
    let encoding = world.encoding;
    world.make(row.before);
    let received = world.send(&row.packet);
    let expected = match row.goes {
        Goes::Along(sids) => {
            let sids: Vec<_> = sids.into_iter().map(|(s, f)| sid(s, f)).collect();
            Out::Sent(world.along(&sids, &row.carries))
        }
        Goes::ToClient(packet) => Out::Sent(packet),
        Goes::Dropped(reason) => Out::Dropped(reason),
    };
    assert_eq!(received, expected, "{encoding:?}: {}", row.what);
    assert_eq!(world.entry(), row.after, "{encoding:?}: {}", row.what);
    let dropped = u64::from(matches!(received, Out::Dropped(_)));
    assert_eq!(world.engine.drops().total(), dropped, "{}", row.what);
}

fn check_all(rows: impl Fn(&World) -> Vec<Row>) {
    for encoding in [Encap, Insert] {
        for world in [World::new, World::signed] {
            for row in rows(&world(encoding)) {
                check(world(encoding), row);
            }
        }
    }
}

/// The candidates, the last one forced.
fn hunt(world: &World, force: u16) -> Goes {
    let c = world.candidates();
    Goes::Along(vec![(c[0], CONNECT_AVAIL), (c[1], force)])
}

/// The whole recovery list in this order.
fn recover(order: &[u16]) -> Goes {
    let (last, before) = order.split_last().unwrap();
    let mut sids: Vec<_> = before.iter().map(|&s| (s, RECOVER)).collect();
    sids.push((*last, RECOVER_FINAL));
    Goes::Along(sids)
}

fn ack_to(server: u16) -> Goes {
    Goes::Along(vec![(server, ACK_STICKINESS)])
}
