//! The report's pictures.

mod candidate;
mod figure;
mod overview;

use crate::svg::{Anchor, Picture};

pub use candidate::candidate;
pub use figure::figure;
pub use overview::overview;

/// The colour of marks that stand across bars.
const MARK: &str = "black";

/// One line of a legend from `x` on: a box of each colour, its words, and how far it is to the next one. A mark's box is as
/// wide as the mark.
fn legend_from(picture: &mut Picture, x: f64, mark_width: f64, entries: &[(&str, &str, f64)]) {
    let mut x = x;
    for &(colour, words, width) in entries {
        let box_width = if colour == MARK { mark_width } else { 12.0 };
        picture.bar((x, 16.0), (box_width, 12.0), colour);
        let at = (x + box_width + 5.0, 27.0);
        picture.text(at, Anchor::Start, "black", words);
        x += width;
    }
}
