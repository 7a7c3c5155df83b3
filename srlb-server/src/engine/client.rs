//! Packets of clients, as LBs send them here: offers, pinned flows, recoveries.

use daemon::DropReason;
use packet_io::PacketBuf;
use srh::parse::Tcp;
use srh::{carry, rewrite, Frame, Function, Segments, Sid};

use super::arrival::Arrival;
use super::contract::Limits;
use super::entry::Entry;
use super::guess::Guess;
use super::mine::{self, Answer};
use super::state::{Action, Event as Said, State};
use super::{Done, Engine, Event, Given, SocketAnswer, Stop, Subject};

/// What becomes of a new flow that is offered here.
pub(super) enum Offered {
    /// It is taken.
    Taken,
    /// The next one is to be asked.
    Refused,
    /// The application is down, and the LB is to ask the others.
    Returned,
    /// The application is down, and everybody was asked.
    NobodyCan,
}

impl Engine {
    pub(super) fn client_packet(
        &mut self,
        frame: &mut PacketBuf,
        arrival: &Arrival,
        tcp: &Tcp,
        given: &mut Given,
    ) -> Result<Done, Stop> {
        let flow = arrival
            .client
            .flow_from_client(arrival.vip)
            .ok_or(DropReason::UnsupportedProtocol)?;
        let subject = self.subject(flow, given.now);
        if changes_state(&subject, tcp) && !arrival.checksum_is_right(frame.bytes()) {
            return Err(DropReason::WrongChecksum.into());
        }
        let said = match arrival.function {
            Function::ConnectAvail | Function::ConnectForce | Function::ConnectFinal => {
                self.connect(arrival, &subject, tcp, given)?
            }
            Function::AckStickiness => self.acknowledged(&subject, tcp, given)?,
            _ => self.recovered(arrival, &subject, tcp, given)?,
        };
        let (action, state) = self.consult(&subject, said, Some(arrival.lb));
        let is_guess = is_guess(said, &subject);
        let action = match action {
            // Our kernel's answer shows where it is.
            Action::Deliver if is_guess => Action::DeliverSteered,
            action => action,
        };
        if is_guess && arrival.function == Function::RecoverStickiness {
            self.keep_guess(frame, arrival, &subject, tcp, given);
        }
        let done = match self.act(frame, arrival, subject.hash.flow_label(), action, given) {
            Err(Stop::Drop(DropReason::HopLimit)) => {
                return self.time_exceeded(frame, arrival, given.now)
            }
            other => other?,
        };
        self.count(said, action, arrival.function, given);
        self.write_client(arrival, &subject, tcp, said, state, given);
        Ok(done)
    }

    /// A new flow is offered.
    fn connect(
        &mut self,
        arrival: &Arrival,
        subject: &Subject,
        tcp: &Tcp,
        given: &Given,
    ) -> Result<Said, Stop> {
        if !tcp.is_syn() {
            return Ok(Said::ConnectNotSyn);
        }
        let waits = matches!(subject.state, State::Hunted | State::Wait);
        let listens = match self.ask(subject, given)? {
            // Accepted before, and the SYN never reached the kernel: the application may be gone by now.
            SocketAnswer::NobodyListens => false,
            SocketAnswer::None if !waits => true,
            _ => return Ok(Said::ConnectMine),
        };
        Ok(match self.offered(arrival, listens, given) {
            Offered::Taken => Said::ConnectTaken,
            Offered::Refused => Said::ConnectRefused,
            Offered::Returned => Said::ConnectForceDown,
            Offered::NobodyCan => Said::ConnectFinalDown,
        })
    }

    /// What the policy and the application say to an offer, where somebody listens on the port or not.
    pub(super) fn offered(&mut self, arrival: &Arrival, listens: bool, given: &Given) -> Offered {
        let app = given.app;
        let is_up = listens && app.is_up();
        let may_refuse = arrival.function == Function::ConnectAvail;
        if is_up && (!may_refuse || self.policy.offer(given.now, app.busy(), app.total())) {
            return Offered::Taken;
        }
        match arrival.function {
            Function::ConnectAvail => Offered::Refused,
            Function::ConnectForce => Offered::Returned,
            // Those behind may be up: they were too busy the first time.
            _ if arrival.has_next => Offered::Refused,
            _ => Offered::NobodyCan,
        }
    }

