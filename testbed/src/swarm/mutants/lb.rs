//! Mutants of the LB's state table.

use srlb_lb::engine::contract::Table;
use srlb_lb::engine::state::{Action, Event, Next, Sender, State};
use srlb_lb::engine::Contract;

use crate::sim::rows::Row;
use crate::sim::Options;

use super::{Change, Mutant};

/// Each row, altered in each way that makes it another one.
pub fn mutants() -> Vec<Mutant> {
    let table = Contract::default().table;
    let rows: Vec<_> = table.rows().collect();
    rows.iter()
        .flat_map(|row| {
            Change::ALL
                .into_iter()
                .map(move |change| (row, change, altered(row.outcome, change)))
        })
        .filter_map(|(row, change, outcome)| {
            let outcome = outcome?;
            Some(Mutant {
                name: format!("lb: {row}: {}", change.words()),
                row: Some(Row::Lb(row.state, row.event)),
                options: with(table.clone().with(row.state, row.event, outcome)),
                reason: reason(row.state, row.event, change),
            })
        })
        .collect()
}

fn with(table: Table) -> Options {
    let mut options = Options::default();
    options.lb.table = table;
    options
}

fn altered((action, next): (Action, Next), change: Change) -> Option<(Action, Next)> {
    let is_drop = action == Action::DropLoser;
    match change {
        Change::Removed => (!is_drop).then_some((Action::DropLoser, Next::Unchanged)),
        Change::Unwritten => (next != Next::Unchanged).then_some((action, Next::Unchanged)),
        Change::LetThrough => is_drop.then_some((Action::ToClient, next)),
    }
}

/// Why no world can show it.
fn reason(state: State, event: Event, change: Change) -> Option<&'static str> {
    use Sender::{Other, Pinned};
    match (state, event, change) {
        (
            State::None,
            Event::CreateOnSynAck { sender: Pinned, .. }
            | Event::CreateOnOther(Pinned)
            | Event::Remove(Pinned)
            | Event::ReturnSyn(Pinned)
            | Event::ReturnOther(Pinned)
            | Event::RecoverNext(Pinned),
            _,
        ) => Some("never looked up: without an entry every sender counts as another one"),
        (
            State::None,
            Event::CreateOnSynAck {
                sender: Other,
                same_number: true,
            },
            _,
        ) => Some("never looked up: without an entry there is no number to be the same"),
        (State::None, Event::ReturnSyn(_) | Event::ReturnOther(_), Change::Unwritten) => Some(
            "nearly the same: no entry counts, and one of a dead server that might go is passed over or returned",
        ),
        _ => rare(state, event),
    }
}

/// Rows that no world of 2,000 seeds uses. All of them are a server's answer that comes while another one's is
/// under way; srlb-lb's tests walk each of them (`engine/tests/rows`).
fn rare(state: State, event: Event) -> Option<&'static str> {
    use Sender::Other;
    match (state, event) {
        (State::Steer { confirmed: false }, Event::ReturnOther(Other)) => Some(
            "not met: a packet of the client comes back from a stale pin's server between another server's SYN-ACK and the client's answer to it",
        ),
        (State::Steer { confirmed: false }, Event::CreateOnOther(Other)) => Some(
            "not met: another server answers what it has recovered between the pinned server's SYN-ACK and the client's answer to that",
        ),
        (State::Closing, Event::CreateOnOther(Other)) => Some(
            "not met: the owner is found while the LB closes the flow for another server",
        ),
        (State::Closing, Event::ReturnSyn(Other) | Event::ReturnOther(Other)) => Some(
            "not met: two servers have to change places, and the second one to end, while a packet is on its way back from the first",
        ),
        _ => None,
    }
}
