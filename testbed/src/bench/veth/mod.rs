//! Packets a second over veth pairs: the load balancer behind AF_XDP beside the least that AF_XDP can do and beside the kernel's own forwarding.
//!
//! ```text
//!  processor 0          processor 1            processor 0
//!  generator ── veth ── machine under test ── veth ── sink
//! ```
//!
//! Every case has a machine of its own: a network namespace with one interface in and one out. [`bed`] builds them; [`case`] says what
//! each does; [`polls`] says which processor takes packets off a veth, [`slabs`] where their memory is kept; [`sender`], [`forward`] and [`balancer`] are who works there; [`leftovers`] removes what a killed run leaves; [`run`] takes turns, [`check`] looks at every byte of a few packets first;
//! [`show`] prints and [`page`] writes the page.

mod args;
pub mod balancer;
pub mod bed;
pub mod case;
pub mod check;
pub mod forward;
pub mod leftovers;
pub mod page;
pub mod polls;
pub mod run;
pub mod sender;
pub mod show;
pub mod slabs;

pub use args::VethArgs;