    /// The LB says that the flow is ours.
    fn acknowledged(&mut self, subject: &Subject, tcp: &Tcp, given: &Given) -> Result<Said, Stop> {
        let is_mine =
            is_known(subject, tcp, &self.contract.limits) || self.is_mine(subject, tcp, given)?;
        let is_rst = tcp.has(Tcp::RST);
        Ok(match (is_mine, tcp.is_syn()) {
            (true, _) if is_rst => Said::RstMine,
            (true, true) => Said::AckMineSyn,
            (true, false) if has_ended(subject, given) => Said::AckMineEnded,
            (true, false) => Said::AckMine,
            (false, _) if is_rst => Said::AckNotMineRst,
            (false, _) => Said::AckNotMine,
        })
    }

    /// An LB looks for the flow's owner.
    fn recovered(
        &mut self,
        arrival: &Arrival,
        subject: &Subject,
        tcp: &Tcp,
        given: &Given,
    ) -> Result<Said, Stop> {
        let is_mine = self.is_mine(subject, tcp, given)?;
        let is_final = arrival.function == Function::RecoverFinal;
        Ok(match (is_mine, tcp.has(Tcp::RST)) {
            (true, true) if is_final => Said::RstMine,
            (true, true) => Said::RstMineRecover,
            (true, false) if tcp.is_syn() => Said::RecoverMineSyn,
            (true, false) if has_ended(subject, given) => Said::RecoverMineEnded,
            (true, false) => Said::RecoverMine,
            (false, _) if is_final => Said::RecoverFinalNotMine,
            (false, _) if arrival.has_next => Said::RecoverNotMine,
            (false, _) => Said::RecoverNotMineLast,
        })
    }

    /// Is this packet ours: by the numbers in the table where they decide, else by the kernel's socket.
    ///
    /// A loser's numbers go on to decide: nobody else's client answers our SYN-ACK, and so a
    /// forged packet that has failed the check does not cost the client its connection.
    fn is_mine(&mut self, subject: &Subject, tcp: &Tcp, given: &Given) -> Result<bool, Stop> {
        let answer = match (subject.state, &subject.entry) {
            // Taken before. There may be no socket (SYN cookies, or the SYN was lost), but there must be a listener:
            // the application may have gone meanwhile.
            (State::Hunted | State::Wait, _) if tcp.is_syn() => match self.ask(subject, given)? {
                SocketAnswer::NobodyListens => Answer::NotMine,
                _ => Answer::Mine,
            },
            (State::Hunted | State::Loser, Some(entry)) if !tcp.is_syn() => {
                mine::answers_syn_ack(entry, tcp)
            }
            (_, Some(entry)) if tcp.has(Tcp::ACK) && entry.numbers.awaited(tcp.ack) => Answer::Mine,
            (State::Closing, Some(entry)) if !tcp.is_syn() && entry.fin().is_some() => {
                mine::fits_fin(
                    entry,
                    entry.fin().unwrap_or_default(),
                    tcp,
                    &self.contract.limits,
                )
            }
            (_, entry) => {
                let socket = self.ask(subject, given)?;
                mine::by_socket(entry.as_ref(), tcp, socket, &self.contract.limits)
            }
        };
        match answer {
            Answer::Mine => Ok(true),
            Answer::NotMine => Ok(false),
            Answer::Unknown => Err(DropReason::UnknownNumber.into()),
        }
    }

    /// The packet goes to our kernel on a guess: it is kept until the kernel has told a number.
    fn keep_guess(
        &mut self,
        frame: &PacketBuf,
        arrival: &Arrival,
        subject: &Subject,
        tcp: &Tcp,
        given: &Given,
    ) {
        let Some(socket) = given.socket else { return };
        let guess = Guess {
            flow: subject.flow,
            at: given.now,
            frame: PacketBuf::from_slice(frame.bytes()),
            arrival: *arrival,
            tcp: *tcp,
            socket,
        };
        self.guesses.keep(subject.hash, guess);
    }

