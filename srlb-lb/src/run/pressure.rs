//! Whether most of what recovers has no owner: then the guard is to let less of it in.

use std::time::Duration;

use packet_io::Instant;

/// How long it counts after the last sign: longer than a sender waits before it tries again.
const LASTS: Duration = Duration::from_secs(2);

/// What was seen of it so far, and what the guard knows of it.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// Recoveries that the engine has refused in all.
    recoveries: u64,
    /// Second knocks that the guard has refused in all.
    knocks: u64,
    /// Until when there is pressure.
    until: Option<Instant>,
    /// What the guard was told last; none if it doesn't know it any more.
    told_pps: Option<u32>,
}

impl Pressure {
    /// Looks at how many recoveries the engine, and how many second knocks the guard has refused in all; says what the guard is to be told, if that is news: as many
    /// second knocks as may recover, or 0 for any number. Pressure begins with the engine, and lasts as long as either refuses.
    pub fn look(
        &mut self,
        recoveries: u64,
        knocks: u64,
        recoveries_pps: u32,
        now: Instant,
    ) -> Option<u32> {
        let more_recoveries = recoveries > std::mem::replace(&mut self.recoveries, recoveries);
        let more_knocks = knocks > std::mem::replace(&mut self.knocks, knocks);
        if more_recoveries || self.until.is_some() && more_knocks {
            self.until = Some(now + LASTS);
        }
        self.until = self.until.filter(|&until| now < until);
        let pps = match self.until {
            Some(_) => recoveries_pps,
            None => 0,
        };
        (self.told_pps.replace(pps) != Some(pps)).then_some(pps)
    }

    /// The guard may be another one: it is told with the next look.
    pub fn tell_again(&mut self) {
        self.told_pps = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (at which millisecond, recoveries refused, knocks refused, the bound on recoveries, what the guard is told)
    fn looks(rows: &[(u64, u64, u64, u32, Option<u32>)]) -> Pressure {
        let mut pressure = Pressure::default();
        for &(at_ms, recoveries, knocks, recoveries_pps, expected) in rows {
            let now = Instant::from_millis(at_ms);
            let said = pressure.look(recoveries, knocks, recoveries_pps, now);
            assert_eq!(said, expected, "at {at_ms} ms");
        }
        pressure
    }

    #[test]
    fn it_begins_with_the_first_refusal_and_ends_after_the_last() {
        looks(&[
            (0, 0, 5, 500, Some(0)),
            (100, 7, 5, 500, Some(500)),
            (1_500, 7, 5, 500, None),
            (1_600, 8, 5, 500, None),
            (3_500, 8, 6, 500, None),
            (5_400, 8, 6, 500, None),
            (5_500, 8, 6, 500, Some(0)),
            (5_600, 8, 7, 500, None),
            (5_800, 9, 7, 500, Some(500)),
        ]);
    }

    #[test]
    fn another_bound_is_told_while_it_lasts_and_another_guard_what_there_is_to_know() {
        let mut pressure = looks(&[
            (0, 0, 0, 500, Some(0)),
            (100, 0, 0, 900, None),
            (200, 1, 0, 900, Some(900)),
            (300, 1, 0, 300, Some(300)),
            (400, 1, 0, 300, None),
        ]);
        pressure.tell_again();
        let mut look = |at_ms| pressure.look(1, 0, 300, Instant::from_millis(at_ms));
        assert_eq!(look(500), Some(300));
        assert_eq!(look(600), None);
        assert_eq!(look(2_200), Some(0));
    }
}
