//! Figure 11c: how long a client waits for the SYN-ACK.

use anyhow::{Context, Result};
use srlb_lb::engine::Pool;
use srlb_lb::pool::view::Registry;

use super::bed::{self, Bed, Load};
use super::twin::{self, Contender};
use crate::candidates;
use crate::counters::ServerCounters;
use crate::load::{percentile_ms, Record};
use crate::plan::Node;
use crate::reproduce::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};

/// Load, as a share of what the cores can do.
const LOAD: f64 = 0.71;
/// Connections to a server itself, beside the load.
const DIRECT_QPS: f64 = 40.0;
/// Neighbours and caches are learned meanwhile.
const WARM_UP_S: f64 = 1.0;
/// What the paper has: the median of all over SC, of those whom the first took, and of those whom the second took.
const PAPER_US: [f64; 3] = [69.0, 32.0, 57.0];
/// TUN devices on the way of SYN and SYN-ACK with one candidate: LB and router, router and LB.
const HOPS_OF_SC: f64 = 4.0;
/// Of these, on the way of the SYN-ACK: a Maglev has none of them.
const HOPS_BACK: f64 = 2.0;

/// The figure.
pub fn figure_11c() -> Experiment {
    Experiment {
        name: "11c",
        title: "From SYN to SYN-ACK as the client sees it, real daemons, load 0.71 (section VI-B6)",
        paper: "6LB increases the median latency by 69 us; by 57 us for connections accepted by the second server, \
                by 32 us for those accepted in first instance.",
        needs: Needs::Root,
        make,
    }
}

struct Size {
    servers: u16,
    service_mean_ms: f64,
    seconds: f64,
}

/// What one balancer's connections took, in microseconds, sorted.
#[derive(Default)]
struct Waits {
    all: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    direct: Vec<f64>,
    /// Share that first candidates took, as the servers count.
    counted_share: Option<f64>,
    /// Share that the second candidates take in the simulator.
    simulated_passed: f64,
    machine_busy: f64,
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let size = match workshop.is_quick {
        true => Size {
            servers: 6,
            service_mean_ms: 50.0,
            seconds: 2.5,
        },
        false => Size {
            servers: 48,
            service_mean_ms: 190.0,
            seconds: 14.0,
        },
    };
    workshop.bar.inc_length(2);
    let settings = bed::settings(workshop, size.servers, size.service_mean_ms);
    let mut bed = Bed::up(workshop, settings)?;
    let sc = measure(&mut bed, &size, &Contender::SC)?;
    let sr4 = measure(&mut bed, &size, &Contender::SR4)?;
    bed.down()?;
    figure(&size, &sc, &sr4)
}

fn measure(bed: &mut Bed, size: &Size, contender: &Contender) -> Result<Waits> {
    bed.testbed.reconfigure(|settings| {
        settings.choices = contender.choices;
        settings.policy = contender.policy;
    })?;
    let all: Vec<Node> = bed.testbed.plan().server_nodes().collect();
    let settings = &bed.testbed.state().settings;
    let pool = candidates::pool(settings, &all, &mut Registry::default())?;
    let cores = f64::from(size.servers) * crate::apache::CORES_PER_SERVER as f64;
    let through = Load {
        rate_qps: LOAD * cores / (size.service_mean_ms / 1e3),
        seconds: size.seconds,
        service_mean_ms: size.service_mean_ms,
        seed: bed.workshop.seed,
        target: Load::vip(),
    };
    let beside = Load {
        rate_qps: DIRECT_QPS,
        service_mean_ms: 1.0,
        target: bed::direct(Node::Server(1)).context("a server has an address")?,
        ..through
    };
    let before = ServerCounters::of_all(bed.testbed.plan(), &[])?;
    let played = bed.play(&[through, beside])?;
    let counters = ServerCounters::of_all(bed.testbed.plan(), &[])? - before;
    bed.workshop.bar.inc(1);
    let mut waits = Waits::of(&played.records[0], &pool);
    waits.direct = Waits::of(&played.records[1], &pool).all;
    waits.counted_share = counters.first_share(contender.choices);
    let twin = twin::scenario(
        &through,
        size.servers,
        WARM_UP_S,
        contender,
        bed.workshop.seed,
    );
    waits.simulated_passed = farm::simulate(bed.workshop, &twin)?.passed_on();
    waits.machine_busy = played.machine_busy;
    Ok(waits)
}

impl Waits {
    /// Who took a connection is read from its answer and the candidate table.
    fn of(records: &[Record], pool: &Pool) -> Waits {
        let mut waits = Waits::default();
        for record in bed::counted(records, WARM_UP_S) {
            let Some(connected_ms) = record.connected_ms else {
                continue;
            };
            let took_us = 1e3 * (connected_ms - record.started_ms);
            waits.all.push(took_us);
            let place = |(source, server): (_, &String)| candidates::place(pool, source, server);
            match record.source.zip(record.server.as_ref()).and_then(place) {
                Some(0) => waits.first.push(took_us),
                Some(1) => waits.second.push(took_us),
                _ => {}
            }
        }
        for list in [&mut waits.all, &mut waits.first, &mut waits.second] {
            list.sort_by(f64::total_cmp);
        }
        waits
    }
}

fn median(sorted: &[f64]) -> f64 {
    percentile_ms(sorted, 0.5)
}

fn cdf(name: &str, sorted: &[f64]) -> Curve {
    let points = (1..100).map(|percent| {
        let share = f64::from(percent) / 100.0;
        (percentile_ms(sorted, share), share)
    });
    Curve::new(name, points.collect())
}