    /// Our kernel's answer may refute what was guessed of this flow: then the packet goes on as one that isn't ours, and that is the flow's state.
    pub(super) fn refute_guess(
        &mut self,
        subject: &Subject,
        entry: &Entry,
        answer: &Tcp,
        given: &mut Given,
    ) -> Option<State> {
        let mut guess = self.guesses.take(subject.hash, &subject.flow, given.now)?;
        if !guess.is_refuted_by(*entry, answer, &self.contract.limits) {
            return None;
        }
        let said = match guess.arrival.has_next {
            true => Said::RecoverNotMine,
            false => Said::RecoverNotMineLast,
        };
        let (action, state) = self.consult(subject, said, entry.peer());
        let (frame, arrival) = (&mut guess.frame, &guess.arrival);
        let sent = self.act(frame, arrival, subject.hash.flow_label(), action, given);
        if sent.is_ok() {
            self.events.add(Event::GuessesRefuted);
            given.extra.push(guess.frame);
        }
        Some(state)
    }

    /// Does with the packet what a state table said.
    pub(super) fn act(
        &mut self,
        frame: &mut PacketBuf,
        arrival: &Arrival,
        flow_label: u32,
        action: Action,
        given: &mut Given,
    ) -> Result<Done, Stop> {
        match action {
            Action::Deliver | Action::DeliverSteered => {
                arrival.take_off(frame)?;
                Ok(Done::Deliver {
                    steer: action == Action::DeliverSteered,
                })
            }
            Action::DeliverAndPassOn => {
                let mut copy = PacketBuf::from_slice(frame.bytes());
                let onward = match arrival.has_next {
                    true => Action::PassOn,
                    false => Action::RecoverNext,
                };
                if self
                    .act(&mut copy, arrival, flow_label, onward, given)
                    .is_ok()
                {
                    given.extra.push(copy);
                }
                self.act(frame, arrival, flow_label, Action::Deliver, given)
            }
            Action::PassOn => {
                rewrite::advance(frame, &arrival.outer)?;
                Ok(Done::Transmit)
            }
            Action::ReturnFlow => {
                self.send_back(frame, arrival, flow_label, Function::ReturnFlow, 0)
            }
            Action::RecoverNext => self.send_back(
                frame,
                arrival,
                flow_label,
                Function::RecoverNext,
                arrival.arg,
            ),
            Action::Drop(reason) => Err(reason.into()),
            // what happens to the application's packets only
            Action::Create | Action::Remove | Action::Straight => Err(DropReason::NotForUs.into()),
        }
    }

    /// Sends a client's packet back to the LB that it came from.
    fn send_back(
        &mut self,
        frame: &mut PacketBuf,
        arrival: &Arrival,
        flow_label: u32,
        function: Function,
        arg: u8,
    ) -> Result<Done, Stop> {
        let packet = arrival.take_off(frame)?;
        let sid = Sid {
            locator: arrival.lb.locator,
            function,
            arg,
        };
        carry::put_on(
            frame,
            &packet,
            self.as_sender(),
            arrival.lb.encoding,
            &Segments::one(sid.addr()),
            flow_label,
        )?;
        Ok(Done::Transmit)
    }

    fn count(&mut self, said: Said, action: Action, function: Function, given: &Given) {
        let counter = match (said, function) {
            (Said::ConnectTaken, Function::ConnectAvail) => Event::AcceptedAvail,
            (Said::ConnectTaken, Function::ConnectForce) => Event::AcceptedForce,
            (Said::ConnectTaken, _) => Event::AcceptedFinal,
            (Said::ConnectMine, _) => Event::SynAgain,
            (Said::ConnectRefused, _) => {
                let nobody = given.socket == Some(SocketAnswer::NobodyListens);
                if nobody || !given.app.is_up() {
                    self.events.add(Event::PassedOnDown);
                }
                Event::PassedOn
            }
            (
                Said::RecoverMine
                | Said::RecoverMineSyn
                | Said::RecoverMineEnded
                | Said::RstMineRecover,
                _,
            ) => Event::Recovered,
            (Said::RecoverFinalNotMine, _) => Event::OwnerNotFound,
            _ => match action {
                Action::ReturnFlow => Event::Returned,
                Action::RecoverNext => Event::RecoverNextSent,
                Action::PassOn => Event::RecoveryPassedOn,
                _ => return,
            },
        };
        self.events.add(counter);
    }

