//! Figure 12: a day of a Wikipedia-like load (section VI-C), generated or from a trace file.
//!
//! The paper replays a day of real traffic against real MediaWikis. What we have of it is what it says: 28 servers, wiki pages at 110 to 420 a
//! second with the trough around 8:00 UTC, static pages of about a millisecond, and the outcome.
//!
//! **The day** is ten times as short: 144 bins of 60 s instead of 600 s, with the rates as they are, so that it has 4.6 million queries
//! for each policy instead of 46 million. A bin must be long against the time in which the farm settles: a claim compares the
//! peak hour with a run that stays at the peak's rate. Between trough and peak the rate is a cosine, because the text says no more.
//! So many static pages come as wiki pages, because it doesn't say that either; they are 1% of the work.
//!
//! **Service times** of wiki pages are log-normal. Median and deviation were chosen by hand among a dozen, with SC alone, as the paper fits its
//! model on SC: they come nearest to what it says of SC (median 0.22 s and 90th percentile 0.67 s over the day) while the median in the
//! peak hour stays below 0.4 s, which is how the paper has chosen 28 servers. SR4 and SRdyn are then predictions.

mod claims;
mod log;
mod panels;

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{bail, ensure, Result};

use super::{farm, Experiment, Figure, Needs, Workshop};
use crate::queueing::args::STATIC;
use crate::queueing::{Arrivals, Balancing, Day, Scenario, ServiceTime, Services};
use log::Log;

const SERVERS: usize = 28;
const TROUGH_QPS: f64 = 110.0;
const PEAK_QPS: f64 = 420.0;
const TROUGH_HOUR: f64 = 8.0;
const PEAK_HOUR: f64 = TROUGH_HOUR + 12.0;
/// Ten minutes, as in the paper.
const BINS_PER_HOUR: usize = 6;
const BINS: usize = 24 * BINS_PER_HOUR;
const BIN_S: u64 = 600;
/// A bin of the generated day.
const SHORT_BIN_S: u64 = 60;
/// Wiki pages' service times. See above.
const WIKI: ServiceTime = ServiceTime::LogNormal {
    median_s: 0.105,
    sigma: 0.5,
};
/// Service times of what a trace says only the class of, and of the generated day.
pub const SERVICES: Services = Services {
    wiki: WIKI,
    fixed: STATIC,
};
/// More bins than a week's are no figure.
const MOST_BINS: usize = 7 * BINS;
/// Steps of the bar for each run.
const STEPS: u64 = 20;

/// The figure.
pub fn figure_12() -> Experiment {
    Experiment {
        name: "12",
        title: "A day of a Wikipedia-like load on 28 servers (section VI-C)",
        paper: "\"At the off-peak period around 8:00 UTC [..] SC and SR4 yielded similar performance, and SRdyn exhibited even lower response \
                times. As the request rate increases, using the application-unaware SC policy yielded notably increased page load times [..]. \
                Overall, the median response time went from 0.22 s with SC to 0.18 s with SR4 and 0.16 s with SRdyn. Furthermore, the tail of the \
                distribution is steeper when using 6LB, with the 90-th percentile going from 0.67 s with SC to 0.32 s with SR4 and 0.31 s with SRdyn.\"",
        needs: Needs::Nothing,
        make,
    }
}

/// What the policies are compared in.
struct Span {
    arrivals: Arrivals,
    /// Hours of the day at its beginning.
    begins_h: f64,
    /// Length of ten minutes, in simulated seconds.
    bin_s: u64,
    /// Bins from the beginning of the first to the end of the last.
    bins: usize,
}

/// One policy's day.
struct Played {
    name: &'static str,
    log: Log,
}

