//! The table while it is being filled, and how to look for what is free in it.

/// `width` slots for each bucket, and which buckets have some left.
pub(crate) struct Slots {
    entries: Vec<u16>,
    width: usize,
    buckets: u32,
    /// Free slots of each bucket, and none from there to [`SMALL`]. A byte takes fewer instructions to test than a bit, and second-level caches hold as many.
    free: Vec<u8>,
    /// Buckets that have some: they are open.
    open: u32,
    /// All of these, once the pace is [`Pace::Leap`]; else empty.
    few: Vec<u32>,
    pace: Pace,
    /// At how many open ones another pace becomes better.
    until: u32,
}

/// Up to so many buckets nobody has to check that there is such a bucket: the size that everybody takes, 65,537, up to a power of two.
pub(crate) const SMALL: usize = 1 << 17;

/// Ways to find the next open bucket: to look at so many together. Guessing wrong that one is enough costs more than looking at a few too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    One,
    Two,
    Four,
    Eight,
    Sixteen,
    /// At all that are open.
    Leap,
}

impl Pace {
    /// The best while so many of the buckets are open, and at how many it no longer is.
    fn at(open: u32, buckets: u32) -> (Self, u32) {
        let part = |of_256: u64| (u64::from(buckets) * of_256 / 256) as u32;
        // A list is shorter than a walk where there are fewer buckets in it than steps between two of them.
        let few = buckets.isqrt();
        let paces = [
            (Pace::One, part(240)),
            (Pace::Two, part(185)),
            (Pace::Four, part(110)),
            (Pace::Eight, part(50)),
            (Pace::Sixteen, few),
        ];
        let paces = paces.map(|(pace, until)| (pace, until.max(few)));
        let better = paces.into_iter().find(|&(_, until)| open > until);
        better.unwrap_or((Pace::Leap, 0))
    }
}

/// Which buckets are open: what somebody needs who looks for one.
#[derive(Clone, Copy)]
pub(crate) struct Open<'a> {
    free: &'a [u8],
    few: &'a [u32],
    buckets: u32,
}

impl<'a> Open<'a> {
    /// The first `buckets` of these; `few` is what is open of them.
    #[cfg(test)]
    pub(crate) fn of(free: &'a [u8], buckets: u32, few: &'a [u32]) -> Self {
        Open { free, few, buckets }
    }

    /// Number of buckets, open or not.
    #[inline(always)]
    pub(crate) fn buckets(self) -> u32 {
        self.buckets
    }

    /// Free slots of this bucket, at most [`MAX_CHOICES`](crate::MAX_CHOICES).
    #[inline(always)]
    pub(crate) fn free(self, bucket: u32) -> u8 {
        self.free[bucket as usize]
    }

    /// Free slots of all buckets, if they are at most [`SMALL`].
    #[inline(always)]
    pub(crate) fn small(self) -> Option<&'a [u8; SMALL]> {
        if self.buckets as usize > SMALL {
            return None;
        }
        self.free.first_chunk()
    }

    /// All that are open, if the pace is [`Pace::Leap`].
    pub(crate) fn few(self) -> &'a [u32] {
        self.few
    }
}

/// The slots in somebody's hand, who takes some of them: on the stack, not behind a pointer that has to be followed for each.
pub(crate) struct Hand<'a> {
    entries: &'a mut [u16],
    width: usize,
    free: &'a mut [u8],
    buckets: u32,
    filled: u32,
}

impl Hand<'_> {
    /// Which buckets are open.
    #[inline(always)]
    pub(crate) fn open(&self) -> Open<'_> {
        Open {
            free: self.free,
            few: &[],
            buckets: self.buckets,
        }
    }

    /// `server` takes the next place in this bucket, which is not full.
    #[inline(always)]
    pub(crate) fn take(&mut self, bucket: u32, server: u16) {
        let free = self.free[bucket as usize];
        self.free[bucket as usize] = free - 1;
        // No branch: half of the second candidates' turns fill a bucket, and no processor can guess which. To add what is smaller takes two
        // instructions, what is equal four.
        self.filled += u32::from(free < 2);
        self.entries[(bucket as usize + 1) * self.width - usize::from(free)] = server;
    }

    /// How many buckets this has filled.
    pub(crate) fn filled(self) -> u32 {
        self.filled
    }
}

