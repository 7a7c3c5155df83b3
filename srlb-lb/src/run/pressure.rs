//! Whether most of what recovers has no owner: then the guard is to let less of it in.

use std::time::Duration;

use packet_io::Instant;

/// How long it counts after the last sign: longer than a sender waits before it tries again.
const LASTS: Duration = Duration::from_secs(2);

/// What was seen of it so far.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// Recoveries that the engine has refused in all.
    recoveries: u64,
    /// Second knocks that the guard has refused in all.
    knocks: u64,
    /// Until when there is pressure.
    until: Option<Instant>,
}

impl Pressure {
    /// Looks at how many recoveries the engine, and how many second knocks the guard has refused in all; says if pressure begins (true) or
    /// ends. It begins with the engine, and lasts as long as either refuses.
    pub fn look(&mut self, recoveries: u64, knocks: u64, now: Instant) -> Option<bool> {
        let before = self.until.is_some();
        let more_recoveries = recoveries > std::mem::replace(&mut self.recoveries, recoveries);
        let more_knocks = knocks > std::mem::replace(&mut self.knocks, knocks);
        if more_recoveries || before && more_knocks {
            self.until = Some(now + LASTS);
        }
        self.until = self.until.filter(|&until| now < until);
        let is = self.until.is_some();
        (is != before).then_some(is)
    }

    /// Is there pressure, as far as the last look saw?
    pub fn is_on(&self) -> bool {
        self.until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_first_refusal_and_ends_after_the_last() {
        let (mut pressure, mut is_on) = (Pressure::default(), false);
        let rows = [
            (0, 0, 5, None),
            (100, 7, 5, Some(true)),
            (1_500, 7, 5, None),
            (1_600, 8, 5, None),
            (3_500, 8, 6, None),
            (5_400, 8, 6, None),
            (5_500, 8, 6, Some(false)),
            (5_600, 8, 7, None),
            (5_800, 9, 7, Some(true)),
        ];
        for (at_ms, recoveries, knocks, expected) in rows {
            let now = Instant::from_millis(at_ms);
            let said = pressure.look(recoveries, knocks, now);
            assert_eq!(said, expected, "at {at_ms} ms");
            is_on = said.unwrap_or(is_on);
            assert_eq!(pressure.is_on(), is_on, "at {at_ms} ms");
        }
    }
}
