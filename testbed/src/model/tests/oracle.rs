//! The same numbers by other ways.

use super::{assert_near, at, everywhere};
use crate::model::{Occupancy, SingleChoice};
use crate::rng::Rng;

/// The paper's closed forms, as printed. They are no use near lambda (1 + s_c) = 1.
#[test]
fn the_printed_closed_forms() {
    for o in everywhere() {
        let (l, s, c) = (o.lambda(), o.s_c(), f64::from(o.c()));
        let d = 1.0 - l * (1.0 + s);
        if d.abs() < 0.05 || !(0.05..=0.99).contains(&l) {
            continue;
        }
        let what = format!("{o:?}");
        let mean = (1.0 - c * s * (1.0 - l * s) - l * s * (1.0 + s)) / ((1.0 - l * s) * d);
        assert_near(o.mean_response(), mean, 1e-9, &format!("(6) at {what}"));
        let below = (l * l * (s + 1.0) * ((c - 1.0).powi(2) * s + 1.0)
            + l * s * (2.0 * c * s - 3.0 * s + 2.0 * c - c * c - 2.0)
            - 2.0 * c * s
            + l
            + s)
            / (d * d);
        let above = s * (c * (2.0 - 2.0 * l * s) + 3.0 * l * s - 1.0) / (1.0 - l * s).powi(2);
        let fairness = (l * mean).powi(2) / (below + above);
        assert_near(o.fairness(), fairness, 1e-8, &format!("F at {what}"));
        for n in 1..=o.c() {
            let s_n = ((1.0 - l) * (l * (1.0 + s)).powi(n as i32) - l * s) / d;
            let off = (o.s(n) - s_n).abs();
            assert!(off < 1e-12, "(3), s_{n} at {what}: {} and {s_n}", o.s(n));
        }
    }
}

/// Equation (5) holds, and what was found is its other root, not 1/lambda - 1.
#[test]
fn the_fixed_points_residual() {
    for o in everywhere() {
        let (l, s) = (o.lambda(), o.s_c());
        let left = s * o.rest();
        let right = (1.0 - l) * (l * (1.0 + s)).powi(o.c() as i32);
        assert_near(left, right, 1e-11, &format!("(5) at {o:?}"));
        assert_near(o.s(1), l, 1e-11, &format!("s_1 at {o:?}"));
        assert!(s <= l.powi(o.c() as i32) * (1.0 + 1e-12), "{o:?}");
    }
}

/// Equation (1) followed in time from empty servers until nothing moves, on a chain that is cut off.
fn followed(lambda: f64, c: usize) -> Vec<f64> {
    let levels = 400;
    let mut s = vec![0.0; levels + 2];
    s[0] = 1.0;
    let step = 0.2;
    for _ in 0..200_000 {
        let before = s.clone();
        let mut moved = 0.0f64;
        for i in 1..=levels {
            let share = if i <= c { 1.0 + before[c] } else { before[c] };
            let rate = lambda * share * (before[i - 1] - before[i]) - (before[i] - before[i + 1]);
            s[i] += step * rate;
            moved = moved.max(rate.abs());
        }
        if moved < 1e-14 {
            break;
        }
    }
    s
}

#[test]
fn the_differential_equation_comes_to_rest_there() {
    for (lambda, c) in [
        (0.3, 1),
        (0.5, 2),
        (0.71, 4),
        (0.88, 4),
        (0.88, 8),
        (0.95, 3),
    ] {
        let s = followed(lambda, c as usize);
        let o = at(lambda, c);
        for (n, &s_n) in (0..40).zip(&s) {
            let off = (o.s(n) - s_n).abs();
            assert!(off < 1e-9, "s_{n} at {lambda}, {c}: {} and {s_n}", o.s(n));
        }
        let mean = s[1..].iter().sum::<f64>() / lambda;
        assert_near(o.mean_response(), mean, 1e-8, "mean");
        let wrongful: f64 = (c as usize..300)
            .map(|n| (s[n] - s[n + 1]) * s[n + 1])
            .sum();
        assert_near(o.wrongful_rejection(), wrongful, 1e-7, "(8)");
    }
}

