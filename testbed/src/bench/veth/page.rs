//! The page: results, and how they were taken.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::case::Case;
use super::run::Figure;
use super::{polls, show, VethArgs};
use crate::bench::packets::PACKET_BYTES;
use crate::bench::show::short;
use crate::{machine, provenance};

/// The share of the reference's packets that the load balancer is to forward.
const TARGET: f64 = 0.95;

/// Writes `README.md` and `results.json` into a folder.
pub fn write(folder: &Path, args: &VethArgs, figures: &[Figure]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    put("README.md", page(args, figures))?;
    put("results.json", format!("{:#}\n", show::as_json(figures)))
}

fn page(args: &VethArgs, figures: &[Figure]) -> String {
    let mut page = format!(
        "# The load balancer over veth pairs\n\n`{}`, commit {}, {}.\n\n",
        provenance::command(),
        provenance::commit().unwrap_or("unknown"),
        provenance::now(),
    );
    for figure in figures.iter().filter(|f| f.case.encoding().is_some()) {
        let Some(ratio) = figure.ratio else { continue };
        let verdict = match ratio.median >= TARGET {
            true => "met",
            false => "missed",
        };
        let _ = writeln!(
            page,
            "- {}, {} flows: {:.3} of the bare l2fwd's packets in the same processor time; at least {TARGET} are asked for: {verdict}.",
            figure.case.name(),
            short(figure.flows.into()),
            ratio.median,
        );
    }
    let _ = write!(page, "\n{}{}", show::table(figures).markdown(), how(args));
    page
}

fn how(args: &VethArgs) -> String {
    let cases = Case::ALL.map(|case| format!("  - {}: {}", case.name(), what(case)));
    format!(
        "\n## How it was taken\n\n\
         - {}. {}\n\
         - Each case has a machine of its own, a network namespace between a generator's and a sink's, with one veth pair in and one out, one queue each. GRO is off on all ends, as it is \
         on a veth by itself, so that no packets are put together; packets come with whole checksums, and no offload has anything to do. Every end has an XDP program and so takes frames as they are.\n\
         - Packets are TCP/IPv6 of {PACKET_BYTES} bytes from the IPv6 header on, of pinned flows in random order: for the load balancer, {} servers have claimed all flows on the wire before. \
         They are made by a BPF program that the kernel runs over and over (BPF_F_TEST_XDP_LIVE_FRAMES), out of pages that go round.\n\
         - ns is processor time: what the threads that forward have run, by the kernel's account (`schedstat`), over packets that arrived: the program's thread, if there is one, and the kernel's that takes packets off the veth. What \
         generator and sink need is not in it, and they hold nobody up: {} thousand packets a second are asked for; how many came stands in the table. The sink counts, by XDP, what arrives with the length and the next \
         header that the case gives it; before anything is measured, 64 packets of each case are compared byte by byte with what was sent.\n\
         - At this rate a processor is not busy all the time, and wakes up for each look, so a packet costs more than it would cost under full load: \"Mpps a core\" is what this time comes to, and no record; and what is the same for all weighs more, so ratios lie nearer to 1.\n\
         - A program that is measured goes before its kernel thread, which brings 64 packets when it waits for some.\n\
         - The kernel keeps empty pages for socket buffers (min_partial of their slabs is raised, where there is such a file): the one processor allocates them, the other one frees them, and giving pages back and \
         taking others is dear on a virtual machine.\n\
         - Cases take turns: {} rounds of {} ms each, with 2 ms to warm up, so that whatever slows this machine down for a moment slows all of them down. Medians and quartiles are those of rounds; ratios are of the two figures of the same round. Before them \
         each case has the load for a second.\n\
         - Two workers are not measured here: they would need both processors, and the generator and the sink have one of them. In memory two workers do twice the work of one (the page beside this one).\n\
         - Cases:\n{}\n",
        machine::shape(),
        polls::words(),
        args.servers,
        args.rate_kpps,
        args.rounds(),
        args.round_ms(),
        cases.join("\n"),
    )
}

/// What a case is, in words.
const fn what(case: Case) -> &'static str {
    match case {
        Case::LbEncap | Case::LbInsert => "the daemon as it is installed, one worker, with AF_XDP in copy mode, which is all that a veth has",
        Case::Driver => "receive, look the route up, send, by the same driver and the same XDP program, without an engine: what the load balancer costs beside its own work",
        Case::L2fwd => "the reference. It has the same rings, batches of 64, and an XDP program that takes whatever is IPv6; it changes the Ethernet addresses where the frame lies, and gives the frame to the other socket. It copies nothing and looks nothing up, and all its 2,048 frames go round, as in the kernel's own example",
        Case::L2fwdFew => "the same with no more than 512 frames going round, as in the load balancer's driver while that is calm: they stay in the caches",
        Case::Kernel => "a route to the VIP by a permanent neighbour",
        Case::Seg6Inline => "the same with `encap seg6 mode inline`, one segment before the VIP",
        Case::Seg6Encap => "the same with `encap seg6 mode encap`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::spread::Spread;
    use clap::Parser;
    use packet_io::lab::Shape;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: VethArgs,
    }

    #[test]
    fn the_page_has_every_figure_and_judges_the_load_balancers() {
        let args = Cli::parse_from(["veth", "--rounds", "7", "--servers", "9"]).args;
        let spread = |median| Spread {
            low: median - 0.25,
            median,
            high: median + 0.25,
        };
        let figure = |case, ratio| Figure {
            case,
            flows: 128_000,
            ns: spread(800.0),
            ratio: Some(spread(ratio)),
            kpps: 299.4,
            arrived: 0.9991,
            wrong: 0,
            shape: Shape {
                len_bytes: 126,
                next_header: 41,
            },
        };
        let figures = [
            figure(Case::LbEncap, 0.96),
            figure(Case::LbInsert, 0.94),
            figure(Case::Kernel, 0.5),
        ];
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &args, &figures).unwrap();
        let page = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
        for words in [
            "encap, 128k flows: 0.960 of the bare l2fwd's packets in the same processor time; at least 0.95 are asked for: met.",
            "insert, 128k flows: 0.940 of the bare l2fwd's packets in the same processor time; at least 0.95 are asked for: missed.",
            "| kernel forwarding | 128k | 800 | 800 to 800 | 1.25 | 0.500 (0.250 to 0.750) | 299 | 99.91% | 126 |",
            "7 rounds",
            ", 9 servers",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
        assert!(!page.contains("- kernel forwarding, 128k"), "{page}");
        let json = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["veth"][2]["over_l2fwd"], 0.5);
    }
}
