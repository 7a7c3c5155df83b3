//! Mutants of the server router's state table.

use daemon::DropReason;
use srlb_server::engine::contract::Table;
use srlb_server::engine::state::{Action, Event, State};
use srlb_server::engine::Contract;

use crate::sim::rows::Row;
use crate::sim::Options;

use super::{Change, Mutant};

/// Each row, altered in each way that makes it another one.
pub fn mutants() -> Vec<Mutant> {
    let table = Contract::default().table;
    let rows: Vec<_> = table.rows().collect();
    rows.iter()
        .flat_map(|row| {
            Change::ALL.into_iter().map(move |change| {
                (
                    row,
                    change,
                    altered(row.state, row.event, row.outcome, change),
                )
            })
        })
        .filter_map(|(row, change, outcome)| {
            let outcome = outcome?;
            Some(Mutant {
                name: format!("server: {row}: {}", change.words()),
                row: Some(Row::Server(row.state, row.event)),
                options: with(table.clone().with(row.state, row.event, outcome)),
                reason: reason(row.state, row.event, change),
            })
        })
        .collect()
}

fn with(table: Table) -> Options {
    let mut options = Options::default();
    options.server.table = table;
    options
}

fn altered(
    state: State,
    event: Event,
    (action, after): (Action, State),
    change: Change,
) -> Option<(Action, State)> {
    let is_drop = matches!(action, Action::Drop(_));
    match change {
        Change::Removed => (!is_drop).then_some((Action::Drop(DropReason::NotMine), state)),
        Change::Unwritten => (after != state).then_some((action, state)),
        Change::LetThrough => is_drop.then_some((through(event), after)),
    }
}

/// What a drop becomes that is none any more.
fn through(event: Event) -> Action {
    match event {
        Event::AppSynAck | Event::AppSynAckThird => Action::Create,
        Event::AckNotMineRst => Action::ReturnFlow,
        _ => Action::Deliver,
    }
}

/// Why no world can show it.
fn reason(state: State, event: Event, change: Change) -> Option<&'static str> {
    match (state, event, change) {
        (_, Event::ConnectNotSyn, _) => {
            Some("no LB offers what is no SYN: only a forger inside the domain would (srlb-server, hostile.rs)")
        }
        (
            State::Hunted | State::Wait,
            Event::ConnectTaken
            | Event::ConnectRefused
            | Event::ConnectForceDown
            | Event::ConnectFinalDown,
            _,
        ) => Some("never looked up: an offer of a flow in WAIT is ours without asking policy or socket"),
        (State::None, Event::AckMine | Event::AckMineEnded, Change::Unwritten) => {
            Some("costs a look-up for each packet: the kernel's socket says the same every time")
        }
        (State::Wait, Event::AckMine, Change::Unwritten) => {
            Some("costs a detour: three answers to each client packet go through the LB")
        }
        _ => None,
    }
}