impl Slots {
    /// Empty ones; `width` is at most [`MAX_CHOICES`](crate::MAX_CHOICES).
    pub(crate) fn new(buckets: usize, width: usize) -> Self {
        let free = u8::try_from(width).expect("choices have been checked");
        let mut of_each = vec![0; buckets.max(SMALL)];
        of_each[..buckets].fill(free);
        let mut slots = Slots {
            buckets: u32::try_from(buckets).expect("bucket numbers are 32 bits wide"),
            entries: vec![0; buckets * width],
            width,
            free: of_each,
            open: 0,
            few: Vec::new(),
            pace: Pace::Leap,
            until: 0,
        };
        if width > 0 {
            slots.open = slots.buckets;
            slots.set_pace();
        }
        slots
    }

    /// Whether every bucket has all its candidates.
    pub(crate) fn done(&self) -> bool {
        self.open == 0
    }

    /// The best way to find an open bucket.
    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Which buckets are open.
    pub(crate) fn open(&self) -> Open<'_> {
        Open {
            free: &self.free,
            few: &self.few,
            buckets: self.buckets,
        }
    }

    /// To take some; [`Self::settle`] has to be told what was filled.
    pub(crate) fn hand(&mut self) -> Hand<'_> {
        Hand {
            buckets: self.buckets,
            entries: &mut self.entries,
            width: self.width,
            free: &mut self.free,
            filled: 0,
        }
    }

    /// So many buckets were filled.
    pub(crate) fn settle(&mut self, filled: u32) {
        self.open -= filled;
        if self.pace != Pace::Leap && self.open <= self.until {
            self.set_pace();
        }
    }

    /// `server` takes the next place in this bucket, which is one of the few that are open.
    pub(crate) fn take_of_few(&mut self, bucket: u32, server: u16) {
        let mut hand = self.hand();
        hand.take(bucket, server);
        let filled = hand.filled();
        if filled > 0 {
            let place = self.few.iter().position(|&open| open == bucket);
            place.map(|place| self.few.swap_remove(place));
        }
        self.settle(filled);
    }

    fn set_pace(&mut self) {
        (self.pace, self.until) = Pace::at(self.open, self.buckets);
        if self.pace == Pace::Leap {
            self.few = self.list();
        }
    }

    /// All that are open.
    fn list(&self) -> Vec<u32> {
        const AT_ONCE: usize = 64;
        let mut list = Vec::with_capacity(self.open as usize);
        let free = &self.free[..self.buckets as usize];
        for (first, free) in (0u32..).step_by(AT_ONCE).zip(free.chunks(AT_ONCE)) {
            if free.iter().fold(0, |any, free| any | free) > 0 {
                let open = (first..).zip(free).filter(|(_, free)| **free > 0);
                list.extend(open.map(|(bucket, _)| bucket));
            }
        }
        list
    }

    /// The finished table, bucket after bucket.
    pub(crate) fn into_entries(self) -> Vec<u16> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_ends_where_another_is_better() {
        for buckets in [1, 2, 3, 7, 64, 251, 65_537, crate::MAX_BUCKETS] {
            let mut open = buckets;
            let mut paces = vec![Pace::at(open, buckets).0];
            while *paces.last().unwrap() != Pace::Leap {
                let (pace, until) = Pace::at(open, buckets);
                assert_eq!(Pace::at(until + 1, buckets).0, pace);
                open = until;
                paces.push(Pace::at(open, buckets).0);
            }
            let mut once = paces.clone();
            once.dedup();
            assert_eq!(once, paces, "{buckets} buckets");
        }
    }

    #[test]
    fn the_few_are_those_that_are_open() {
        for buckets in [1usize, 63, 64, 65, 200, 1_024] {
            let mut slots = Slots::new(buckets, 2);
            let mut open: Vec<u32> = (0..).take(buckets).collect();
            // In an order that jumps; every bucket twice.
            for n in 0..2 * buckets {
                let bucket = (n * 7919 % buckets) as u32;
                if slots.pace() == Pace::Leap {
                    slots.take_of_few(bucket, 1);
                } else {
                    let mut hand = slots.hand();
                    hand.take(bucket, 1);
                    let filled = hand.filled();
                    slots.settle(filled);
                }
                if slots.open().free(bucket) == 0 {
                    open.retain(|&there| there != bucket);
                }
                if slots.pace() == Pace::Leap {
                    let mut few = slots.open().few().to_vec();
                    few.sort_unstable();
                    assert_eq!(few, open);
                }
            }
            assert!(slots.done() && open.is_empty(), "{buckets} buckets");
        }
    }
}
