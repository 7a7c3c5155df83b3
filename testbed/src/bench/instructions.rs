//! Instructions a packet: `benches/instructions.rs` has gungraun count them under valgrind, here is what it counts, and its report is read.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use packet_io::PacketBuf;
use serde_json::Value;

use super::case::{Case, Way};
use super::results::OrWhy;
use super::rig::{packets_of, ring, Rig};

/// Flows in the table. More of them cost no more instructions, but for the few that lie in their second home.
pub const FLOWS: u64 = 1_000;
const PACKETS: usize = 4_096;
const SERVERS: u16 = 48;
const BATCH: usize = 64;

/// Packets of one case, ready to be worked on.
pub struct Counted {
    case: Case,
    rig: Rig,
    ring: Vec<PacketBuf>,
}

impl Counted {
    /// A ring of packets, and an engine that has [`FLOWS`].
    pub fn new(case: Case, way: Way) -> Result<Counted> {
        let mut rig = Rig::new(way, SERVERS, FLOWS)?;
        let mut ring = ring(PACKETS);
        let filled = rig.fill(case, &mut ring)?;
        ring.truncate(filled);
        Ok(Counted { case, rig, ring })
    }

    /// Works on them: what is counted.
    pub fn work(&mut self) -> Result<()> {
        let worked = self.rig.work_on(self.case, BATCH, &mut self.ring);
        worked.map(|_| ())
    }
}

/// The name of a case's benchmark.
pub fn name(case: Case, way: Way) -> String {
    let way = match way {
        Way::Srv6(encoding) => encoding.name(),
        Way::MaglevGre => "gre",
    };
    format!("{case:?}_{way}").to_lowercase()
}

/// How many, by the names of benchmarks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts(HashMap<String, f64>);

impl Counts {
    /// Instructions a packet.
    pub fn get(&self, case: Case, way: Way) -> Option<f64> {
        let all = self.0.get(&name(case, way))?;
        Some(all / packets_of(case, FLOWS, PACKETS) as f64)
    }

    /// Reads what gungraun has written with `--output-format=json`, a benchmark a line; or a line `skipped: why`.
    pub fn read(path: &Path) -> Result<OrWhy<Counts>> {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        if let Some(why) = text.trim().strip_prefix("skipped: ") {
            return Ok(Err(why.to_owned()));
        }
        let counts: Option<HashMap<String, f64>> = text.lines().map(count).collect();
        let counts = counts.filter(|counts| !counts.is_empty());
        let what = || format!("{} is no report of gungraun's in JSON", path.display());
        Ok(Ok(Counts(counts.with_context(what)?)))
    }
}

fn count(line: &str) -> Option<(String, f64)> {
    let report: Value = serde_json::from_str(line).ok()?;
    let count = report.pointer("/profiles/0/data/total/metrics/Ir/values/new")?;
    Some((report.get("id")?.as_str()?.to_owned(), count.as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use srh::Encoding;

    #[test]
    fn reports_are_read_or_say_why_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Counts::read(&path)
        };
        let line = r#"{"id":"pinned_encap","profiles":[{"data":{"total":{"metrics":{"Ir":{"values":{"new":8192000}}}}}}]}"#;
        let counts = read(&format!("{line}\n")).unwrap().unwrap();
        let way = Way::Srv6(Encoding::Encap);
        assert_eq!(counts.get(Case::Pinned, way), Some(2_000.0));
        assert_eq!(counts.get(Case::Settled, way), None);
        assert_eq!(
            read("skipped: no valgrind\n").unwrap(),
            Err("no valgrind".into())
        );
        for bad in ["", "nonsense", r#"{"id":"a"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_benchmark_has_packets() {
        for way in [Way::Srv6(Encoding::Insert), Way::MaglevGre] {
            for case in Case::ALL.into_iter().filter(|&case| way.has(case)) {
                let mut counted = Counted::new(case, way).unwrap();
                assert_eq!(counted.ring.len(), packets_of(case, FLOWS, PACKETS));
                counted.work().unwrap();
            }
        }
    }
}
