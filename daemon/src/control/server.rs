//! The daemon's end of the control socket, as a part of its mio loop.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use mio::event::Event;
use mio::net::UnixListener;
use mio::{Events, Interest, Registry, Token};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::conn::Conn;
use super::error::ControlError;
use super::socket::{listen, SocketFile};

/// More peers than this at once are turned away.
const MAX_CONNS: usize = 64;

/// A peer; the number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(usize);

/// What a peer asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The command, such as `status`.
    pub cmd: String,
    /// The other keys of the request.
    pub args: Map<String, Value>,
}

impl Request {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let expected = "expected a JSON object with a key cmd, such as {\"cmd\":\"status\"}";
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| format!("not JSON: {error}; {expected}"))?;
        let Value::Object(mut args) = value else {
            return Err(format!("not an object; {expected}"));
        };
        match args.remove("cmd") {
            Some(Value::String(cmd)) => Ok(Request { cmd, args }),
            _ => Err(format!("no command; {expected}")),
        }
    }

    /// All arguments as one serde type; the error is fit to be sent back.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(Value::Object(self.args.clone()))
            .map_err(|error| format!("{}: {error}", self.cmd))
    }
}

/// What has happened on the control socket.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlEvent {
    /// A peer asks something.
    Request(ConnId, Request),
    /// A peer has left: its streams end.
    Left(ConnId),
}

/// Serves a control socket.
pub struct Control {
    listener: UnixListener,
    file: SocketFile,
    first: Token,
    conns: HashMap<ConnId, Conn>,
    next: usize,
    /// Peers found gone while something was sent to them.
    left: Vec<ConnId>,
    lost_lines: u64,
}

impl Control {
    /// Listens on `path`. The tokens from `first` on belong to the control socket: let them
    /// be the loop's last ones.
    pub fn bind(path: &Path, registry: &Registry, first: Token) -> Result<Self, ControlError> {
        let (mut listener, file) = listen(path)?;
        registry
            .register(&mut listener, first, Interest::READABLE)
            .map_err(|error| ControlError::Bind {
                path: path.to_owned(),
                error,
            })?;
        Ok(Control {
            listener,
            file,
            first,
            conns: HashMap::new(),
            next: 0,
            left: Vec::new(),
            lost_lines: 0,
        })
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Handles the events that are the control socket's; others are passed over. To be called
    /// after every poll, events or not.
    pub fn poll_events(&mut self, events: &Events, registry: &Registry) -> Vec<ControlEvent> {
        let mut happened: Vec<_> = self.left.drain(..).map(ControlEvent::Left).collect();
        for event in events {
            if event.token() == self.first {
                self.accept(registry);
            } else if event.token() > self.first {
                self.serve(event, &mut happened);
            }
        }
        happened
    }

    /// Sends one line. False if the peer is gone, or too slow for it: lines of a stream
    /// are lost then, and counted. Never blocks.
    pub fn send(&mut self, to: ConnId, value: &Value) -> bool {
        let Some(conn) = self.conns.get_mut(&to) else {
            return false;
        };
        let sent = conn.send(value.to_string().as_bytes());
        self.lost_lines += u64::from(!sent);
        self.forget_if_done(to);
        sent
    }

    /// Sends the answer to a request, now or none yet, or a refusal.
    pub fn reply(&mut self, to: ConnId, answer: Result<Option<Value>, String>) {
        match answer {
            Ok(None) => {}
            Ok(Some(value)) => _ = self.send(to, &value),
            Err(message) => _ = self.refuse(to, &message),
        }
    }

    /// Sends a refusal.
    pub fn refuse(&mut self, to: ConnId, message: &str) -> bool {
        self.send(to, &serde_json::json!({ "error": message }))
    }

    /// Ends a stream: hangs up once the peer has read everything.
    pub fn close(&mut self, conn: ConnId) {
        let Some(open) = self.conns.get_mut(&conn) else {
            return;
        };
        open.close();
        self.forget_if_done(conn);
    }

    fn forget_if_done(&mut self, conn: ConnId) {
        if self.conns.get(&conn).is_some_and(Conn::is_done) {
            self.conns.remove(&conn);
            self.left.push(conn);
        }
    }

    /// Lines that could not be sent since the start.
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    fn accept(&mut self, registry: &Registry) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Nobody waits; or no descriptors are left, and the peer sees us hang.
                Err(_) => return,
            };
            if self.conns.len() >= MAX_CONNS {
                Conn::new(stream).send(&refusal("too many control connections"));
                continue;
            }
            self.next += 1;
            let token = Token(self.first.0 + self.next);
            if registry
                .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
                .is_ok()
            {
                self.conns.insert(ConnId(self.next), Conn::new(stream));
            }
        }
    }

    fn serve(&mut self, event: &Event, happened: &mut Vec<ControlEvent>) {
        let id = ConnId(event.token().0 - self.first.0);
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let mut gone = !conn.flush() || event.is_write_closed();
        if event.is_readable() {
            let received = conn.read();
            let before = happened.len();
            for line in received.lines.iter().filter(|line| !line.is_empty()) {
                match Request::parse(line) {
                    Ok(request) => happened.push(ControlEvent::Request(id, request)),
                    Err(message) => drop(conn.send(&refusal(&message))),
                }
            }
            if received.too_much {
                conn.send(&refusal("the request is too long"));
            }
            if received.end && happened.len() > before && !received.too_much {
                conn.close_after_answer();
            } else {
                gone |= received.end;
            }
        }
        if gone || conn.is_done() {
            self.conns.remove(&id);
            happened.push(ControlEvent::Left(id));
        }
    }
}

fn refusal(message: &str) -> Vec<u8> {
    serde_json::json!({ "error": message })
        .to_string()
        .into_bytes()
}
