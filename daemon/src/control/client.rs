//! The command line's end of the control socket. It blocks.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::error::ControlError;

/// How long a daemon may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a daemon.
pub struct Client {
    program: String,
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the daemon `program` (a word for messages) on the socket `path`.
    pub fn connect(program: &str, path: &Path) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(path).map_err(|error| {
            let (program, path) = (program.to_owned(), path.to_owned());
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ControlError::NobodyListens { program, path }
                }
                io::ErrorKind::PermissionDenied => ControlError::Forbidden { program, path },
                _ => ControlError::Io {
                    program,
                    path,
                    error,
                },
            }
        })?;
        Ok(Client {
            program: program.to_owned(),
            path: path.to_owned(),
            stream: BufReader::new(stream),
        })
    }

    /// Makes sure that the right program answers: a daemon says its name to `{"cmd":"program"}`.
    pub fn greet(mut self) -> Result<Self, ControlError> {
        let other = match self.request(&serde_json::json!({ "cmd": "program" })) {
            Ok(answer) if answer["program"] == self.program.as_str() => return Ok(self),
            Ok(answer) => answer["program"].as_str().map(str::to_owned),
            // Not our language: a line that is no JSON.
            Err(ControlError::Io { error, .. }) if error.kind() == io::ErrorKind::InvalidData => {
                None
            }
            Err(error) => return Err(error),
        };
        Err(ControlError::OtherProgram {
            program: self.program,
            path: self.path,
            other,
        })
    }

    /// Asks, and waits for the one answer.
    pub fn request(&mut self, request: &Value) -> Result<Value, ControlError> {
        self.ask(request, Some(ANSWER_TIMEOUT))?;
        match self.next_line()? {
            Some(answer) => Ok(answer),
            None => Err(ControlError::HungUp {
                program: self.program.clone(),
                path: self.path.clone(),
            }),
        }
    }

    /// Asks, and gives the lines of the answer as they come, until the daemon hangs up.
    pub fn stream(mut self, request: &Value) -> Result<Lines, ControlError> {
        self.ask(request, None)?;
        Ok(Lines(self))
    }

    fn ask(&mut self, request: &Value, timeout: Option<Duration>) -> Result<(), ControlError> {
        let line = format!("{request}\n");
        let stream = self.stream.get_mut();
        let asked = stream
            .set_read_timeout(timeout)
            .and_then(|()| stream.write_all(line.as_bytes()));
        asked.map_err(|error| self.io(error))
    }

    fn next_line(&mut self) -> Result<Option<Value>, ControlError> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let text = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
                return Err(self.io(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            Err(error) => return Err(self.io(error)),
        }
        let value: Value = serde_json::from_str(&line).map_err(|error| self.io(error.into()))?;
        match value.get("error").and_then(Value::as_str) {
            Some(message) => Err(ControlError::Refused {
                program: self.program.clone(),
                message: message.to_owned(),
            }),
            None => Ok(Some(value)),
        }
    }

    fn io(&self, error: io::Error) -> ControlError {
        ControlError::Io {
            program: self.program.clone(),
            path: self.path.clone(),
            error,
        }
    }
}

/// The lines of a stream.
pub struct Lines(Client);

impl Iterator for Lines {
    type Item = Result<Value, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_line().transpose()
    }
}
