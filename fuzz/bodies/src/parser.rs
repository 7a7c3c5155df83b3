//! `parser`: any bytes. What comes out lies inside the packet, and everything that takes a parsed packet
//! can be called with it.

use srh::hmac::{self, Key, Keys, Signature, Text};
use srh::icmp::{self, quoted_flow};
use srh::parse::{self, Packet, Upper};
use srh::{checksum, rewrite, tcp, Describe, Frame};

use packet_io::PacketBuf;

/// Parses `bytes` whole and as a quotation, and uses what comes out.
pub fn run(bytes: &[u8]) {
    assert!(!Describe(bytes).to_string().is_empty());
    match parse::packet(bytes) {
        Ok(packet) => {
            inside(bytes, &packet);
            read(bytes, &packet);
            rewrite_all(bytes, &packet);
            // Bytes behind the packet change nothing, and who takes it whole takes it as a quotation.
            assert_eq!(parse::packet(&bytes[..packet.len]), Ok(packet));
            assert_eq!(parse::quoted(&bytes[..packet.len]), Ok(packet));
        }
        Err(error) => complain(bytes, error),
    }
    if let Ok(packet) = parse::quoted(bytes) {
        inside(bytes, &packet);
        tcp::empty_ack(bytes, &packet, &mut [0; 128]);
        tcp::clamp_mss(&mut PacketBuf::from_slice(bytes), &packet, 500);
    }
}

/// Every offset and length lies where the packet's own length allows it.
fn inside(bytes: &[u8], p: &Packet) {
    assert!(p.len <= bytes.len());
    assert!(40 <= p.insert_at && p.insert_at <= p.upper_at && p.upper_at <= p.len);
    assert!(p.insert_announced_at < p.insert_at);
    if let Some(srh) = &p.srh {
        assert!(p.insert_at <= srh.at && srh.announced_at < srh.at);
        assert!(srh.at + srh.len <= p.upper_at);
        assert!(8 + 16 * srh.segments() <= srh.len);
        assert!(usize::from(srh.segments_left) <= srh.segments());
        assert!((0..srh.segments()).all(|i| srh.segment(bytes, i).is_some()));
        assert_eq!(srh.segment(bytes, srh.segments()), None);
        assert_eq!(srh.final_destination(bytes), srh.segment(bytes, 0));
        assert!(srh.first_visited(bytes).is_some());
        if let Some(at) = srh.hmac_at {
            assert!(srh.at + 8 + 16 * srh.segments() <= at);
            assert!(srh.hmac_key(bytes).is_some());
            assert!(at + 2 + usize::from(bytes[at + 1]) <= srh.at + srh.len);
        }
    }
    if let Upper::Tcp(t) = &p.upper {
        assert!(p.upper_at + t.header_len + t.data_len <= p.len);
    }
}

fn read(bytes: &[u8], p: &Packet) {
    checksum::is_right(bytes, p);
    let key = Key::new(
        p.srh.and_then(|srh| srh.hmac_key(bytes)).unwrap_or(1),
        b"secret",
    );
    let keys = Keys::new(key.id(), vec![key]).expect("a key that signs");
    for keys in [keys.clone().with_text(Text::Linux), keys] {
        assert!(
            !matches!(keys.check(bytes, p), Ok(Signature::By(_))),
            "nobody guesses a key"
        );
    }
    if let Some(complaint) = hmac::complaint(p) {
        assert!((complaint.pointer as usize) < complaint.len && complaint.len == p.len);
    }
    icmp::may_report(p);
    assert_eq!(
        p.flow_from_client(p.dst).is_some(),
        p.flow_from_server(p.dst).is_some()
    );
    if let Some(quoted) = quoted_flow(bytes, p) {
        inside(&bytes[quoted.outer_at..p.len], &quoted.outer);
        inside(&bytes[quoted.inner_at..p.len], &quoted.inner);
        assert!(quoted.flow_sent_by_vip().is_some() == quoted.flow_sent_by_client().is_some());
    }
    let mut ack = [0; 128];
    if let Some(len) = tcp::empty_ack(bytes, p, &mut ack) {
        let made = parse::packet(&ack[..len]).expect("an empty ACK parses");
        assert!(checksum::is_right(&ack[..len], &made));
        assert_eq!(made.tcp().map(|t| t.data_len), Some(0));
    }
}

/// A refusal is as good as a rewrite; what is rewritten must parse again.
fn rewrite_all(bytes: &[u8], p: &Packet) {
    let list = [p.src, p.dst, p.dst];
    let frame = || PacketBuf::from_slice(bytes);
    let rewritten = |what: &str, change: &dyn Fn(&mut PacketBuf) -> bool| {
        let mut frame = frame();
        if change(&mut frame) {
            let after = parse::packet(frame.bytes());
            assert!(after.is_ok(), "{what}: {after:?}");
        }
    };
    rewritten("encap", &|f| {
        rewrite::encap(f, p, p.src, &list, 0, None).is_ok()
    });
    rewritten("advance", &|f| rewrite::advance(f, p).is_ok());
    rewritten("strip", &|f| rewrite::strip(f, p).is_ok());
    rewritten("clamp_mss", &|f| tcp::clamp_mss(f, p, 500));
    // One header more may be one too many.
    let _ = rewrite::insert(&mut frame(), p, &list, None);
    rewrite::decap(&mut frame(), p);
    if matches!(p.upper, Upper::Icmp(_)) && !p.is_fragment() {
        rewritten("echo_reply", &|f| {
            icmp::echo_reply(f, p);
            true
        });
    }
    let about = icmp::Error {
        src: p.dst,
        dst: p.src,
        kind: 1,
        code: 0,
        value: 0,
    };
    let mut error = frame();
    icmp::error(&mut error, &about).expect("room for an error");
    sealed(error.bytes());
}

fn complain(bytes: &[u8], error: parse::ParseError) {
    let Some(complaint) = parse::segments_left_complaint(bytes, error) else {
        return;
    };
    assert!((complaint.pointer as usize) < complaint.len && complaint.len <= bytes.len());
    let mut frame = PacketBuf::from_slice(bytes);
    frame.truncate(complaint.len);
    let about = icmp::Error {
        src: complaint.dst,
        dst: complaint.src,
        kind: 4,
        code: 0,
        value: complaint.pointer,
    };
    icmp::error(&mut frame, &about).expect("room for an error");
    sealed(frame.bytes());
}

/// A message of ours: it parses, ends where it says, and its checksum is right.
fn sealed(bytes: &[u8]) {
    let message = parse::packet(bytes).expect("a message of ours parses");
    assert_eq!(message.len, bytes.len());
    assert!(checksum::is_right(bytes, &message));
}
