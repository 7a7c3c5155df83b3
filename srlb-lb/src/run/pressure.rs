//! Whether most of what recovers has no owner: then the guard is to let less of it in.

use std::time::Duration;

use packet_io::Instant;

/// How long it counts after the last sign: longer than a sender waits before it tries again.
const LASTS: Duration = Duration::from_secs(2);

/// What was seen of it so far.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// Recoveries that the engine has refused in all.
    refused: u64,
    /// Until when there is pressure.
    until: Option<Instant>,
}

impl Pressure {
    /// Looks at how many recoveries the engine has refused in all; says if pressure begins (true) or ends.
    pub fn look(&mut self, refused: u64, now: Instant) -> Option<bool> {
        let before = self.until.is_some();
        if refused > std::mem::replace(&mut self.refused, refused) {
            self.until = Some(now + LASTS);
        }
        self.until = self.until.filter(|&until| now < until);
        let is = self.until.is_some();
        (is != before).then_some(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_first_refusal_and_ends_after_the_last() {
        let mut pressure = Pressure::default();
        let rows = [
            (0, 0, None),
            (100, 7, Some(true)),
            (1_500, 7, None),
            (1_600, 8, None),
            (3_500, 8, None),
            (3_600, 8, Some(false)),
            (3_700, 8, None),
            (3_800, 9, Some(true)),
        ];
        for (at_ms, refused, expected) in rows {
            let now = Instant::from_millis(at_ms);
            assert_eq!(pressure.look(refused, now), expected, "at {at_ms} ms");
        }
    }
}
