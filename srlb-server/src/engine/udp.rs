//! The server router's state table for UDP: docs/protocol.md, section "UDP", row by row, as a pure function.
//!
//! What is in the table is ours: no kernel knows who a datagram belongs to.

use daemon::{DropReason, Place};

use super::state::Action;

/// What the table says about a UDP flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Not ours.
    #[default]
    None,
    /// WAIT by a hunt: taken, and no LB has acknowledged it so far. Its datagram may be forged.
    Taken,
    /// WAIT: an LB is to be told, not for the first time.
    Wait,
    /// DIRECT: the LB knows.
    Direct,
}

impl State {
    /// The name that `status` and `trace` use.
    pub const fn name(self) -> &'static str {
        match self {
            State::None => "none",
            State::Taken => "taken",
            State::Wait => "wait",
            State::Direct => "direct",
        }
    }
}

/// What has happened, with everything that needs a socket or a policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// connectAvail that the policy accepts, connectForce or connectFinal with an application that is up.
    ConnectTaken,
    /// connectAvail that the policy refuses, or with an application that is down.
    ConnectRefused,
    /// connectForce, and the application is down.
    ConnectForceDown,
    /// connectFinal, and the application is down.
    ConnectFinalDown,
    /// ackStickiness.
    Ack,
    /// recoverStickiness with a next segment.
    Recover,
    /// The last recoverStickiness of a chunk.
    RecoverLast,
    /// recoverFinal.
    RecoverFinal,
    /// A datagram from the application.
    Reply,
}

impl Place for State {
    const ALL: &'static [Self] = &[State::None, State::Taken, State::Wait, State::Direct];

    fn place(self) -> usize {
        self as usize
    }
}

impl Place for Event {
    const ALL: &'static [Self] = &[
        Event::ConnectTaken,
        Event::ConnectRefused,
        Event::ConnectForceDown,
        Event::ConnectFinalDown,
        Event::Ack,
        Event::Recover,
        Event::RecoverLast,
        Event::RecoverFinal,
        Event::Reply,
    ];

    fn place(self) -> usize {
        self as usize
    }
}

/// The table: what happens to the datagram, and the flow's state after.
pub fn next(state: State, event: Event) -> (Action, State) {
    use State::{Direct, None, Taken, Wait};
    match (event, state) {
        // A free candidate.
        (Event::ConnectTaken, None) => (Action::DeliverSteered, Taken),
        // Too busy, or no application: the next candidate may do better.
        (Event::ConnectRefused, None) => (Action::PassOn, None),
        // The last candidate can't: the LB starts again.
        (Event::ConnectForceDown, None) => (Action::ReturnFlow, None),
        // Everybody was asked: let the kernel say that the port is unreachable.
        (Event::ConnectFinalDown, None) => (Action::Deliver, None),
        // An LB that has no pin, or doesn't know yet: it is to be told, whatever the policy says about new
        // flows. What no LB has ever acknowledged stays the first to go.
        (
            Event::ConnectTaken
            | Event::ConnectRefused
            | Event::ConnectForceDown
            | Event::ConnectFinalDown
            | Event::Recover
            | Event::RecoverLast
            | Event::RecoverFinal,
            Taken | Wait | Direct,
        ) => (
            Action::DeliverSteered,
            if state == Taken { Taken } else { Wait },
        ),

        // The LB has the pin: nothing is to be told any more.
        (Event::Ack, Taken | Wait | Direct) => (Action::Deliver, Direct),
        // A stale pin, or this router was restarted: the LB must look for the owner.
        (Event::Ack, None) => (Action::ReturnFlow, None),
        (Event::Recover, None) => (Action::PassOn, None),
        (Event::RecoverLast, None) => (Action::RecoverNext, None),
        // Nobody alive owns it, and nobody may take it.
        (Event::RecoverFinal, None) => (Action::Drop(DropReason::NotMine), None),

        // The LB does not know yet.
        (Event::Reply, Taken | Wait) => (Action::Create, state),
        // It knows, or the application speaks first.
        (Event::Reply, None | Direct) => (Action::Straight, state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `table.txt` is what was read against docs/protocol.md; a change of the table changes it.
    #[test]
    fn the_whole_table() {
        let row = |state: State, event: Event| {
            let (action, after) = next(state, event);
            format!("{event:?} | {state:?} | {action:?} | {after:?}")
        };
        let walked: Vec<String> = Event::ALL
            .iter()
            .flat_map(|&event| State::ALL.iter().map(move |&state| row(state, event)))
            .collect();
        let kept: Vec<&str> = include_str!("udp/table.txt").lines().collect();
        assert_eq!(walked, kept);
        assert_eq!(walked.len(), State::ALL.len() * Event::ALL.len());
    }

    #[test]
    fn only_an_offer_makes_a_flow_ours_and_nothing_but_time_ends_it() {
        for &event in Event::ALL {
            for &state in State::ALL {
                let (_, after) = next(state, event);
                let made = state == State::None && after != State::None;
                assert_eq!(made, state == State::None && event == Event::ConnectTaken);
                assert!(state == State::None || after != State::None, "{event:?}");
            }
        }
    }

    #[test]
    fn the_lists_are_whole() {
        assert!(daemon::rows::places_are_right::<State>());
        assert!(daemon::rows::places_are_right::<Event>());
    }
}
