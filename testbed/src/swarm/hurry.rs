//! Clients in a hurry: they give an attempt up and try again from the same port, while packets get lost and ECMP
//! goes back and forth. What one attempt has left behind on its way meets the next one.

use crate::rng::Rng;
use crate::sim::{ConnectionSpec, Fault, Scenario, What};

/// Its own stream: the other worlds stay what they are.
const STREAM: u64 = 0x4855_5252;
/// Of 100 worlds, those with such clients.
const WORLDS_PERCENT: u64 = 25;
/// Of 100 connections in them, those that are in a hurry.
const CONNECTIONS_PERCENT: u64 = 40;

/// Makes some clients of this world impatient, if it is one of those worlds.
pub fn hurry(scenario: &mut Scenario) {
    let mut rng = Rng::new(scenario.seed, STREAM);
    if !rng.percent(WORLDS_PERCENT) {
        return;
    }
    again_and_again(&mut rng, &mut scenario.connections);
    let span_ms = scenario.calm_ms;
    for _ in 0..rng.between(2, 12) {
        let at_ms = rng.below(span_ms);
        let what = What::Burst {
            for_ms: rng.doubling(100, 3_000) as u32,
            loss_ppm: rng.between(200_000, 1_000_000) as u32,
        };
        scenario.faults.push(Fault { at_ms, what });
    }
    for _ in 0..rng.between(1, 4) {
        let every_ms = rng.doubling(20, 2_000);
        let what = What::EdgeFlap {
            salt: rng.next_u64(),
            every_ms: every_ms as u32,
            times: rng.between(2, (span_ms / every_ms).clamp(2, 200)) as u32,
        };
        let at_ms = rng.below(span_ms);
        scenario.faults.push(Fault { at_ms, what });
    }
    scenario.faults.sort_by_key(|fault| fault.at_ms);
}

/// Some connections are given up soon unless they are answered, and followed by others from the same port.
fn again_and_again(rng: &mut Rng, connections: &mut Vec<ConnectionSpec>) {
    let mut more = Vec::new();
    for spec in connections.iter_mut() {
        let is_silent = spec.turns.is_empty();
        if is_silent || !rng.percent(CONNECTIONS_PERCENT) {
            continue;
        }
        let patience_ms = rng.doubling(20, 4_000) as u32;
        spec.patience_ms = Some(patience_ms);
        let mut again = spec.clone();
        for _ in 0..rng.below(4) {
            again.start_ms += u64::from(patience_ms) + rng.doubling(1, 500);
            more.push(again.clone());
        }
    }
    connections.extend(more);
    connections.sort_by_key(|spec| spec.start_ms);
}

#[cfg(test)]
mod tests {
    use crate::swarm::hurried;

    #[test]
    fn a_quarter_of_all_worlds_has_impatient_clients_that_come_again() {
        let is_impatient = |seed: &u64| {
            let world = hurried(*seed);
            world.connections.iter().any(|c| c.patience_ms.is_some())
        };
        let count = (0..400).filter(is_impatient).count();
        assert!((60..140).contains(&count), "{count}");
    }
}
