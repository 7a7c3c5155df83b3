//! When which part of the cluster was gone, on the clock that the client's records are on.

use serde::Serialize;

use crate::plan::Node;

/// A time in which a fault kept packets from passing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Window {
    /// When it began, CLOCK_MONOTONIC.
    pub from_ms: f64,
    /// When it was over.
    pub until_ms: f64,
}

impl Window {
    /// The same, counted from another beginning.
    pub fn since(self, start_ms: f64) -> Window {
        Window {
            from_ms: self.from_ms - start_ms,
            until_ms: self.until_ms - start_ms,
        }
    }
}

/// A part of the cluster that was gone for a while.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outage {
    /// What was gone.
    pub node: String,
    /// When.
    #[serde(flatten)]
    pub window: Window,
}

/// Outages, open and closed.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    open: Vec<(Node, f64)>,
    closed: Vec<Outage>,
}

impl Outages {
    /// The node is gone from now on.
    pub fn begin(&mut self, node: Node, now_ms: f64) {
        self.open.push((node, now_ms));
    }

    /// Nobody sends to the node any more, or it is back.
    pub fn end(&mut self, node: Node, now_ms: f64) {
        let closed = &mut self.closed;
        self.open.retain(|(gone, from_ms)| {
            if *gone == node {
                let window = Window {
                    from_ms: *from_ms,
                    until_ms: now_ms,
                };
                let node = node.to_string();
                closed.push(Outage { node, window });
            }
            *gone != node
        });
    }

    /// All of them; what is still open ends now.
    pub fn finish(mut self, now_ms: f64) -> Vec<Outage> {
        for (node, _) in self.open.clone() {
            self.end(node, now_ms);
        }
        self.closed
    }
}

/// The times in which anything was gone, in order, those that overlap as one.
pub fn merged(outages: &[Outage]) -> Vec<Window> {
    let mut windows: Vec<Window> = outages.iter().map(|outage| outage.window).collect();
    windows.sort_by(|a, b| a.from_ms.total_cmp(&b.from_ms));
    let mut merged: Vec<Window> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.from_ms <= last.until_ms => {
                last.until_ms = last.until_ms.max(window.until_ms);
            }
            _ => merged.push(window),
        }
    }
    merged
}

/// How much of a stall lies outside the faults' own time.
pub fn beyond_ms(stall_from_ms: f64, stall_ms: f64, windows: &[Window]) -> f64 {
    let until_ms = stall_from_ms + stall_ms;
    let inside: f64 = (windows.iter())
        .map(|w| until_ms.min(w.until_ms) - stall_from_ms.max(w.from_ms))
        .filter(|overlap| *overlap > 0.0)
        .sum();
    stall_ms - inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from_ms: f64, until_ms: f64) -> Window {
        Window { from_ms, until_ms }
    }

    #[test]
    fn overlapping_outages_count_once() {
        let (a, b, c) = (Node::Lb(1), Node::Server(2), Node::Lb(2));
        let mut outages = Outages::default();
        outages.begin(a, 10.0);
        outages.begin(b, 20.0);
        outages.end(a, 30.0);
        outages.end(b, 40.0);
        outages.end(b, 45.0);
        outages.begin(c, 60.0);
        assert_eq!(
            merged(&outages.finish(70.0)),
            [window(10.0, 40.0), window(60.0, 70.0)]
        );
    }

    #[test]
    fn only_what_lies_outside_the_fault_counts() {
        let windows = [window(100.0, 200.0), window(400.0, 500.0)];
        for (from, stall, beyond) in [
            (0.0, 50.0, 50.0),
            (100.0, 100.0, 0.0),
            (150.0, 100.0, 50.0),
            (50.0, 100.0, 50.0),
            (0.0, 1_000.0, 800.0),
            (210.0, 30.0, 30.0),
        ] {
            assert_eq!(beyond_ms(from, stall, &windows), beyond, "{from} {stall}");
        }
    }
}
