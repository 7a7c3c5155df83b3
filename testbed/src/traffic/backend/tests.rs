//! The backend as Apache sees it, one worker at a time.

use std::io::{Read, Write};

use mio::net::UnixStream;

use super::*;
use crate::traffic::http::Answer;

/// A worker's connection and the other end of it.
fn worker() -> (Worker, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let worker = Worker {
        peer: Peer::new(ours),
        task: Task::None,
    };
    (worker, theirs)
}

/// What has come so far, as one answer: status and body.
fn answer(apache: &mut UnixStream) -> (Answer, Vec<u8>) {
    let (mut bytes, mut body) = ([0; 65536], Vec::new());
    let n = apache.read(&mut bytes).unwrap();
    let mut answer = Answer::default();
    answer
        .take(&bytes[..n], &mut |piece| body.extend_from_slice(piece))
        .unwrap();
    (answer, body)
}

fn status(answer: &Answer) -> u16 {
    answer.head().unwrap().status
}

#[test]
fn content_is_the_content_of_its_seed() {
    let (mut worker, mut apache) = worker();
    for bytes in [0, 1, 3000] {
        let head = format!("GET /traffic/content?seed=5&bytes={bytes} HTTP/1.1\r\n\r\n");
        apache.write_all(head.as_bytes()).unwrap();
        assert!(worker.go_on(0.0));
        let (answer, body) = answer(&mut apache);
        assert!(answer.is_done() && status(&answer) == 200);
        assert_eq!(body, Content { seed: 5 }.bytes(0, bytes));
    }
}

#[test]
fn an_upload_is_counted_up_to_its_first_wrong_byte() {
    let right = Content { seed: 5 }.bytes(0, 300_000);
    let mut wrong = right.clone();
    wrong[70_000] ^= 1;
    for (body, right) in [(right, 300_000), (wrong, 70_000)] {
        let (mut worker, mut apache) = worker();
        let head = "POST /traffic/upload?seed=5 HTTP/1.1\r\ncontent-length: 300000\r\n\r\n";
        apache.write_all(head.as_bytes()).unwrap();
        for piece in body.chunks(9_999) {
            apache.write_all(piece).unwrap();
            assert!(worker.go_on(0.0));
        }
        let (answer, said) = answer(&mut apache);
        assert!(answer.is_done() && status(&answer) == 200);
        assert_eq!(String::from_utf8(said).unwrap(), receipt(right, 300_000));
    }
}

#[test]
fn a_push_says_each_line_when_it_is_due_and_not_before() {
    let (mut worker, mut apache) = worker();
    let head = "GET /traffic/push?seed=5&lines=3&every_ms=100 HTTP/1.1\r\n\r\n";
    apache.write_all(head.as_bytes()).unwrap();
    let (mut came, mut answer) = (Vec::new(), Answer::default());
    let times = [(0.0, 1), (99.0, 1), (100.0, 2), (100.0, 2), (250.0, 3)];
    for (now_ms, lines) in times {
        assert!(!answer.is_done());
        assert!(worker.go_on(now_ms));
        let mut bytes = [0; 4096];
        let n = apache.read(&mut bytes).unwrap_or(0);
        answer
            .take(&bytes[..n], &mut |piece| came.extend_from_slice(piece))
            .unwrap();
        assert_eq!(came.len() as u64, lines * LINE_BYTES, "at {now_ms}");
    }
    assert!(answer.is_done());
    assert_eq!(came, Content { seed: 5 }.bytes(0, came.len()));
    assert_eq!(worker.task, Task::None);
}

#[test]
fn odd_requests_are_refused() {
    for target in [
        "/traffic/content?seed=5",
        "/traffic/content?seed=x&bytes=3",
        "/traffic/push?seed=5&lines=3&every_ms=0",
        "/traffic/push?seed=5&lines=3&every_ms=NaN",
        "/traffic/upload?seed=5",
        "/other?seed=5",
    ] {
        let (mut worker, mut apache) = worker();
        let head = format!("GET {target} HTTP/1.1\r\n\r\n");
        apache.write_all(head.as_bytes()).unwrap();
        assert!(worker.go_on(0.0));
        assert_eq!(status(&answer(&mut apache).0), 400, "{target}");
    }
}

#[test]
fn who_sends_without_end_is_let_go() {
    let (mut worker, mut apache) = worker();
    let mut alive = true;
    for _ in 0..40 {
        // Its own buffer may be full; the worker's is what counts.
        let _ = apache.write(&[b'x'; 4096]);
        alive &= worker.go_on(0.0);
    }
    assert!(!alive);
}
