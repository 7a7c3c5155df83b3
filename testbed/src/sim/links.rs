//! What becomes of a packet on its way.

use super::scenario::Link;
use crate::rng::Rng;

/// True `ppm` times in a million.
fn happens(ppm: u32, rng: &mut Rng) -> bool {
    ppm > 0 && rng.below(1_000_000) < u64::from(ppm)
}

/// How often a packet arrives, and after which times; `extra_loss_ppm` comes on top of the link's own. `calm`:
/// the link itself does nothing but delay.
pub fn pass(link: &Link, calm: bool, extra_loss_ppm: u32, rng: &mut Rng) -> Copies {
    if happens(extra_loss_ppm, rng) || (!calm && happens(link.loss_ppm, rng)) {
        return Copies::default();
    }
    if calm {
        return Copies {
            delays_us: [delay_us(link, rng), 0],
            len: 1,
        };
    }
    let mut copies = Copies {
        len: 1 + usize::from(happens(link.duplicate_ppm, rng)),
        ..Copies::default()
    };
    for delay in &mut copies.delays_us[..copies.len] {
        let held_up = match happens(link.reorder_ppm, rng) {
            true => rng.below(u64::from(link.reorder_us) + 1),
            false => 0,
        };
        *delay = delay_us(link, rng) + held_up;
    }
    copies
}

/// The times after which copies of a packet arrive: none, one or two.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copies {
    delays_us: [u64; 2],
    len: usize,
}

impl std::ops::Deref for Copies {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.delays_us[..self.len]
    }
}

fn delay_us(link: &Link, rng: &mut Rng) -> u64 {
    let spread = link.delay_max_us.saturating_sub(link.delay_min_us);
    u64::from(link.delay_min_us) + rng.below(u64::from(spread) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_link_delays_and_a_rough_one_does_what_it_says() {
        let mut rng = Rng::new(1, 1);
        assert_eq!(*pass(&Link::quiet(70), false, 0, &mut rng), [70]);
        let rough = Link {
            delay_min_us: 10,
            delay_max_us: 20,
            loss_ppm: 100_000,
            duplicate_ppm: 200_000,
            reorder_ppm: 500_000,
            reorder_us: 1_000,
        };
        let passed: Vec<_> = (0..10_000)
            .map(|_| pass(&rough, false, 0, &mut rng))
            .collect();
        let times = |n| passed.iter().filter(|copies| copies.len() == n).count();
        assert!((900..1_100).contains(&times(0)), "{} lost", times(0));
        assert!((1_650..1_950).contains(&times(2)), "{} twice", times(2));
        let late = passed
            .iter()
            .flat_map(|c| c.iter())
            .filter(|&&us| us > 20)
            .count();
        assert!((4_500..6_000).contains(&late), "{late} late");
        assert!(passed
            .iter()
            .flat_map(|c| c.iter())
            .all(|us| (10..=1_020).contains(us)));
        assert_eq!(pass(&rough, true, 0, &mut rng).len(), 1, "calm");
        assert!(pass(&Link::quiet(1), false, 1_000_000, &mut rng).is_empty());
    }
}
