//! `srlb-testbed model` on the command line.

use clap::Args;

use super::{check_delay, check_lambda, tail_of, ModelError, MAX_C};

/// What to compute.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// Load of a server: arrivals for each service
    #[arg(long, allow_negative_numbers = true, value_parser = number(check_lambda))]
    pub lambda: f64,
    /// Threshold of SR_c: a server with c flows or more passes a new one on
    #[arg(long, default_value_t = 4, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_C)))]
    pub c: u32,
    /// What passing a flow on costs on the network, in mean service times
    #[arg(long, default_value = "0", allow_negative_numbers = true, value_parser = number(check_delay))]
    pub delay: f64,
    /// Percentile of the response time
    #[arg(long, default_value = "90", allow_negative_numbers = true, value_parser = number(tail_of))]
    pub percentile: f64,
    /// Response time, in mean service times, that the percentile must keep [default: what single choice keeps at this load]
    #[arg(long, allow_negative_numbers = true)]
    pub sla: Option<f64>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// A number that `check` takes.
fn number(
    check: fn(f64) -> Result<f64, ModelError>,
) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number: f64 = text.parse().map_err(|_| "a number is needed".to_owned())?;
        check(number).map_err(|error| error.to_string())?;
        Ok(number)
    }
}
