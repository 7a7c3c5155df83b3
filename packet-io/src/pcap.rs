//! Capture files of the classic pcap format, that tshark, tcpdump and scapy read and write.
//!
//! [`Writer`] writes [`LINKTYPE_RAW`] (a packet begins with its IP header), little endian, in microseconds.
//! [`Reader`] reads both byte orders, microseconds and nanoseconds, and any link type; it is up to the
//! caller to take a link layer off. pcapng is not read: `tshark -F pcap` writes what is.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// Packets that begin with their IPv4 or IPv6 header.
pub const LINKTYPE_RAW: u16 = 101;
/// Packets that begin with an Ethernet header.
pub const LINKTYPE_ETHERNET: u16 = 1;

/// The longest packet that is written or read, as tcpdump has it.
pub const SNAP_LENGTH_BYTES: usize = 262_144;

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const MAGIC_PCAPNG: u32 = 0x0a0d_0d0a;
const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;

/// Why a capture file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    /// The reader below failed.
    #[error("cannot read the capture: {0}")]
    Io(#[from] io::Error),
    /// The first bytes are none that a pcap file begins with.
    #[error("no pcap file: it begins with {magic:#010x}")]
    NotPcap {
        /// The first four bytes, little endian.
        magic: u32,
    },
    /// The newer format, which is not read.
    #[error("this is pcapng; convert it: tshark -r FILE -F pcap -w OTHER")]
    PcapNg,
    /// The file ends in the middle of a header or a packet.
    #[error("the capture ends in the middle of a {what}")]
    Cut {
        /// What was being read.
        what: &'static str,
    },
    /// A packet longer than any: the file is damaged.
    #[error("the capture claims a packet of {bytes} bytes, more than {SNAP_LENGTH_BYTES}")]
    TooLong {
        /// The claimed length.
        bytes: u32,
    },
}

/// Writes packets into a capture file.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins a capture of raw IP packets.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(FILE_HEADER_BYTES);
        header.extend(MAGIC_MICROS.to_le_bytes());
        header.extend(2u16.to_le_bytes()); // version 2.4
        header.extend(4u16.to_le_bytes());
        header.extend([0; 8]); // time zone and accuracy, always 0
        header.extend((SNAP_LENGTH_BYTES as u32).to_le_bytes());
        header.extend(u32::from(LINKTYPE_RAW).to_le_bytes());
        out.write_all(&header)?;
        Ok(Writer { out })
    }

    /// Adds a packet, seen at `at` (since the Unix epoch, or any other zero); cut to
    /// [`SNAP_LENGTH_BYTES`]. The format has 32 bits for the seconds: they end in 2106.
    pub fn write(&mut self, at: Duration, packet: &[u8]) -> io::Result<()> {
        let kept = &packet[..packet.len().min(SNAP_LENGTH_BYTES)];
        let mut header = [0; RECORD_HEADER_BYTES];
        let fields = [
            at.as_secs() as u32,
            at.subsec_micros(),
            kept.len() as u32,
            packet.len() as u32,
        ];
        for (bytes, field) in header.chunks_exact_mut(4).zip(fields) {
            bytes.copy_from_slice(&field.to_le_bytes());
        }
        self.out.write_all(&header)?;
        self.out.write_all(kept)
    }

    /// Hands what was written on, if the writer below buffers: for who reads along.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The writer below.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// A packet out of a capture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When it was seen, since the capture's zero (the Unix epoch as a rule).
    pub at: Duration,
    /// The bytes that were kept, from the link layer on.
    pub bytes: Vec<u8>,
    /// How many bytes it had on the wire.
    pub wire_bytes: usize,
}

/// Reads packets out of a capture file; an iterator that ends at the first error.
#[derive(Debug)]
pub struct Reader<R: Read> {
    input: R,
    big_endian: bool,
    nanos_per_tick: u32,
    link_type: u16,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the file's header.
    pub fn new(mut input: R) -> Result<Self, PcapError> {
        let mut header = [0; FILE_HEADER_BYTES];
        read_whole(&mut input, &mut header[..4], "file header")?;
        let magic = word(&header[..4], false);
        let (big_endian, nanos_per_tick) = match (magic, magic.swap_bytes()) {
            (MAGIC_MICROS, _) => (false, 1_000),
            (MAGIC_NANOS, _) => (false, 1),
            (_, MAGIC_MICROS) => (true, 1_000),
            (_, MAGIC_NANOS) => (true, 1),
            (MAGIC_PCAPNG, _) => return Err(PcapError::PcapNg),
            _ => return Err(PcapError::NotPcap { magic }),
        };
        read_whole(&mut input, &mut header[4..], "file header")?;
        Ok(Reader {
            input,
            big_endian,
            nanos_per_tick,
            // the upper half says whether a frame check sequence follows
            link_type: word(&header[20..24], big_endian) as u16,
            failed: false,
        })
    }

    /// What a packet begins with: [`LINKTYPE_RAW`], [`LINKTYPE_ETHERNET`] or another number of
    /// the registry of tcpdump.org.
    pub fn link_type(&self) -> u16 {
        self.link_type
    }

