//! The whole table, state by event, against the rows of docs/protocol.md written out once more.

use super::*;

fn row(state: State, event: Event) -> String {
    let (action, next) = transition(state, event);
    format!("{state:?} + {event:?} = {action:?}, {next:?}")
}

/// Every pair, in order. A change of the table has to be made here too, on purpose.
#[test]
fn the_whole_table() {
    let walked: Vec<String> = Event::ALL
        .iter()
        .flat_map(|&event| State::ALL.iter().map(move |&state| row(state, event)))
        .collect();
    let expected: Vec<&str> = include_str!("table.txt").lines().collect();
    assert_eq!(walked.len(), State::ALL.len() * Event::ALL.len());
    for (i, row) in walked.iter().enumerate() {
        assert_eq!(Some(row.as_str()), expected.get(i).copied(), "row {i}");
    }
    assert_eq!(walked.len(), expected.len());
}

#[test]
fn without_an_entry_it_makes_no_difference_who_the_sender_is() {
    let pairs = [
        (Event::CreateOnOther as fn(Sender) -> Event),
        Event::Remove,
        Event::ReturnSyn,
        Event::ReturnOther,
        Event::RecoverNext,
    ];
    for event in pairs {
        assert_eq!(
            transition(State::None, event(Sender::Pinned)),
            transition(State::None, event(Sender::Other))
        );
    }
}

#[test]
fn only_a_server_that_owns_the_flow_can_make_an_entry() {
    for &event in Event::ALL {
        let (_, next) = transition(State::None, event);
        let made = matches!(next, Next::PinUnconfirmed | Next::PinConfirmed);
        let by_create = matches!(
            event,
            Event::CreateOnSynAck { .. } | Event::CreateOnOther(_)
        );
        assert_eq!(made, by_create, "{event:?}");
    }
}

#[test]
fn the_lists_are_whole() {
    assert!(daemon::rows::places_are_right::<State>());
    assert!(daemon::rows::places_are_right::<Event>());
}
