//! An LB's entry holds what the flow's server has said last, and for as long as docs/protocol.md promises.

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::Function;
use srlb_lb::engine::state::State;
use srlb_lb::engine::{Kept, ShortNumber, Verdict, TICK_MS};

use super::said::Said;
use super::Broken;
use crate::sim::nodes::Node;

/// How long an entry lives that no client packet has confirmed.
const UNCONFIRMED_MS: i32 = 75_000;
/// How long one lives after the application's end, or a client's RST.
const ENDING_MS: i32 = 10_000;

/// A packet at an LB, and what the LB kept for its flow when it came.
pub struct AtLb {
    /// The packet.
    pub said: Said,
    /// Who has sent it.
    pub from: Node,
    /// The entry before.
    pub before: Option<Kept>,
    /// The LB's idle timeout.
    pub idle_ms: i32,
}

impl AtLb {
    /// Which promise is broken by what became of the packet, and of the entry.
    pub fn broken(
        &self,
        verdict: Verdict,
        frame: &PacketBuf,
        after: Option<Kept>,
    ) -> Option<Broken> {
        let expected = match (verdict, self.from) {
            (Verdict::Drop(reason), _) if !self.may_drop(reason) => {
                let what = format!("{} of {:?}: {}", reason.name(), self.said, self.words());
                return Some(("drops", what));
            }
            // nothing is written for a packet that is dropped
            (Verdict::Drop(_), _) => self.before,
            (_, Node::Server(n)) => self.after_function(n - 1),
            _ => self.after_client(&Said::read(frame)?)?,
        };
        (!is_as_expected(after, expected)).then(|| {
            let what = format!(
                "after {:?} the entry is {after:?}, not {expected:?}: {}",
                self.said,
                self.words()
            );
            ("entry", what)
        })
    }

    fn words(&self) -> String {
        format!("it was {:?}, and {} has sent it", self.before, self.from)
    }

    /// Is it true what a drop says?
    fn may_drop(&self, reason: DropReason) -> bool {
        match reason {
            // another server's has passed for the same SYN, or its connection is under way
            DropReason::LosersSynAck => {
                let ack = ShortNumber::of(self.said.tcp.ack);
                let wins = |kept: Kept| {
                    let is_under_way = kept.state == State::Steer { confirmed: true };
                    kept.number == ack || is_under_way
                };
                let winner = self.of_another_server();
                self.said.tcp.is_syn_ack() && winner.is_some_and(wins)
            }
            DropReason::RecoveryEnded => self.said.function == Some(Function::RecoverNext),
            DropReason::UnknownSender => matches!(self.from, Node::Server(_)),
            _ => false,
        }
    }

    fn of_another_server(&self) -> Option<Kept> {
        self.before
            .filter(|kept| self.from != Node::Server(kept.server + 1))
    }

    /// The entry after a function of server `sender`, by its number in the pool.
    fn after_function(&self, sender: u16) -> Option<Kept> {
        let before = self.before;
        let Some(function) = self.said.function else {
            return before;
        };
        let own = before.filter(|kept| kept.server == sender);
        let is_closing = own.is_some_and(|kept| kept.state == State::Closing);
        let ack = ShortNumber::of(self.said.tcp.ack);
        match (function, own) {
            // overtaken by the end
            (Function::CreateStickiness, _) if is_closing => before,
            (Function::CreateStickiness, _) if self.said.tcp.is_syn_ack() => match own {
                Some(kept) if kept.number == ack => before,
                _ => Some(Kept {
                    state: State::Steer { confirmed: false },
                    server: sender,
                    number: ack,
                    ends_in_ms: UNCONFIRMED_MS,
                }),
            },
            (Function::CreateStickiness, _) => Some(Kept {
                state: State::Steer { confirmed: true },
                server: sender,
                number: before.map_or(ShortNumber::NONE, |kept| kept.number),
                ends_in_ms: self.idle_ms,
            }),
            (Function::RemoveStickiness, Some(kept)) if !is_closing => Some(Kept {
                state: State::Closing,
                ends_in_ms: ENDING_MS,
                ..kept
            }),
            (Function::ReturnFlow, Some(_)) => None,
            _ => before,
        }
    }

    /// The entry after a packet of the client, which leaves as `sent`. None if it was answered.
    fn after_client(&self, sent: &Said) -> Option<Option<Kept>> {
        let function = sent.function?;
        if function != Function::AckStickiness {
            // Who is looked for, or offered, has no pin.
            return Some(None);
        }
        let kept = self.before?;
        let is_reset = self.said.is_reset();
        Some(Some(match kept.state {
            _ if self.said.tcp.is_syn() => kept,
            State::Steer { .. } if is_reset => Kept {
                ends_in_ms: kept.ends_in_ms.min(ENDING_MS),
                ..kept
            },
            State::Steer { .. } => Kept {
                state: State::Steer { confirmed: true },
                ends_in_ms: self.idle_ms,
                ..kept
            },
            _ => Kept {
                ends_in_ms: ENDING_MS,
                ..kept
            },
        }))
    }
}

/// An entry may live a tick longer than said.
fn is_as_expected(after: Option<Kept>, expected: Option<Kept>) -> bool {
    let (Some(after), Some(expected)) = (after, expected) else {
        return after == expected;
    };
    let longer_ms = after.ends_in_ms - expected.ends_in_ms;
    let ends_in_ms = after.ends_in_ms;
    (0..TICK_MS as i32).contains(&longer_ms)
        && after
            == Kept {
                ends_in_ms,
                ..expected
            }
}
