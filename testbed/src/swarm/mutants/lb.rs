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
        (State::None, Event::ReturnSyn(_) | Event::ReturnOther(_), Change::Unwritten) => {
            Some("the same: there is no entry that could go")
        }
        (State::Steer { .. }, Event::ClientOther, Change::Unwritten) => {
            Some("costs a recovery when the entry ends: the owner pins the flow again")
        }
        (State::Steer { confirmed: true }, Event::CreateOnOther(Pinned), Change::Unwritten) => Some(
            "nearly the same: the entry is confirmed, and only its idle time does not start anew",
        ),
        (State::Steer { .. }, Event::ClientRst | Event::Remove(Pinned), Change::Unwritten) => {
            Some("costs memory: a pin that has outlived its flow is answered by returnFlow")
        }
        (State::Closing, Event::ClientSyn, Change::Unwritten) => {
            Some("costs a recovery: the new flow is CLOSING as well, and then has no entry")
        }
        (State::Closing, Event::ClientRst | Event::ClientOther, Change::Unwritten) => {
            Some("costs a recovery for each 10 s of a half-closed flow")
        }
        _ => None,
    }
}
