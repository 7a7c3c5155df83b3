//! scapy takes apart what we build, builds what we build, and we take apart what it builds.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde_json::{json, Value};
use srh::parse::{Packet, Upper};
use tests::nodes::{lb, server, CLIENT, KEY, VIP};
use tests::{packets, samples, tools};

const PYTHON: &str = "/usr/bin/python3";
const PEER: &str = include_str!("scapy_peer.py");

/// Asks scapy; `None` if it isn't there.
fn ask(request: &Value) -> Option<Value> {
    if let Err(why) = tools::run(
        PYTHON,
        &["-c", "import scapy.layers.inet6"],
        b"",
        Duration::from_secs(60),
    ) {
        tools::skipped(&format!("no scapy: {why}"));
        return None;
    }
    let input = request.to_string();
    let printed = tools::run(
        PYTHON,
        &["-c", PEER],
        input.as_bytes(),
        Duration::from_secs(60),
    );
    Some(serde_json::from_slice(&printed.unwrap()).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// The layers as the peer prints them, from our own parser.
fn by_us(bytes: &[u8]) -> Vec<Value> {
    let packet = packets::parse(bytes);
    let mut layers = vec![ipv6(bytes, &packet)];
    if let Some(srh) = &packet.srh {
        let segments: Vec<Ipv6Addr> = (0..srh.segments())
            .filter_map(|i| srh.segment(bytes, i))
            .collect();
        layers.push(json!({
            "next_header": srh.next_header,
            "len": srh.len / 8 - 1,
            "segments_left": srh.segments_left,
            "last_entry": srh.last_entry,
            "segments": segments,
            "tag": 0,
            "tlvs": srh.hmac_at.map(|_| hmac_tlv()).into_iter().collect::<Vec<_>>(),
        }));
    }
    match packet.upper {
        Upper::Tcp(tcp) => layers.push(json!({
            "ports": [tcp.src_port, tcp.dst_port],
            "numbers": [tcp.seq, tcp.ack],
            "flags": tcp.flags,
        })),
        Upper::Ipv6 => layers.extend(by_us(&bytes[packet.upper_at..packet.len])),
        _ => {}
    }
    layers
}

/// The one TLV that we write, where it has one key and is right.
fn hmac_tlv() -> Value {
    json!({ "type": 5, "len": 38, "d": 0, "reserved": 0, "key": KEY.0, "verifies": true })
}

fn ipv6(bytes: &[u8], packet: &Packet) -> Value {
    json!({
        "src": packet.src,
        "dst": packet.dst,
        "traffic_class": packet.traffic_class,
        "flow_label": packet.flow_label,
        "hop_limit": packet.hop_limit,
        "payload_len": packet.len - 40,
        "next_header": bytes[6],
    })
}

#[test]
fn scapy_sees_what_we_see() {
    let samples = samples::all();
    let bytes: Vec<String> = samples.iter().map(|s| hex(&s.bytes)).collect();
    let Some(answer) = ask(&json!({ "dissect": bytes })) else {
        return;
    };
    let answer = answer.as_array().unwrap();
    assert_eq!(answer.len(), samples.len());
    for (sample, layers) in samples.iter().zip(answer) {
        assert_eq!(*layers, json!(by_us(&sample.bytes)), "{}", sample.name);
    }
}

#[test]
fn scapy_builds_the_same_bytes() {
    let samples = samples::all();
    let bytes: Vec<String> = samples.iter().map(|s| hex(&s.bytes)).collect();
    let Some(answer) = ask(&json!({ "rebuild": bytes })) else {
        return;
    };
    let answer = answer.as_array().unwrap();
    assert_eq!(answer.len(), samples.len());
    for ((sample, ours), theirs) in samples.iter().zip(&bytes).zip(answer) {
        assert_eq!(theirs.as_str().unwrap(), ours, "{}", sample.name);
    }
}

/// What scapy is asked to build, and where an HMAC TLV is then to be found.
fn requests() -> Vec<(Value, Option<usize>)> {
    let mut requests = Vec::new();
    let padn = |bytes: usize| json!({ "kind": "padn", "bytes": bytes });
    let hmac = |bytes: usize| json!({ "kind": "hmac", "bytes": bytes });
    for count in 1..=10u16 {
        let mut segments = vec![VIP];
        segments.extend((1..count).map(|n| server(n).node()));
        for (left, tlvs, hmac_behind) in [
            (count - 1, vec![], None),
            (count, vec![padn(6)], None),
            (0, vec![hmac(32)], Some(0)),
            (0, vec![padn(6), hmac(8)], Some(8)),
        ] {
            let request = json!({
                "src": CLIENT,
                "dst": lb(1).node(),
                "segments": segments,
                "segments_left": left,
                "tag": 0x1234,
                "tlvs": tlvs,
                "port": 40_000 + count,
                "seq": 4_000_000_000u32 + u32::from(left),
            });
            requests.push((
                request,
                hmac_behind.map(|n: usize| 40 + 8 + 16 * usize::from(count) + n),
            ));
        }
    }
    requests
}

#[test]
fn we_see_what_scapy_built() {
    let requests = requests();
    let specs: Vec<&Value> = requests.iter().map(|(spec, _)| spec).collect();
    let Some(answer) = ask(&json!({ "build": specs })) else {
        return;
    };
    let answer = answer.as_array().unwrap();
    assert_eq!(answer.len(), requests.len());
    for ((spec, hmac_at), text) in requests.iter().zip(answer) {
        let bytes = unhex(text.as_str().unwrap());
        let packet = packets::parse(&bytes);
        let srh = packet.srh.unwrap();
        let segments: Vec<Ipv6Addr> = (0..srh.segments())
            .filter_map(|i| srh.segment(&bytes, i))
            .collect();
        assert_eq!(json!(segments), spec["segments"], "{spec}");
        assert_eq!(json!(srh.segments_left), spec["segments_left"], "{spec}");
        assert_eq!(srh.hmac_at, *hmac_at, "{spec}");
        let tcp = packet.tcp().unwrap();
        assert_eq!(
            (json!(tcp.src_port), json!(tcp.seq)),
            (spec["port"].clone(), spec["seq"].clone())
        );
        assert!(tcp.is_syn());
        assert!(srh::checksum::is_right(&bytes, &packet), "{spec}");
    }
}
