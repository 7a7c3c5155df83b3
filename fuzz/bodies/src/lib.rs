//! What each fuzz target does with its bytes, and what it asserts.
//!
//! The fuzzer (`fuzz/fuzz_targets/`, nightly) and the replay of regressions (`tests/replay.rs`, stable) call the same functions. A body
//! panics where a promise is broken; everything else about an input is as good as any other. See docs/fuzzing.md.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod config;
pub mod lb_engine;
pub mod parser;
mod place;
pub mod rewriter;
pub mod scoreboard;
pub mod script;
pub mod server_engine;
pub mod tape;
pub mod wire;

/// A target: its name, and what it does with an input.
pub struct Target {
    /// The name of the program in `fuzz_targets/`, of its corpus and of its regressions.
    pub name: &'static str,
    /// Runs it on one input.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "parser",
        run: parser::run,
    },
    Target {
        name: "rewriter",
        run: rewriter::run,
    },
    Target {
        name: "lb_engine",
        run: lb_engine::run,
    },
    Target {
        name: "server_engine",
        run: server_engine::run,
    },
    Target {
        name: "scoreboard",
        run: scoreboard::run,
    },
    Target {
        name: "config",
        run: config::run,
    },
];
