//! Writing down what the state table said.

use flow_table::Inserted;
use packet_io::Instant;

use super::entry::{Entry, Peer};
use super::state::{Action, Event as Said, State};
use super::{Engine, Event, Note, Subject};

impl Engine {
    /// Asks the state table.
    pub(super) fn consult(
        &mut self,
        subject: &Subject,
        event: Said,
        lb: Option<Peer>,
    ) -> (Action, State) {
        let said = self.contract.table.get(subject.state, event);
        if self.tracing {
            self.note = Note {
                flow: Some(subject.flow),
                before: Some(subject.state),
                event: Some(event),
                said: Some(said),
                lb,
                ..Note::default()
            };
        }
        said
    }

    /// Keeps an entry, if there is something to keep.
    pub(super) fn keep(&mut self, subject: &Subject, entry: Entry, now: Instant) {
        if entry.is_empty() {
            if subject.entry.is_some() {
                self.flows.remove(subject.hash);
            }
            return;
        }
        if let Inserted::Evicted(_) = self.flows.insert(subject.hash, entry, now) {
            self.events.add(Event::Evicted);
        }
    }
}
