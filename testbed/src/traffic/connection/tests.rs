//! Every end of a connection, against a server that does one thing with it.

use std::net::{TcpListener, TcpStream as StdStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::*;
use crate::traffic::content::Content;
use crate::traffic::script::tests::script;
use Class::*;
use Outcome::*;

/// The run's end, and the patience with a connection without progress.
const END_MS: f64 = 1e6;
const TIMEOUT_MS: f64 = 1e3;
const HEAD: &str = "HTTP/1.1 200 OK\r\nX-Server: s1\r\nContent-Length: ";

/// A connection of this class to a server that does this with it.
fn play(class: Class, serve: fn(StdStream), clock_jumps: bool) -> Record {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let target = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    let record = follow(class, target, clock_jumps);
    server.join().unwrap();
    record
}

/// Follows a connection to its end. Its clock stands still, or jumps once the request is out.
fn follow(class: Class, target: SocketAddr, clock_jumps: bool) -> Record {
    let stream = TcpStream::connect(target).unwrap();
    let record = blank_record(1, class, None, 0.0);
    let mut connection = Connection::new(stream, script(class, 1), record);
    loop {
        let now_ms = match clock_jumps && connection.record.requests > 0 {
            true => 2.0 + TIMEOUT_MS,
            false => 1.0,
        };
        if let Some(ending) = connection.step(now_ms, END_MS, TIMEOUT_MS) {
            return connection.into_record(ending, now_ms);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reads a request's head; returns the body that is right for it.
fn request(stream: &mut StdStream) -> Vec<u8> {
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0] as char);
    }
    let value = |key: &str| {
        let (_, rest) = head.split_once(key).unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap()
    };
    let seed = value("seed=");
    Content { seed }.bytes(0, value("bytes=") as usize)
}

fn send(stream: &mut StdStream, length: usize, more: &str, body: &[u8]) {
    let head = format!("{HEAD}{length}\r\n{more}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

fn whole(mut stream: StdStream) {
    let body = request(&mut stream);
    send(&mut stream, body.len(), "", &body);
}

fn whole_and_last(mut stream: StdStream) {
    let body = request(&mut stream);
    send(&mut stream, body.len(), "Connection: close\r\n", &body);
}

fn half(mut stream: StdStream) {
    let body = request(&mut stream);
    send(&mut stream, body.len(), "", &body[..body.len() / 2]);
}

fn nothing(mut stream: StdStream) {
    request(&mut stream);
}

fn nothing_and_reset(mut stream: StdStream) {
    request(&mut stream);
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

fn a_wrong_byte(mut stream: StdStream) {
    let mut body = request(&mut stream);
    body[50] ^= 1;
    send(&mut stream, body.len(), "", &body);
}

fn another_status(mut stream: StdStream) {
    request(&mut stream);
    let answer = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(answer).unwrap();
}

/// Until the client has gone.
fn silence(mut stream: StdStream) {
    request(&mut stream);
    let _ = stream.read(&mut [0]);
}

/// (what the server does, class, outcome, are right bytes missing)
type Row = (fn(StdStream), Class, Outcome, bool);

#[test]
fn every_end_has_its_name() {
    let rows: [Row; 9] = [
        (whole_and_last, Short, Completed, false),
        (half, Short, ClosedEarly, true),
        (nothing, KeepAlive, ClosedEarly, true),
        (nothing_and_reset, Short, Reset, true),
        (a_wrong_byte, Short, WrongBytes, true),
        (another_status, Short, WrongBytes, true),
        // The server leaves in the pause, or says that it will although nobody asked.
        (whole, KeepAlive, ClosedIdle, false),
        (whole_and_last, Idle, ClosedIdle, false),
        (silence, Short, TimedOut, true),
    ];
    for (i, (serve, class, outcome, missing)) in rows.into_iter().enumerate() {
        let record = play(class, serve, outcome == TimedOut);
        assert_eq!(record.outcome, outcome, "row {i}: {record:?}");
        let short_of = record.bytes_right < record.bytes_expected;
        assert_eq!((short_of, record.requests), (missing, 1), "row {i}");
        let stalled = record.longest_stall_ms > TIMEOUT_MS;
        assert_eq!(stalled, outcome == TimedOut, "row {i}");
    }
}

#[test]
fn a_refused_connection_never_stood() {
    let nobody = TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
    let record = follow(Short, nobody, false);
    assert_eq!((record.outcome, record.connected_ms), (Refused, None));
}
