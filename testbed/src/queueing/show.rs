//! An outcome in words and as JSON.

use serde_json::{json, Value};

use super::result::Outcome;

const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// A few lines.
pub fn render(outcome: &Outcome) -> String {
    let response = &outcome.response;
    let percentiles = PERCENTILES.map(|p| format!("{p}%: {:.4}", outcome.percentile_s(p)));
    let mut text = format!(
        "{} queries in {:.1} s: {} answered, {} refused\n\
         response time in s: mean {:.4} +- {:.4}, deviation {:.4}; {}\n\
         {:.1}% of flows were passed on; {} packets; at once at most {} queries in flight, {} packets, {} events ahead",
        outcome.queries,
        outcome.virtual_s,
        outcome.answered,
        outcome.refused,
        response.mean_s,
        response.half_width_s,
        response.deviation_s,
        percentiles.join(", "),
        100.0 * outcome.passed_on(),
        outcome.packets,
        outcome.most_in_flight,
        outcome.most_packets,
        outcome.most_events,
    );
    if !outcome.is_whole() {
        text += &format!(
            "\n{} packets were dropped and {} queries left, a mistake of the simulator: {:?}",
            outcome.dropped, outcome.unfinished, outcome.reasons
        );
    }
    text
}

/// All numbers.
pub fn as_json(outcome: &Outcome) -> Value {
    let percentiles = PERCENTILES.map(|p| (p.to_string(), json!(outcome.percentile_s(p))));
    json!({
        "queries": outcome.queries,
        "answered": outcome.answered,
        "refused": outcome.refused,
        "unfinished": outcome.unfinished,
        "response": outcome.response,
        "percentiles_s": Value::Object(percentiles.into_iter().collect()),
        "taken": outcome.taken,
        "forced": outcome.forced,
        "passed_on": outcome.passed_on(),
        "dropped": outcome.dropped,
        "drop_reasons": outcome.reasons.to_json(),
        "packets": outcome.packets,
        "events": outcome.events,
        "most_in_flight": outcome.most_in_flight,
        "most_packets": outcome.most_packets,
        "most_events": outcome.most_events,
        "virtual_s": outcome.virtual_s,
    })
}
