//! Forged SYNs, resets, FINs, ACKs and data in a live connection's name: it goes on, in whatever state it was.

use std::time::Duration;

use srh::parse::Tcp;
use srh::Encoding;
use tests::packets::from_client;
use tests::world::socket::Stage;
use tests::world::{Node, World};

use super::{goes_on, live, BOTH};

/// Control bits that may be forged.
const FLAGS: [u8; 8] = [
    Tcp::SYN,
    Tcp::RST,
    Tcp::RST | Tcp::ACK,
    Tcp::FIN | Tcp::ACK,
    Tcp::ACK,
    Tcp::SYN | Tcp::ACK,
    Tcp::SYN | Tcp::FIN | Tcp::RST | Tcp::ACK,
    0,
];

/// Numbers of somebody who does not see the connection: not in its window, which no LB could tell from the client's.
const NUMBERS: [u32; 4] = [0, 0x7fff_ffff, 0xc000_0000, 0xffff_fff0];

/// Longer than a reset leaves to an entry.
const LATER: Duration = Duration::from_secs(11);

fn forge(world: &mut World, port: u16, flags: u8, number: u32) {
    let forged = from_client(port, flags, number, number ^ 0x5555_5555).data(match flags {
        Tcp::ACK => b"forged",
        _ => b"",
    });
    world.send(Node::Client, forged.bytes());
    world.run();
}

#[test]
fn an_established_connection_survives_each_forged_packet() {
    let mut tried = 0;
    for encoding in BOTH {
        for flags in FLAGS {
            for number in NUMBERS {
                let (mut world, port) = live(encoding);
                forge(&mut world, port, flags, number);
                goes_on(&mut world, port);
                forge(&mut world, port, flags, number);
                world.pass(LATER);
                goes_on(&mut world, port);
                assert_eq!(world.owners(port), [1], "nobody else has taken it");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * FLAGS.len() * NUMBERS.len());
}

/// The same through an LB that has never seen the connection: the forged packet asks for a recovery, the client's next one, too.
#[test]
fn a_connection_on_a_new_lb_survives_each_forged_packet() {
    for encoding in BOTH {
        for flags in FLAGS {
            for number in NUMBERS {
                let (mut world, port) = live(encoding);
                world.edge = 2;
                forge(&mut world, port, flags, number);
                goes_on(&mut world, port);
                assert_eq!(
                    world.owners(port),
                    [1],
                    "{flags:#x} {number:#x} {encoding:?}"
                );
            }
        }
    }
}

/// A forged ACK, RST or FIN between SYN-ACK and the client's own ACK.
#[test]
fn a_handshake_survives_each_forged_packet() {
    for encoding in BOTH {
        for flags in FLAGS.into_iter().filter(|flags| flags & Tcp::SYN == 0) {
            for number in NUMBERS {
                let mut world = handshake(encoding);
                let port = world.port_for(&[1, 2]);
                forge(&mut world, port, flags, number);
                world.release();
                world.run();
                let what = format!("{flags:#x} {number:#x} {encoding:?}");
                // A reset that the scripted kernel believes is one that no router can tell from the client's.
                assert_eq!(world.client.stage(port), Stage::Open, "{what}");
                goes_on(&mut world, port);
            }
        }
    }
}

/// A world in which the SYN-ACK is on its way to the client and held there.
fn handshake(encoding: Encoding) -> World {
    let mut world = World::two_by_two(encoding);
    world.has_strangers = true;
    let port = world.port_for(&[1, 2]);
    world.hold("lb1 > client: SYN-ACK");
    world.open(port);
    world.run();
    assert_eq!(world.held.len(), 1);
    world
}