/// Equation (9) as printed, at i theta = -z: the Laplace transform of T's density.
fn printed_9(o: &Occupancy, z: f64) -> f64 {
    let (l, s) = (o.lambda(), o.s_c());
    let x = l * (1.0 + s);
    let first = (1.0 - l) * (1.0 + s) / (1.0 - x + z);
    let powers = (1.0 + z).powi(o.c() as i32 - 1);
    first - s * (1.0 - l * s) / ((1.0 - l * s + z) * (1.0 - x + z) * powers)
}

/// Simpson's rule.
fn integral(to: f64, steps: usize, f: impl Fn(f64) -> f64) -> f64 {
    let h = to / steps as f64;
    let weight = |i| match i {
        0 => 1.0,
        i if i == steps => 1.0,
        i if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=steps).map(|i| weight(i) * f(i as f64 * h)).sum();
    sum * h / 3.0
}

#[test]
fn the_distribution_has_the_printed_transform_and_the_mean_of_6() {
    for (lambda, c) in [
        (0.2, 2),
        (0.5, 1),
        (0.71, 4),
        (0.88, 4),
        (0.88, 8),
        (0.9, 16),
    ] {
        let o = at(lambda, c);
        for z in [0.05, 0.3, 1.0, 4.0] {
            let to = f64::min(60.0 / z, 300.0);
            let steps = 2 * (to * 50.0) as usize;
            let ours = 1.0 - z * integral(to, steps, |t| (-z * t).exp() * o.exceeds(t));
            assert_near(ours, printed_9(&o, z), 1e-6, &format!("(9) at {o:?}, {z}"));
        }
        let mean = integral(2_000.0, 20_000, |t| o.exceeds(t));
        assert_near(mean, o.mean_response(), 1e-6, &format!("mean at {o:?}"));
    }
}

/// The two ways of summing the tail meet where one takes over from the other.
#[test]
fn the_distribution_has_no_step() {
    for o in everywhere().filter(|o| o.ratio() > 1e-6) {
        let t = 2.0 * f64::from(o.c()) / o.ratio();
        let (before, after) = (o.exceeds(t * (1.0 - 1e-9)), o.exceeds(t * (1.0 + 1e-9)));
        assert!(before >= after, "{o:?}");
        assert!(before - after <= 1e-6 * before, "{o:?}: {before}, {after}");
    }
}

/// A flow as section V-A has it: a server picked by chance, a second one if that has c flows or more, and then as
/// many exponential services as there are flows before it, and its own.
fn draw(o: &Occupancy, rng: &mut Rng) -> f64 {
    let flows = |rng: &mut Rng| {
        let p = rng.uniform();
        (0..).find(|&n| o.s(n + 1) <= p).unwrap_or(0)
    };
    let mut ahead = flows(rng);
    if ahead >= o.c() {
        ahead = flows(rng);
    }
    (0..=ahead).map(|_| rng.exponential(1.0)).sum()
}

#[test]
fn percentiles_by_chance() {
    const DRAWS: usize = 40_000;
    for (seed, lambda, c) in [(1, 0.5, 2), (2, 0.88, 4), (3, 0.95, 8)] {
        let o = at(lambda, c);
        let mut rng = Rng::new(seed, 9);
        let mut drawn: Vec<f64> = (0..DRAWS).map(|_| draw(&o, &mut rng)).collect();
        drawn.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: further off in one case of a thousand.
        let most = 1.95 / (DRAWS as f64).sqrt();
        for (n, &t) in drawn.iter().enumerate().step_by(50) {
            let share = n as f64 / DRAWS as f64;
            let off = (1.0 - o.exceeds(t) - share).abs();
            assert!(off < most, "at {t}: {off}");
        }
        for percentile in [50.0, 90.0, 99.0] {
            let t = o.percentile(percentile).unwrap();
            let share = drawn.partition_point(|&d| d <= t) as f64 / DRAWS as f64;
            let off = (share * 100.0 - percentile).abs();
            assert!(off < 100.0 * most, "{percentile}: {off}");
        }
    }
}

/// With c = 1 the polynomial is solved by hand: s_1 = lambda, and E(T) = 1/(1 - lambda^2).
#[test]
fn one_is_solved_by_hand() {
    for lambda in super::LOADS {
        let o = at(lambda, 1);
        assert_near(o.s_c(), lambda, 1e-14, "s_1");
        let mean = 1.0 / ((1.0 - lambda) * (1.0 + lambda));
        assert_near(o.mean_response(), mean, 1e-12, "mean");
        assert!(o.mean_response() <= SingleChoice::new(lambda).unwrap().mean_response());
    }
}
