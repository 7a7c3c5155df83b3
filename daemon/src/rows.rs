//! A state table as data: one outcome for each pair of state and event.
//!
//! The rows themselves are written as a function, which can be read and tested; a table is filled from
//! it once. So a single row can be altered by a test that asks whether anybody would notice.

use std::fmt;
use std::marker::PhantomData;

/// One of a closed list: a state or an event of a table.
pub trait Place: Copy + fmt::Debug + 'static {
    /// The whole list, in the order of the places.
    const ALL: &'static [Self];

    /// Its place in [`Place::ALL`].
    fn place(self) -> usize;
}

/// The outcomes `O` of all pairs of a state `S` and an event `E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTable<S, E, O> {
    outcomes: Box<[O]>,
    pairs: PhantomData<(S, E)>,
}

/// One row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<S, E, O> {
    /// The state before.
    pub state: S,
    /// What happens.
    pub event: E,
    /// What follows from it.
    pub outcome: O,
}

impl<S: Place, E: Place, O: fmt::Debug> fmt::Display for Row<S, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} + {:?} = {:?}",
            self.state, self.event, self.outcome
        )
    }
}

impl<S: Place, E: Place, O: Copy> StateTable<S, E, O> {
    /// The table that `rule` describes.
    pub fn of(rule: impl Fn(S, E) -> O) -> Self {
        let pairs = S::ALL
            .iter()
            .flat_map(|&state| E::ALL.iter().map(move |&event| (state, event)));
        StateTable {
            outcomes: pairs.map(|(state, event)| rule(state, event)).collect(),
            pairs: PhantomData,
        }
    }

    fn at(state: S, event: E) -> usize {
        state.place() * E::ALL.len() + event.place()
    }

    /// What the table says.
    pub fn get(&self, state: S, event: E) -> O {
        self.outcomes[Self::at(state, event)]
    }

    /// The same table with another outcome for one pair.
    pub fn with(mut self, state: S, event: E, outcome: O) -> Self {
        self.outcomes[Self::at(state, event)] = outcome;
        self
    }

    /// All rows, state by state.
    pub fn rows(&self) -> impl Iterator<Item = Row<S, E, O>> + '_ {
        S::ALL.iter().flat_map(move |&state| {
            E::ALL.iter().map(move |&event| Row {
                state,
                event,
                outcome: self.get(state, event),
            })
        })
    }
}

/// Checks that every place is the one in the list, for the tests of those who implement [`Place`].
pub fn places_are_right<T: Place + PartialEq>() -> bool {
    let mut listed = T::ALL.iter().enumerate();
    listed.all(|(place, &one)| one.place() == place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Light {
        Off,
        On,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Hand {
        Press,
        Wait,
        Cut,
    }

    impl Place for Light {
        const ALL: &'static [Self] = &[Light::Off, Light::On];
        fn place(self) -> usize {
            self as usize
        }
    }

    impl Place for Hand {
        const ALL: &'static [Self] = &[Hand::Press, Hand::Wait, Hand::Cut];
        fn place(self) -> usize {
            self as usize
        }
    }

    fn rule(light: Light, hand: Hand) -> Light {
        match (light, hand) {
            (Light::Off, Hand::Press) => Light::On,
            (Light::On, Hand::Press) | (_, Hand::Cut) => Light::Off,
            (same, Hand::Wait) => same,
        }
    }

    #[test]
    fn a_table_says_what_its_rule_says() {
        let table = StateTable::of(rule);
        assert_eq!(table.rows().count(), 6);
        for row in table.rows() {
            assert_eq!(row.outcome, rule(row.state, row.event), "{row}");
        }
        assert!(places_are_right::<Light>() && places_are_right::<Hand>());
    }

    #[test]
    fn with_changes_one_row_only() {
        let table = StateTable::of(rule);
        let altered = table.clone().with(Light::On, Hand::Wait, Light::Off);
        let differing: Vec<String> = table
            .rows()
            .zip(altered.rows())
            .filter(|(a, b)| a != b)
            .map(|(_, b)| b.to_string())
            .collect();
        assert_eq!(differing, ["On + Wait = Off"]);
    }
}
