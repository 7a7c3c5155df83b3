//! A seed's world.

use srh::Encoding;

use crate::rng::Rng;
use crate::sim::Scenario;

use super::flavour::Flavour;
use super::{faults, hurry, nodes, pools, talks};

/// The stream of a seed's randomness from which worlds are made. What happens in them is drawn
/// from others.
const STREAM: u64 = 0x5741_524d;

/// The world of a seed: the same one every time, and on every machine.
pub fn scenario(seed: u64) -> Scenario {
    let mut rng = Rng::new(seed, STREAM);
    let flavour = Flavour::draw(&mut rng);
    let lbs = nodes::lbs(&mut rng, &flavour);
    let servers = rng.doubling(2, 20) as u16;
    let (history, walk) = pools::history(&mut rng, &flavour, servers);
    let faults = faults::faults(&mut rng, &flavour, &lbs, servers, walk);
    let connections = talks::connections(&mut rng, &flavour, &faults);
    // Who never speaks keeps a worker for ever; nobody is to starve by that.
    let silent = connections.iter().filter(|c| c.turns.is_empty()).count() as u32;
    Scenario {
        seed,
        encoding: *rng.pick(&[Encoding::Encap, Encoding::Encap, Encoding::Insert]),
        hmac: rng.percent(10),
        choices: *rng.pick(&[1, 2, 2, 2, 2, 3, 5, 8]),
        buckets: *rng.pick(&[31, 251, 251]),
        servers: (0..servers)
            .map(|_| nodes::server(&mut rng, &flavour, silent))
            .collect(),
        history,
        complete_history: rng.percent(90),
        withdraw_ms: rng.doubling(10, 3_000) as u32,
        links: nodes::links(&mut rng),
        connections,
        lbs,
        calm_ms: flavour.span_ms,
        faults,
    }
}

/// The same; in a quarter of all worlds clients are in a hurry.
pub fn hurried(seed: u64) -> Scenario {
    let mut scenario = scenario(seed);
    hurry::hurry(&mut scenario);
    scenario
}
