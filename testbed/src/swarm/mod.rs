//! Many worlds, each made from a seed: which of them break a promise, and would anybody notice if a
//! rule of the protocol were another one?

mod faults;
mod flavour;
mod nodes;
mod pools;
mod scenario;
mod talks;
#[cfg(test)]
mod tests;
mod weights;

pub use faults::{is_lb_change, is_pool_change};
pub use scenario::scenario;
