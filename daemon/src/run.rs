//! Pieces of an event loop: signals as events, and the clock that the engines are driven by.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant as StdInstant};

use mio::{Interest, Registry, Token};
use packet_io::Instant;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Tells a supervisor such as systemd about the daemon's state, with a line such as `READY=1`,
/// `RELOADING=1` or `STOPPING=1` (sd_notify(3)). Without a supervisor nothing happens.
pub fn notify(state: &str) {
    if let Some(name) = std::env::var_os("NOTIFY_SOCKET") {
        // A supervisor that does not listen is no reason to stop serving.
        let _ = notify_at(name.as_bytes(), state);
    }
}

fn notify_at(name: &[u8], state: &str) -> io::Result<()> {
    let address = match name.strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
        None => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(state.as_bytes(), &address)
        .map(drop)
}

/// What a signal asks the daemon to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT: stop cleanly.
    Stop,
}

/// SIGHUP, SIGTERM and SIGINT as events of a mio loop.
pub struct Signals {
    inner: signal_hook_mio::v1_0::Signals,
}

impl Signals {
    /// Takes the signals over; they are readable events of `token` from now on.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let mut inner = signal_hook_mio::v1_0::Signals::new([SIGHUP, SIGTERM, SIGINT])?;
        registry.register(&mut inner, token, Interest::READABLE)?;
        Ok(Signals { inner })
    }

    /// What has been asked since the last call, each once.
    pub fn pending(&mut self) -> Vec<Signal> {
        let mut asked = Vec::new();
        for signal in self.inner.pending() {
            let signal = if signal == SIGHUP {
                Signal::Reload
            } else {
                Signal::Stop
            };
            if !asked.contains(&signal) {
                asked.push(signal);
            }
        }
        asked
    }
}

/// 16 bytes that nobody else knows, for the keys of tables.
pub fn random_key() -> io::Result<[u8; 16]> {
    let mut key = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

/// The process's monotonic clock as the engines see it. It is read once per batch of
/// packets, with [`Clock::tick`].
#[derive(Clone, Debug)]
pub struct Clock {
    start: StdInstant,
    now: Instant,
}

impl Clock {
    /// A clock that starts at zero, now.
    pub fn start() -> Self {
        Clock {
            start: StdInstant::now(),
            now: Instant::ZERO,
        }
    }

    /// Reads the clock.
    pub fn tick(&mut self) -> Instant {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.now = Instant::from_micros(micros);
        self.now
    }

    /// What the clock said when it was last read.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How long an event loop may sleep until `deadline`, at most `longest`. Rounded up to
    /// whole milliseconds, the grain of epoll, so that it does not wake too early and spin.
    pub fn sleep_until(&self, deadline: Option<Instant>, longest: Duration) -> Duration {
        let Some(deadline) = deadline else {
            return longest;
        };
        let micros = deadline.since(self.now).as_micros() as u64;
        Duration::from_millis(micros.div_ceil(1_000)).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    #[test]
    fn signals_arrive_as_events_and_say_what_is_asked() {
        let mut poll = Poll::new().unwrap();
        let mut signals = Signals::new(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(8);
        for (number, expected) in [
            (SIGHUP, Signal::Reload),
            (SIGTERM, Signal::Stop),
            (SIGINT, Signal::Stop),
        ] {
            signal_hook::low_level::raise(number).unwrap();
            poll.poll(&mut events, Some(Duration::from_secs(5)))
                .unwrap();
            assert!(events.iter().any(|event| event.token() == Token(7)));
            assert_eq!(signals.pending(), [expected]);
        }
    }

    #[test]
    fn a_supervisor_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("srlb-test-{}", std::process::id());
        let by_name =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let rows = [
            (path.into_os_string(), by_path),
            (format!("@{name}").into(), by_name),
        ];
        for (socket_name, socket) in rows {
            socket.set_nonblocking(true).unwrap();
            notify_at(socket_name.as_bytes(), "READY=1").unwrap();
            let mut text = [0; 16];
            let len = socket.recv(&mut text).unwrap();
            assert_eq!(&text[..len], b"READY=1");
        }
        assert!(notify_at(b"/nowhere/notify", "READY=1").is_err());
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut clock = Clock::start();
        let first = clock.tick();
        let second = clock.tick();
        assert!(second >= first);
        assert_eq!(clock.now(), second);
    }

    #[test]
    fn a_sleep_ends_at_the_deadline_or_at_the_bound() {
        let clock = Clock::start();
        let longest = Duration::from_secs(1);
        assert_eq!(clock.sleep_until(None, longest), longest);
        assert_eq!(
            clock.sleep_until(Some(Instant::ZERO), longest),
            Duration::ZERO
        );
        assert_eq!(
            clock.sleep_until(Some(Instant::from_micros(1)), longest),
            Duration::from_millis(1)
        );
        assert_eq!(
            clock.sleep_until(Some(Instant::from_secs(9)), longest),
            longest
        );
    }
}
