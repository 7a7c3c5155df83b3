//! Functions with a wrong HMAC, with none, and with one for something else, beside a live connection of nodes that sign.

use std::collections::BTreeMap;

use srh::hmac::Keys;
use srh::parse::Tcp;
use srh::{Encoding, Function, Locator, Sender};
use tests::nodes::{keys, lb, server, KEY, NEXT_KEY};
use tests::packets::{from_client, from_vip};
use tests::samples::carried_by;
use tests::world::World;

use super::{at_lb, at_server, connected, drops, goes_on, knowledge, Fate, BOTH};

/// As `live`, and everybody signs. Nobody answers with a Parameter Problem: each forgery is dropped for its own reason.
fn signed(encoding: Encoding) -> (World, u16) {
    let mut world = World::two_by_two(encoding);
    world.sign_with(&keys(&[KEY]));
    let engine = &mut world.lb(1).engine;
    let config = engine.config().clone();
    engine.set_config(srlb_lb::engine::Config {
        icmp_rate_pps: 0,
        ..config
    });
    let engine = &mut world.server(1).engine;
    let config = engine.config().clone();
    engine.set_config(srlb_server::engine::EngineConfig {
        icmp_rate_pps: 0,
        ..config
    });
    connected(world)
}

fn say(
    bytes: &[u8],
    node: Locator,
    keys: Option<&Keys>,
    encoding: Encoding,
    to: (Locator, Function),
) -> Vec<u8> {
    let sender = Sender { node, keys };
    carried_by(bytes, sender, encoding, &[(to.0, to.1, 0)])
}

/// Functions that would change the flow's state if they were believed.
fn at_both(port: u16, encoding: Encoding, keys: Option<&Keys>) -> [(bool, Vec<u8>); 4] {
    let data = from_client(port, Tcp::ACK, 7, 9).data(b"x").bytes();
    let answer = from_vip(port, Tcp::ACK, 7, 9).data(b"x").bytes();
    let says = |bytes: &[u8], node, to| say(bytes, node, keys, encoding, to);
    [
        (
            true,
            says(&answer, server(2), (lb(1), Function::CreateStickiness)),
        ),
        (
            true,
            says(&answer, server(1), (lb(1), Function::RemoveStickiness)),
        ),
        (true, says(&data, server(1), (lb(1), Function::ReturnFlow))),
        (
            false,
            says(&data, lb(1), (server(1), Function::RecoverStickiness)),
        ),
    ]
}

#[test]
fn functions_without_the_right_hmac_change_nothing() {
    for encoding in BOTH {
        let (mut world, port) = signed(encoding);
        let before = knowledge(&mut world, port);
        let counted = drops(world.lb(1).engine.drops()) + drops(world.server(1).engine.drops());
        let (right, other) = (keys(&[KEY]), keys(&[NEXT_KEY]));
        let mut fates: BTreeMap<Fate, u64> = BTreeMap::new();
        let mut forge = |is_for_lb, bytes: &[u8], what: &str| {
            let fate = match is_for_lb {
                true => at_lb(&mut world, bytes),
                false => at_server(&mut world, bytes),
            };
            assert!(matches!(fate, Fate::Dropped(_)), "{what}: {fate:?}");
            assert_eq!(knowledge(&mut world, port), before, "{what}");
            *fates.entry(fate).or_default() += 1;
        };
        for (is_for_lb, bytes) in at_both(port, encoding, None) {
            forge(is_for_lb, &bytes, "no HMAC");
        }
        for (is_for_lb, bytes) in at_both(port, encoding, Some(&other)) {
            forge(is_for_lb, &bytes, "a key that nobody here has");
        }
        for (is_for_lb, bytes) in at_both(port, encoding, Some(&right)) {
            // The source, Last Entry, flags, every segment and the HMAC itself are what it covers; the first bytes behind the IPv6 header say
            // how long the header is.
            let srh = 40;
            let len = 8 + 8 * usize::from(bytes[srh + 1]);
            let covered = (8..24).chain(srh + 4..srh + 6).chain(srh + 8..srh + len);
            for at in covered {
                let mut spoiled = bytes.clone();
                spoiled[at] ^= 1;
                forge(is_for_lb, &spoiled, &format!("byte {at} spoiled"));
            }
        }
        println!("{encoding:?}: {fates:?}");
        let tried: u64 = fates.values().sum();
        assert!(fates[&Fate::Dropped("hmac_wrong")] > 4 * 32, "{fates:?}");
        // Four each as they are, and those that a spoilt TLV turns into one of them.
        assert!(fates[&Fate::Dropped("hmac_missing")] >= 4, "{fates:?}");
        assert!(fates[&Fate::Dropped("hmac_unknown_key")] >= 4, "{fates:?}");
        let now = drops(world.lb(1).engine.drops()) + drops(world.server(1).engine.drops());
        assert_eq!(now - counted, tried, "each is counted once");
        goes_on(&mut world, port);
    }
}
