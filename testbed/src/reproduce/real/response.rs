//! Figure 10a on real Apaches, beside the queueing simulator with the same numbers and the same jobs.

use anyhow::Result;

use super::bed::{self, Bed, Load};
use super::mean_and_deviation;
use super::twin::{self, Contender};
use crate::load::Record;
use crate::reproduce::{farm, Axis, Claim, Curve, Experiment, Figure, Needs, Panel, Workshop};

/// Where the paper compares.
const COMPARED_AT: f64 = 0.87;
/// The first requests find idle servers: so much of each run does not count.
const WARM_UP_SHARE: f64 = 0.25;
/// Parts of a run, by time, from which the spread of its ratios is estimated.
const BATCHES: usize = 10;

/// The figure.
pub fn figure_10a_real() -> Experiment {
    Experiment {
        name: "10a-real",
        title: "Mean response time on real Apaches, beside the simulator (section VI-B2)",
        paper:
            "SR4 yields the best response time profile, up to 2.3x better than SC for rho = 0.87.",
        needs: Needs::Root,
        make,
    }
}

/// What the machine is asked to carry: about half of two processors at the highest load.
struct Size {
    servers: u16,
    service_mean_ms: f64,
    /// Loads on real Apache, as shares of what the emulated cores can do, and for how many seconds.
    real: &'static [(f64, f64)],
    /// Further loads in the simulator.
    simulated: &'static [(f64, f64)],
    /// Candidate tables that the simulator tries.
    tables: u64,
}

const FULL: Size = Size {
    servers: 48,
    service_mean_ms: 100.0,
    real: &[(0.5, 7.0), (0.71, 10.0), (COMPARED_AT, 28.0)],
    simulated: &[(0.3, 7.0), (0.4, 7.0), (0.6, 10.0), (0.8, 20.0)],
    tables: 8,
};
const QUICK: Size = Size {
    servers: 6,
    service_mean_ms: 50.0,
    real: &[(COMPARED_AT, 1.5)],
    simulated: &[(0.5, 1.5)],
    tables: 3,
};

const CONTENDERS: [Contender; 6] = [
    Contender::SC,
    Contender::SR4,
    Contender::SR8,
    Contender::SR16,
    Contender::SRDYN,
    Contender::DEFAULT,
];

impl Size {
    fn load(&self, workshop: &Workshop, (share, seconds): (f64, f64)) -> Load {
        let cores = f64::from(self.servers) * crate::apache::CORES_PER_SERVER as f64;
        Load {
            rate_qps: share * cores / (self.service_mean_ms / 1e3),
            seconds,
            service_mean_ms: self.service_mean_ms,
            seed: workshop.seed,
            target: Load::vip(),
        }
    }

    /// All loads that are simulated, from low to high.
    fn all(&self) -> Vec<(f64, f64)> {
        let mut all = [self.real, self.simulated].concat();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }
}

/// Real runs of one contender at one load.
struct Run {
    /// Mean response time, in seconds.
    mean_s: f64,
    /// Sums and counts of response times, batch by batch.
    batches: Vec<(f64, f64)>,
    /// Requests that failed.
    failed: usize,
    machine_busy: f64,
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let size = match workshop.is_quick {
        true => QUICK,
        false => FULL,
    };
    let real = measure(workshop, &size)?;
    let simulated = simulate(workshop, &size)?;
    Ok(figure(&size, &real, &simulated))
}

/// All contenders at all loads: by contender, then by load.
fn measure(workshop: &Workshop, size: &Size) -> Result<Vec<Vec<Run>>> {
    let runs = CONTENDERS.len() * size.real.len();
    workshop.bar.inc_length(runs as u64);
    let settings = bed::settings(workshop, size.servers, size.service_mean_ms);
    let mut bed = Bed::up(workshop, settings)?;
    let mut all = Vec::new();
    for contender in CONTENDERS {
        let mut of_contender = Vec::new();
        for &at in size.real {
            // Policies that learn begin anew, as in the simulator.
            bed.testbed.reconfigure(|settings| {
                settings.choices = contender.choices;
                settings.policy = contender.policy;
                settings.pending = contender.pending;
            })?;
            let load = size.load(workshop, at);
            let played = bed.play(&[load])?;
            of_contender.push(Run::of(
                &played.records[0],
                load.seconds,
                played.machine_busy,
            ));
            workshop.bar.inc(1);
        }
        all.push(of_contender);
    }
    bed.down()?;
    Ok(all)
}

