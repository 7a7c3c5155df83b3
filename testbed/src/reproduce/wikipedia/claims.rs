//! What the paper says about figure 12, beside what came out.

use super::log::Bin;
use super::{Played, BINS_PER_HOUR, PEAK_HOUR, TROUGH_HOUR};
use crate::reproduce::Claim;

/// The policies' figures, SC's, SR4's and SRdyn's.
type Three = [f64; 3];

fn three(days: &[Played], figure: impl Fn(&Played) -> f64) -> Three {
    [0, 1, 2].map(|n| days.get(n).map_or(f64::NAN, &figure))
}

fn in_ms(three: Three) -> String {
    three.map(|s| format!("{:.0}", s * 1e3)).join(" / ") + " ms"
}

/// Wiki pages of the hour around `hour`.
fn around(day: &Played, hour: f64) -> Bin {
    let middle = (hour * BINS_PER_HOUR as f64) as usize;
    let half = BINS_PER_HOUR / 2;
    day.log.together(middle - half..middle + half)
}

fn median(bin: &Bin) -> f64 {
    bin.percentile_s(50.0).unwrap_or(f64::NAN)
}

/// The ninth decile less the first.
fn spread(bin: &Bin) -> f64 {
    let decile = |percentile| bin.percentile_s(percentile).unwrap_or(f64::NAN);
    decile(90.0) - decile(10.0)
}

fn of_wiki(days: &[Played], percentile: f64) -> Three {
    three(days, |day| day.log.wiki_us.percentile(percentile) / 1e6)
}

/// About the generated day. `steady` has one hour's time at the peak's rate.
pub fn of_day(days: &[Played], steady: &[Played]) -> Vec<Claim> {
    let mut claims = vec![sized(days)];
    claims.extend(whole_day(days));
    claims.extend(trough(days));
    claims.extend(peak(days));
    claims.push(fixed(days));
    claims.push(refused(days));
    claims.push(settled(days, steady));
    claims
}

/// About a trace, which is not the paper's as far as we know: no verdicts.
pub fn of_trace(days: &[Played]) -> Vec<Claim> {
    vec![
        Claim::finding(
            "median load time, SC / SR4 / SRdyn (paper's trace: 220 / 180 / 160 ms)",
            in_ms(of_wiki(days, 50.0)),
        ),
        Claim::finding(
            "90th percentile, SC / SR4 / SRdyn (paper's trace: 670 / 320 / 310 ms)",
            in_ms(of_wiki(days, 90.0)),
        ),
        refused(days),
    ]
}

fn sized(days: &[Played]) -> Claim {
    let [single, ..] = three(days, |day| median(&around(day, PEAK_HOUR)));
    Claim::finding(
        "median load time in the peak hour, SC, 28 servers",
        format!("{:.0} ms; the paper's is below 400 ms", 1e3 * single),
    )
    .because("So the service times were chosen: it says that the farm is as loaded as the paper's.")
}

fn whole_day(days: &[Played]) -> [Claim; 3] {
    let medians = of_wiki(days, 50.0);
    let tails = of_wiki(days, 90.0);
    let is_order = medians[0] > medians[1] && medians[1] > medians[2];
    let ratio = |name: &str, paper: f64, ours: f64| {
        Claim::new(
            &format!("90th percentile over the day, SC over {name}"),
            &format!("{paper:.1}x"),
            format!("{ours:.1}x ({})", in_ms(tails)),
            // to the digit that the paper's figures have
            (ours * 10.0).round() >= (paper * 10.0).round(),
        )
    };
    [
        Claim::new(
            "median over the day, SC above SR4 above SRdyn",
            "220 / 180 / 160 ms",
            in_ms(medians),
            is_order,
        ),
        ratio("SR4", 0.67 / 0.32, tails[0] / tails[1]),
        ratio("SRdyn", 0.67 / 0.31, tails[0] / tails[2]).because(
            "A near thing: with other seeds it comes out below the paper's. SRdyn is better at night and worse at the peak, here as in the \
             paper, and how many pages come at which rate is not in the text.",
        ),
    ]
}

fn trough(days: &[Played]) -> [Claim; 3] {
    let medians = three(days, |day| median(&around(day, TROUGH_HOUR)));
    let spreads = three(days, |day| spread(&around(day, TROUGH_HOUR)));
    let ours = in_ms(medians);
    [
        Claim::new(
            "median around 8:00, SC and SR4",
            "similar",
            &ours,
            (medians[0] / medians[1] - 1.0).abs() < 0.05,
        ),
        Claim::new(
            "median around 8:00, SRdyn below both",
            "even lower",
            ours,
            medians[2] < medians[0].min(medians[1]),
        ),
        Claim::new(
            "deciles 1 to 9 around 8:00, SRdyn nearer together than SR4",
            "lower variability",
            in_ms(spreads),
            spreads[2] < spreads[1],
        ),
    ]
}

fn peak(days: &[Played]) -> [Claim; 2] {
    let spreads = three(days, |day| spread(&around(day, PEAK_HOUR)));
    let [single, sr4, dynamic] = spreads;
    let ours = in_ms(spreads);
    [
        Claim::new(
            "deciles 1 to 9 in the peak hour, SR4 and SRdyn nearer together than SC",
            "less variability",
            &ours,
            sr4.max(dynamic) < single,
        ),
        Claim::new(
            "deciles 1 to 9 in the peak hour, SR4 nearer together than SRdyn",
            "SRdyn outperformed",
            ours,
            sr4 < dynamic,
        ),
    ]
}

fn fixed(days: &[Played]) -> Claim {
    let of = |percentile| three(days, |day| day.log.static_us.percentile(percentile) / 1e6);
    let (statics, wikis) = (of(50.0), of_wiki(days, 50.0));
    let (gain, wiki_gain) = (statics[0] / statics[1], wikis[0] / wikis[1]);
    let (tails, wiki_tails) = (of(90.0), of_wiki(days, 90.0));
    let (tail_gain, wiki_tail_gain) = (tails[0] / tails[1], wiki_tails[0] / wiki_tails[1]);
    let words = |three: Three| three.map(|s| format!("{:.1}", s * 1e3)).join(" / ");
    Claim::new(
        "static pages, median and 90th percentile, SR4 over SC: less gained than with wiki pages",
        "a small improvement",
        format!(
            "{gain:.2}x and {tail_gain:.2}x ({} ms and {} ms), wiki pages {wiki_gain:.2}x and {wiki_tail_gain:.2}x",
            words(statics),
            words(tails)
        ),
        gain < wiki_gain && tail_gain < wiki_tail_gain,
    )
    .because(
        "The paper has a small improvement, ours is not that small: with processor sharing a short job is slowed down as much as a long one beside \
         it, while an operating system lets who has slept go first.",
    )
}

fn refused(days: &[Played]) -> Claim {
    let counts = three(days, |day| day.log.refused as f64);
    Claim::finding(
        "queries that met a full accept queue, SC / SR4 / SRdyn",
        counts.map(|n| n.to_string()).join(" / "),
    )
}

fn settled(days: &[Played], steady: &[Played]) -> Claim {
    let bins = |day: &Played| day.log.bins.len();
    let stays = three(steady, |run| median(&run.log.together(0..bins(run))));
    let passes = three(days, |day| median(&around(day, PEAK_HOUR)));
    Claim::finding(
        "is the shortened day slow enough? Median of the peak hour, and of as long a time at its rate from an idle beginning",
        format!("{}, and {}", in_ms(passes), in_ms(stays)),
    )
}
