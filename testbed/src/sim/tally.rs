//! What was counted, summed over hosts and over their lives.

use std::collections::BTreeMap;

use daemon::counters::Counter;
use daemon::Counts;
use srlb_lb::engine as lb_engine;
use srlb_server::engine as server_engine;

use super::world::World;

/// The sums.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Packets that set out.
    pub packets: u64,
    /// Packets that were lost, by links or because nobody was there.
    pub lost: u64,
    /// Packets that routers sent besides the one they were given.
    pub extra: u64,
    counters: BTreeMap<(&'static str, &'static str), u64>,
}

impl Tally {
    fn add<K: Counter>(&mut self, of: &'static str, counts: &Counts<K>) {
        for (counter, value) in counts.iter().filter(|(_, value)| *value > 0) {
            *self.counters.entry((of, counter.name())).or_default() += value;
        }
    }

    /// Everything by name.
    pub fn into_map(self) -> BTreeMap<String, u64> {
        let own = [
            ("world.packets", self.packets),
            ("world.lost", self.lost),
            ("world.extra", self.extra),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let engines = self.counters.into_iter();
        engines
            .map(|((of, name), value)| (format!("{of}.{name}"), value))
            .chain(own)
            .collect()
    }
}

impl World<'_> {
    /// An LB's process ends: what it has counted is added, and must come out even.
    pub fn end_of_lb(&mut self, engine: &lb_engine::Engine, n: u16) {
        use lb_engine::Event;
        let count = |event| engine.events().get(event);
        let out = count(Event::Transmitted) + engine.drops().total();
        self.must_be_even(&format!("lb{n}"), count(Event::Received), out);
        self.tally.add("lb", engine.events());
        self.tally.add("lb.drop", engine.drops());
    }

    /// The same for a server's router.
    pub fn end_of_router(&mut self, engine: &server_engine::Engine, n: u16) {
        use server_engine::Event;
        let count = |event| engine.events().get(event);
        let out = count(Event::Transmitted) + count(Event::Delivered) + engine.drops().total();
        self.must_be_even(&format!("s{n}"), count(Event::Received), out);
        self.tally.add("server", engine.events());
        self.tally.add("server.drop", engine.drops());
    }

    /// Everything that went in has come out.
    pub(super) fn must_be_even(&mut self, who: &str, taken: u64, out: u64) {
        if taken != out {
            let what = format!("{who} has taken {taken} packets in and accounted for {out}");
            self.watch.broken(self.now_us, "conservation", None, what);
        }
    }
}
