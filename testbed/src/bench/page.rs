//! The page: results, and how they were taken.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use packet_io::PacketBuf;
use srlb_lb::engine::TICK_MS;

use super::args::BenchArgs;
use super::flows::{share_due, PACE_NS};
use super::grid::Grid;
use super::packets::PACKET_BYTES;
use super::plots;
use super::profile::Profile;
use super::reload;
use super::results::Results;
use super::rig::RING;
use super::show::{self, short, why};
use super::target;
use crate::provenance;

/// Writes `README.md`, its plots, and `results.json` into a folder.
pub fn write(folder: &Path, args: &BenchArgs, results: &Results) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    let plots = plots::all(results);
    put("README.md", page(args, results, &plots))?;
    put("results.json", format!("{:#}\n", show::as_json(results)))?;
    for (name, svg) in plots {
        put(name, svg)?;
    }
    Ok(())
}

fn page(args: &BenchArgs, results: &Results, plots: &[(&str, String)]) -> String {
    let targets = target::all(results);
    let met = targets.iter().filter(|target| target.is_met()).count();
    let mut page = format!(
        "# What a packet costs the load balancer\n\n`{}`, commit {}, {}.\n\n\
         {met} of {} targets are met. How it was taken stands at the end.\n\n",
        provenance::command(),
        provenance::commit().unwrap_or("unknown"),
        provenance::now(),
        targets.len(),
    );
    page += &show::targets(results).markdown();
    page += &profiles(results);
    let plot = |name: &str, words: &str| match plots.iter().any(|(plot, _)| *plot == name) {
        true => format!("![{words}]({name})\n\n{words}\n\n"),
        false => String::new(),
    };
    page += "\n## Packets\n\n";
    page += &plot(
        "pinned.svg",
        "Pinned flows: nanoseconds a packet over flows, both axes logarithmic. VPP's and Katran's figures are quoted (one core of such a machine, 86-byte packets, \
         plus or minus 15%): VPP's lb is its whole path in memory, Maglev and GRE; Katran's XDP program has flows that it knows, 78 to 110 ns with 1k.",
    );
    page += &plot("cases.svg", "The cases, in the first encoding.");
    page += &show::packets(results).markdown();
    page += &left_out("Instructions a packet", why(&results.instructions));
    let maglev = "The same engine as Maglev: one candidate, a GRE tunnel to its server (RFC 7676), an entry at a flow's first packet. Ratios are of passes, which take turns.\n\n";
    page += &section(
        "6LB over Maglev with GRE",
        &show::over_maglev(results),
        maglev,
    );
    let batches = plot("batches.svg", "Pinned flows by the size of batches.");
    page += &section("Size of batches", &show::batches(results), &batches);
    let two = "Two threads on a processor each, with an engine and a ring each, on one flow table; alone, the other one sleeps. Ratios are of passes.\n\n";
    page += &section("Two workers", &show::scaling(results), two);
    page += &left_out("Two workers", why(&results.scaling));
    page += &section("Tables of candidates", &show::tables(results), "");
    let full = "The largest table that there may be: every flow gets its entry, then a packet; who finds none has been displaced by others. Pinned packets as above, in the same ring.\n\n";
    page += &section("The largest flow table", &show::full(results), full);
    page += &left_out("The largest flow table", why(&results.full));
    let reloads = format!(
        "The real daemon on a TUN device in a network namespace, {} servers, {} generations, M=65537, C=2. The file gets a new generation with one server replaced; \
         meanwhile new flows come every 0.2 ms that only the new server can get. {} reloads.\n\n",
        reload::SERVERS,
        reload::GENERATIONS,
        results.reloaded.as_ref().map_or(0, |reloaded| reloaded.rounds),
    );
    page += &section("Reloads", &show::reloaded(results), &reloads);
    page += &left_out("Reloads", why(&results.reloaded));
    page + &how(args, results)
}

fn section(title: &str, grid: &Grid, words: &str) -> String {
    match grid.is_empty() {
        true => String::new(),
        false => format!("\n## {title}\n\n{words}{}", grid.markdown()),
    }
}

