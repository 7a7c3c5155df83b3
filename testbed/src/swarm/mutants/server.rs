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
                reason: reason(row.state, row.event),
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
fn reason(state: State, event: Event) -> Option<&'static str> {
    match (state, event) {
        (_, Event::ConnectNotSyn) => Some(
            "no LB offers what is no SYN: only a forger inside the domain would (srlb-server, hostile.rs)",
        ),
        (_, Event::RecoverMineSyn) => Some(
            "no LB asks a recovery list whose a SYN is: only a forger inside the domain would (srlb-server, table.rs)",
        ),
        (State::Hunted | State::Wait, Event::ConnectTaken) => Some(
            "never looked up: an offer of a flow in WAIT is ours, or nobody listens and it can't be taken",
        ),
        (State::Hunted | State::Loser, Event::AckMineEnded | Event::RecoverMineEnded) => Some(
            "never looked up: the application's FIN makes CLOSING of both, and no kernel is asked about either",
        ),
        (State::Loser | State::Hunted | State::Direct, Event::AppOther) => Some(
            "never comes by: data and ACKs pass the router for a second after a recovery alone, which ends the state",
        ),
        (
            State::None | State::Loser | State::Closing | State::Direct,
            Event::AppSynAckThird,
        ) => Some(
            "a kernel's new number answers a SYN that the router has just delivered, and that has made the flow a WAIT",
        ),
        (State::Direct, Event::AppStrayRst) => Some(
            "a kernel's reset answers what was delivered last, and in DIRECT that was ours: its number is near",
        ),
        (State::Direct, Event::AckMineEnded) => Some(
            "the kernel is asked about DIRECT flows where a number is 8 MiB away, and no connection of a world has as many bytes",
        ),
        _ => rare(state, event),
    }
}

/// Rows that no world of 2,000 seeds uses. srlb-server's tests walk the whole table (`engine/tests/table.rs`).
fn rare(state: State, event: Event) -> Option<&'static str> {
    match (state, event) {
        (State::Wait, Event::ConnectForceDown | Event::ConnectFinalDown) => Some(
            "not met: the application goes away within a WAIT, whose SYN then comes by another LB with this server last",
        ),
        (State::Loser, Event::AckNotMineRst) => Some(
            "not met: the LB that a loser has told of the flow sends it a reset before it has the loser's returnFlow",
        ),
        (State::Closing, Event::RecoverMine) => Some(
            "not met: a kernel resets a wrong answer to its SYN cookie, gets the right one, and another LB asks for the owner within 10 s",
        ),
        (State::Wait, Event::AppStrayRst) => Some(
            "not met: the application goes away while a WAIT has no socket, and everybody else refuses its SYN as well",
        ),
        (State::Direct, Event::ConnectFinalDown) => Some(
            "not met: a socket goes unseen while its router is down, the application goes as well, and everybody else refuses the next SYN",
        ),
        _ => None,
    }
}
