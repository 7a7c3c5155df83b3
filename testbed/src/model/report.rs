//! What the model says about one load and one threshold, beside single choice.

use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;

use super::saving::Sla;
use super::{ModelArgs, ModelError, Occupancy, SingleChoice};

/// Everything at once. Times are in mean service times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The load of a server.
    pub lambda: f64,
    /// The threshold.
    pub c: u32,
    /// What a refusal costs on the network.
    pub delay: f64,
    /// Which percentile.
    pub percentile: f64,
    /// SR_c.
    pub sr: Figures,
    /// Single choice.
    pub single_choice: Figures,
    /// s_0, s_1 .. s_c: the share of servers with so many flows or more.
    pub s: Vec<f64>,
    /// Share of offers that are refused, s_c.
    pub refused: f64,
    /// Share of flows that are refused for a server with more flows.
    pub wrongful_rejections: f64,
    /// The saving in servers; none if even an empty server breaks the promise.
    pub saving: Option<Saving>,
}

/// What SR_c and single choice have in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The expected response time, without the network.
    pub mean_response: f64,
    /// The same with the network's delay.
    pub mean_response_with_delay: f64,
    /// The percentile of the response time, without the network.
    pub percentile_response: f64,
    /// Jain's fairness index of the servers' numbers of flows.
    pub fairness: f64,
}

/// How many servers one promise takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Saving {
    /// What the percentile must keep.
    pub sla: f64,
    /// The load at which single choice keeps it.
    pub single_choice_load: f64,
    /// The load at which SR_c keeps it.
    pub sr_load: f64,
    /// Servers of SR_c for each of single choice.
    pub servers_share: f64,
}

impl Report {
    /// Computes what was asked for.
    ///
    /// # Errors
    ///
    /// Where the model is not made for what was asked.
    pub fn new(args: &ModelArgs) -> Result<Self, ModelError> {
        let sr = Occupancy::new(args.lambda, args.c)?;
        let single = SingleChoice::new(args.lambda)?;
        let single_percentile = single.percentile(args.percentile)?;
        let saving = match args.sla {
            Some(sla) => Some(saving(args, sla)?),
            // At a load next to nothing single choice takes no longer than an empty server.
            None => saving(args, single_percentile).ok(),
        };
        Ok(Report {
            lambda: args.lambda,
            c: args.c,
            delay: args.delay,
            percentile: args.percentile,
            sr: Figures {
                mean_response: sr.mean_response(),
                mean_response_with_delay: sr.mean_response_with_delay(args.delay)?,
                percentile_response: sr.percentile(args.percentile)?,
                fairness: sr.fairness(),
            },
            single_choice: Figures {
                mean_response: single.mean_response(),
                mean_response_with_delay: single.mean_response(),
                percentile_response: single_percentile,
                fairness: single.fairness(),
            },
            s: (0..=args.c).map(|n| sr.s(n)).collect(),
            refused: sr.s_c(),
            wrongful_rejections: sr.wrongful_rejection(),
            saving,
        })
    }

    /// As a table.
    pub fn render(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_BORDERS_ONLY);
        table.set_header(["", &format!("SR{}", self.c), "SC", "SC / SR"]);
        let mut row = |what: String, figure: fn(&Figures) -> f64| {
            let (sr, single) = (figure(&self.sr), figure(&self.single_choice));
            table.add_row([what, short(sr), short(single), short(single / sr)]);
        };
        row("mean response time".to_owned(), |f| f.mean_response);
        if self.delay > 0.0 {
            let what = format!("with a delay of {}", self.delay);
            row(what, |f| f.mean_response_with_delay);
        }
        let what = format!("percentile {} of it", self.percentile);
        row(what, |f| f.percentile_response);
        row("fairness".to_owned(), |f| f.fairness);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut text = format!(
            "load {}, times in mean service times\n{table}\n{:.2}% of offers are refused, {:.2}% for a server with more flows",
            self.lambda,
            100.0 * self.refused,
            100.0 * self.wrongful_rejections,
        );
        if let Some(saving) = &self.saving {
            text += &format!(
                "\nfor percentile {} within {}: {:.1} servers instead of 100 (load {} instead of {})",
                self.percentile,
                short(saving.sla),
                100.0 * saving.servers_share,
                short(saving.sr_load),
                short(saving.single_choice_load),
            );
        }
        text
    }
}

fn saving(args: &ModelArgs, target: f64) -> Result<Saving, ModelError> {
    let sla = Sla::new(args.percentile, target)?;
    Ok(Saving {
        sla: target,
        single_choice_load: sla.single_load(),
        sr_load: sla.load(args.c)?,
        servers_share: sla.servers_share(args.c)?,
    })
}

/// Four digits behind the point where they say something.
fn short(number: f64) -> String {
    match number.abs() {
        size if size != 0.0 && !(1e-4..1e7).contains(&size) => format!("{number:.3e}"),
        _ => format!("{number:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(lambda: f64, sla: Option<f64>) -> ModelArgs {
        ModelArgs {
            lambda,
            c: 4,
            delay: 0.5,
            percentile: 90.0,
            sla,
            json: false,
        }
    }

    #[test]
    fn the_papers_saving_is_in_the_text() {
        let report = Report::new(&args(0.88, Some(6.0))).unwrap();
        assert!((report.saving.unwrap().servers_share - 0.708_27).abs() < 1e-5);
        let text = report.render();
        assert!(text.contains("70.8 servers instead of 100"), "{text}");
        assert!(text.contains("with a delay of 0.5"), "{text}");
    }

    #[test]
    fn a_promise_that_nobody_can_keep() {
        assert!(Report::new(&args(0.88, Some(2.0))).is_err());
        let idle = Report::new(&args(1e-300, None)).unwrap();
        assert_eq!(idle.saving, None);
        assert!(idle.render().contains("1.0000"));
    }
}
