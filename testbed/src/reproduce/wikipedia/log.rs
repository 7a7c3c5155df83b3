//! What became of a day's queries, by kind and by bin: as large as there are bins, however many queries there are.

use crate::queueing::histogram::Histogram;
use crate::queueing::{Class, Ended};

/// Wiki pages of ten minutes.
#[derive(Clone, Debug, Default)]
pub struct Bin {
    /// That came.
    pub pages: u64,
    /// Load times of those answered, in microseconds.
    pub times_us: Histogram,
}

impl Bin {
    /// A percentile of the load time; none if there was no page.
    pub fn percentile_s(&self, percentile: f64) -> Option<f64> {
        (self.times_us.count() > 0).then(|| self.times_us.percentile(percentile) / 1e6)
    }
}

/// A day.
#[derive(Clone, Debug)]
pub struct Log {
    /// Queries that came in each bin belong to it, whenever they end.
    pub bins: Vec<Bin>,
    bin_us: u64,
    /// Load times of all wiki pages, in microseconds.
    pub wiki_us: Histogram,
    /// Load times of all static pages.
    pub static_us: Histogram,
    /// Queries that are over.
    pub ended: u64,
    /// Queries that were reset because an accept queue was full.
    pub refused: u64,
}

impl Log {
    /// An empty one.
    pub fn new(bins: usize, bin_us: u64) -> Log {
        Log {
            bins: vec![Bin::default(); bins],
            bin_us,
            wiki_us: Histogram::default(),
            static_us: Histogram::default(),
            ended: 0,
            refused: 0,
        }
    }

    /// A query is over.
    pub fn add(&mut self, query: &Ended) {
        self.ended += 1;
        let took_us = query.ended_us - query.began_us;
        let last = self.bins.len() - 1;
        let bin = &mut self.bins[((query.began_us / self.bin_us) as usize).min(last)];
        bin.pages += u64::from(query.class == Class::Wiki);
        match (query.is_answered, query.class) {
            (false, _) => self.refused += 1,
            (true, Class::Static) => self.static_us.add(took_us),
            (true, Class::Wiki) => {
                bin.times_us.add(took_us);
                self.wiki_us.add(took_us);
            }
        }
    }

    /// Wiki pages of some bins together.
    pub fn together(&self, bins: std::ops::Range<usize>) -> Bin {
        let mut all = Bin::default();
        for bin in &self.bins[bins] {
            all.pages += bin.pages;
            all.times_us.merge(&bin.times_us);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_go_where_they_belong() {
        let mut log = Log::new(3, 1_000);
        let mut add = |began_us, took_us, class, is_answered| {
            log.add(&Ended {
                number: 0,
                class,
                began_us,
                ended_us: began_us + took_us,
                is_answered,
            });
        };
        add(0, 100, Class::Wiki, true);
        // long, and still of the bin in which it came
        add(999, 5_000, Class::Wiki, true);
        add(1_000, 7, Class::Static, true);
        add(1_500, 7, Class::Wiki, false);
        add(2_999, 50, Class::Wiki, true);
        add(3_000, 50, Class::Wiki, true);
        let pages: Vec<u64> = log.bins.iter().map(|bin| bin.pages).collect();
        assert_eq!(pages, [2, 1, 2]);
        let answered: Vec<u64> = log.bins.iter().map(|bin| bin.times_us.count()).collect();
        assert_eq!(answered, [2, 0, 2]);
        assert_eq!(log.bins[1].percentile_s(50.0), None);
        assert_eq!((log.wiki_us.count(), log.static_us.count()), (4, 1));
        assert_eq!((log.ended, log.refused), (6, 1));
        assert_eq!(log.together(0..3).times_us, log.wiki_us);
        assert_eq!(log.together(0..2).pages, 3);
    }
}
