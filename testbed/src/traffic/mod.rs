//! Traffic that lasts: connections of several classes that live through whatever happens to LBs
//! and servers, every byte checked, and one record of each.

mod record;

pub use record::{read_records, write_records, Class, Outcome, Record};
