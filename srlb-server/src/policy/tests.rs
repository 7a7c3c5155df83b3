use proptest::prelude::*;

use super::*;

const T0: Instant = Instant::from_secs(100);

fn dynamic() -> Policy {
    Policy::new(
        Accept::Dynamic {
            window: 50,
            epsilon: 0.1,
        },
        false,
    )
}

fn c(policy: &mut Policy) -> u32 {
    policy.state(T0, 0).c.unwrap()
}

#[test]
fn static_accepts_below_c_only() {
    let mut policy = Policy::new(Accept::Static { c: 4 }, false);
    let answers: Vec<bool> = (0..6).map(|busy| policy.offer(T0, busy, 32)).collect();
    assert_eq!(answers, [true, true, true, true, false, false]);
}

#[test]
fn always_and_never_do_not_look_at_the_load() {
    let mut always = Policy::new(Accept::Always, true);
    let mut never = Policy::new(Accept::Never, true);
    for busy in [0, 32, u32::MAX] {
        assert!(always.offer(T0, busy, 32));
        assert!(!never.offer(T0, busy, 32));
    }
}

/// The paper's algorithm 2, written down a second time and literally, as the judge.
struct Algorithm2 {
    accepted: u32,
    attempt: u32,
    c: u32,
}

impl Algorithm2 {
    fn syn_with_segments_left_2(&mut self, busy: u32, n: u32) -> bool {
        self.attempt += 1;
        if self.attempt == 50 {
            if f64::from(self.accepted) / 50.0 < 0.5 - 0.1 && self.c < n {
                self.c += 1;
            } else if f64::from(self.accepted) / 50.0 > 0.5 + 0.1 && self.c > 0 {
                self.c -= 1;
            }
            self.attempt = 0;
            self.accepted = 0;
        }
        let succeeded = busy < self.c;
        if succeeded {
            self.accepted += 1;
        }
        succeeded
    }
}

#[test]
fn dynamic_is_algorithm_2_step_by_step() {
    let (mut policy, mut judge) = (
        dynamic(),
        Algorithm2 {
            accepted: 0,
            attempt: 0,
            c: 1,
        },
    );
    let mut seed = 1u64;
    let mut seen = std::collections::BTreeSet::new();
    for step in 0..20_000u32 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The load wanders between idle and saturated.
        let busy = (seed >> 33) as u32 % (1 + step / 600);
        let answer = policy.offer(T0, busy, 32);
        assert_eq!(answer, judge.syn_with_segments_left_2(busy, 32), "{step}");
        assert_eq!(c(&mut policy), judge.c, "{step}");
        seen.insert(judge.c);
    }
    assert!(seen.len() > 4, "the threshold never moved: {seen:?}");
}

#[test]
fn the_first_window_ends_at_the_fiftieth_offer() {
    let mut policy = dynamic();
    for _ in 0..49 {
        assert!(!policy.offer(T0, 1, 32));
    }
    assert_eq!(c(&mut policy), 1);
    // The fiftieth adapts first and is decided with the new threshold.
    assert!(policy.offer(T0, 1, 32));
    assert_eq!(c(&mut policy), 2);
}

#[test]
fn the_threshold_stays_between_0_and_the_number_of_workers() {
    let mut policy = dynamic();
    for _ in 0..50 * 10 {
        policy.offer(T0, 99, 3);
    }
    assert_eq!(c(&mut policy), 3);
    policy.offer(T0, 99, 2);
    assert_eq!(c(&mut policy), 2, "workers went away");
    policy.offer(T0, 0, 0);
    assert_eq!(c(&mut policy), 2, "Apache is just starting");
    for _ in 0..50 * 3 {
        policy.offer(T0, 0, 3);
    }
    // At 0 nothing is accepted any more, so the next window raises it again.
    assert!(c(&mut policy) <= 1);
}

#[test]
fn a_burst_counts_as_pending_and_not_longer_than_it_should() {
    let mut policy = Policy::new(Accept::Static { c: 3 }, true);
    let taken: Vec<bool> = (0..5)
        .map(|_| {
            let accepted = policy.offer(T0, 0, 32);
            if accepted {
                policy.taken(T0, 0);
            }
            accepted
        })
        .collect();
    assert_eq!(taken, [true, true, true, false, false]);
    assert!(!policy.offer(
        T0 + pending::HANDSHAKE - std::time::Duration::from_micros(1),
        0,
        32
    ));
    assert!(policy.offer(T0 + pending::HANDSHAKE, 0, 32));
}

