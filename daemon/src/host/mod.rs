//! What a daemon needs of its host (its network namespace): routes, rules, addresses, a
//! filter, sysctls. Declared as data, installed at start, listed by `status`, removed at
//! exit, repaired after a `kill -9`.
//!
//! [`LbHost`] and [`ServerHost`] say what is needed, as a [`Plan`]; [`Host`] is a plan that
//! is in force. Nothing is remembered in files: what is ours is recognised in the kernel itself.
//!
//! - Routes, rules and addresses carry a protocol number ([`LB_PROTOCOL`],
//!   [`SERVER_PROTOCOL`]; `ip -6 route show proto 83`). A start removes those that it does not want.
//!   There is one daemon of a kind in a network namespace; a second one is refused.
//! - Filter and steering are one nftables table `ip6 srlb_NAME`, replaced in one transaction.
//! - The old values of sysctls are written down as comments in that table (chain `before`),
//!   so they outlive the process, and go when the namespace or the boot goes.
//!
//! VIP addresses of a server are the exception: they stay on `lo` when the router stops, because the
//! application's sockets are bound to them. [`Plan::clean_up`] takes them away as well.

mod error;
mod forwarding;
mod installed;
mod item;
mod link;
pub(crate) mod netlink;
mod nft;
mod plan;
mod route;
mod rule;
mod ruleset;

pub use error::{nothing_is_left, HostError};
pub use installed::{Host, ItemState};
pub use item::Item;
pub use plan::{
    LbHost, Plan, ServerHost, LB_PROTOCOL, SERVER_PROTOCOL, STEERING_MARK, STEERING_TABLE,
};
pub use route::{Route, Via};
pub use rule::Rule;
