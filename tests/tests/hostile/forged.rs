//! Functions from everybody who may not say them: outsiders, clients, servers to servers, LBs to LBs.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use srh::parse::Tcp;
use srh::{Function, Locator};
use tests::nodes::{lb, server, CLIENT, VIP};
use tests::packets::{from_client, from_vip};
use tests::samples::carried;

use super::{at_lb, at_server, drops, goes_on, knowledge, live, Fate, BOTH};

/// Who may try.
fn senders() -> Vec<(&'static str, Locator)> {
    let outside: Ipv6Addr = "2001:db8:bad::1".parse().unwrap();
    vec![
        ("a stranger", Locator::of(outside)),
        ("a client", Locator::of(CLIENT)),
        ("who calls itself the VIP", Locator::of(VIP)),
        ("LB 1", lb(1)),
        ("LB 2", lb(2)),
        ("server 1", server(1)),
        ("server 2", server(2)),
        ("a server of no pool", server(9)),
    ]
}

fn is_for_lb(function: Function) -> bool {
    matches!(
        function,
        Function::CreateStickiness
            | Function::RemoveStickiness
            | Function::ReturnFlow
            | Function::RecoverNext
    )
}

fn is_for_server(function: Function) -> bool {
    function != Function::Node && !is_for_lb(function)
}

/// What a function might carry about a live flow: a client's data, a second SYN, a reset, an answer, a SYN-ACK.
fn inside(port: u16) -> [Vec<u8>; 5] {
    [
        from_client(port, Tcp::ACK, 7, 9).data(b"x").bytes(),
        from_client(port, Tcp::SYN, 7, 0).mss(1_440).bytes(),
        from_client(port, Tcp::RST, 7, 0).bytes(),
        from_vip(port, Tcp::ACK, 7, 9).data(b"x").bytes(),
        from_vip(port, Tcp::SYN | Tcp::ACK, 7, 9).mss(1_440).bytes(),
    ]
}

#[test]
fn every_function_from_everybody_who_may_not_say_it_is_dropped_and_changes_nothing() {
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
        let counted = drops(world.lb(1).engine.drops()) + drops(world.server(1).engine.drops());
        let mut tried = 0;
        for (who, sender) in senders() {
            for &function in Function::ALL {
                for bytes in inside(port) {
                    let is_server = [server(1), server(2)].contains(&sender);
                    if !(is_server && is_for_lb(function)) {
                        let packet = carried(&bytes, sender, encoding, &[(lb(1), function, 0)]);
                        let fate = at_lb(&mut world, &packet);
                        let what = format!("{} from {who} at an LB, {encoding:?}", function.name());
                        assert!(matches!(fate, Fate::Dropped(_)), "{what}: {fate:?}");
                        assert_eq!(knowledge(&mut world, port), before, "{what}");
                        *fates.entry(fate).or_default() += 1;
                        tried += 1;
                    }
                    let is_lb = [lb(1), lb(2)].contains(&sender);
                    if !(is_lb && is_for_server(function)) {
                        let packet = carried(&bytes, sender, encoding, &[(server(1), function, 0)]);
                        let fate = at_server(&mut world, &packet);
                        let what =
                            format!("{} from {who} at a server, {encoding:?}", function.name());
                        assert!(matches!(fate, Fate::Dropped(_)), "{what}: {fate:?}");
                        assert_eq!(knowledge(&mut world, port), before, "{what}");
                        *fates.entry(fate).or_default() += 1;
                        tried += 1;
                    }
                }
            }
        }
        println!("{encoding:?}: {tried} forged functions: {fates:?}");
        assert_eq!(fates.values().sum::<usize>(), tried);
        let now = drops(world.lb(1).engine.drops()) + drops(world.server(1).engine.drops());
        assert_eq!(now - counted, tried as u64, "each is counted once");
        goes_on(&mut world, port);
    }
}

/// A node that may say a function says it about somebody whom it does not concern.
#[test]
fn what_nodes_may_say_about_whom() {
    let stranger: Ipv6Addr = "2001:db8:bad::1".parse().unwrap();
    for encoding in BOTH {
        let (mut world, port) = live(encoding);
        let before = knowledge(&mut world, port);
        let mut tried = 0;
        for &function in Function::ALL {
            for (src, dst) in [
                (VIP, VIP),
                (CLIENT, CLIENT),
                (stranger, CLIENT),
                (VIP, server(2).node()),
                (VIP, lb(2).node()),
                (server(2).node(), VIP),
                (lb(2).node(), VIP),
                (stranger, stranger),
                (VIP, Ipv6Addr::UNSPECIFIED),
                (Ipv6Addr::LOCALHOST, VIP),
                ("ff02::1".parse().unwrap(), VIP),
            ] {
                let mut segment = from_client(port, Tcp::ACK, 7, 9).data(b"x");
                (segment.src, segment.dst) = (src, dst);
                let bytes = segment.bytes();
                let (to, from) = match is_for_lb(function) {
                    true => (lb(1), server(1)),
                    false => (server(1), lb(1)),
                };
                let packet = carried(&bytes, from, encoding, &[(to, function, 0)]);
                let fate = match is_for_lb(function) {
                    true => at_lb(&mut world, &packet),
                    false => at_server(&mut world, &packet),
                };
                let what = format!("{} about {src} to {dst}, {encoding:?}", function.name());
                assert!(matches!(fate, Fate::Dropped(_)), "{what}: {fate:?}");
                assert_eq!(knowledge(&mut world, port), before, "{what}");
                tried += 1;
            }
        }
        assert_eq!(tried, Function::ALL.len() * 11);
        goes_on(&mut world, port);
    }
}
