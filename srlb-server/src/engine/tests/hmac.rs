//! With keys: what is signed is obeyed and passed on as it is, what is not changes nothing.

use srh::hmac::{Key, Keys, Signature};
use srh::{carry, rewrite, Segments, Sender};

use super::*;

fn keys(id: u32, secret: u8) -> Keys {
    Keys::new(id, vec![Key::new(id, &[secret; 32])]).unwrap()
}

/// A router that takes what key 7 has signed; nobody is told about the rest.
fn strict() -> Bench {
    let mut bench = Bench::always();
    bench.engine.set_config(EngineConfig {
        hmac: Some(keys(7, 1)),
        icmp_rate_pps: 0,
        ..config(Accept::Always)
    });
    bench
}

/// `packet` of the client along `sids`, from the LB, signed.
fn signed(encoding: Encoding, keys: &Keys, sids: &[std::net::Ipv6Addr], packet: &[u8]) -> Vec<u8> {
    let mut list = Segments::default();
    sids.iter().for_each(|&sid| list.push(sid));
    let sender = Sender {
        node: locator(LB),
        keys: Some(keys),
    };
    let mut frame = PacketBuf::from_slice(packet);
    let parsed = srh::parse::packet(packet).unwrap();
    carry::put_on(&mut frame, &parsed, sender, encoding, &list, 0).unwrap();
    frame.bytes().to_vec()
}

fn pin() -> [std::net::Ipv6Addr; 1] {
    [sid(SERVER, Function::AckStickiness)]
}

/// What the router sends is signed by its own key.
#[track_caller]
fn is_signed(bytes: &[u8]) {
    let packet = srh::parse::packet(bytes).unwrap();
    let said = keys(7, 1).check(bytes, &packet);
    assert_eq!(said, Ok(Signature::By(7)));
}

#[test]
fn a_signed_offer_is_taken_answered_and_pinned() {
    for encoding in ENCODINGS {
        let mut bench = strict();
        let syn = client(SYN, 0);
        bench.delivers(&signed(encoding, &keys(7, 1), &offer_list(), &syn), &syn);
        let (verdict, bytes) = bench.put(&server(SYN | ACK, 100, b""));
        assert_eq!(verdict, Verdict::Transmit);
        is_signed(&bytes);
        let added = encoding.overhead_bytes(1, true);
        assert_eq!(bytes.len(), server(SYN | ACK, 100, b"").len() + added);
        let ack = client(ACK, 101);
        bench.delivers(&signed(encoding, &keys(7, 1), &pin(), &ack), &ack);
        assert_eq!(bench.state(), State::Direct);
        assert_eq!(bench.engine.signed().by(7), 2, "asking sockets counts once");
    }
}

#[test]
fn what_is_passed_on_and_what_goes_back_is_signed() {
    for encoding in ENCODINGS {
        let mut bench = strict();
        bench.engine.set_config(EngineConfig {
            hmac: Some(keys(7, 1)),
            ..config(Accept::Never)
        });
        let offer = signed(encoding, &keys(7, 1), &offer_list(), &client(SYN, 0));
        let mut expected = PacketBuf::from_slice(&offer);
        let packet = srh::parse::packet(&offer).unwrap();
        rewrite::advance(&mut expected, &packet).unwrap();
        bench.transmits(&offer, expected.bytes());
        is_signed(expected.bytes());
        let (verdict, back) = bench.put(&signed(encoding, &keys(7, 1), &pin(), &client(ACK, 9)));
        assert_eq!(verdict, Verdict::Transmit);
        assert_eq!(
            srh::parse::packet(&back).unwrap().dst,
            sid(LB, Function::ReturnFlow)
        );
        is_signed(&back);
    }
}

#[test]
fn what_is_not_signed_rightly_changes_nothing() {
    for encoding in ENCODINGS {
        let mut bench = Bench::direct(encoding, 100);
        bench.engine.set_config(EngineConfig {
            hmac: Some(keys(7, 1)),
            icmp_rate_pps: 0,
            ..config(Accept::Always)
        });
        let asked = bench.asked;
        let packet = client(RST, 0);
        let good = signed(encoding, &keys(7, 1), &pin(), &packet);
        let tlv = srh::parse::packet(&good)
            .unwrap()
            .srh
            .unwrap()
            .hmac_at
            .unwrap();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        let rows = [
            (pinned(encoding, &packet), DropReason::HmacMissing),
            (
                signed(encoding, &keys(7, 2), &pin(), &packet),
                DropReason::HmacWrong,
            ),
            (
                signed(encoding, &keys(8, 1), &pin(), &packet),
                DropReason::HmacUnknownKey,
            ),
            (with(tlv + 2, 0x80), DropReason::HmacSegment),
            (with(38, 0x18), DropReason::HmacSegment),
            (with(tlv + 39, !good[tlv + 39]), DropReason::HmacWrong),
        ];
        for (bytes, reason) in rows {
            bench.drops(&bytes, reason);
        }
        assert_eq!(bench.asked, asked, "no socket is asked for a forged packet");
        bench.delivers(&good, &packet);
    }
}

#[test]
fn without_keys_a_tlv_is_passed_over() {
    for encoding in ENCODINGS {
        let mut bench = Bench::always();
        let syn = client(SYN, 0);
        bench.delivers(&signed(encoding, &keys(9, 9), &offer_list(), &syn), &syn);
    }
}

#[test]
fn echo_and_the_applications_own_packets_need_none() {
    let mut bench = strict();
    let request = icmp(CLIENT, sid(SERVER, Function::Node), 128, 1, b"");
    assert_eq!(bench.put(&request).0, Verdict::Transmit);
    let answer = server(ACK, 1, b"data");
    bench.transmits(&answer, &answer);
}

#[test]
fn udp_is_signed_as_well() {
    for encoding in ENCODINGS {
        let mut bench = strict();
        let packet = question(b"question");
        bench.drops(&offer(encoding, &packet), DropReason::HmacMissing);
        let offer = signed(encoding, &keys(7, 1), &offer_list(), &packet);
        bench.delivers_steered(&offer, &packet);
        let (verdict, told) = bench.put(&answer(b"answer"));
        assert_eq!(verdict, Verdict::Transmit);
        is_signed(&told);
    }
}
