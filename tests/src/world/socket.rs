//! One end of a TCP connection, as small as a test needs it: handshake, data in order, both
//! ends, resets and challenge ACKs (RFC 9293, RFC 5961). No timers: tests say when it sends again.

use srh::parse::Tcp;

/// Where a connection stands, seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The SYN is out.
    SynSent,
    /// The SYN-ACK is out.
    SynReceived,
    /// Both have acknowledged each other; either may have ended its side meanwhile.
    Open,
    /// Both sides have ended, everything is acknowledged, and this one ended first.
    TimeWait,
    /// The other end has said RST.
    Reset,
}

/// A segment without ports and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Out {
    /// Control bits.
    pub flags: u8,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Data.
    pub data: Vec<u8>,
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Where it stands.
    pub stage: Stage,
    /// The initial sequence number.
    pub iss: u32,
    /// The next number to be sent.
    pub nxt: u32,
    /// The oldest number that is not acknowledged.
    pub una: u32,
    /// The next number that is expected.
    pub rcv_nxt: u32,
    /// Everything that was received, in order.
    pub received: Vec<u8>,
    /// Data that is sent and not acknowledged.
    unacked: Vec<u8>,
    /// Have we ended our side?
    pub ended: bool,
    /// Has the other end ended its side?
    pub other_ended: bool,
    ended_first: bool,
}

impl Socket {
    fn new(stage: Stage, iss: u32, rcv_nxt: u32) -> Self {
        Socket {
            stage,
            iss,
            nxt: iss.wrapping_add(1),
            una: iss,
            rcv_nxt,
            received: Vec::new(),
            unacked: Vec::new(),
            ended: false,
            other_ended: false,
            ended_first: false,
        }
    }

    /// Opens a connection; its SYN is the first thing to be sent again.
    pub fn open(iss: u32) -> Self {
        Self::new(Stage::SynSent, iss, 0)
    }

    /// Takes a connection that `syn` opens.
    pub fn accept(iss: u32, syn: &Tcp) -> Self {
        Self::new(Stage::SynReceived, iss, syn.seq.wrapping_add(1))
    }

    /// Is everything that was sent acknowledged?
    pub fn is_quiet(&self) -> bool {
        self.una == self.nxt
    }

    fn out(&self, flags: u8, seq: u32, data: Vec<u8>) -> Out {
        let ack = match flags & Tcp::ACK {
            0 => 0,
            _ => self.rcv_nxt,
        };
        Out {
            flags,
            seq,
            ack,
            data,
        }
    }

    fn ack_now(&self) -> Out {
        self.out(Tcp::ACK, self.nxt, Vec::new())
    }

    /// Sends data.
    pub fn send(&mut self, data: &[u8]) -> Out {
        let seq = self.nxt;
        self.unacked.extend(data);
        self.nxt = seq.wrapping_add(data.len() as u32);
        self.out(Tcp::ACK | PSH, seq, data.to_vec())
    }

    /// Ends this side.
    pub fn end(&mut self) -> Out {
        let seq = self.nxt;
        self.ended = true;
        self.ended_first = !self.other_ended;
        self.nxt = seq.wrapping_add(1);
        self.out(Tcp::ACK | Tcp::FIN, seq, Vec::new())
    }

    /// Throws the connection away: the RST that says so.
    pub fn abort(&self) -> Out {
        self.out(Tcp::RST | Tcp::ACK, self.nxt, Vec::new())
    }

    /// What a retransmission timer sends: the oldest thing that is not acknowledged.
    pub fn again(&self) -> Option<Out> {
        match self.stage {
            Stage::SynSent => Some(self.out(Tcp::SYN, self.iss, Vec::new())),
            Stage::SynReceived => Some(self.out(Tcp::SYN | Tcp::ACK, self.iss, Vec::new())),
            Stage::Open if self.is_quiet() => None,
            Stage::Open => {
                let fin = if self.ended { Tcp::FIN } else { 0 };
                Some(self.out(Tcp::ACK | fin, self.una, self.unacked.clone()))
            }
            Stage::TimeWait | Stage::Reset => None,
        }
    }

    /// A segment comes in; what it is answered with.
    pub fn receive(&mut self, tcp: &Tcp, data: &[u8]) -> Option<Out> {
        match self.stage {
            Stage::SynSent => self.in_syn_sent(tcp),
            Stage::SynReceived => self.in_syn_received(tcp, data),
            Stage::Open => self.in_open(tcp, data),
            Stage::TimeWait => self.challenge(tcp, data),
            Stage::Reset => None,
        }
    }