fn figure(size: &Size, sc: &Waits, sr4: &Waits) -> Result<Figure> {
    for list in [&sc.all, &sc.direct, &sr4.all, &sr4.first, &sr4.second] {
        if list.is_empty() {
            anyhow::bail!("no connection of some kind came through: run it again, and longer");
        }
    }
    let curves = vec![
        cdf("SC", &sc.all),
        cdf("SR4", &sr4.all),
        cdf("SR4, taken by the first", &sr4.first),
        cdf("SR4, taken by the second", &sr4.second),
        cdf("the server itself", &sc.direct).dashed(),
    ];
    let panel = Panel::new(
        Axis::log("from SYN to SYN-ACK (us)", 50.0, 10_000.0),
        Axis::new("share of connections", 1.0),
        curves,
    );
    let base = median(&sc.all);
    let hop_us = (base - median(&sc.direct)) / HOPS_OF_SC;
    let busiest = sc.machine_busy.max(sr4.machine_busy);
    let taken = sr4.second.len() as f64 / (sr4.first.len() + sr4.second.len()) as f64;
    let counted = sr4.counted_share.map_or(f64::NAN, |share| 1.0 - share);
    let mut claims = extra_claims(base, sr4, hop_us);
    let of_second = median(&sr4.second) - median(&sr4.first);
    claims.push(
        Claim::finding(
            "median from SYN to SYN-ACK, SR4, second over first",
            format!("{of_second:+.0} us (the paper's numbers: +25 us)"),
        )
        .because(
            "From one run, so no drift of the machine is in it. A router more, woken for the SYN; and a first candidate refuses \
             when many are busy, as then the machine is that carries all of them.",
        ),
    );
    claims.push(
        Claim::finding(
            "median from SYN to SYN-ACK: SC, and a server without any LB, at the same time",
            format!("{base:.0} us and {:.0} us", median(&sc.direct)),
        )
        .because(format!(
            "The difference is two TUN devices on the SYN's way and two on the SYN-ACK's: {hop_us:.0} us each, \
             with the daemon being woken for it. VPP polls its cards instead."
        )),
    );
    Ok(Figure {
        panels: vec![panel],
        claims,
        note: format!(
            "{} real Apaches, {:.0} s for each policy, {} and {} connections; from connect() to the socket that stands, as the \
             client's program sees it. Who took a connection follows from its answer's server and the candidate table: the \
             second took {:.0}% (by the servers' own counters {:.0}%, warm-up included; in the simulator {:.0}%; the paper has 38%). \
             The server itself: connections to its own address beside the load, so on the same busy machine: {:.0} us beside SC, {:.0} us beside SR4. {}",
            size.servers,
            size.seconds,
            sc.all.len(),
            sr4.all.len(),
            100.0 * taken,
            100.0 * counted,
            100.0 * sr4.simulated_passed,
            median(&sc.direct),
            median(&sr4.direct),
            bed::busy_words(busiest),
        ),
    })
}

/// How much longer the median is than SC's, for all, for those of the first, for those of the second.
fn extra_claims(base: f64, sr4: &Waits, hop_us: f64) -> Vec<Claim> {
    let back_us = HOPS_BACK * hop_us;
    let rows = [
        ("all", &sr4.all),
        ("taken by the first", &sr4.first),
        ("taken by the second", &sr4.second),
    ];
    let claim = |((what, list), paper_us): ((&str, &Vec<f64>), f64)| {
        let extra_us = median(list) - base;
        let words = format!(
            "{extra_us:+.0} us; {:+.0} us with the SYN-ACK's way through the LB",
            extra_us + back_us
        );
        Claim::new(
            &format!("median from SYN to SYN-ACK, SR4 over SC, {what}"),
            &format!("{paper_us:+.0} us"),
            words,
            extra_us + back_us <= paper_us,
        )
        .because(
            "With SC and with the first candidate packets go the same way: what differs there is the machine's drift between \
             two runs. Our SC sends the SYN-ACK through the LB as well, because any LB must be able to find a flow again; the paper's does \
             not. So two hops, measured below, are added. Ours are user processes behind TUN devices that share two \
             processors with everything else, the paper's are VPP with cards of their own.",
        )
    };
    rows.into_iter().zip(PAPER_US).map(claim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(from_us: u32) -> Vec<f64> {
        (from_us..from_us + 101).map(f64::from).collect()
    }

    #[test]
    fn medians_are_told_apart_and_hops_added() {
        let direct = waits(100);
        let sc = Waits {
            all: waits(300),
            direct,
            ..Waits::default()
        };
        let sr4 = Waits {
            all: waits(320),
            first: waits(301),
            second: waits(400),
            counted_share: Some(0.6),
            ..Waits::default()
        };
        let size = Size {
            servers: 2,
            service_mean_ms: 1.0,
            seconds: 1.0,
        };
        let figure = figure(&size, &sc, &sr4).unwrap();
        // 200 us for four hops, so two of them are 100 us
        let ours: Vec<&str> = figure.claims.iter().map(|c| c.ours.as_str()).collect();
        let with = |extra: &str, back: &str| {
            format!("{extra} us; {back} us with the SYN-ACK's way through the LB")
        };
        assert_eq!(ours[0], with("+20", "+120"));
        assert_eq!(ours[1], with("+1", "+101"));
        assert_eq!(ours[2], with("+100", "+200"));
        assert_eq!(ours[3], "+99 us (the paper's numbers: +25 us)");
        assert_eq!(ours[4], "350 us and 150 us");
        assert!(figure.note.contains("counters 40%"), "{}", figure.note);
        let missing = Waits {
            second: Vec::new(),
            ..sr4
        };
        assert!(super::figure(&size, &sc, &missing).is_err());
    }
}
