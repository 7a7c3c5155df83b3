//! Configuration files: read, checked as a whole, and refused with errors that name the
//! file, the line, the key, what is wrong and what is expected.
//!
//! A daemon reads in two steps. [`load`] turns the file into a serde type (whose
//! structs carry `deny_unknown_fields`) and reports everything that does not fit its shape.
//! Then a [`Check`] collects what is wrong with the meaning, so that the operator sees all
//! problems of a file at once.

mod check;
mod document;
mod error;
mod hmac;
mod keys;
mod serde_errors;
#[cfg(test)]
mod tests;

pub use check::{is_plain_name, Check, DEFAULT_UDP_IDLE_S};
pub use document::{load, parse, read, Document};
pub use error::{interface_advice, ConfigError, ConfigErrors};
pub use hmac::{hmac_advice, hmac_words, Hmac};
