//! The LB's state table for UDP: docs/protocol.md, section "UDP", row by row, as a pure function.
//!
//! A datagram says nothing about where in a flow's life it stands. So there is one list for all that have no
//! entry, and an entry ends by its age alone.

use daemon::Place;

use super::state::{self, Next, Sender};

/// What the LB knows of a UDP flow. A pin of a server that is removed or found dead counts as
/// [`State::None`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No entry.
    None,
    /// The flow is pinned to a server.
    Steer {
        /// Has a datagram of the client been seen since?
        confirmed: bool,
    },
}

impl State {
    /// The state in the words of an entry, which TCP and UDP share.
    pub fn of_entry(state: state::State) -> Self {
        match state {
            state::State::Steer { confirmed } => State::Steer { confirmed },
            // no datagram closes an entry
            state::State::None | state::State::Closing => State::None,
        }
    }
}

/// What has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// From the client.
    Client,
    /// createStickiness.
    Create(Sender),
    /// returnFlow.
    Return(Sender),
    /// recoverNext.
    RecoverNext(Sender),
}

/// What happens to the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Along the one list: the first chunk of the recovery list and, if it is the last, the candidates.
    Open,
    /// The same, the sender last among those that are asked and first among the candidates, the last of
    /// whom may not return it.
    OpenElsewhere,
    /// The chunk behind the one that has been asked, and, if it is the last, the candidates.
    OpenNext,
    /// ackStickiness to the server of the entry.
    ToPinned,
    /// Without our headers on to the client.
    ToClient,
}

impl Action {
    /// For `explain` and `trace`.
    pub const fn words(self) -> &'static str {
        match self {
            Action::Open => "goes along the recovery list, then is offered to the candidates",
            Action::OpenElsewhere => {
                "goes along the recovery list, the sender last, then is offered to the candidates"
            }
            Action::OpenNext => {
                "goes along the next chunk of the recovery list, then is offered to the candidates"
            }
            Action::ToPinned => "goes to the server of the entry",
            Action::ToClient => "goes on to the client",
        }
    }
}

impl Place for State {
    const ALL: &'static [Self] = &[
        State::None,
        State::Steer { confirmed: false },
        State::Steer { confirmed: true },
    ];

    fn place(self) -> usize {
        match self {
            State::None => 0,
            State::Steer { confirmed } => 1 + usize::from(confirmed),
        }
    }
}

impl Place for Event {
    const ALL: &'static [Self] = &[
        Event::Client,
        Event::Create(Sender::Pinned),
        Event::Return(Sender::Pinned),
        Event::RecoverNext(Sender::Pinned),
        Event::Create(Sender::Other),
        Event::Return(Sender::Other),
        Event::RecoverNext(Sender::Other),
    ];

    fn place(self) -> usize {
        let from = |sender: Sender| 1 + 3 * sender as usize;
        match self {
            Event::Client => 0,
            Event::Create(sender) => from(sender),
            Event::Return(sender) => from(sender) + 1,
            Event::RecoverNext(sender) => from(sender) + 2,
        }
    }
}

/// One row of the table.
pub fn transition(state: State, event: Event) -> (Action, Next) {
    use Sender::{Other, Pinned};
    use State::{None, Steer};
    match (event, state) {
        // A new flow, ECMP has moved it here, this LB has restarted, or it was silent for long. Nothing is
        // written: a flood of datagrams costs no memory.
        (Event::Client, None) => (Action::Open, Next::Unchanged),
        // The client has heard of us, or somebody speaks in its name twice.
        (Event::Client, Steer { .. }) => (Action::ToPinned, Next::Confirmed),

        // The owner's first answer.
        (Event::Create(_), None) => (Action::ToClient, Next::PinUnconfirmed),
        // Further answers that were on their way before the server heard of the pin.
        (Event::Create(Pinned), Steer { .. }) => (Action::ToClient, Next::Unchanged),
        // Two datagrams of a new flow went two ways, and two servers took it. The first answer has the
        // pin: it must not go to and fro. The client may need the other one, too.
        (Event::Create(Other), Steer { .. }) => (Action::ToClient, Next::Unchanged),

        // A stale pin, a server whose router has restarted, or one that can't take what it must not refuse.
        (Event::Return(_), None) | (Event::Return(Pinned), Steer { .. }) => {
            (Action::OpenElsewhere, Next::Gone)
        }
        // Meanwhile the owner has made itself known.
        (Event::Return(Other) | Event::RecoverNext(Other), Steer { .. }) => {
            (Action::ToPinned, Next::Unchanged)
        }
        (Event::RecoverNext(_), None) => (Action::OpenNext, Next::Unchanged),
        // The pinned server was asked in a chunk and does not know the flow: ask on. A stale pin comes back
        // as returnFlow with the next datagram.
        (Event::RecoverNext(Pinned), Steer { .. }) => (Action::OpenNext, Next::Unchanged),
    }
}

#[cfg(test)]
mod tests;
