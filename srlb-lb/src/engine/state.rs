//! The LB's state table: what docs/protocol.md says under "LB", row by row, as a pure function.

use daemon::Place;

/// What the LB knows of a flow. A pin of a server that is removed or found dead counts as
/// [`State::None`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No entry.
    None,
    /// The flow is pinned to a server.
    Steer {
        /// Has a client packet other than a SYN been seen since?
        confirmed: bool,
    },
    /// The application has ended the flow; its last packets still go to the server.
    Closing,
}

/// Who sent a function, against the server of the entry. With [`State::None`] it makes no
/// difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The server to which the flow is pinned.
    Pinned,
    /// Another one.
    Other,
}

/// What has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// From the client: a SYN.
    ClientSyn,
    /// From the client: a reset.
    ClientRst,
    /// From the client: anything else.
    ClientOther,
    /// createStickiness on a SYN-ACK.
    CreateOnSynAck {
        /// Who sent it.
        sender: Sender,
        /// Does it answer the same SYN as the SYN-ACK that made the entry?
        same_number: bool,
    },
    /// createStickiness on anything else.
    CreateOnOther(Sender),
    /// removeStickiness.
    Remove(Sender),
    /// returnFlow with a SYN.
    ReturnSyn(Sender),
    /// returnFlow with anything else.
    ReturnOther(Sender),
    /// recoverNext.
    RecoverNext(Sender),
}

/// What happens to the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Offer the flow to the candidates of its bucket.
    Hunt,
    /// The same, the sender first if it is a candidate, the last one with connectFinal.
    HuntAgain,
    /// Ask the first chunk of the recovery list.
    Recover,
    /// The same, the sender last.
    RecoverElsewhere,
    /// Ask the chunk behind the one that has been asked.
    RecoverNext,
    /// ackStickiness to the server of the entry.
    ToPinned,
    /// Without our headers on to the client.
    ToClient,
    /// Drop it: the server lost a race, and the client must see one SYN-ACK only.
    DropLoser,
}

use Sender::{Other, Pinned};

impl Place for State {
    const ALL: &'static [Self] = &[
        State::None,
        State::Steer { confirmed: false },
        State::Steer { confirmed: true },
        State::Closing,
    ];

    fn place(self) -> usize {
        match self {
            State::None => 0,
            State::Steer { confirmed } => 1 + usize::from(confirmed),
            State::Closing => 3,
        }
    }
}

impl Event {
    const fn on_syn_ack(sender: Sender, same_number: bool) -> Self {
        Event::CreateOnSynAck {
            sender,
            same_number,
        }
    }
}

impl Place for Event {
    const ALL: &'static [Self] = &[
        Event::ClientSyn,
        Event::ClientRst,
        Event::ClientOther,
        Event::on_syn_ack(Pinned, true),
        Event::on_syn_ack(Pinned, false),
        Event::CreateOnOther(Pinned),
        Event::Remove(Pinned),
        Event::ReturnSyn(Pinned),
        Event::ReturnOther(Pinned),
        Event::RecoverNext(Pinned),
        Event::on_syn_ack(Other, true),
        Event::on_syn_ack(Other, false),
        Event::CreateOnOther(Other),
        Event::Remove(Other),
        Event::ReturnSyn(Other),
        Event::ReturnOther(Other),
        Event::RecoverNext(Other),
    ];

    fn place(self) -> usize {
        let from = |sender: Sender| 3 + 7 * sender as usize;
        match self {
            Event::ClientSyn => 0,
            Event::ClientRst => 1,
            Event::ClientOther => 2,
            Event::CreateOnSynAck {
                sender,
                same_number,
            } => from(sender) + usize::from(!same_number),
            Event::CreateOnOther(sender) => from(sender) + 2,
            Event::Remove(sender) => from(sender) + 3,
            Event::ReturnSyn(sender) => from(sender) + 4,
            Event::ReturnOther(sender) => from(sender) + 5,
            Event::RecoverNext(sender) => from(sender) + 6,
        }
    }
}

impl Action {
    /// For `explain` and `trace`.
    pub const fn words(self) -> &'static str {
        match self {
            Action::Hunt => "hunts: is offered to the candidates",
            Action::HuntAgain => {
                "hunts again: is offered to the candidates, the last may not return it"
            }
            Action::Recover => "recovers: goes along the recovery list",
            Action::RecoverElsewhere => "recovers: goes along the recovery list, the sender last",
            Action::RecoverNext => "recovers: goes along the next chunk of the recovery list",
            Action::ToPinned => "goes to the server of the entry",
            Action::ToClient => "goes on to the client",
            Action::DropLoser => "is dropped: its sender lost the race for this flow",
        }
    }
}

/// What becomes of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Nothing.
    Unchanged,
    /// It goes.
    Gone,
    /// STEER(sender), not confirmed, with the number of this SYN-ACK.
    PinUnconfirmed,
    /// STEER(sender), confirmed.
    PinConfirmed,
    /// STEER as before, confirmed; its idle time starts anew.
    Confirmed,
    /// STEER as before, gone soon unless a client packet follows.
    ResetSeen,
    /// CLOSING; its time starts.
    Closing,
    /// CLOSING as before; its time starts anew.
    ClosingRenewed,
}

