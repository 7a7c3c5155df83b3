//! tshark reads what we put on the wire, and sees what we see.

use std::net::Ipv6Addr;
use std::time::Duration;

use packet_io::pcap;
use srh::icmp::quoted_flow;
use srh::parse::{Icmp, Packet, Tcp, Upper};
use tests::samples::{self, Sample};
use tests::{packets, tools};

/// What is compared, one list per field: a packet may hold several headers of a kind.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    src: Vec<Ipv6Addr>,
    dst: Vec<Ipv6Addr>,
    payload_len: Vec<u16>,
    hop_limit: Vec<u8>,
    flow_label: Vec<u32>,
    segments_left: Vec<u8>,
    last_entry: Vec<u8>,
    srh_len_bytes: Vec<usize>,
    /// In wire order.
    segments: Vec<Ipv6Addr>,
    ports: Vec<(u16, u16)>,
    tcp_numbers: Vec<(u32, u32)>,
    tcp_flags: Vec<u8>,
    icmp: Vec<(u8, u8)>,
}

impl Seen {
    /// As our parser sees it.
    fn by_us(bytes: &[u8]) -> Self {
        let mut seen = Seen::default();
        let packet = packets::parse(bytes);
        seen.add(bytes, &packet);
        if packet.upper == Upper::Ipv6 {
            let inner = &bytes[packet.upper_at..packet.len];
            seen.add(inner, &packets::parse(inner));
        }
        if let Some(quoted) = quoted_flow(bytes, &packet) {
            seen.add(&bytes[quoted.outer_at..packet.len], &quoted.outer);
        }
        seen
    }

    fn add(&mut self, bytes: &[u8], p: &Packet) {
        self.src.push(p.src);
        self.dst.push(p.dst);
        self.payload_len
            .push(u16::from_be_bytes([bytes[4], bytes[5]]));
        self.hop_limit.push(p.hop_limit);
        self.flow_label.push(p.flow_label);
        if let Some(srh) = &p.srh {
            self.segments_left.push(srh.segments_left);
            self.last_entry.push(srh.last_entry);
            self.srh_len_bytes.push(srh.len);
            self.segments
                .extend((0..srh.segments()).filter_map(|i| srh.segment(bytes, i)));
        }
        match p.upper {
            Upper::Tcp(Tcp {
                src_port,
                dst_port,
                seq,
                ack,
                flags,
                ..
            }) => {
                self.ports.push((src_port, dst_port));
                self.tcp_numbers.push((seq, ack));
                self.tcp_flags.push(flags);
            }
            Upper::Icmp(Icmp { kind, code, .. }) => self.icmp.push((kind, code)),
            _ => {}
        }
    }

    /// As tshark sees it: the fields of [`FIELDS`], in their order.
    fn by_tshark(columns: &[Vec<String>]) -> Self {
        let [src, dst, plen, hlim, flow, left, last, len_bytes, segments, sport, dport, seq, ack, flags, kind, code, ..] =
            columns
        else {
            panic!("{} columns", columns.len());
        };
        Seen {
            src: all(src),
            dst: all(dst),
            payload_len: all(plen),
            hop_limit: all(hlim),
            flow_label: flow.iter().map(|text| number(text)).collect(),
            segments_left: all(left),
            last_entry: all(last),
            srh_len_bytes: all(len_bytes),
            segments: all(segments),
            ports: all(sport).into_iter().zip(all(dport)).collect(),
            tcp_numbers: all(seq).into_iter().zip(all(ack)).collect(),
            tcp_flags: flags.iter().map(|text| number(text) as u8).collect(),
            icmp: all(kind).into_iter().zip(all(code)).collect(),
        }
    }
}

const FIELDS: &[&str] = &[
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    "ipv6.hlim",
    "ipv6.flow",
    "ipv6.routing.segleft",
    "ipv6.routing.srh.last_entry",
    "ipv6.routing.len_oct",
    "ipv6.routing.srh.addr",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq",
    "tcp.ack_raw",
    "tcp.flags",
    "icmpv6.type",
    "icmpv6.code",
    "tcp.checksum.status",
    "icmpv6.checksum.status",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "ipv6.routing.srh.flags",
    "ipv6.routing.srh.tag",
];