impl Run {
    fn of(records: &[Record], seconds: f64, machine_busy: f64) -> Run {
        let warm_up_s = seconds * WARM_UP_SHARE;
        let mut batches = vec![(0.0, 0.0); BATCHES];
        for record in bed::counted(records, warm_up_s) {
            let share = (record.scheduled_ms / 1e3 - warm_up_s) / (seconds - warm_up_s);
            let batch = (share * BATCHES as f64) as usize;
            let (sum, count) = &mut batches[batch.min(BATCHES - 1)];
            *sum += record.response_ms() / 1e3;
            *count += 1.0;
        }
        Run {
            mean_s: mean(&batches),
            batches,
            failed: records.iter().filter(|r| !r.outcome.is_ok()).count(),
            machine_busy,
        }
    }
}

fn mean(batches: &[(f64, f64)]) -> f64 {
    let sum = |of: fn(&(f64, f64)) -> f64| batches.iter().map(of).sum::<f64>();
    sum(|b| b.0) / sum(|b| b.1)
}

/// The ratio of two runs' means, and its standard error: the jackknife over batches of the same times, so that jobs which made
/// both of them slow count once.
fn ratio(above: &Run, below: &Run) -> (f64, f64) {
    let without = |run: &Run, n: usize| {
        let mut rest = run.batches.clone();
        rest.remove(n);
        mean(&rest)
    };
    let left_out: Vec<f64> = (0..BATCHES)
        .map(|n| without(above, n) / without(below, n))
        .collect();
    let (_, deviation) = mean_and_deviation(&left_out);
    let n = BATCHES as f64;
    (
        above.mean_s / below.mean_s,
        deviation * (n - 1.0) / n.sqrt(),
    )
}

/// Mean response times in seconds: by contender, then by load, then by table.
fn simulate(workshop: &Workshop, size: &Size) -> Result<Vec<Vec<Vec<f64>>>> {
    let loads = size.all();
    let (tables, of_contender) = (size.tables as usize, loads.len() * size.tables as usize);
    let means = workshop.each(CONTENDERS.len() * of_contender, |n| {
        let load = size.load(workshop, loads[n % of_contender / tables]);
        let contender = &CONTENDERS[n / of_contender];
        let warm_up_s = load.seconds * WARM_UP_SHARE;
        let seed = workshop.seed + (n % tables) as u64;
        let scenario = twin::scenario(&load, size.servers, warm_up_s, contender, seed);
        Ok(farm::simulate(workshop, &scenario)?.response.mean_s)
    })?;
    let by_load = |means: &[f64]| means.chunks(tables).map(<[f64]>::to_vec).collect();
    Ok(means.chunks(of_contender).map(by_load).collect())
}

fn figure(size: &Size, real: &[Vec<Run>], simulated: &[Vec<Vec<f64>>]) -> Figure {
    let loads = size.all();
    let mut curves = Vec::new();
    for (contender, by_load) in CONTENDERS.iter().zip(simulated) {
        let means = by_load.iter().map(|means| mean_and_deviation(means).0);
        let points = loads.iter().map(|(share, _)| *share).zip(means).collect();
        curves.push(Curve::new(contender.name, points));
    }
    for (contender, runs) in CONTENDERS.iter().zip(real) {
        let measured = size.real.iter().zip(runs);
        let points = measured.map(|((share, _), run)| (*share, run.mean_s));
        curves.push(Curve::new(contender.name, points.collect()).dots());
    }
    let most = (curves.iter().flat_map(|curve| &curve.points))
        .map(|point| point.1)
        .fold(0.0, f64::max);
    let panel = Panel::new(
        Axis::new("load, share of what the emulated cores can do", 1.0),
        Axis::new("mean response time (s)", most * 1.1),
        curves,
    );
    let all_runs = || real.iter().flatten();
    let busiest = all_runs().map(|run| run.machine_busy).fold(0.0, f64::max);
    let failed: usize = all_runs().map(|run| run.failed).sum();
    Figure {
        panels: vec![panel],
        claims: claims(size, real, simulated),
        note: format!(
            "Dots: {} real Apaches (prefork, 32 workers, backlog 128, tcp_abort_on_overflow) behind two LBs in network \
             namespaces, two emulated cores each, exponential service times of {} ms on average (the paper's 190 ms \
             would need twice the time for the same precision). Lines: the simulator with the same numbers and \
             the very same jobs at the same times, mean over {} candidate tables. The first {:.0}% of each run \
             do not count; runs are {} s long, so at the highest load SC has not reached its full queues in either. \
             rho is a share of the cores' capacity here. {failed} real requests failed. {}",
            size.servers,
            size.service_mean_ms,
            size.tables,
            100.0 * WARM_UP_SHARE,
            seconds_words(size.real),
            bed::busy_words(busiest),
        ),
    }
}

