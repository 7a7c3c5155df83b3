//! What happened, in order: as a hash always, as lines and as a capture if somebody wants to see it.

use std::fs::File;
use std::hash::Hasher;
use std::io::BufWriter;
use std::time::Duration;

use packet_io::pcap;
use siphasher::sip::SipHasher13;
use srh::describe::Describe;

use super::nodes::Node;

/// Where the packets go that are seen on the wire.
pub type Capture = pcap::Writer<BufWriter<File>>;

/// The record of a run.
#[derive(Default)]
pub struct Trace {
    hasher: SipHasher13,
    lines: Option<Vec<String>>,
    capture: Option<Capture>,
}

/// What can become of a packet at the end of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// The link has lost it.
    Lost,
    /// There is nobody to take it.
    Nobody,
}

impl Trace {
    /// A record with lines, and with a capture.
    pub fn new(lines: bool, capture: Option<Capture>) -> Self {
        Trace {
            hasher: SipHasher13::new(),
            lines: lines.then(Vec::new),
            capture,
        }
    }

    /// A packet, where it comes from and where it goes.
    pub fn packet(&mut self, at_us: u64, from: Node, to: Node, bytes: &[u8], fate: Fate) {
        self.hasher.write_u64(at_us);
        self.hasher.write_u64(from.code() << 32 | to.code());
        self.hasher
            .write_u64((bytes.len() as u64) << 8 | fate as u64);
        self.hasher.write(bytes);
        if let Some(lines) = &mut self.lines {
            let fate = match fate {
                Fate::Arrives => "",
                Fate::Lost => "  -- lost",
                Fate::Nobody => "  -- nobody there",
            };
            lines.push(format!(
                "{} {from} > {to}: {}{fate}",
                Time(at_us),
                Describe(bytes)
            ));
        }
        if let (Some(capture), Fate::Arrives) = (&mut self.capture, fate) {
            // a capture that can't be written is no reason to end a run
            let _ = capture.write(Duration::from_micros(at_us), bytes);
        }
    }

    /// Anything else. `text` is asked for only where somebody wants to read it.
    pub fn event(&mut self, at_us: u64, numbers: [u64; 3], text: impl FnOnce() -> String) {
        self.hasher.write_u64(at_us);
        numbers.iter().for_each(|&n| self.hasher.write_u64(n));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{} {}", Time(at_us), text()));
        }
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The lines.
    pub fn into_lines(mut self) -> Vec<String> {
        if let Some(capture) = &mut self.capture {
            let _ = capture.flush();
        }
        self.lines.unwrap_or_default()
    }
}

struct Time(u64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
