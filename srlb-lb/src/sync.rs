//! What the engines of an LB share things by. `tests/tests/threads` puts shuttle's in this place, and runs the same code in every order.

pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