    fn in_syn_sent(&mut self, tcp: &Tcp) -> Option<Out> {
        let answers_us = tcp.has(Tcp::ACK) && tcp.ack == self.nxt;
        if tcp.has(Tcp::RST) {
            if answers_us {
                self.stage = Stage::Reset;
            }
            return None;
        }
        if !answers_us {
            return tcp
                .has(Tcp::ACK)
                .then(|| self.out(Tcp::RST, tcp.ack, Vec::new()));
        }
        if !tcp.has(Tcp::SYN) {
            return None;
        }
        self.una = tcp.ack;
        self.rcv_nxt = tcp.seq.wrapping_add(1);
        self.stage = Stage::Open;
        Some(self.ack_now())
    }

    fn in_syn_received(&mut self, tcp: &Tcp, data: &[u8]) -> Option<Out> {
        if tcp.has(Tcp::RST) {
            if tcp.seq == self.rcv_nxt {
                self.stage = Stage::Reset;
            }
            return None;
        }
        if tcp.has(Tcp::SYN) {
            return match tcp.seq.wrapping_add(1) == self.rcv_nxt {
                true => self.again(),
                false => Some(self.ack_now()),
            };
        }
        if !tcp.has(Tcp::ACK) {
            return None;
        }
        if tcp.ack != self.nxt {
            return Some(self.out(Tcp::RST, tcp.ack, Vec::new()));
        }
        self.una = self.nxt;
        self.stage = Stage::Open;
        self.in_open(tcp, data)
    }

    fn in_open(&mut self, tcp: &Tcp, data: &[u8]) -> Option<Out> {
        if tcp.has(Tcp::RST) {
            if tcp.seq == self.rcv_nxt {
                self.stage = Stage::Reset;
                return None;
            }
            return Some(self.ack_now());
        }
        if tcp.has(Tcp::SYN) || !self.acknowledged(tcp.ack) {
            return self.challenge(tcp, data);
        }
        self.take(tcp, data)
    }

    /// The answer to what doesn't fit: an ACK, unless it is itself no more than an ACK. A kernel
    /// answers some of these, at a bounded rate, so that two that disagree don't go on for ever.
    fn challenge(&self, tcp: &Tcp, data: &[u8]) -> Option<Out> {
        let speaks = !data.is_empty() || tcp.flags & (Tcp::SYN | Tcp::FIN) != 0;
        (speaks && !tcp.has(Tcp::RST)).then(|| self.ack_now())
    }

    /// Takes in an acknowledgement; false if it acknowledges what was never sent.
    fn acknowledged(&mut self, ack: u32) -> bool {
        let newly = ack.wrapping_sub(self.una);
        if newly <= self.nxt.wrapping_sub(self.una) {
            let data = (newly as usize).min(self.unacked.len());
            self.unacked.drain(..data);
            self.una = ack;
        } else if newly < 1 << 31 {
            return false;
        }
        true
    }

    /// Takes in data and FIN.
    fn take(&mut self, tcp: &Tcp, data: &[u8]) -> Option<Out> {
        let fin = tcp.has(Tcp::FIN);
        if data.is_empty() && !fin {
            self.settle();
            return None;
        }
        // What is repeated may overlap with what is here already.
        let known = self.rcv_nxt.wrapping_sub(tcp.seq) as usize;
        if known <= data.len() && !self.other_ended {
            self.received.extend(&data[known..]);
            self.other_ended = fin;
            let new = data.len() - known + usize::from(fin);
            self.rcv_nxt = self.rcv_nxt.wrapping_add(new as u32);
        }
        self.settle();
        Some(self.ack_now())
    }

    fn settle(&mut self) {
        if self.is_over() && self.ended_first {
            self.stage = Stage::TimeWait;
        }
    }

    /// Is there nothing left of it, not even TIME_WAIT?
    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Reset || (self.is_over() && self.stage != Stage::TimeWait)
    }

    /// Have both sides ended, and everything of ours is acknowledged?
    pub fn is_over(&self) -> bool {
        self.ended && self.other_ended && self.is_quiet()
    }
}

const PSH: u8 = 0x08;
