//! The whole table, state by event, against the rows of docs/protocol.md written out once more.

use super::*;

/// Every pair, in order. A change of the table has to be made here too, on purpose.
#[test]
fn the_whole_table() {
    let row = |state: State, event: Event| {
        let (action, next) = transition(state, event);
        format!("{state:?} + {event:?} = {action:?}, {next:?}")
    };
    let walked: Vec<String> = Event::ALL
        .iter()
        .flat_map(|&event| State::ALL.iter().map(move |&state| row(state, event)))
        .collect();
    let expected: Vec<&str> = include_str!("table.txt").lines().collect();
    assert_eq!(walked, expected);
    assert_eq!(walked.len(), State::ALL.len() * Event::ALL.len());
}

#[test]
fn without_an_entry_it_makes_no_difference_who_the_sender_is() {
    for event in [Event::Create, Event::Return, Event::RecoverNext] {
        assert_eq!(
            transition(State::None, event(Sender::Pinned)),
            transition(State::None, event(Sender::Other))
        );
    }
}

#[test]
fn only_create_stickiness_makes_an_entry_and_none_moves_one() {
    for &event in Event::ALL {
        for &state in State::ALL {
            let (_, next) = transition(state, event);
            let makes = matches!(next, Next::PinUnconfirmed | Next::PinConfirmed);
            let may = matches!(event, Event::Create(_)) && state == State::None;
            assert_eq!(makes, may, "{state:?} {event:?}");
        }
    }
}

#[test]
fn the_lists_are_whole() {
    assert!(daemon::rows::places_are_right::<State>());
    assert!(daemon::rows::places_are_right::<Event>());
}
