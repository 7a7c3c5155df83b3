//! Our capture files before other people's readers, and theirs before ours.
#![forbid(unsafe_code)]

use packet_io::pcap::{Reader, Writer, LINKTYPE_RAW};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A UDP datagram from 2001:db8::1 port 4660 to 2001:db8::2 port 53 with payload `hi`.
const DATAGRAM: [u8; 50] = [
    0x60, 0, 0, 0, 0, 10, 17, 64, // version, payload length, UDP, hop limit
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // from
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, // to
    0x12, 0x34, 0, 53, 0, 10, 0x29, 0x93, b'h', b'i', // UDP
];
const SEEN_AT: Duration = Duration::from_micros(1_795_000_000_250_001);

/// Runs a command and hands back what it says; `None`, and why, where it is not installed.
fn output_of(program: &str, args: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(args).output() {
        Err(e) => {
            println!("skipped: {program}: {e}");
            return None;
        }
        Ok(output) => output,
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("No module named") {
        println!("skipped: {errors}");
        return None;
    }
    assert!(output.status.success(), "{program}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn write_capture(path: &Path) {
    let mut writer = Writer::new(File::create(path).unwrap()).unwrap();
    writer.write(SEEN_AT, &DATAGRAM).unwrap();
    writer
        .write(SEEN_AT + Duration::from_secs(1), &DATAGRAM[..44])
        .unwrap();
}

#[test]
fn tshark_reads_what_we_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ours.pcap");
    write_capture(&path);
    let fields = [
        "frame.time_epoch",
        "frame.protocols",
        "ipv6.src",
        "udp.srcport",
        "udp.checksum.status",
    ];
    let mut args = vec![
        "-r",
        path.to_str().unwrap(),
        "-o",
        "udp.check_checksum:TRUE",
        "-c",
        "1",
        "-T",
        "fields",
    ];
    fields.iter().for_each(|field| args.extend(["-e", field]));
    let Some(text) = output_of("tshark", &args) else {
        return;
    };
    let got: Vec<&str> = text.trim_end().split('\t').collect();
    assert!(
        got[0].ends_with(".250001000") || got[0].ends_with(".250001000Z"),
        "{text}"
    );
    assert!(got[1].starts_with("raw:ipv6:udp"), "{text}");
    assert_eq!(got[2..4], ["2001:db8::1", "4660"], "{text}");
    assert_eq!(got[4], "1", "checksum good: {text}");
}

#[test]
fn scapy_reads_what_we_write_and_we_read_what_scapy_writes() {
    const SCRIPT: &str = "
import sys
from scapy.all import IPv6, UDP, rdpcap, wrpcap
packets = rdpcap(sys.argv[1])
assert len(packets) == 2 and packets[0][UDP].sport == 4660, packets
assert bytes(packets[0]) == bytes(IPv6(src='2001:db8::1', dst='2001:db8::2')/UDP(sport=4660, dport=53)/b'hi')
wrpcap(sys.argv[2], packets[:1], linktype=101)
print('done')
";
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("ours.pcap"), dir.path().join("theirs.pcap"));
    write_capture(&ours);
    let args = [
        "-c",
        SCRIPT,
        ours.to_str().unwrap(),
        theirs.to_str().unwrap(),
    ];
    let Some(text) = output_of("/usr/bin/python3", &args) else {
        return;
    };
    assert!(text.contains("done"), "{text}");

    let mut reader = Reader::new(File::open(&theirs).unwrap()).unwrap();
    assert_eq!(reader.link_type(), LINKTYPE_RAW);
    let packet = reader.next().unwrap().unwrap();
    assert_eq!(packet.bytes, DATAGRAM);
    assert_eq!(packet.at, SEEN_AT);
    assert!(reader.next().is_none());
}