fn all<T: std::str::FromStr>(texts: &[String]) -> Vec<T>
where
    T::Err: std::fmt::Debug,
{
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Decimal or 0x hexadecimal.
fn number(text: &str) -> u32 {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

/// One line per packet, one list per field.
fn ask_tshark(packets: &[Sample]) -> Result<Vec<Vec<Vec<String>>>, String> {
    let mut capture = pcap::Writer::new(Vec::new()).map_err(|e| e.to_string())?;
    for (i, sample) in packets.iter().enumerate() {
        capture
            .write(Duration::from_millis(i as u64), &sample.bytes)
            .map_err(|e| e.to_string())?;
    }
    let mut args = vec![
        "-r",
        "-",
        "-n",
        "-T",
        "fields",
        "-E",
        "separator=|",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=;",
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "tcp.relative_sequence_numbers:FALSE",
        "-o",
        "tcp.analyze_sequence_numbers:FALSE",
    ];
    for field in FIELDS {
        args.extend(["-e", field]);
    }
    let capture = capture.into_inner();
    let printed = tools::run("tshark", &args, &capture, Duration::from_secs(60))?;
    let printed = String::from_utf8(printed).map_err(|e| e.to_string())?;
    let list = |column: &str| -> Vec<String> {
        column
            .split(';')
            .filter(|t| !t.is_empty())
            .map(String::from)
            .collect()
    };
    Ok(printed
        .lines()
        .map(|line| line.split('|').map(list).collect())
        .collect())
}

#[test]
fn tshark_sees_what_we_see_and_nothing_malformed() {
    if !tools::installed("tshark", "--version") {
        return tools::skipped("tshark is not installed");
    }
    let samples = samples::all();
    let lines = ask_tshark(&samples).unwrap();
    assert_eq!(lines.len(), samples.len());
    let column = |name: &str| FIELDS.iter().position(|f| *f == name).unwrap();
    for (sample, columns) in samples.iter().zip(&lines) {
        let name = &sample.name;
        let of = |field: &str| &columns[column(field)];
        assert_eq!(
            Seen::by_tshark(columns),
            Seen::by_us(&sample.bytes),
            "{name}"
        );
        assert!(of("_ws.malformed").is_empty(), "{name}: {columns:?}");
        assert!(
            of("ipv6.routing.srh.flags")
                .iter()
                .all(|flags| number(flags) == 0),
            "{name}"
        );
        assert!(
            of("ipv6.routing.srh.tag")
                .iter()
                .all(|tag| tag.chars().all(|c| c == '0')),
            "{name}"
        );
        // "1" is good. Of a segment that an error quotes the end is missing, so that only the
        // error's own checksum counts.
        let of_icmp = of("icmpv6.checksum.status");
        let checksum = if of_icmp.is_empty() {
            of("tcp.checksum.status")
        } else {
            of_icmp
        };
        assert_eq!(checksum[..], ["1"], "{name}: {columns:?}");
    }
}

#[test]
fn a_checksum_that_is_wrong_is_seen_as_wrong_by_both() {
    if !tools::installed("tshark", "--version") {
        return tools::skipped("tshark is not installed");
    }
    let mut samples = samples::all();
    samples.retain(|sample| !sample.name.contains("Too Big"));
    for sample in &mut samples {
        let last = sample.bytes.len() - 1;
        sample.bytes[last] ^= 1;
    }
    let status = |field: &str| FIELDS.iter().position(|f| *f == field).unwrap();
    for (sample, columns) in samples.iter().zip(ask_tshark(&samples).unwrap()) {
        let bad = [
            &columns[status("tcp.checksum.status")][..],
            &columns[status("icmpv6.checksum.status")],
        ]
        .concat();
        assert_eq!(bad, ["0"], "{}", sample.name);
        let packet = packets::parse(&sample.bytes);
        let at = if packet.upper == Upper::Ipv6 {
            packet.upper_at
        } else {
            0
        };
        let innermost = &sample.bytes[at..];
        assert!(
            !srh::checksum::is_right(innermost, &packets::parse(innermost)),
            "{}",
            sample.name
        );
    }
}
