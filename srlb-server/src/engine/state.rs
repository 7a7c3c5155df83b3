//! The server router's state table: docs/protocol.md, section "Server router", row by row, as
//! a pure function. Nothing else in this crate decides what a state becomes.
//!
//! WAIT comes in two kinds here: [`State::Hunted`] is the WAIT that a hunt has entered and whose check of
//! the SYN-ACK number still runs, [`State::Wait`] the one without.

use daemon::{DropReason, Place};

/// What the table says about a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Nothing that decides. There may be an entry that still keeps numbers.
    #[default]
    None,
    /// The client was offered here and shows up somewhere else: another server won this flow.
    Loser,
    /// WAIT by a hunt: taken, and the LB is to be told. Only what answers our SYN-ACK is ours.
    Hunted,
    /// CLOSING: the application has ended the flow, its last packets are on their way.
    Closing,
    /// WAIT: ours, and the LB is to be told.
    Wait,
    /// DIRECT: ours, and the LB knows.
    Direct,
}

impl State {
    /// All states.
    pub const ALL: [State; 6] = [
        State::None,
        State::Loser,
        State::Hunted,
        State::Closing,
        State::Wait,
        State::Direct,
    ];

    /// The name that `status` and `trace` use.
    pub const fn name(self) -> &'static str {
        match self {
            State::None => "none",
            State::Loser => "loser",
            State::Hunted => "wait_checked",
            State::Closing => "closing",
            State::Wait => "wait",
            State::Direct => "direct",
        }
    }
}

impl Place for State {
    const ALL: &'static [Self] = &State::ALL;

    fn place(self) -> usize {
        self as usize
    }
}

/// What has happened, with everything that needs a socket, a policy or a number decided.
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
    /// connect* for a flow with a socket, or in WAIT.
    ConnectMine,
    /// connect* on TCP that is no SYN.
    ConnectNotSyn,
    /// A SYN-ACK from the application.
    AppSynAck,
    /// A SYN-ACK with the third number since the hunt: SYN cookies.
    AppSynAckThird,
    /// Data or an ACK from the application.
    AppOther,
    /// A FIN or RST from the application.
    AppEnd,
    /// An RST from our kernel that is about another connection of the same ports.
    AppStrayRst,
    /// ackStickiness, and it is ours.
    AckMine,
    /// ackStickiness with a SYN, and it is ours.
    AckMineSyn,
    /// ackStickiness, it is ours, and the application has ended its side.
    AckMineEnded,
    /// ackStickiness, and it is not ours.
    AckNotMine,
    /// ackStickiness with an RST, and it is not ours.
    AckNotMineRst,
    /// recover*, and it is ours.
    RecoverMine,
    /// recover* with a SYN, and it is ours.
    RecoverMineSyn,
    /// recover*, it is ours, and the application has ended its side.
    RecoverMineEnded,
    /// recoverStickiness with a next segment, and it is not ours.
    RecoverNotMine,
    /// The last recoverStickiness of a chunk, and it is not ours.
    RecoverNotMineLast,
    /// recoverFinal, and it is not ours.
    RecoverFinalNotMine,
    /// A client's RST that is ours, under ackStickiness or recoverFinal.
    RstMine,
    /// A client's RST that is ours, under recoverStickiness.
    RstMineRecover,
}

impl Event {
    /// All events.
    pub const ALL: [Event; 24] = [
        Event::ConnectTaken,
        Event::ConnectRefused,
        Event::ConnectForceDown,
        Event::ConnectFinalDown,
        Event::ConnectMine,
        Event::ConnectNotSyn,
        Event::AppSynAck,
        Event::AppSynAckThird,
        Event::AppOther,
        Event::AppEnd,
        Event::AppStrayRst,
        Event::AckMine,
        Event::AckMineSyn,
        Event::AckMineEnded,
        Event::AckNotMine,
        Event::AckNotMineRst,
        Event::RecoverMine,
        Event::RecoverMineSyn,
        Event::RecoverMineEnded,
        Event::RecoverNotMine,
        Event::RecoverNotMineLast,
        Event::RecoverFinalNotMine,
        Event::RstMine,
        Event::RstMineRecover,
    ];
}

impl Place for Event {
    const ALL: &'static [Self] = &Event::ALL;

    fn place(self) -> usize {
        self as usize
    }
}

/// What happens to the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// To the application.
    Deliver,
    /// To the application, whose answers come back through the router for a moment.
    DeliverSteered,
    /// To the application, and a copy on along the list.
    DeliverAndPassOn,
    /// To the next segment.
    PassOn,
    /// Back to the LB: not ours.
    ReturnFlow,
    /// Back to the LB: nobody of this chunk owns it.
    RecoverNext,
    /// To the client through the LB, which is to pin the flow.
    Create,
    /// To the client through the LB, which is to unpin the flow; straight where no LB is known.
    Remove,
    /// Straight to the client.
    Straight,
    /// Dropped.
    Drop(DropReason),
}

