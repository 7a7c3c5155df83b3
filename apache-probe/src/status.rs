//! What one worker says that it is doing.

/// A worker's status, with httpd's numbers (`SERVER_*` in `scoreboard.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Status {
    /// No worker in this slot.
    Dead = 0,
    /// Starting up.
    Starting = 1,
    /// Waiting for a connection.
    Ready = 2,
    /// Reading a request.
    Read = 3,
    /// Processing a request, sending the reply.
    Write = 4,
    /// Waiting for another request on the same connection (prefork and worker: the worker is taken).
    Keepalive = 5,
    /// Logging.
    Log = 6,
    /// Looking up a host name.
    Dns = 7,
    /// Closing the connection.
    Closing = 8,
    /// Finishing its request; will exit afterwards.
    Graceful = 9,
    /// An idle worker on its way out.
    IdleKill = 10,
}

/// What a status means for "how loaded is this server".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Absent,
    Starting,
    Idle,
    Busy,
    Leaving,
}

impl Status {
    /// All of them, in the order of their numbers.
    pub const ALL: [Status; 11] = [
        Status::Dead,
        Status::Starting,
        Status::Ready,
        Status::Read,
        Status::Write,
        Status::Keepalive,
        Status::Log,
        Status::Dns,
        Status::Closing,
        Status::Graceful,
        Status::IdleKill,
    ];

    /// The status with this number, if there is one.
    #[inline]
    pub fn from_number(number: u8) -> Option<Status> {
        Status::ALL.get(usize::from(number)).copied()
    }

    /// mod_status's letter for it.
    pub fn letter(self) -> char {
        match self {
            Status::Dead => '.',
            Status::Starting => 'S',
            Status::Ready => '_',
            Status::Read => 'R',
            Status::Write => 'W',
            Status::Keepalive => 'K',
            Status::Log => 'L',
            Status::Dns => 'D',
            Status::Closing => 'C',
            Status::Graceful => 'G',
            Status::IdleKill => 'I',
        }
    }

    /// True where a worker is taken by a connection: it cannot take another one.
    pub fn is_busy(self) -> bool {
        self.load() == Load::Busy
    }

    /// Sorted as mod_status sorts them. A graceful worker is busy: it holds a connection and costs CPU until it is through.
    #[inline]
    pub(crate) fn load(self) -> Load {
        match self {
            Status::Dead => Load::Absent,
            Status::Starting => Load::Starting,
            Status::Ready => Load::Idle,
            Status::Read
            | Status::Write
            | Status::Keepalive
            | Status::Log
            | Status::Dns
            | Status::Closing
            | Status::Graceful => Load::Busy,
            Status::IdleKill => Load::Leaving,
        }
    }
}
