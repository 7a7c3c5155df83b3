//! Counters and drop reasons: name, text and place in the array are defined once, by
//! [`counters!`](crate::counters!).
//!
//! ```
//! daemon::counters! {
//!     /// Why a packet was dropped.
//!     pub enum Drop {
//!         NotForUs = "not_for_us", "neither a SID of ours nor a VIP";
//!         NoRoom = "no_room", "the packet would not fit with the header added";
//!     }
//! }
//!
//! let mut drops = daemon::Counts::<Drop>::new();
//! drops.add(Drop::NoRoom);
//! assert_eq!(drops.get(Drop::NoRoom), 1);
//! assert_eq!(drops.to_json()["no_room"], 1);
//! ```

use std::fmt;
use std::marker::PhantomData;

use crate::drops::DropReason;

/// One of a closed list of counters. [`counters!`](crate::counters!) implements it.
pub trait Counter: Copy + 'static {
    /// The whole list, in the order of the indices.
    const ALL: &'static [Self];

    /// Its place in [`Counter::ALL`].
    fn index(self) -> usize;

    /// The name that `status --json`, traces and tests use.
    fn name(self) -> &'static str;

    /// What has happened, in words for an operator.
    fn text(self) -> &'static str;
}

/// Defines an enum of counters: `Variant = "name", "what has happened";` per line.
///
/// The enum has `ALL`, `index()`, `name()` and `text()` as constants and methods of its
/// own as well, so that users need not import [`Counter`].
#[macro_export]
macro_rules! counters {
    ($(#[$meta:meta])* $vis:vis enum $type:ident {
        $($(#[$doc:meta])* $variant:ident = $name:literal, $text:literal;)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $type {
            $(#[doc = $text] $(#[$doc])* $variant,)+
        }

        impl $type {
            /// The whole list.
            pub const ALL: &'static [$type] = &[$($type::$variant,)+];

            /// Its place in the list.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The name that `status --json`, traces and tests use.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)+ }
            }

            /// What has happened, in words for an operator.
            pub const fn text(self) -> &'static str {
                match self { $($type::$variant => $text,)+ }
            }
        }

        impl $crate::counters::Counter for $type {
            const ALL: &'static [Self] = $type::ALL;

            fn index(self) -> usize {
                $type::index(self)
            }

            fn name(self) -> &'static str {
                $type::name(self)
            }

            fn text(self) -> &'static str {
                $type::text(self)
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

/// What each name means, for `status`: of the events `E`, and of drop reasons.
pub fn texts<E: Counter>() -> serde_json::Value {
    fn of<K: Counter>() -> impl Iterator<Item = (String, serde_json::Value)> {
        K::ALL
            .iter()
            .map(|k| (k.name().to_owned(), k.text().into()))
    }
    serde_json::Value::Object(of::<E>().chain(of::<DropReason>()).collect())
}

/// One number for each counter of the list `K`.
#[derive(Clone, PartialEq, Eq)]
pub struct Counts<K> {
    values: Box<[u64]>,
    list: PhantomData<K>,
}

impl<K: Counter> Counts<K> {
    /// All zero.
    pub fn new() -> Self {
        Counts {
            values: vec![0; K::ALL.len()].into_boxed_slice(),
            list: PhantomData,
        }
    }

    /// One more.
    pub fn add(&mut self, counter: K) {
        self.add_n(counter, 1);
    }

    /// `n` more.
    pub fn add_n(&mut self, counter: K, n: u64) {
        let value = &mut self.values[counter.index()];
        *value = value.wrapping_add(n);
    }

    /// What another one has counted, too.
    pub fn add_all(&mut self, others: &Self) {
        for (value, more) in self.values.iter_mut().zip(&others.values) {
            *value = value.wrapping_add(*more);
        }
    }

    /// The number of one counter.
    pub fn get(&self, counter: K) -> u64 {
        self.values[counter.index()]
    }

    /// The sum over the list.
    pub fn total(&self) -> u64 {
        self.values
            .iter()
            .fold(0, |sum, &value| sum.wrapping_add(value))
    }

    /// Every counter with its number, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> + '_ {
        K::ALL.iter().map(|&counter| (counter, self.get(counter)))
    }

    /// `{"name": number, ...}`, zeros included.
    pub fn to_json(&self) -> serde_json::Value {
        let numbers = self
            .iter()
            .map(|(counter, value)| (counter.name().to_owned(), value.into()));
        serde_json::Value::Object(numbers.collect())
    }
}

impl<K: Counter> Default for Counts<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Counter> fmt::Debug for Counts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.iter().filter(|(_, value)| *value != 0);
        f.debug_map()
            .entries(counted.map(|(counter, value)| (counter.name(), value)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::counters! {
        /// Three of them.
        enum Fruit {
            Apple = "apple", "an apple fell";
            Pear = "pear", "a pear fell";
            /// With more to say.
            Plum = "plum", "a plum fell";
        }
    }

    #[test]
    fn each_counter_has_its_own_place_name_and_text() {
        for (place, &fruit) in Fruit::ALL.iter().enumerate() {
            assert_eq!(fruit.index(), place);
            assert_eq!(fruit.to_string(), fruit.name());
            assert!(fruit.text().contains(fruit.name()));
        }
    }

    #[test]
    fn texts_are_those_of_events_and_of_drop_reasons() {
        let texts = texts::<Fruit>();
        let count = Fruit::ALL.len() + DropReason::ALL.len();
        assert_eq!(texts.as_object().map(serde_json::Map::len), Some(count));
        assert_eq!(texts["pear"], Fruit::Pear.text());
        for reason in DropReason::ALL {
            assert_eq!(texts[reason.name()], reason.text());
        }
    }

    #[test]
    fn counting_one_leaves_the_others_alone() {
        let mut counts = Counts::<Fruit>::new();
        counts.add(Fruit::Pear);
        counts.add_n(Fruit::Plum, 4);
        let seen: Vec<_> = counts.iter().collect();
        assert_eq!(
            seen,
            [(Fruit::Apple, 0), (Fruit::Pear, 1), (Fruit::Plum, 4)]
        );
        assert_eq!(counts.total(), 5);
        assert_eq!(
            counts.to_json(),
            serde_json::json!({"apple": 0, "pear": 1, "plum": 4})
        );
        assert_eq!(format!("{counts:?}"), r#"{"pear": 1, "plum": 4}"#);
        let mut all = counts.clone();
        all.add_all(&counts);
        assert_eq!(
            all.to_json(),
            serde_json::json!({"apple": 0, "pear": 2, "plum": 8})
        );
    }
}
