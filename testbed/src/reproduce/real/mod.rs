//! Figures from real Apaches in network namespaces: the real daemons, kernels and sockets between them.

mod bed;
mod latency;
mod resets;
mod response;
mod twin;

pub use latency::figure_11c;
pub use resets::figure_11d;
pub use response::figure_10a_real;

/// Mean and standard deviation of what these are samples of; no deviation of a single one.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_a_mean_and_a_deviation() {
        assert_eq!(mean_and_deviation(&[2.0, 4.0, 6.0]), (4.0, 2.0));
        assert_eq!(mean_and_deviation(&[3.0]), (3.0, 0.0));
    }
}
