//! Plays one side of a dialogue on a socket: reads and checks what comes, and takes turns.

use smoltcp::socket::tcp;

use super::content::Content;
use crate::sim::dialogue::{Act, ConnectionSpec, Side, Turn};

/// One side of a dialogue, under way.
#[derive(Clone, Debug)]
pub struct Player {
    side: Side,
    next_turn: usize,
    /// Bytes of the turn under way that the socket has not taken yet.
    to_send: u32,
    /// When the pause before the next turn is over, once it has begun.
    ready_us: Option<u64>,
    speaks: Content,
    hears: Content,
    /// Bytes handed to the socket.
    pub sent: u64,
    /// Bytes received, in order.
    pub received: u64,
    /// Has the other side sent its FIN, and everything before it is here?
    pub other_ended: bool,
    /// Where a byte came that was not the one sent.
    pub wrong_at: Option<u64>,
    /// Has this side thrown the connection away?
    pub aborted: bool,
    /// Is everything done and received that the dialogue has for this side?
    pub done: bool,
}

impl Player {
    /// The player of `side` of a connection.
    pub fn new(connection: usize, side: Side) -> Self {
        Player {
            side,
            next_turn: 0,
            to_send: 0,
            ready_us: None,
            speaks: Content::of(connection, side),
            hears: Content::of(connection, side.other()),
            sent: 0,
            received: 0,
            other_ended: false,
            wrong_at: None,
            aborted: false,
            done: false,
        }
    }

    /// Does what can be done now. The socket has to be polled after it.
    pub fn play(&mut self, now_us: u64, spec: &ConnectionSpec, socket: &mut tcp::Socket<'static>) {
        self.read(socket);
        while !self.aborted {
            if self.to_send > 0 {
                self.write(socket);
                if self.to_send > 0 {
                    break;
                }
            }
            let Some((at, turn)) = self.next(&spec.turns) else {
                break;
            };
            if !self.may_begin(&spec.turns[..at], turn) {
                break;
            }
            let ready = *self
                .ready_us
                .get_or_insert(now_us + u64::from(turn.pause_ms) * 1_000);
            if now_us < ready {
                break;
            }
            self.ready_us = None;
            self.next_turn = at + 1;
            match turn.act {
                Act::Send(bytes) => self.to_send = bytes,
                Act::End => socket.close(),
                Act::Abort => {
                    socket.abort();
                    self.aborted = true;
                }
            }
        }
        self.done = self.aborted || self.is_done(spec);
    }

    /// When the pause is over that it is in.
    pub fn wakes_us(&self) -> Option<u64> {
        self.ready_us
    }

    /// Is there something that the socket hasn't taken yet?
    pub fn is_sending(&self) -> bool {
        self.to_send > 0
    }

    fn next(&self, turns: &[Turn]) -> Option<(usize, Turn)> {
        let rest = turns.iter().enumerate().skip(self.next_turn);
        let mut ours = rest.filter(|(_, turn)| turn.side == self.side);
        ours.next().map(|(at, turn)| (at, *turn))
    }

    /// Has everything reached us that the other side does in these turns?
    fn has_heard(&self, turns: &[Turn]) -> bool {
        let mut bytes = 0;
        let mut ended = false;
        for turn in turns.iter().filter(|turn| turn.side != self.side) {
            match turn.act {
                Act::Send(n) => bytes += u64::from(n),
                Act::End => ended = true,
                Act::Abort => {}
            }
        }
        self.received >= bytes && (self.other_ended || !ended)
    }

    fn may_begin(&self, before: &[Turn], turn: Turn) -> bool {
        turn.eager || self.has_heard(before)
    }

    fn is_done(&self, spec: &ConnectionSpec) -> bool {
        self.to_send == 0 && self.next(&spec.turns).is_none() && self.has_heard(&spec.turns)
    }

    fn read(&mut self, socket: &mut tcp::Socket<'static>) {
        loop {
            let (hears, at) = (self.hears, self.received);
            let read = socket.recv(|bytes| (bytes.len(), (bytes.len(), hears.is(at, bytes))));
            match read {
                Ok((0, _)) | Err(tcp::RecvError::InvalidState) => return,
                Ok((len, right)) => {
                    if !right && self.wrong_at.is_none() {
                        self.wrong_at = Some(at);
                    }
                    self.received += len as u64;
                }
                Err(tcp::RecvError::Finished) => {
                    self.other_ended = true;
                    return;
                }
            }
        }
    }

    fn write(&mut self, socket: &mut tcp::Socket<'static>) {
        while self.to_send > 0 {
            let (speaks, at, most) = (self.speaks, self.sent, self.to_send as usize);
            let wrote = socket.send(|room| {
                let len = room.len().min(most);
                speaks.write(at, &mut room[..len]);
                (len, len)
            });
            match wrote {
                Ok(len) if len > 0 => {
                    self.sent += len as u64;
                    self.to_send -= len as u32;
                }
                _ => return,
            }
        }
    }
}