    fn read_packet(&mut self) -> Result<Option<Captured>, PcapError> {
        let mut header = [0; RECORD_HEADER_BYTES];
        match read_some(&mut self.input, &mut header)? {
            0 => return Ok(None),
            RECORD_HEADER_BYTES => {}
            _ => {
                return Err(PcapError::Cut {
                    what: "packet header",
                })
            }
        }
        let field = |n: usize| word(&header[4 * n..4 * n + 4], self.big_endian);
        let (secs, ticks, kept, wire) = (field(0), field(1), field(2), field(3));
        if kept as usize > SNAP_LENGTH_BYTES {
            return Err(PcapError::TooLong { bytes: kept });
        }
        let mut bytes = vec![0; kept as usize];
        read_whole(&mut self.input, &mut bytes, "packet")?;
        let nanos = u64::from(ticks) * u64::from(self.nanos_per_tick);
        Ok(Some(Captured {
            at: Duration::from_secs(secs.into()) + Duration::from_nanos(nanos),
            bytes,
            wire_bytes: wire as usize,
        }))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Captured, PcapError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let packet = self.read_packet();
        self.failed = packet.is_err();
        packet.transpose()
    }
}

fn word(bytes: &[u8], big_endian: bool) -> u32 {
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    match big_endian {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes),
    }
}

/// Fills `buf` as far as the input goes.
fn read_some(input: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buf.len() {
        match input.read(&mut buf[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(have)
}

fn read_whole(input: &mut impl Read, buf: &mut [u8], what: &'static str) -> Result<(), PcapError> {
    match read_some(input, buf)? == buf.len() {
        true => Ok(()),
        false => Err(PcapError::Cut { what }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(packets: &[(Duration, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for (at, packet) in packets {
            writer.write(*at, packet).unwrap();
        }
        writer.flush().unwrap();
        writer.into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Captured>, PcapError> {
        Reader::new(bytes)?.collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let late = Duration::new(1_795_000_000, 123_456_000);
        let file = capture(&[
            (Duration::ZERO, &[0x60, 1, 2]),
            (late, &[]),
            (late, &[7; 65_575]),
        ]);
        let packets = read(&file).unwrap();
        assert_eq!(Reader::new(&file[..]).unwrap().link_type(), LINKTYPE_RAW);
        assert_eq!(packets.len(), 3);
        assert_eq!(
            packets[0],
            Captured {
                at: Duration::ZERO,
                bytes: vec![0x60, 1, 2],
                wire_bytes: 3
            }
        );
        assert_eq!((packets[1].at, packets[1].bytes.len()), (late, 0));
        assert_eq!(packets[2].bytes, [7; 65_575]);
    }

    #[test]
    fn the_header_is_the_one_of_the_format() {
        let file = capture(&[(Duration::new(2, 3_000), &[9])]);
        assert_eq!(file[..8], [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        assert_eq!(file[8..16], [0; 8]);
        assert_eq!(file[16..24], [0, 0, 4, 0, 101, 0, 0, 0]);
        assert_eq!(
            file[24..40],
            [2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
        );
        assert_eq!(file[40..], [9]);
    }

    #[test]
    fn a_packet_longer_than_the_snap_length_is_cut_and_says_so() {
        let packets = read(&capture(&[(Duration::ZERO, &[1; SNAP_LENGTH_BYTES + 5])])).unwrap();
        assert_eq!(packets[0].bytes.len(), SNAP_LENGTH_BYTES);
        assert_eq!(packets[0].wire_bytes, SNAP_LENGTH_BYTES + 5);
    }

    #[test]
    fn the_other_byte_order_and_nanoseconds_are_read() {
        let mut file = Vec::new();
        for word in [
            MAGIC_NANOS,
            0x0002_0004,
            0,
            0,
            65_535,
            0x4400_0001,
            5,
            999_999_999,
            2,
            60,
        ] {
            file.extend(word.to_be_bytes());
        }
        file.extend([0xaa, 0xbb]);
        assert_eq!(
            Reader::new(&file[..]).unwrap().link_type(),
            LINKTYPE_ETHERNET
        );
        let packets = read(&file).unwrap();
        let expected = Captured {
            at: Duration::new(5, 999_999_999),
            bytes: vec![0xaa, 0xbb],
            wire_bytes: 60,
        };
        assert_eq!(packets, [expected]);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_but_at_the_end_of_a_packet() {
        let file = capture(&[(Duration::ZERO, &[1; 4]), (Duration::ZERO, &[2; 4])]);
        for len in 0..file.len() {
            let result = read(&file[..len]);
            match len {
                24 => assert_eq!(result.unwrap().len(), 0),
                44 => assert_eq!(result.unwrap().len(), 1),
                _ => assert!(matches!(result, Err(PcapError::Cut { .. })), "{len}"),
            }
        }
    }

    #[test]
    fn what_is_no_pcap_is_refused_with_what_it_is() {
        assert!(matches!(
            read(b"GET / HTTP/1.1\r\n"),
            Err(PcapError::NotPcap { magic: 0x2054_4547 })
        ));
        let error = read(&MAGIC_PCAPNG.to_le_bytes()).unwrap_err();
        assert!(error.to_string().contains("-F pcap"), "{error}");
    }

    #[test]
    fn a_damaged_length_neither_allocates_nor_goes_on() {
        let mut file = capture(&[(Duration::ZERO, &[1; 4])]);
        file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut reader = Reader::new(&file[..]).unwrap();
        assert!(matches!(
            reader.next(),
            Some(Err(PcapError::TooLong { bytes: u32::MAX }))
        ));
        assert!(reader.next().is_none());
    }
}
