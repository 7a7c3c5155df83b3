//! A figure as data.

use std::fmt::Write;

use serde::Serialize;

/// One line of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Is it a model's, beside what was measured?
    pub is_dashed: bool,
}

impl Curve {
    /// A curve through points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Curve {
        Curve {
            name: name.into(),
            points,
            is_dashed: false,
        }
    }

    /// The same, dashed.
    pub fn dashed(mut self) -> Curve {
        self.is_dashed = true;
        self
    }

    /// Its value at one of its points; none if it has none there.
    pub fn at(&self, x: f64) -> Option<f64> {
        let mut points = self.points.iter();
        let near = |(at, _): &&(f64, f64)| (at - x).abs() < 1e-9;
        points.find(near).map(|(_, y)| *y)
    }
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: &'static str,
    /// Its last value; what lies above is cut off.
    pub to: f64,
}

/// Is it as the paper says?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes, or better.
    Met,
    /// No.
    Missed,
}

/// Something that the paper says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// About what.
    pub what: String,
    /// What it says.
    pub paper: String,
    /// What came out.
    pub ours: String,
    /// Whether that fits.
    pub verdict: Verdict,
}

impl Claim {
    /// A claim that `is_met`, or not.
    pub fn new(what: &str, paper: &str, ours: impl Into<String>, is_met: bool) -> Claim {
        Claim {
            what: what.to_owned(),
            paper: paper.to_owned(),
            ours: ours.into(),
            verdict: match is_met {
                true => Verdict::Met,
                false => Verdict::Missed,
            },
        }
    }
}

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The horizontal axis; it begins with 0.
    pub x: Axis,
    /// The vertical axis; it begins with 0.
    pub y: Axis,
    /// What it shows.
    pub curves: Vec<Curve>,
    /// What the paper says about it.
    pub claims: Vec<Claim>,
    /// How it came about.
    pub note: String,
}

impl Figure {
    /// The numbers behind it: one line a point.
    pub fn csv(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = format!("curve,{},{}\n", quoted(self.x.label), quoted(self.y.label));
        for curve in &self.curves {
            for (x, y) in &curve.points {
                let _ = writeln!(text, "{},{x},{y}", quoted(&curve.name));
            }
        }
        text
    }

    /// The curve with this name.
    pub fn curve(&self, name: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_csv_names_curves_and_units() {
        let figure = Figure {
            x: Axis {
                label: "load",
                to: 1.0,
            },
            y: Axis {
                label: "time, \"s\"",
                to: 2.0,
            },
            curves: vec![Curve::new("SR4, ours", vec![(0.5, 1.25), (0.75, 2.0)])],
            claims: Vec::new(),
            note: String::new(),
        };
        let expected =
            "curve,\"load\",\"time, \"\"s\"\"\"\n\"SR4, ours\",0.5,1.25\n\"SR4, ours\",0.75,2\n";
        assert_eq!(figure.csv(), expected);
        assert_eq!(figure.curves[0].at(0.75), Some(2.0));
        assert_eq!(figure.curves[0].at(0.6), None);
    }
}