fn seconds_words(loads: &[(f64, f64)]) -> String {
    let words: Vec<String> = loads.iter().map(|(_, s)| format!("{s:.0}")).collect();
    words.join(", ")
}

fn claims(size: &Size, real: &[Vec<Run>], simulated: &[Vec<Vec<f64>>]) -> Vec<Claim> {
    let last = size.real.len() - 1;
    let place = |share: f64| size.all().iter().position(|at| at.0 == share).unwrap_or(0);
    let (measured, error) = ratio(&real[0][last], &real[1][last]);
    let at = place(size.real[last].0);
    let pairs = simulated[0][at].iter().zip(&simulated[1][at]);
    let ratios: Vec<f64> = pairs.map(|(sc, sr4)| sc / sr4).collect();
    let (expected, deviation) = mean_and_deviation(&ratios);
    // by how much, by how many of the simulator's own deviations, and where
    let mut worst = (0.0, 0.0, String::new());
    for (contender, (runs, by_load)) in CONTENDERS.iter().zip(real.iter().zip(simulated)) {
        for (&(share, _), run) in size.real.iter().zip(runs) {
            let (mean_s, deviation_s) = mean_and_deviation(&by_load[place(share)]);
            let off_s = run.mean_s - mean_s;
            if (off_s / mean_s).abs() >= f64::abs(worst.0) {
                let at = format!("{} at {share}", contender.name);
                worst = (off_s / mean_s, off_s / deviation_s, at);
            }
        }
    }
    vec![
        Claim::new(
            "mean response time, SC over SR4, real Apaches, load 0.87",
            "2.3x",
            format!("{measured:.2}x +- {error:.2}; simulated {expected:.2}x +- {deviation:.2}"),
            measured >= 2.3,
        )
        .because(
            "+- is a standard deviation: of the real ratio, from parts of the run; of the simulated one, from candidate \
             tables, which spread the same jobs differently, and reality has one of them.",
        ),
        Claim::finding(
            "mean response time, real against simulated, where they differ most",
            format!(
                "{:+.0}% ({}), {:.1} standard deviations of the simulator's tables",
                100.0 * worst.0,
                worst.2,
                f64::abs(worst.1)
            ),
        ),
        Claim::finding(
            "mean response time at load 0.87, real Apaches, against SR4",
            against_sr4(real, last),
        ),
    ]
}

/// How the others do on real Apaches.
fn against_sr4(real: &[Vec<Run>], load: usize) -> String {
    let sr4_s = real[1][load].mean_s;
    let others = CONTENDERS.iter().zip(real).skip(2);
    let words = others.map(|(contender, runs)| {
        let percent = 100.0 * (runs[load].mean_s / sr4_s - 1.0);
        format!("{} {percent:+.0}%", contender.name)
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;

    fn records(response_ms: impl Fn(f64) -> f64) -> Vec<Record> {
        let record = |n: u32| {
            let scheduled_ms = f64::from(n) * 10.0;
            Record {
                id: n.into(),
                source: None,
                service_ms: 1.0,
                scheduled_ms,
                started_ms: scheduled_ms,
                connected_ms: None,
                first_byte_ms: None,
                ended_ms: scheduled_ms + response_ms(scheduled_ms),
                outcome: Outcome::Ok,
                server: None,
            }
        };
        (0..400).map(record).collect()
    }

    #[test]
    fn the_ratio_of_runs_that_rise_and_fall_together_is_sure() {
        // one is three times the other throughout: no batch says anything else
        let wave = |at_ms: f64| 20.0 + 10.0 * (at_ms / 500.0).sin();
        let below = Run::of(&records(wave), 4.0, 0.0);
        let above = Run::of(&records(|at_ms| 3.0 * wave(at_ms)), 4.0, 0.0);
        let (same, sure) = ratio(&above, &below);
        assert!((same - 3.0).abs() < 1e-9 && sure < 1e-9, "{same} {sure}");
        // against a constant, batches differ
        let flat = Run::of(&records(|_| 20.0), 4.0, 0.0);
        assert!(ratio(&above, &flat).1 > 0.05);
        assert_eq!(flat.batches.iter().map(|b| b.1).sum::<f64>(), 300.0);
        assert!((flat.mean_s - 0.02).abs() < 1e-9);
    }
}
