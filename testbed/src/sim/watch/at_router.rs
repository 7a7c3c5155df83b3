//! What a router's table says of a flow agrees with the functions that came, with what became of them, and with
//! the kernel's socket; and it lives as long as docs/protocol.md promises.

use std::time::Duration;

use daemon::DropReason;
use packet_io::{Instant, PacketBuf};
use srh::Function;
use srlb_server::engine::state::State;
use srlb_server::engine::{SocketAnswer, Verdict};

use super::said::Said;
use super::told::Told;
use super::Broken;

/// A WAIT whose SYN-ACK was never seen.
const UNANSWERED: Duration = Duration::from_secs(10);
/// Any other WAIT, and LOSER.
const HANDSHAKE: Duration = Duration::from_secs(75);
/// CLOSING, from the client's last packet on.
const CLOSING: Duration = Duration::from_secs(10);
/// DIRECT, from the client's last packet on.
const DIRECT: Duration = Duration::from_secs(3_600);
/// Numbers of SYN-ACKs that are kept for a handshake.
const NUMBERS: usize = 2;
/// What a lifetime is measured with.
const TICK: Duration = Duration::from_millis(1);

/// A packet at a router, and how its flow stood when it came.
pub struct AtRouter {
    /// The packet.
    pub said: Said,
    /// The table's state before.
    pub before: State,
    /// Did the router know an LB for the flow?
    pub has_peer: bool,
    /// Would the kernel end the flow's socket at this packet?
    pub ends_socket: bool,
}

/// How it left.
pub struct Left<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// The packet as it left.
    pub frame: &'a PacketBuf,
    /// Other packets that left because of it.
    pub extra: &'a [PacketBuf],
    /// What the kernel has answered, if it was asked.
    pub answer: Option<SocketAnswer>,
    /// Is it counted as one whose owner was not found?
    pub is_ownerless: bool,
}

impl Left<'_> {
    /// The functions on the packets that left beside it.
    pub fn beside(&self) -> Vec<Function> {
        let read = self.extra.iter().filter_map(Said::read);
        read.filter_map(|said| said.function).collect()
    }

    /// Has a packet of the application shown that a client's packet was somebody else's, so that it went on after all?
    pub fn refutes(&self) -> bool {
        self.beside()
            .into_iter()
            .any(|function| !is_for_lb(function))
    }
}

/// What became of it.
pub struct Became<'a> {
    /// How it left.
    pub left: &'a Left<'a>,
    /// The router's clock.
    pub now: Instant,
    /// The table's state at any time from now on, as long as nothing else comes.
    pub state_at: &'a dyn Fn(Instant) -> State,
}

impl AtRouter {
    /// Which promise is broken by what became of the packet, and of its flow.
    pub fn broken(&self, told: &mut Told, became: &Became) -> Option<Broken> {
        let after = (became.state_at)(became.now);
        if let Verdict::Drop(reason) = became.left.verdict {
            let is_right = self.may_drop(reason) && after == self.before;
            return (!is_right).then(|| ("drops", self.words(reason.name(), after)));
        }
        match self.said.function {
            Some(function) => self.client_packet(told, became, function, after),
            None => self.application_packet(told, became, after),
        }
    }

    fn words(&self, what: &str, after: State) -> String {
        format!("{what}: {:?}, {:?} -> {after:?}", self.said, self.before)
    }

    /// Is it true what a drop says?
    fn may_drop(&self, reason: DropReason) -> bool {
        let is_from_client = self.said.function.is_some();
        match reason {
            DropReason::NotMine => is_from_client && self.said.is_reset() && !self.ends_socket,
            DropReason::LosersSynAck => self.said.tcp.is_syn_ack() && self.before == State::Loser,
            DropReason::UnknownNumber => is_from_client && !self.said.tcp.is_syn(),
            _ => false,
        }
    }

    fn client_packet(
        &self,
        told: &mut Told,
        became: &Became,
        function: Function,
        after: State,
    ) -> Option<Broken> {
        let is_delivered = matches!(became.left.verdict, Verdict::Deliver { .. });
        let nobody_listens = became.left.answer == Some(SocketAnswer::NobodyListens);
        let is_refused = is_offer(function) && nobody_listens;
        let is_ours = is_delivered && !became.left.is_ownerless && !is_refused;
        let expected = match is_ours {
            true => self.ours(function, became.left.answer, told.has_ended),
            false if is_offer(function) => [self.not_taken(); 2],
            false => [self.not_mine(); 2],
        };
        if !expected.contains(&after) {
            let what = format!("{:?} with {:?}", became.left.verdict, became.left.answer);
            return Some(("flow", self.words(&what, after)));
        }
        let sent = Said::read(became.left.frame).and_then(|said| said.function);
        if !is_delivered && self.said.is_reset() && sent == Some(Function::ReturnFlow) {
            return Some(("flow", self.words("a reset is returned", after)));
        }
        if is_ours {
            let is_taken = after == State::Hunted && is_offer(function);
            let waits = matches!(self.before, State::Hunted | State::Wait);
            told.client_packet(became.now);
            if is_taken && !waits && became.left.answer == Some(SocketAnswer::None) {
                told.numbers.clear();
            }
        }
        match is_ours || after != self.before {
            true => self.lifetime(told, became, after),
            false => None,
        }
    }

