//! The control socket: a daemon's loop at one end, clients at the other.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use daemon::control::{Client, ConnId, Control, ControlError, ControlEvent};
use mio::{Events, Poll, Token};
use serde_json::{json, Value};

const FIRST: Token = Token(10);

/// A loop that answers a few commands until it is told to stop.
struct Loop {
    poll: Poll,
    events: Events,
    control: Control,
    followers: Vec<ConnId>,
    stopped: bool,
}

impl Loop {
    fn new(path: &Path) -> Result<Self, ControlError> {
        let poll = Poll::new().unwrap();
        let control = Control::bind(path, poll.registry(), FIRST)?;
        Ok(Loop {
            poll,
            events: Events::with_capacity(16),
            control,
            followers: Vec::new(),
            stopped: false,
        })
    }

    fn turn(&mut self) {
        self.poll
            .poll(&mut self.events, Some(Duration::from_millis(20)))
            .unwrap();
        for event in self.control.poll_events(&self.events, self.poll.registry()) {
            match event {
                ControlEvent::Request(conn, request) => {
                    self.answer(conn, &request.cmd, &request.args.into())
                }
                ControlEvent::Left(conn) => self.followers.retain(|&follower| follower != conn),
            }
        }
    }

    fn answer(&mut self, conn: ConnId, cmd: &str, args: &Value) {
        match cmd {
            "echo" => assert!(self.control.send(conn, &json!({ "echo": args }))),
            "big" => assert!(self
                .control
                .send(conn, &json!({ "big": "x".repeat(2_000_000) }))),
            "trace" => self.followers.push(conn),
            "three" => {
                for n in 0..3 {
                    self.control.send(conn, &json!({ "n": n }));
                }
                self.control.close(conn);
            }
            "stop" => self.stopped = true,
            _ => drop(self.control.refuse(conn, &format!("unknown command {cmd}"))),
        }
    }
}

/// Runs a loop in a thread; `stop` ends it and gives it back.
struct Running {
    path: PathBuf,
    thread: JoinHandle<Loop>,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/srlb/lb.sock");
        let mut daemon = Loop::new(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !daemon.stopped && Instant::now() < deadline {
                daemon.turn();
            }
            daemon
        });
        Running {
            path,
            thread,
            _folder: folder,
        }
    }

    fn client(&self) -> Client {
        Client::connect("srlb-lb", &self.path).unwrap()
    }

    fn stop(self) -> Loop {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.write_all(b"{\"cmd\":\"stop\"}\n").unwrap();
        self.thread.join().unwrap()
    }
}

#[test]
fn requests_are_answered_one_by_one_and_a_long_answer_arrives_whole() {
    let running = Running::start();
    let mut client = running.client();
    for n in 0..3 {
        let answer = client.request(&json!({"cmd": "echo", "n": n})).unwrap();
        assert_eq!(answer, json!({"echo": {"n": n}}));
    }
    let answer = client.request(&json!({"cmd": "big"})).unwrap();
    assert_eq!(answer["big"].as_str().unwrap().len(), 2_000_000);
    assert_eq!(running.stop().control.lost_lines(), 0);
}