/// The table: what happens to the packet, and the flow's state after.
pub fn next(state: State, event: Event) -> (Action, State) {
    use State::*;
    match event {
        // A free candidate; an old entry without a socket is an earlier connection's.
        Event::ConnectTaken => (Action::Deliver, Hunted),
        // Too busy, or no application: the next candidate may do better.
        Event::ConnectRefused => (Action::PassOn, after_refusal(state)),
        // The last candidate can't: the LB hunts again.
        Event::ConnectForceDown => (Action::ReturnFlow, after_refusal(state)),
        // Everybody was asked: let the kernel refuse the connection.
        Event::ConnectFinalDown => (Action::Deliver, after_refusal(state)),
        // A SYN seen before, or a new one that the old connection's socket must answer.
        Event::ConnectMine | Event::AckMineSyn | Event::RecoverMineSyn => {
            (Action::Deliver, after_own_syn(state))
        }
        // An offer is made with a SYN or not at all.
        Event::ConnectNotSyn => (Action::Drop(DropReason::NotASyn), state),

        // Somebody else has this client: two SYN-ACKs would confuse it.
        Event::AppSynAck | Event::AppSynAckThird if state == Loser => {
            (Action::Drop(DropReason::LosersSynAck), Loser)
        }
        // SYN cookies: which number the client answers can't be known any more.
        Event::AppSynAckThird if state == Hunted => (Action::Create, Wait),
        Event::AppSynAck | Event::AppSynAckThird | Event::AppOther => match state {
            // The LB does not know yet.
            Hunted | Wait => (Action::Create, state),
            // It knows, or needs not know, or we don't know the flow.
            Direct | Closing | None | Loser => (Action::Straight, state),
        },
        // The application has ended the flow.
        Event::AppEnd => (Action::Remove, Closing),
        // Our kernel's answer to a late packet of an earlier connection: this one goes on.
        Event::AppStrayRst => (Action::Straight, state),

        // The last packets of a flow that has ended.
        Event::AckMine if state == Closing => (Action::Deliver, Closing),
        // The application has ended its side, perhaps minutes ago (race 4). No pin is asked for: of an earlier
        // connection of these ports it would lead the next one astray.
        Event::AckMineEnded | Event::RecoverMineEnded => (Action::Deliver, Closing),
        // The LB has the pin: nothing is to be told any more.
        Event::AckMine => (Action::Deliver, Direct),
        // A stale pin, or a lost race: the LB must look for the owner.
        Event::AckNotMine => (Action::ReturnFlow, after_not_mine(state)),
        // Nobody needs an RST that is not ours, and a forged one costs nothing.
        Event::AckNotMineRst => (Action::Drop(DropReason::NotMine), state),

        // The last packets of a flow that has ended, without a pin.
        Event::RecoverMine if state == Closing => (Action::Deliver, Closing),
        // The LB has lost the pin, or another LB has the flow now: tell it.
        Event::RecoverMine => (Action::DeliverSteered, Wait),
        Event::RecoverNotMine => (Action::PassOn, after_not_mine(state)),
        Event::RecoverNotMineLast => (Action::RecoverNext, after_not_mine(state)),
        // Nobody alive owns it: the client needs our kernel's RST.
        Event::RecoverFinalNotMine => (Action::Deliver, after_not_mine(state)),

        // The client has given up.
        Event::RstMine => (Action::Deliver, None),
        // The RST may be for another one of the list as well: a flow here may be a race's loser.
        Event::RstMineRecover => (Action::DeliverAndPassOn, None),
    }
}

/// A SYN that a socket of ours answers: WAIT. A check that runs goes on, none is started; a loser's
/// goes on with the numbers that it had.
fn after_own_syn(state: State) -> State {
    match state {
        State::Hunted | State::Loser => State::Hunted,
        State::None | State::Closing | State::Wait | State::Direct => State::Wait,
    }
}

/// A refusal follows a look-up that found no socket: what was DIRECT here is over, and a stale pin must not
/// bring the next connection's packets to our kernel.
fn after_refusal(state: State) -> State {
    match state {
        State::Direct => State::None,
        State::None | State::Loser | State::Hunted | State::Closing | State::Wait => state,
    }
}

/// What fails the check of a hunt has lost the race; everything else is simply not here.
fn after_not_mine(state: State) -> State {
    match state {
        State::Hunted | State::Loser => State::Loser,
        State::None | State::Closing | State::Wait | State::Direct => State::None,
    }
}