    /// The state after a packet that was delivered because it is ours; two where the numbers alone decide which.
    fn ours(
        &self,
        function: Function,
        answer: Option<SocketAnswer>,
        has_ended: bool,
    ) -> [State; 2] {
        let waits = matches!(self.before, State::Hunted | State::Wait);
        if self.said.is_reset() {
            return [State::None; 2];
        }
        if is_offer(function) && answer == Some(SocketAnswer::None) && !waits {
            return [State::Hunted; 2];
        }
        if self.said.tcp.is_syn() {
            return match self.before {
                State::Hunted | State::Loser => [State::Hunted; 2],
                _ => [State::Wait; 2],
            };
        }
        let going_on = match function {
            Function::AckStickiness => State::Direct,
            _ => State::Wait,
        };
        match answer {
            _ if self.before == State::Closing => [State::Closing; 2],
            Some(SocketAnswer::Ended { .. } | SocketAnswer::TimeWait) => [State::Closing; 2],
            // A late answer to a SYN cookie, used twice: a socket that nobody at the other end knows of.
            Some(_) if has_ended => [State::Closing; 2],
            Some(_) => [going_on; 2],
            None => [going_on, State::Closing],
        }
    }

    /// After an offer that is refused, or returned: what was DIRECT here is over.
    fn not_taken(&self) -> State {
        match self.before {
            State::Direct => State::None,
            state => state,
        }
    }

    fn not_mine(&self) -> State {
        match self.before {
            State::Hunted | State::Loser => State::Loser,
            _ => State::None,
        }
    }

    fn application_packet(&self, told: &mut Told, became: &Became, after: State) -> Option<Broken> {
        if let Some(broken) = told.application_packet(self, became) {
            return Some(broken);
        }
        let tcp = &self.said.tcp;
        let is_end = tcp.has(srh::parse::Tcp::FIN);
        let removed = Said::read(became.left.frame).is_some_and(|said| said.function.is_some());
        let before = match became.left.refutes() {
            true => self.not_mine(),
            false => self.before,
        };
        let expected = match before {
            // two SYN-ACKs would confuse the client
            State::Loser if tcp.is_syn_ack() => {
                return Some(("flow", self.words("a loser's SYN-ACK leaves", after)));
            }
            State::Hunted if tcp.is_syn_ack() && told.numbers.len() > NUMBERS => [State::Wait; 2],
            _ if is_end || (self.said.is_reset() && removed) => [State::Closing; 2],
            state if self.said.is_reset() && self.has_peer => [state, State::Closing],
            state => [state; 2],
        };
        if !expected.contains(&after) {
            return Some(("flow", self.words("it leaves", after)));
        }
        let begins = after != self.before;
        let goes_on = tcp.is_syn_ack() && matches!(after, State::Hunted | State::Wait);
        match begins || goes_on {
            true => self.lifetime(told, became, after),
            false => None,
        }
    }

    /// What begins now has to last as long as promised, and no longer.
    fn lifetime(&self, told: &Told, became: &Became, after: State) -> Option<Broken> {
        let life = match after {
            State::None => return None,
            State::Hunted if told.numbers.is_empty() => UNANSWERED,
            State::Hunted | State::Wait | State::Loser => HANDSHAKE,
            State::Closing => CLOSING,
            State::Direct => DIRECT,
        };
        let end = became.now + life;
        let before_end = Instant::from_micros(end.micros() - TICK.as_micros() as u64);
        let is_right =
            (became.state_at)(before_end) == after && (became.state_at)(end + TICK) == State::None;
        (!is_right).then(|| {
            let what = self.words("it does not end when it has to", after);
            ("lifetime", what)
        })
    }
}

fn is_offer(function: Function) -> bool {
    matches!(
        function,
        Function::ConnectAvail | Function::ConnectForce | Function::ConnectFinal
    )
}

/// Does a server tell an LB with it that a flow is its own, or no longer?
pub fn is_for_lb(function: Function) -> bool {
    matches!(
        function,
        Function::CreateStickiness | Function::RemoveStickiness
    )
}