fn left_out(what: &str, why: Option<&str>) -> String {
    why.map_or_else(String::new, |why| format!("\n{what}: skipped, {why}.\n"))
}

fn how(args: &BenchArgs, results: &Results) -> String {
    let machine = &results.measured.machine;
    let mut text = format!(
        "\n## How it was taken\n\n\
         - {}, {} processors; one thread but where it says two. No turbo, governor or interrupt was set: the spread says what that came to.\n\
         - Built by `cargo build --release` ({}, whole-program optimization in one unit), for plain {} without further flags.\n\
         - Memory to memory: {RING} packets of {PACKET_BYTES} bytes (from the IPv6 header on, TCP with timestamps) in a ring of buffers of their own, {} MB and more than the \
         second-level cache has, filled anew before each pass. Filling is not timed. Each pass hands the ring to `Engine::process_batch`, {} packets at a time; all counters are on.\n\
         - Flows come in random order. The table is made for the number of flows given, and has them all, but for about one in 3,000 that others have displaced; \
         {} servers, 65,537 buckets, two candidates.\n\
         - Passes of all figures take turns, and who comes first changes; {} of each are kept, each right after one of the same that is not: what it finds in the caches is its own. The median and the quartiles are those of passes, and so are those of ratios.\n",
        machine.processor,
        machine.processors,
        machine.compiler,
        std::env::consts::ARCH,
        (RING * (PacketBuf::HEADROOM_BYTES + 2 * PACKET_BYTES)) >> 20,
        args.batch,
        args.servers,
        args.passes(),
    );
    let _ = write!(
        text,
        "- The engine's clock stands still within a pass. An entry is refreshed by its flow's first packet in each tick of {TICK_MS} ms. pinned is the steady state of \
         a core that gets a packet every {PACE_NS} ns from flows all alike: {} of the packets refresh. Before each turn every entry that is not due then gets a packet in a new tick. \
         only read: no entry is due; refreshed: all are.\n\
         - new flow: SYNs of flows never seen, their checksum is verified. recovery: other packets of such flows. createStickiness: SYN-ACKs of servers \
         that make an entry each; whenever these are a sixteenth of the table they expire, and the next ones take their places (so do new flows with Maglev). mixed: one in a hundred is such a SYN, the others are pinned.\n\
         - The flow tables' pages: {}. Transparent huge pages: {}; of this process {} lay on such pages while all tables were there. Packets lie on ordinary pages.\n\
         - Instructions are valgrind's, counted by gungraun with {} flows, 4,096 packets and batches of 64.\n",
        shares_due(results),
        pages(results),
        machine.huge_pages,
        machine.on_huge_pages,
        short(super::instructions::FLOWS),
    );
    text
}

/// In words: the share of packets that refresh, by flows.
fn shares_due(results: &Results) -> String {
    let share = |flows: u64| {
        let percent = 100.0 * share_due(flows);
        format!("{percent:.2}% at {}", short(flows))
    };
    let shares: Vec<String> = results.sizes().into_iter().map(share).collect();
    shares.join(", ")
}

fn pages(results: &Results) -> String {
    let way = results.ways().into_iter().next();
    let of = |flows: u64| {
        let mut figures = results.figures();
        let figure = figures.find(|f| f.flows == flows && Some(f.way) == way)?;
        let pages = show::words(figure.pages);
        Some(format!("{} flows {pages}", short(flows)))
    };
    let all: Vec<String> = results.sizes().into_iter().filter_map(of).collect();
    all.join(", ")
}

/// Why targets are missed: where the time goes.
fn profiles(results: &Results) -> String {
    let profiles = match &results.profiles {
        Ok(profiles) if profiles.is_empty() => return String::new(),
        Ok(profiles) => profiles,
        Err(why) => return left_out("Profiles of what is missed", Some(why)),
    };
    let mut text = "\n### Where the time of missed targets goes\n\n\
        Shares of the time in which packets are worked on, by function (what is inlined counts for its caller), sampled by `perf record -e cpu-clock:u`; what has less than 1% is left out.\n\n"
        .to_owned();
    for profile in profiles {
        text += &shares(profile);
    }
    text
}

