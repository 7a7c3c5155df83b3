//! The pool: its file, its changes, and the tables that the engine takes from it.

mod again;
pub mod edit;
pub mod file;
pub mod view;
