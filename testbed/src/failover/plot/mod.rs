//! The report's pictures.

mod candidate;
mod figure;
mod overview;

pub use candidate::candidate;
pub use figure::figure;
pub use overview::overview;
