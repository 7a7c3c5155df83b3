//! The state table, walked whole.

use super::super::state::{next, Action, Event, State};

fn walk() -> String {
    let mut text = String::new();
    for event in Event::ALL {
        for state in State::ALL {
            let (action, after) = next(state, event);
            let action = match action {
                Action::Drop(reason) => format!("Drop({})", reason.name()),
                other => format!("{other:?}"),
            };
            let line = format!("{event:?} | {state:?} | {action} | {after:?}");
            text += &line;
            text.push('\n');
        }
    }
    text
}

/// `table.txt` is what was read against docs/protocol.md; a change of the table changes it.
#[test]
fn the_table_is_what_was_read_against_the_protocol() {
    let (now, kept) = (walk(), include_str!("table.txt"));
    // shown when the test fails: what to read and to keep
    println!("{now}");
    let differs = now.lines().zip(kept.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert_eq!(now.lines().count(), kept.lines().count());
}

#[test]
fn all_lists_are_whole_and_without_doubles() {
    let states: std::collections::HashSet<_> = State::ALL.into_iter().collect();
    let events: std::collections::HashSet<_> = Event::ALL.into_iter().collect();
    assert_eq!((states.len(), events.len()), (6, 24));
    assert!(daemon::rows::places_are_right::<State>());
    assert!(daemon::rows::places_are_right::<Event>());
}

#[test]
fn what_is_dropped_changes_no_state() {
    for event in Event::ALL {
        for state in State::ALL {
            let (action, after) = next(state, event);
            if matches!(action, Action::Drop(_)) {
                assert_eq!(state, after, "{event:?}");
            }
        }
    }
}

#[test]
fn only_a_hunt_starts_a_check() {
    for event in Event::ALL {
        for state in State::ALL {
            let (_, after) = next(state, event);
            if after == State::Hunted && !matches!(state, State::Hunted | State::Loser) {
                assert_eq!(event, Event::ConnectTaken);
            }
        }
    }
}
