//! Pictures in plain SVG: as much as our plots need.

use std::fmt::Write;

/// Told apart without colour vision, too (Okabe and Ito).
pub const COLOURS: [&str; 10] = [
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#999999", "#e69f00", "#56b4e9", "#000000",
    "#7f3c8d", "#8c6d31",
];
/// Lines that only help the eye.
pub const GRID: &str = "#ddd";

/// Where a text's point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its beginning.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A picture that is being drawn. Coordinates are pixels from the upper left corner.
pub struct Picture(String);

impl Picture {
    /// A white sheet.
    pub fn new(width: f64, height: f64) -> Picture {
        Picture(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        ))
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.0,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
        );
    }

    /// A dashed straight line.
    pub fn dashes(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.0,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"/>"
        );
    }

    /// A filled box: upper left corner, width and height.
    pub fn bar(&mut self, at: (f64, f64), size: (f64, f64), colour: &str) {
        let ((x, y), (width, height)) = (at, size);
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        );
    }

    /// A curve through points.
    pub fn curve(&mut self, points: impl IntoIterator<Item = (f64, f64)>, colour: &str) {
        let points: Vec<String> = (points.into_iter())
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            self.0,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
    }

    /// A dot on a curve.
    pub fn dot(&mut self, at: (f64, f64), colour: &str) {
        let (x, y) = at;
        let _ = writeln!(
            self.0,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
        );
    }

    /// Words.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, colour: &str, words: &str) {
        let (x, y) = at;
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{}\" fill=\"{colour}\">{words}</text>",
            anchor.name()
        );
    }

    /// The file.
    pub fn finish(self) -> String {
        self.0 + "</svg>\n"
    }
}

/// A round distance between ticks, about eight of them.
pub fn tick_step(longest: f64) -> f64 {
    let rough = longest / 8.0;
    let power = 10f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|m| m * power >= rough);
    round.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(tick_step(800.0), 100.0);
        assert_eq!(tick_step(900.0), 200.0);
        assert_eq!(tick_step(7.0), 1.0);
    }

    #[test]
    fn words_are_no_markup() {
        let mut picture = Picture::new(10.0, 10.0);
        picture.text((1.0, 1.0), Anchor::End, "black", "a < b & c");
        assert!(picture.finish().contains(">a &lt; b &amp; c</text>"));
    }
}
