//! Queries in flight.

use std::collections::HashMap;

use srlb_server::engine::SocketAnswer;

use super::workload::{Class, Job};

/// A query in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// When its client has sent the SYN.
    pub began_us: u64,
    /// For how long it needs a core.
    pub service_us: u64,
    /// Of which kind it is.
    pub class: Class,
    /// Who has it.
    pub server: Option<u16>,
    /// Is the handshake complete?
    pub is_open: bool,
}

/// All of them, by their numbers.
#[derive(Default)]
pub struct Flights {
    all: HashMap<u64, Flight>,
    most: usize,
}

impl Flights {
    /// A query begins.
    pub fn begin(&mut self, number: u64, began_us: u64, job: Job) {
        let flight = Flight {
            began_us,
            service_us: job.service_us,
            class: job.class,
            server: None,
            is_open: false,
        };
        self.all.insert(number, flight);
        self.most = self.most.max(self.all.len());
    }

    /// A query, if it is in flight.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Flight> {
        self.all.get_mut(&number)
    }

    /// A query ends.
    pub fn end(&mut self, number: u64) -> Option<Flight> {
        self.all.remove(&number)
    }

    /// What the kernel of a server says when it is asked for the socket of a query.
    pub fn socket(&self, number: u64, server: u16) -> SocketAnswer {
        match self.all.get(&number) {
            Some(flight) if flight.server == Some(server) => match flight.is_open {
                true => SocketAnswer::Open {
                    acked: None,
                    sent: None,
                },
                false => SocketAnswer::SynReceived,
            },
            _ => SocketAnswer::None,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// How many there were at once.
    pub fn most(&self) -> usize {
        self.most
    }
}
