//! The page: results, and how they were taken.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::args::BenchArgs;
use super::candidates::Built;
use super::engine::Figure;
use super::flows::{share_due, PACE_NS};
use super::packets::PACKET_BYTES;
use super::rig::RING;
use super::show;
use crate::provenance;
use srlb_lb::engine::TICK_MS;

/// What measurements depend on and the reader cannot see.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Processors that this machine has.
    pub processors: usize,
    /// When memory comes in huge pages: the kernel's own words.
    pub huge_pages: String,
    /// Bytes of this process that lie on huge pages while all tables are there.
    pub on_huge_pages: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Machine {
        let line = |path: &str, begin: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(begin));
            let words = line.map(|line| line[begin.len()..].trim_matches([' ', '\t', ':']));
            words.map_or_else(|| "unknown".into(), str::to_owned)
        };
        Machine {
            processor: line("/proc/cpuinfo", "model name"),
            processors: std::thread::available_parallelism().map_or(1, |n| n.get()),
            huge_pages: line("/sys/kernel/mm/transparent_hugepage/enabled", ""),
            on_huge_pages: line("/proc/self/smaps_rollup", "AnonHugePages"),
        }
    }
}

/// Writes `README.md` and `results.json` into a folder.
pub fn write(
    folder: &Path,
    args: &BenchArgs,
    machine: &Machine,
    figures: &[Figure],
    built: &[Built],
) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    put("README.md", page(args, machine, figures, built))?;
    put(
        "results.json",
        format!("{:#}\n", show::as_json(figures, built)),
    )
}

fn page(args: &BenchArgs, machine: &Machine, figures: &[Figure], built: &[Built]) -> String {
    let mut page = format!(
        "# What a packet costs the load balancer\n\n\
         `{}`, commit {}, {}.\n\n\
         ## How it was taken\n\n\
         - {}, {} processors; one thread. No turbo, governor or interrupt was set: the spread says what that came to.\n\
         - Built by `cargo build --release` for plain x86-64 or whatever the target is, without further flags.\n\
         - Memory to memory: {} packets of {} bytes (from the IPv6 header on, TCP with timestamps) in a ring of buffers of their own, \
         filled anew before each pass. Filling is not timed. Each pass hands the ring to `Engine::process_batch`, {} packets at a time; all counters are on.\n\
         - Flows come in random order. The table is made for the number of flows given, and has them all; {} servers, 65,537 buckets, two candidates.\n\
         - Passes of all figures take turns; {} of each are kept, after one to warm up. The median and the quartiles are those of passes.\n\
         - The engine's clock stands still within a pass. An entry is refreshed by its flow's first packet in each tick of {TICK_MS} ms. pinned is the steady state of \
         a core that gets a packet every {PACE_NS} ns from flows all alike: {} of the packets refresh. Before each turn every entry that is not due then gets a packet in a new tick. \
         only read: no entry is due; refreshed: all are.\n\
         - new flow: SYNs of flows never seen, their checksum is verified. recovery: other packets of such flows. createStickiness: SYN-ACKs of servers \
         that make an entry each, up to a sixteenth of the table; they expire before the next pass. mixed: one in a hundred is such a SYN, the others are pinned.\n\
         - Transparent huge pages: {}; of this process {} lay on such pages while all tables were there.\n\n\
         ## Packets\n\n",
        provenance::command(),
        provenance::commit().unwrap_or("unknown"),
        provenance::now(),
        machine.processor,
        machine.processors,
        RING,
        PACKET_BYTES,
        args.batch,
        args.servers,
        args.passes(),
        shares_due(args),
        machine.huge_pages,
        machine.on_huge_pages,
    );
    page += "| packets | header | flows | ns | quartiles | Mpps | bytes of table a flow |\n| --- | --- | --- | --- | --- | --- | --- |\n";
    for f in figures {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.1} | {:.1} to {:.1} | {:.1} | {:.0} |",
            f.case.name(),
            f.way.name(),
            show::short(f.flows),
            f.ns.median,
            f.ns.low,
            f.ns.high,
            1e3 / f.ns.median,
            f.table_bytes_a_flow
        );
    }
    page += "\n## Tables of candidates\n\n| built, for 1,000 servers | ms | quartiles |\n| --- | --- | --- |\n";
    for Built { what, ms } in built {
        let _ = writeln!(
            page,
            "| {what} | {:.2} | {:.2} to {:.2} |",
            ms.median, ms.low, ms.high
        );
    }
    page
}

/// In words: the share of packets that refresh, by flows.
fn shares_due(args: &BenchArgs) -> String {
    let share = |flows: u64| {
        let percent = 100.0 * share_due(flows);
        format!("{percent:.2}% at {}", show::short(flows))
    };
    let shares: Vec<String> = args.sizes().into_iter().map(share).collect();
    shares.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::case::{Case, Way};
    use super::super::spread::Spread;
    use super::*;
    use clap::Parser;
    use srh::Encoding;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: BenchArgs,
    }

    #[test]
    fn the_page_has_every_figure_and_how_it_was_taken() {
        let args = Cli::parse_from(["bench", "--batch", "77", "--passes", "3"]).args;
        let spread = |median| Spread {
            low: median - 0.5,
            median,
            high: median + 1.5,
        };
        let figure = Figure {
            case: Case::Pinned,
            way: Way::Srv6(Encoding::Insert),
            flows: 128_000,
            table_bytes_a_flow: 32.0,
            ns: spread(40.0),
        };
        let built = Built {
            what: "a table".into(),
            ms: spread(2.0),
        };
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &args, &Machine::here(), &[figure], &[built]).unwrap();
        let page = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
        for words in [
            "| pinned | insert | 128k | 40.0 | 39.5 to 41.5 | 25.0 | 32 |",
            "| a table | 2.00 | 1.50 to 3.50 |",
            ", 77 packets at a time",
            "; 3 of each are kept",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
        let json = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["packets"][0]["ns"], 40.0);
    }
}