fn policies() -> [(&'static str, Balancing); 3] {
    [
        ("SC", Balancing::SINGLE_CHOICE),
        ("SR4", farm::sr(4)),
        ("SRdyn", farm::srdyn()),
    ]
}

fn make(workshop: &Workshop) -> Result<Figure> {
    let span = match &workshop.trace {
        Some(_) => traced(workshop)?,
        None => generated(workshop, TROUGH_QPS, BINS),
    };
    let policies = policies();
    // the shorter runs last, so that no thread is left with a day alone
    let steady = match workshop.trace.is_some() {
        true => None,
        false => Some(generated(workshop, PEAK_QPS, BINS_PER_HOUR)),
    };
    let spans: Vec<&Span> = [Some(&span), steady.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    let logs = workshop.each(policies.len() * spans.len(), |n| {
        let (_, balancing) = policies[n % policies.len()];
        play(workshop, spans[n / policies.len()], balancing)
    })?;
    let mut played = logs
        .into_iter()
        .zip(policies.iter().cycle())
        .map(|(log, (name, _))| Played { name, log });
    let days: Vec<Played> = played.by_ref().take(policies.len()).collect();
    let steady: Vec<Played> = played.collect();
    Ok(Figure {
        panels: panels::all(&span, &days),
        claims: match workshop.trace.is_some() {
            true => claims::of_trace(&days),
            false => claims::of_day(&days, &steady),
        },
        note: note(workshop, &span),
    })
}

/// The day that [`Day`] describes, or `bins` of it at a rate that stays, if trough and peak are one.
fn generated(workshop: &Workshop, trough_qps: f64, bins: usize) -> Span {
    let bin_s = workshop.scaled(SHORT_BIN_S);
    let day = Day {
        length_s: bin_s as f64 * bins as f64,
        trough_at: TROUGH_HOUR / 24.0,
        trough_qps,
        peak_qps: PEAK_QPS,
        static_per_wiki: 1.0,
        services: SERVICES,
    };
    Span {
        arrivals: Arrivals::Day(day),
        begins_h: 0.0,
        bin_s,
        bins,
    }
}

fn traced(workshop: &Workshop) -> Result<Span> {
    /// A later time than this is one since 1970.
    const YEAR_S: f64 = 365.0 * 86_400.0;
    let Some(trace) = &workshop.trace else {
        bail!("no trace");
    };
    let begins_s = match trace.begins_s > YEAR_S {
        true => trace.begins_s % 86_400.0,
        false => trace.begins_s,
    };
    let bins = (trace.length_s / BIN_S as f64) as usize + 1;
    ensure!(
        bins <= MOST_BINS,
        "the trace is of {:.0} hours: expected a day, and a week at most",
        trace.length_s / 3_600.0
    );
    Ok(Span {
        arrivals: Arrivals::File(trace.clone()),
        begins_h: begins_s / 3_600.0,
        bin_s: BIN_S,
        bins,
    })
}

fn play(workshop: &Workshop, span: &Span, balancing: Balancing) -> Result<Log> {
    let scenario = Scenario::paper(workshop.seed, SERVERS, balancing, span.arrivals.clone());
    let step = (scenario.arrivals.queries() / STEPS).max(1);
    workshop.bar.inc_length(STEPS);
    let told = AtomicU64::new(0);
    let mut log = Log::new(span.bins, span.bin_s * 1_000_000);
    farm::follow(workshop, &scenario, |ended| {
        log.add(ended);
        if log.ended.is_multiple_of(step) && told.fetch_add(1, Ordering::Relaxed) < STEPS {
            workshop.bar.inc(1);
        }
    })?;
    workshop.bar.inc(STEPS.saturating_sub(told.into_inner()));
    Ok(log)
}

fn note(workshop: &Workshop, span: &Span) -> String {
    let ServiceTime::LogNormal { median_s, sigma } = WIKI else {
        unreachable!("it is one");
    };
    let work = format!(
        "log-normal for wiki pages (median {median_s} s, deviation of the logarithm {sigma}, mean {:.3} s), exponential for static ones (1 ms)",
        WIKI.mean_s()
    );
    let Some(trace) = &workshop.trace else {
        return format!(
            "Simulated: the real engines, {SERVERS} servers of 2 cores and 32 workers, processor sharing, 100 us from node to node. The day is generated: \
             a Poisson stream of wiki pages whose rate is a cosine from {TROUGH_QPS} pages/s at {TROUGH_HOUR}:00 to {PEAK_QPS} at {PEAK_HOUR}:00, and as many \
             static pages. It is shorter than 24 hours, with the same rates: a bin of ten minutes takes {} s, {:.1} million queries for each policy. \
             Service times are {work}. Median and deviation were fitted on SC alone (its median and 90th percentile over the day, and less than \
             0.4 s in the peak hour), as the paper fits its model; at the peak the cores' load is {:.2}. The paper's pages also wait for disks and \
             databases, which here is part of the work. Its own trace: --trace FILE takes WikiBench's format.",
            span.bin_s,
            span.arrivals.queries() as f64 / 1e6,
            peak_load(),
        );
    };
    format!(
        "Simulated: the real engines, {SERVERS} servers of 2 cores and 32 workers, processor sharing, 100 us from node to node. {} queries from a trace, \
         {} lines of other sites left out. Service times are {}. What the paper says is of its own trace.",
        trace.queries,
        trace.left_out,
        match trace.has_service {
            true => "those of the trace".to_owned(),
            false => work,
        }
    )
}

/// Load of the cores at the generated day's peak.
fn peak_load() -> f64 {
    PEAK_QPS * (SERVICES.wiki.mean_s() + SERVICES.fixed.mean_s()) / (2.0 * SERVERS as f64)
}
