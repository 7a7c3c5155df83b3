//! Traffic that lasts: connections of several classes that live through whatever happens to LBs
//! and servers, every byte checked, and one record of each.

mod backend;
mod connection;
mod content;
mod engine;
mod http;
mod pace;
mod record;
mod report;
mod script;
mod stall;
mod talk;
mod timers;

pub use backend::serve;
pub use content::Content;
pub use engine::{run, Params, Progress};
pub use record::{Class, Outcome, Record};
pub use report::{render, Figures, Summary};
pub use script::{Shape, FILE, FILE_BYTES, FILE_NAME};
