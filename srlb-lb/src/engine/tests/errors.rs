//! ICMPv6 errors of others: about packets of servers, and about what we sent.

use srh::Encoding::{Encap, Insert};

use super::build::{self, addr, hops_less, icmp, ACK};
use super::world::*;
use crate::engine::Event;

fn hop() -> std::net::Ipv6Addr {
    addr("2001:db8:fe::1")
}

/// A packet of the application that did not get through to the client.
fn page(world: &World) -> Vec<u8> {
    world.reply(ACK, NUMBER, &[b'x'; 400])
}

#[test]
fn an_error_for_the_vip_goes_to_the_flows_server_and_changes_nothing() {
    for encoding in [Encap, Insert] {
        for (kind, code, value) in [(1, 0, 0), (1, 4, 0), (2, 0, 1_400), (3, 0, 0), (4, 0, 40)] {
            for entry in [
                Entry::Unconfirmed(1, 9),
                Entry::Confirmed(1),
                Entry::Closing(1),
            ] {
                let mut world = World::new(encoding);
                world.make(entry);
                let left_ms = world.left_ms();
                world.pass(std::time::Duration::from_secs(1));
                let error = icmp(hop(), vip(), kind, code, value, &page(&world));
                let along = world.along(&[sid(1, ACK_STICKINESS)], &error);
                assert_eq!(world.sent(&error), along);
                assert_eq!(world.entry(), entry);
                assert_eq!(world.left_ms(), left_ms - 1_000);
            }
        }
    }
}

#[test]
fn without_an_entry_it_goes_along_the_recovery_list() {
    for encoding in [Encap, Insert] {
        let mut world = World::new(encoding);
        let list = world.recovery();
        let sids = [sid(list[0], RECOVER), sid(list[1], RECOVER_FINAL)];
        // Of a packet cut off behind the ports, too.
        for quoted in [&page(&world)[..], &page(&world)[..44]] {
            let error = icmp(hop(), vip(), 2, 0, 1_400, quoted);
            assert_eq!(world.sent(&error), world.along(&sids, &error));
            assert_eq!(world.entry(), Entry::None);
        }
    }
}

#[test]
fn a_quotation_with_an_srh_in_it_is_read_to_the_end() {
    let mut world = World::new(Insert);
    world.make(Entry::Confirmed(1));
    let sent = world.says(1, CREATE, &page(&world));
    let error = icmp(hop(), vip(), 2, 0, 1_400, &sent);
    let along = world.along(&[sid(1, ACK_STICKINESS)], &error);
    assert_eq!(world.sent(&error), along);
}

#[test]
fn an_error_that_a_server_returns_goes_to_the_owner_or_along_the_list() {
    for encoding in [Encap, Insert] {
        let world = World::new(encoding);
        let (list, stranger) = (world.recovery(), world.stranger());
        let error = icmp(hop(), vip(), 2, 0, 1_400, &page(&world));
        let both = |w: &World, order: [u16; 2]| {
            let sids = [sid(order[0], RECOVER), sid(order[1], RECOVER_FINAL)];
            w.along(&sids, &error)
        };
        // (entry, who returns it, what then)
        let mut world = World::new(encoding);
        let back = world.says(list[0], RETURN_FLOW, &error);
        assert_eq!(world.sent(&back), both(&world, [list[1], list[0]]));
        world.make(Entry::Confirmed(stranger));
        let along = world.along(&[sid(stranger, ACK_STICKINESS)], &error);
        assert_eq!(world.sent(&back), along);
        let by_pinned = world.says(stranger, RETURN_FLOW, &error);
        assert_eq!(world.sent(&by_pinned), both(&world, [list[0], list[1]]));
        assert_eq!(
            world.entry(),
            Entry::Confirmed(stranger),
            "no state changes"
        );
    }
}

/// The fabric has a narrow place: the client hears of it with our header taken off.
#[test]
fn packet_too_big_about_ours_is_rebuilt_for_the_client() {
    for (mtu, sids, told) in [
        (1_400, vec![sid(1, ACK_STICKINESS)], 1_360),
        (
            1_400,
            vec![sid(1, CONNECT_AVAIL), sid(2, CONNECT_FORCE)],
            1_336,
        ),
        (1_310, vec![sid(1, ACK_STICKINESS)], 1_280),
        (7, vec![sid(1, ACK_STICKINESS)], 1_280),
        (u32::MAX, vec![sid(1, ACK_STICKINESS)], u32::MAX - 40),
    ] {
        let mut world = World::new(Encap);
        let packet = hops_less(&world.data(1_300), 1);
        let sent = build::encap(lb(NODE), &sids, 77, &packet);
        for cut in [sent.len().min(1_280 - 48), 200] {
            let error = icmp(hop(), lb(NODE), 2, 0, mtu, &sent[..cut]);
            let inner = &packet[..cut - (sent.len() - packet.len())];
            let expected = icmp(vip(), client(), 2, 0, told, inner);
            assert_eq!(world.sent(&error), expected, "{mtu}");
        }
        assert_eq!(world.engine.events().get(Event::TooBigSent), 2);
    }
}
