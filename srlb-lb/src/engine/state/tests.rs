//! The whole table, state by event, against the rows of docs/protocol.md written out once more.

use super::*;

const STATES: [State; 4] = [
    State::None,
    State::Steer { confirmed: false },
    State::Steer { confirmed: true },
    State::Closing,
];

fn events() -> Vec<Event> {
    let mut all = vec![Event::ClientSyn, Event::ClientRst, Event::ClientOther];
    for sender in [Sender::Pinned, Sender::Other] {
        for same_number in [true, false] {
            all.push(Event::CreateOnSynAck {
                sender,
                same_number,
            });
        }
        all.extend([
            Event::CreateOnOther(sender),
            Event::Remove(sender),
            Event::ReturnSyn(sender),
            Event::ReturnOther(sender),
            Event::RecoverNext(sender),
        ]);
    }
    all
}

fn row(state: State, event: Event) -> String {
    let (action, next) = transition(state, event);
    format!("{state:?} + {event:?} = {action:?}, {next:?}")
}

/// Every pair, in order. A change of the table has to be made here too, on purpose.
#[test]
fn the_whole_table() {
    let walked: Vec<String> = events()
        .into_iter()
        .flat_map(|event| STATES.map(|state| row(state, event)))
        .collect();
    let expected: Vec<&str> = include_str!("table.txt").lines().collect();
    assert_eq!(walked.len(), STATES.len() * 17);
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
    for event in events() {
        let (_, next) = transition(State::None, event);
        let made = matches!(next, Next::PinUnconfirmed | Next::PinConfirmed);
        let by_create = matches!(
            event,
            Event::CreateOnSynAck { .. } | Event::CreateOnOther(_)
        );
        assert_eq!(made, by_create, "{event:?}");
    }
}
