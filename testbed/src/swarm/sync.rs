//! What threads share things by. `tests/tests/threads` puts shuttle's in this place, and runs the same code in every order.

pub use std::sync::atomic::{AtomicU64, Ordering};
pub use std::sync::mpsc;
pub use std::thread;
