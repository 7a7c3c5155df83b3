//! A figure as data.

use std::fmt::Write;

use super::claim::Claim;

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line: what was simulated or computed.
    Line,
    /// Dashes: a model beside it.
    Dashes,
    /// Dots: single measurements, as those on real Apache.
    Dots,
}

impl Style {
    /// In the CSV.
    pub fn name(self) -> &'static str {
        match self {
            Style::Line => "line",
            Style::Dashes => "dashes",
            Style::Dots => "dots",
        }
    }
}

/// One line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is of. Curves of one name in different styles have one colour.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
}

impl Curve {
    /// A line through points.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Curve {
        Curve {
            name: name.into(),
            points,
            style: Style::Line,
        }
    }

    /// The same, dashed.
    pub fn dashed(self) -> Curve {
        let style = Style::Dashes;
        Curve { style, ..self }
    }

    /// The same as dots.
    pub fn dots(self) -> Curve {
        let style = Style::Dots;
        Curve { style, ..self }
    }

    /// Its value at one of its points; none if it has none there.
    pub fn at(&self, x: f64) -> Option<f64> {
        let mut points = self.points.iter();
        let near = |(at, _): &&(f64, f64)| (at - x).abs() < 1e-9;
        points.find(near).map(|(_, y)| *y)
    }
}

/// An axis. What lies outside is cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: &'static str,
    /// Its first value.
    pub from: f64,
    /// Its last value.
    pub to: f64,
    /// Equal distances for equal ratios?
    pub is_log: bool,
}

impl Axis {
    /// From 0.
    pub const fn new(label: &'static str, to: f64) -> Axis {
        Axis::between(label, 0.0, to)
    }

    /// Between two values.
    pub const fn between(label: &'static str, from: f64, to: f64) -> Axis {
        Axis {
            label,
            from,
            to,
            is_log: false,
        }
    }

    /// Logarithmic, between two values above 0.
    pub const fn log(label: &'static str, from: f64, to: f64) -> Axis {
        Axis {
            label,
            from,
            to,
            is_log: true,
        }
    }

    /// Where a value lies: 0 at the beginning, 1 at the end.
    pub fn place(&self, value: f64) -> f64 {
        match self.is_log {
            true => (value / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        }
    }

    /// What lies at a place.
    pub fn value(&self, place: f64) -> f64 {
        match self.is_log {
            true => self.from * (self.to / self.from).powf(place),
            false => self.from + place * (self.to - self.from),
        }
    }
}

/// One plot of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What tells it from the figure's others; empty if there is one only.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What it shows.
    pub curves: Vec<Curve>,
}

impl Panel {
    /// The only one of its figure.
    pub fn new(x: Axis, y: Axis, curves: Vec<Curve>) -> Panel {
        Panel {
            title: String::new(),
            x,
            y,
            curves,
        }
    }

    /// One of some.
    pub fn titled(self, title: impl Into<String>) -> Panel {
        let title = title.into();
        Panel { title, ..self }
    }

    /// The curve with this name; the first if there are some.
    pub fn curve(&self, name: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.name == name)
    }
}

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its plots.
    pub panels: Vec<Panel>,
    /// What the paper says about it, and what we do.
    pub claims: Vec<Claim>,
    /// How it came about.
    pub note: String,
}

impl Figure {
    /// The numbers behind it: one line a point.
    pub fn csv(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = "panel,x axis,y axis,curve,style,x,y\n".to_owned();
        for panel in &self.panels {
            let of_panel = [&panel.title, panel.x.label, panel.y.label].map(quoted);
            for curve in &panel.curves {
                let name = quoted(&curve.name);
                let style = curve.style.name();
                for &(x, y) in &curve.points {
                    let (x, y) = (rounded(x), rounded(y));
                    let _ = writeln!(text, "{},{name},{style},{x},{y}", of_panel.join(","));
                }
            }
        }
        text
    }
}

/// To six digits: more are chance.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_csv_names_panels_curves_and_units() {
        let curve = Curve::new("SR4, ours", vec![(0.5, 1.25), (0.75, 2.000000001)]);
        let panel = Panel::new(
            Axis::new("load", 1.0),
            Axis::new("time, \"s\"", 2.0),
            vec![curve.dots()],
        );
        let figure = Figure {
            panels: vec![panel.titled("peak")],
            claims: Vec::new(),
            note: String::new(),
        };
        let expected = "panel,x axis,y axis,curve,style,x,y\n\
            \"peak\",\"load\",\"time, \"\"s\"\"\",\"SR4, ours\",dots,0.5,1.25\n\
            \"peak\",\"load\",\"time, \"\"s\"\"\",\"SR4, ours\",dots,0.75,2\n";
        assert_eq!(figure.csv(), expected);
        let curve = figure.panels[0].curve("SR4, ours").unwrap();
        assert_eq!((curve.at(0.5), curve.at(0.6)), (Some(1.25), None));
    }

    #[test]
    fn places_on_axes() {
        let linear = Axis::between("x", 1.0, 5.0);
        assert_eq!(linear.place(2.0), 0.25);
        let log = Axis::log("x", 1.0, 100.0);
        assert!((log.place(10.0) - 0.5).abs() < 1e-12);
        assert_eq!((linear.value(0.25), log.value(0.5)), (2.0, 10.0));
    }
}