    fn write_client(
        &mut self,
        arrival: &Arrival,
        subject: &Subject,
        tcp: &Tcp,
        said: Said,
        state: State,
        given: &Given,
    ) {
        let now = given.now;
        let mut entry = match said {
            // an earlier connection's numbers say nothing about this one
            Said::ConnectTaken => Entry::default(),
            _ => subject.entry.unwrap_or_default(),
        };
        match said {
            Said::ConnectTaken => self.policy.taken(now, given.app.busy()),
            Said::AckMine | Said::RecoverMine | Said::AckMineEnded | Said::RecoverMineEnded => {
                if subject.state == State::Hunted {
                    self.policy.completed(now, given.app.busy());
                }
                entry.numbers.settle(tcp.ack);
                if tcp.has(Tcp::ACK) {
                    entry.acknowledged(tcp.ack, &self.contract.limits);
                }
            }
            _ => {}
        }
        if subject.state == State::Hunted && state == State::Loser {
            self.events.add(Event::Lost);
        }
        let limits = &self.contract.limits;
        if is_ours(said) {
            if tcp.has(Tcp::FIN) || tcp.has(Tcp::RST) {
                entry.saw_client_end();
            }
            entry.client_packet(now, arrival.lb, limits);
            entry.set_state(now, state, limits);
        } else if state != subject.state {
            entry.set_state(now, state, limits);
        } else {
            return;
        }
        self.keep(subject, entry, now);
    }
}

/// Does the table alone say that a packet is ours? What goes on where the flow was a moment ago is, and so is the first
/// packet of a connection that was there at our start.
pub(super) fn is_known(subject: &Subject, tcp: &Tcp, limits: &Limits) -> bool {
    let Some(entry) = &subject.entry else {
        return false;
    };
    match (subject.state, tcp.is_syn()) {
        // With SYN cookies there may be no socket yet, and any number may be the right one.
        (State::Wait, false) => entry.numbers.is_unreliable() || mine::goes_on(entry, tcp, limits),
        (State::Direct, false) => entry.near().is_none() || mine::goes_on(entry, tcp, limits),
        _ => false,
    }
}

/// Has the application ended its side, as far as the table or the kernel says?
fn has_ended(subject: &Subject, given: &Given) -> bool {
    let fin_seen = subject.entry.is_some_and(|entry| entry.fin().is_some());
    fin_seen
        || matches!(
            given.socket,
            Some(SocketAnswer::Ended { .. } | SocketAnswer::TimeWait)
        )
}

/// Was a packet taken for ours although no number of the flow is known, because it is recovered, or the flow half closed? Then it may
/// belong to a later connection of the same ports.
fn is_guess(said: Said, subject: &Subject) -> bool {
    let is_known = |entry: Entry| entry.fin().or(entry.surely_sent()).is_some();
    let may_be = is_recovered(said) || said == Said::AckMineEnded;
    may_be && !subject.entry.is_some_and(is_known)
}

/// Is it a packet without a pin that was taken for ours?
fn is_recovered(said: Said) -> bool {
    matches!(said, Said::RecoverMine | Said::RecoverMineEnded)
}

/// Was the packet for the application here?
fn is_ours(said: Said) -> bool {
    matches!(
        said,
        Said::ConnectTaken
            | Said::ConnectMine
            | Said::AckMine
            | Said::AckMineSyn
            | Said::AckMineEnded
            | Said::RecoverMine
            | Said::RecoverMineSyn
            | Said::RecoverMineEnded
            | Said::RstMine
            | Said::RstMineRecover
    )
}

/// May this packet change more than an age? Only then is its checksum worth the time: a wrong
/// one is seen by the kernel as well.
fn changes_state(subject: &Subject, tcp: &Tcp) -> bool {
    let settled = matches!(subject.state, State::Direct | State::Wait);
    !settled || tcp.has(Tcp::SYN) || tcp.has(Tcp::RST)
}