/// One row of the table.
pub fn transition(state: State, event: Event) -> (Action, Next) {
    use State::{Closing, None, Steer};
    match (event, state) {
        // A new flow. Hunting writes nothing: a flood of SYNs costs no memory.
        (Event::ClientSyn, None) => (Action::Hunt, Next::Unchanged),
        // A retransmission, a forged SYN, or a port used again: the server's kernel knows which.
        (Event::ClientSyn, Steer { .. }) => (Action::ToPinned, Next::Unchanged),
        // The application has finished; whoever opens now wants a new connection.
        (Event::ClientSyn, Closing) => (Action::Hunt, Next::Gone),

        // ECMP moved the flow here, this LB has restarted, or the entry had to make room.
        (Event::ClientRst | Event::ClientOther, None) => (Action::Recover, Next::Unchanged),
        // It may be forged: then a client packet follows, and nothing is lost.
        (Event::ClientRst, Steer { .. }) => (Action::ToPinned, Next::ResetSeen),
        (Event::ClientOther, Steer { .. }) => (Action::ToPinned, Next::Confirmed),
        // Half-close: the client still sends, or acknowledges the last data.
        (Event::ClientRst | Event::ClientOther, Closing) => {
            (Action::ToPinned, Next::ClosingRenewed)
        }

        (Event::CreateOnSynAck { .. }, None) => (Action::ToClient, Next::PinUnconfirmed),
        // The SYN-ACK again, by its retransmission timer.
        (
            Event::CreateOnSynAck {
                sender: Pinned,
                same_number: true,
            },
            Steer { .. },
        ) => (Action::ToClient, Next::Unchanged),
        // The port is used again, on the same server.
        (Event::CreateOnSynAck { sender: Pinned, .. }, Steer { .. }) => {
            (Action::ToClient, Next::PinUnconfirmed)
        }
        // Two servers took the same SYN (race 1): the first SYN-ACK wins.
        // Against a confirmed entry it is an old one, or the port used again before the end.
        (
            Event::CreateOnSynAck {
                sender: Other,
                same_number: true,
            },
            Steer { .. },
        )
        | (Event::CreateOnSynAck { sender: Other, .. }, Steer { confirmed: true }) => {
            (Action::DropLoser, Next::Unchanged)
        }
        // The client gave up the first attempt and tries again with a new number.
        (Event::CreateOnSynAck { sender: Other, .. }, Steer { confirmed: false }) => {
            (Action::ToClient, Next::PinUnconfirmed)
        }

        // The owner after a recovery: it has a socket, so it is right, whatever we believed.
        (Event::CreateOnOther(_), None | Steer { .. }) => (Action::ToClient, Next::PinConfirmed),
        // A race's loser still repeats its SYN-ACK, after a connection that was over quickly.
        (
            Event::CreateOnSynAck {
                sender: Other,
                same_number: true,
            },
            Closing,
        ) => (Action::DropLoser, Next::Unchanged),
        (Event::CreateOnSynAck { sender: Other, .. }, Closing) => {
            (Action::ToClient, Next::PinUnconfirmed)
        }
        (Event::CreateOnOther(Other), Closing) => (Action::ToClient, Next::PinConfirmed),
        // Overtaken by the FIN.
        (Event::CreateOnSynAck { sender: Pinned, .. } | Event::CreateOnOther(Pinned), Closing) => {
            (Action::ToClient, Next::Unchanged)
        }

        (Event::Remove(Pinned), Steer { .. }) => (Action::ToClient, Next::Closing),
        // A late one, from before ECMP moved the flow or the port was used again.
        (Event::Remove(_), _) => (Action::ToClient, Next::Unchanged),

        // A stale pin on this or on another LB (races 3 and 5).
        (Event::ReturnSyn(_), None) | (Event::ReturnSyn(Pinned), Steer { .. } | Closing) => {
            (Action::HuntAgain, Next::Gone)
        }
        (Event::ReturnOther(_), None) | (Event::ReturnOther(Pinned), Steer { .. } | Closing) => {
            (Action::RecoverElsewhere, Next::Gone)
        }
        // Meanwhile the owner has made itself known.
        (Event::ReturnSyn(Other) | Event::ReturnOther(Other), Steer { .. } | Closing) => {
            (Action::ToPinned, Next::Unchanged)
        }
        (Event::RecoverNext(_), None) => (Action::RecoverNext, Next::Unchanged),
        (Event::RecoverNext(Other), Steer { .. } | Closing) => (Action::ToPinned, Next::Unchanged),
        // The pinned server itself was asked in a chunk and has no such socket: ask on. The pin
        // stays: if it is stale, the next ackStickiness comes back as returnFlow.
        (Event::RecoverNext(Pinned), Steer { .. } | Closing) => {
            (Action::RecoverNext, Next::Unchanged)
        }
    }
}

#[cfg(test)]
mod tests;
