//! What the two ends of a connection do, as data.
//!
//! A dialogue is one list of turns for both sides. A side takes its next turn when everything that
//! the *other* side does in earlier turns has reached it, and its pause is over. An `eager` turn doesn't
//! wait for the other side. Content is a function of connection, side and offset, so every byte can be checked.

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The one that opens the connection.
    Client,
    /// The application.
    Server,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends that many bytes.
    Send(u32),
    /// Sends no more (FIN), and goes on listening.
    End,
    /// Throws the connection away (RST).
    Abort,
}

/// One step of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose step it is.
    pub side: Side,
    /// How long that side waits before it, once it might begin.
    pub pause_ms: u32,
    /// Does it begin without waiting for what the other side does before?
    pub eager: bool,
    /// What happens.
    pub act: Act,
}

/// A connection, as the client wants it.
///
/// The port is opened at `start_ms`, or as soon after it as the client's kernel lets go of an earlier
/// connection from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSpec {
    /// When the client opens it.
    pub start_ms: u64,
    /// Number of the client, from 1.
    pub client: u16,
    /// Its port.
    pub port: u16,
    /// After this the client gives up, without a word, unless it has been answered.
    pub patience_ms: Option<u32>,
    /// What both sides do. An empty list: the client connects, and both ends stay silent for ever.
    pub turns: Vec<Turn>,
}

impl ConnectionSpec {
    /// A connection without a word.
    pub fn new(start_ms: u64, client: u16, port: u16) -> Self {
        ConnectionSpec {
            start_ms,
            client,
            port,
            patience_ms: None,
            turns: Vec::new(),
        }
    }

    /// A request and its answer, and then the application ends the connection, as HTTP/1.0 does.
    pub fn request(start_ms: u64, client: u16, port: u16, asks: u32, answers: u32) -> Self {
        Self::new(start_ms, client, port)
            .client(Act::Send(asks))
            .server(Act::Send(answers))
            .server(Act::End)
            .client(Act::End)
    }

    /// The client's next turn.
    pub fn client(self, act: Act) -> Self {
        self.turn(Side::Client, 0, act)
    }

    /// The server's next turn.
    pub fn server(self, act: Act) -> Self {
        self.turn(Side::Server, 0, act)
    }

    /// Somebody's next turn, after a pause.
    pub fn turn(mut self, side: Side, pause_ms: u32, act: Act) -> Self {
        self.turns.push(Turn {
            side,
            pause_ms,
            eager: false,
            act,
        });
        self
    }

    /// Makes the last turn eager.
    pub fn eager(mut self) -> Self {
        if let Some(last) = self.turns.last_mut() {
            last.eager = true;
        }
        self
    }

    /// How many bytes a side sends in all.
    pub fn bytes_of(&self, side: Side) -> u64 {
        let sends = self.turns.iter().filter(|turn| turn.side == side);
        sends
            .map(|turn| match turn.act {
                Act::Send(bytes) => u64::from(bytes),
                Act::End | Act::Abort => 0,
            })
            .sum()
    }

    /// How long both sides pause in all.
    pub fn pauses_ms(&self) -> u64 {
        self.turns.iter().map(|turn| u64::from(turn.pause_ms)).sum()
    }
}