#[test]
fn a_peer_that_has_said_all_it_wants_is_still_answered() {
    let running = Running::start();
    let mut stream = UnixStream::connect(&running.path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(b"{\"cmd\":\"echo\"}\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "{\"echo\":{}}\n");
    running.stop();
}

#[test]
fn a_stream_ends_when_the_daemon_closes_it() {
    let running = Running::start();
    let lines: Vec<_> = running
        .client()
        .stream(&json!({"cmd": "three"}))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(lines, [json!({"n": 0}), json!({"n": 1}), json!({"n": 2})]);
    running.stop();
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_lives_on() {
    let running = Running::start();
    let mut stream = UnixStream::connect(&running.path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut line = |text: &str| {
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while answer.last() != Some(&b'\n') {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1);
            answer.push(byte[0]);
        }
        String::from_utf8(answer).unwrap()
    };
    assert!(line("{]\n").contains("not JSON"));
    assert!(line("[1]\n").contains("not an object"));
    assert!(line("{\"command\":1}\n").contains("no command"));
    assert!(line("{\"cmd\":\"dance\"}\n").contains("unknown command dance"));
    assert_eq!(line("{\"cmd\":\"echo\"}\n"), "{\"echo\":{}}\n");
    running.stop();
}

#[test]
fn a_request_without_an_end_is_cut_off() {
    let running = Running::start();
    let mut stream = UnixStream::connect(&running.path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let _ = stream.write_all(&[b'x'; 200_000]);
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest);
    assert!(rest.is_empty() || rest.contains("too long"), "{rest}");
    assert_eq!(
        running.client().request(&json!({"cmd": "echo"})).unwrap(),
        json!({"echo": {}})
    );
    running.stop();
}

#[test]
fn a_refusal_is_an_error_that_names_the_daemon() {
    let running = Running::start();
    let error = running
        .client()
        .request(&json!({"cmd": "dance"}))
        .unwrap_err();
    assert_eq!(error.to_string(), "srlb-lb says: unknown command dance");
    running.stop();
}

#[test]
fn a_slow_reader_loses_lines_is_told_and_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.sock");
    let mut daemon = Loop::new(&path).unwrap();
    let mut lines = Client::connect("srlb-lb", &path)
        .unwrap()
        .stream(&json!({"cmd": "trace"}))
        .unwrap();
    for _ in 0..100 {
        if daemon.followers.is_empty() {
            daemon.turn();
        }
    }
    let follower = daemon.followers[0];
    let pad = "x".repeat(1000);
    let sent = (0..3000)
        .filter(|n| {
            daemon
                .control
                .send(follower, &json!({ "n": n, "pad": pad }))
        })
        .count();
    assert!(sent > 100 && sent < 3000, "{sent}");
    assert_eq!(daemon.control.lost_lines(), 3000 - sent as u64);
    let reader = std::thread::spawn(move || {
        let mut seen = 0;
        loop {
            let line = lines.next().unwrap().unwrap();
            match line["lost"].as_u64() {
                Some(lost) => return (seen, lost, lines.next().unwrap().unwrap()),
                None => assert_eq!(line["n"], seen),
            }
            seen += 1;
        }
    });
    let mut told = false;
    for _ in 0..500 {
        daemon.turn();
        told = told || daemon.control.send(follower, &json!({"n": "after"}));
        if reader.is_finished() {
            break;
        }
    }
    drop(daemon);
    let (seen, lost, after) = reader.join().unwrap();
    assert_eq!(seen, sent);
    assert!(lost >= 3000 - sent as u64);
    assert_eq!(after, json!({"n": "after"}));
}

#[test]
fn a_peer_that_leaves_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.sock");
    let mut daemon = Loop::new(&path).unwrap();
    let lines = Client::connect("srlb-lb", &path)
        .unwrap()
        .stream(&json!({"cmd": "trace"}))
        .unwrap();
    for turn in 0..200 {
        daemon.turn();
        if turn == 100 {
            assert_eq!(daemon.followers.len(), 1);
            break;
        }
    }
    let follower = daemon.followers[0];
    drop(lines);
    for _ in 0..100 {
        daemon.turn();
        if daemon.followers.is_empty() {
            break;
        }
    }
    assert!(daemon.followers.is_empty());
    assert!(!daemon.control.send(follower, &json!({})));
}

#[test]
fn a_live_socket_is_respected_and_a_stale_one_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a killed daemon leaves its socket behind");
    let daemon = Loop::new(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let error = Loop::new(&path).err().unwrap();
    assert!(matches!(error, ControlError::AlreadyRunning(_)), "{error}");
    assert!(error.to_string().contains("already running"));
    drop(daemon);
    assert!(!path.exists());
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is left beside it"
    );
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.sock");
    std::fs::write(&path, "precious").unwrap();
    let error = Loop::new(&path).err().unwrap();
    assert!(matches!(error, ControlError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_socket_that_another_daemon_has_taken_over_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.sock");
    let first = Loop::new(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _second = Loop::new(&path).unwrap();
    drop(first);
    assert!(path.exists());
}

#[test]
fn a_client_without_a_daemon_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.sock");
    let message = || Client::connect("srlb-lb", &path).err().unwrap().to_string();
    let expected = format!(
        "no srlb-lb is listening on {}: is it running? Another socket is chosen with --control or --config",
        path.display()
    );
    assert_eq!(message(), expected);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(message(), expected, "a stale socket is nobody, too");
}

#[test]
fn a_daemon_that_dies_before_it_answers_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
    });
    let error = Client::connect("srlb-lb", &path)
        .unwrap()
        .request(&json!({"cmd": "status"}))
        .unwrap_err();
    thread.join().unwrap();
    let text = error.to_string();
    assert!(text.starts_with("srlb-lb on "), "{text}");
}

/// A socket that is somebody else's is told from a daemon that is down.
#[test]
fn another_programs_socket_is_recognised() {
    use std::io::{Read, Write};
    let folder = tempfile::TempDir::new().unwrap();
    let rows = [
        (
            &b"{\"program\":\"srlb-server\"}\n"[..],
            "but of srlb-server",
        ),
        (
            b"220 mail.example ESMTP\n",
            "is not the control socket of srlb-lb;",
        ),
    ];
    for (i, (answer, words)) in rows.into_iter().enumerate() {
        let path = folder.path().join(format!("{i}.sock"));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 64];
            let n = stream.read(&mut asked).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&asked[..n]).into_owned()
        });
        let error = Client::connect("srlb-lb", &path)
            .unwrap()
            .greet()
            .err()
            .unwrap();
        assert!(error.to_string().contains(words), "{error}");
        assert!(peer.join().unwrap().contains("program"));
    }
}