#[test]
fn a_worker_that_becomes_busy_takes_one_flow_off() {
    let mut pending = Pending::new();
    pending.taken(T0, 2);
    pending.taken(T0, 2);
    // Busy workers rise for another reason: the handshakes aren't complete yet.
    assert_eq!(pending.count(T0, 3), 2);
    pending.completed(T0, 3);
    assert_eq!(pending.count(T0, 3), 2);
    assert_eq!(pending.count(T0, 4), 1);
    pending.completed(T0, 4);
    assert_eq!(pending.count(T0, 4), 1);
    assert_eq!(pending.count(T0 + pending::PICK_UP, 4), 0, "hidden rise");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut pending = Pending::new();
    for _ in 0..3 * pending::MOST {
        pending.taken(T0, 0);
    }
    assert_eq!(pending.count(T0, 0) as usize, pending::MOST);
}

#[test]
fn a_reload_keeps_what_dynamic_has_learned() {
    let mut policy = dynamic();
    for _ in 0..100 {
        policy.offer(T0, 99, 32);
    }
    assert_eq!(c(&mut policy), 3);
    policy.replace(
        Accept::Dynamic {
            window: 20,
            epsilon: 0.2,
        },
        true,
    );
    assert_eq!(c(&mut policy), 3);
    policy.replace(median(50, 2), true);
    assert_eq!(c(&mut policy), 3);
    policy.replace(median(50, 8), true);
    assert_eq!(c(&mut policy), 8, "never below the least");
    policy.replace(Accept::Static { c: 7 }, true);
    assert_eq!(c(&mut policy), 7);
    policy.replace(median(50, 2), true);
    assert_eq!(c(&mut policy), 2, "nothing was learned");
}

fn median(window: u32, least: u32) -> Accept {
    Accept::Median { window, least }
}

#[test]
fn median_takes_whatever_comes_while_a_core_is_idle() {
    let mut policy = Policy::new(median(50, 4), false);
    for _ in 0..1_000 {
        assert!(policy.offer(T0, 3, 32));
    }
    assert_eq!(c(&mut policy), 4);
    assert!(!policy.offer(T0, 4, 32));
}

#[test]
fn median_moves_by_half_a_worker_in_a_window_of_one_answer() {
    let mut policy = Policy::new(median(50, 2), false);
    // 2 + 49 * 0.01 rounds to 2, 2 + 51 * 0.01 to 3
    for _ in 0..49 {
        assert!(!policy.offer(T0, 9, 32));
    }
    assert_eq!(c(&mut policy), 2);
    for _ in 0..2 {
        assert!(!policy.offer(T0, 9, 32));
    }
    assert_eq!(c(&mut policy), 3);
    for _ in 0..2 {
        assert!(policy.offer(T0, 0, 32));
    }
    assert_eq!(c(&mut policy), 2);
}

/// Whatever the load's distribution is, fewer than half of the offers meet fewer than c - 1 busy workers, and at least half
/// meet fewer than c + 1: so says the median's definition, with a worker's room for what c does around it.
#[test]
fn median_finds_the_median() {
    let mut seed = 3u64;
    let mut draw = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    for (low, high) in [(2, 9), (4, 5), (0, 30), (7, 7)] {
        let mut policy = Policy::new(median(50, 0), false);
        let mut loads = Vec::new();
        for _ in 0..20_000 {
            let busy = low + draw() % (high - low + 1);
            policy.offer(T0, busy, 32);
            loads.push(busy);
        }
        let c = c(&mut policy);
        let below = |c: u32| loads.iter().filter(|busy| **busy < c).count();
        assert!(
            below(c.saturating_sub(1)) < loads.len() / 2,
            "{low}..{high}: {c}"
        );
        assert!(below(c + 1) >= loads.len() / 2, "{low}..{high}: {c}");
    }
}

proptest! {
    /// Every policy that learns stays within its bounds, whatever comes, and goes nowhere while there are no workers.
    #[test]
    fn thresholds_stay_where_they_may_be(
        offers in prop::collection::vec((0..40u32, prop::sample::select(vec![0, 1, 3, 16, 32])), 1..2_000),
        window in 2..80u32,
        least in 0..8u32,
    ) {
        let accepts = [median(window, least), Accept::Dynamic { window, epsilon: 0.1 }];
        let mut policies = accepts.map(|accept| Policy::new(accept, false));
        for (busy, total) in offers {
            for policy in &mut policies {
                let before = c(policy);
                policy.offer(T0, busy, total);
                match total {
                    0 => prop_assert!(c(policy) == before || policy.accept.name() == "dynamic"),
                    _ => prop_assert!(c(policy) <= total),
                }
            }
            if total > 0 {
                prop_assert!(c(&mut policies[0]) >= least.min(total));
            }
        }
    }
}
