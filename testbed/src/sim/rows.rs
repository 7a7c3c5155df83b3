//! Which rows of the engines' state tables a run has used, and how often: one that is never used can be
//! altered without anybody noticing.

use daemon::Place;
use srlb_lb::engine as lb;
use srlb_server::engine as server;

/// Uses of the rows of both engines' TCP tables, each by state and event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    lb: Vec<u32>,
    server: Vec<u32>,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Of the LB.
    Lb(lb::state::State, lb::state::Event),
    /// Of the server router.
    Server(server::state::State, server::state::Event),
}

fn place<S: Place, E: Place>(state: S, event: E) -> usize {
    state.place() * E::ALL.len() + event.place()
}

impl Rows {
    fn of(&self, row: Row) -> (&Vec<u32>, usize) {
        match row {
            Row::Lb(state, event) => (&self.lb, place(state, event)),
            Row::Server(state, event) => (&self.server, place(state, event)),
        }
    }

    /// A row was used.
    pub fn used(&mut self, row: Row) {
        let at = self.of(row).1;
        let rows = match row {
            Row::Lb(..) => &mut self.lb,
            Row::Server(..) => &mut self.server,
        };
        if rows.len() <= at {
            rows.resize(at + 1, 0);
        }
        rows[at] += 1;
    }

    /// How often was it?
    pub fn uses(&self, row: Row) -> u32 {
        let (rows, at) = self.of(row);
        rows.get(at).copied().unwrap_or(0)
    }

    /// What an LB's engine says about the packet that it has just worked on.
    pub fn note_lb(&mut self, note: &lb::Note) {
        if let (Some(state), Some(event)) = (note.before, note.event) {
            self.used(Row::Lb(state, event));
        }
    }

    /// The same for a server's.
    pub fn note_server(&mut self, note: &server::Note) {
        if let (Some(state), Some(event)) = (note.before, note.event) {
            self.used(Row::Server(state, event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_itself() {
        use lb::state::{Event, State};
        let mut rows = Rows::default();
        let one = Row::Lb(State::Closing, Event::ClientSyn);
        rows.used(one);
        for &state in State::ALL {
            for &event in Event::ALL {
                let row = Row::Lb(state, event);
                assert_eq!(rows.uses(row), u32::from(row == one));
            }
        }
        for &state in server::state::State::ALL.iter() {
            for &event in server::state::Event::ALL.iter() {
                assert_eq!(rows.uses(Row::Server(state, event)), 0);
            }
        }
    }
}