fn shares(profile: &Profile) -> String {
    let (case, way) = (profile.case.name(), profile.way.name());
    let flows = short(profile.flows);
    let mut grid = Grid::new(1, ["function", "share"]);
    for (name, percent) in &profile.shares {
        grid.push([format!("`{name}`"), format!("{percent:.0}%")]);
    }
    let table = grid.markdown();
    format!("<details><summary>{case}, {way}, {flows} flows</summary>\n\n{table}\n</details>\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::candidates::Built;
    use super::super::case::{Case, Way};
    use super::super::engine::{Figure, Job, Measured};
    use super::super::full::Full;
    use super::super::machine::Machine;
    use super::super::spread::Spread;
    use super::*;
    use clap::Parser;
    use flow_table::Pages;
    use srh::Encoding;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: BenchArgs,
    }

    const WAY: Way = Way::Srv6(Encoding::Insert);

    fn figure(flows: u64, median: f64) -> Figure {
        let passes = vec![median - 1.0, median, median + 3.0];
        Figure {
            job: Job {
                case: Case::Pinned,
                batch: 77,
            },
            way: WAY,
            flows,
            table_bytes_a_flow: 32.0,
            pages: Pages::Transparent(6 << 20),
            ns: Spread::of(&passes),
            passes,
        }
    }

    fn results() -> Results {
        Results {
            batch: 77,
            measured: Measured {
                figures: vec![figure(1_000, 24.0), figure(128_000, 40.0)],
                machine: Machine::here(),
            },
            scaling: Err("one processor only".into()),
            instructions: Err("no valgrind".into()),
            built: vec![Built {
                what: "table, M=65536, C=2".into(),
                ms: Spread::of(&[2.0]),
            }],
            full: Ok(Full {
                flows: 64_000_000,
                bytes: 64_000_000 * 32,
                pages: Pages::Transparent(2_040 << 20),
                found: 63_981_000,
                filled_s: 21.04,
                each_ns: 81.0,
                pinned_ns: Spread::of(&[72.0]),
            }),
            reloaded: Err("root is needed".into()),
            profiles: Ok(vec![Profile {
                case: Case::Pinned,
                way: WAY,
                flows: 128_000,
                shares: vec![("flow_table::find".into(), 41.3)],
            }]),
        }
    }

    #[test]
    fn the_page_has_every_figure_and_how_it_was_taken() {
        let args = Cli::parse_from(["bench", "--batch", "77", "--passes", "3"]).args;
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &args, &results()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
        for words in [
            "2 of 4 targets are met",
            "| pinned, insert, 1k flows, ns | 25.0 | 24.0 | 23.5 to 25.5 | met |",
            "| pinned, insert, 128k flows, ns | 32.0 | 40.0 | 39.5 to 41.5 | missed |",
            "| table, M=65536, C=2, 1,000 servers, ms | 1.00 | 2.00 |",
            "<summary>pinned, insert, 128k flows</summary>",
            "| `flow_table::find` | 41% |",
            "| pinned | insert | 128k | 40.0 | 39.5 to 41.5 | 25.0 |  | 32 |",
            "](pinned.svg)",
            "| table of 64M flows, bytes a flow | 32.0 | 32.0 |",
            "| pages | 2040 MB on transparent huge pages |",
            "Reloads: skipped, root is needed.",
            "Two workers: skipped, one processor only.",
            "Instructions a packet: skipped, no valgrind.",
            ", 77 packets at a time",
            "; 3 of each are kept",
            "128k flows 6 MB on transparent huge pages",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
        assert!(!page.contains("batches.svg"), "one size only");
        let svg = std::fs::read_to_string(folder.path().join("pinned.svg")).unwrap();
        assert!(svg.contains("Katran") && !svg.contains("NaN"));
        let json = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["packets"][0]["ns"], 24.0);
        assert_eq!(json["targets"][1]["verdict"], "missed");
    }
}
