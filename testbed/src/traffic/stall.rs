//! How long a connection waited for something that was due.

/// The waits of one connection. Times are milliseconds on one clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    due_ms: Option<f64>,
    longest_ms: f64,
    longest_at_ms: Option<f64>,
}

impl Stall {
    /// Something is due at that moment, which may lie ahead; an earlier one stays.
    pub fn due(&mut self, at_ms: f64) {
        self.due_ms.get_or_insert(at_ms);
    }

    /// Something has come, or nothing is due any more: the wait is over.
    pub fn over(&mut self, now_ms: f64) {
        let Some(due_ms) = self.due_ms.take() else {
            return;
        };
        let waited_ms = now_ms - due_ms;
        if waited_ms > self.longest_ms {
            self.longest_ms = waited_ms;
            self.longest_at_ms = Some(due_ms);
        }
    }

    /// Since when something is due, or will be.
    pub fn due_ms(&self) -> Option<f64> {
        self.due_ms
    }

    /// The longest wait.
    pub fn longest_ms(&self) -> f64 {
        self.longest_ms
    }

    /// When the longest wait began.
    pub fn longest_at_ms(&self) -> Option<f64> {
        self.longest_at_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_counts_from_when_it_was_due() {
        let mut stall = Stall::default();
        stall.due(10.0);
        stall.due(15.0);
        stall.over(30.0);
        assert_eq!(
            (stall.longest_ms(), stall.longest_at_ms()),
            (20.0, Some(10.0))
        );
        stall.over(1000.0);
        stall.due(1000.0);
        stall.over(1019.0);
        assert_eq!(
            (stall.longest_ms(), stall.longest_at_ms()),
            (20.0, Some(10.0))
        );
        assert_eq!(stall.due_ms(), None);
    }

    #[test]
    fn what_comes_before_it_is_due_is_no_wait() {
        let mut stall = Stall::default();
        stall.due(100.0);
        stall.over(60.0);
        assert_eq!((stall.longest_ms(), stall.longest_at_ms()), (0.0, None));
    }
}
