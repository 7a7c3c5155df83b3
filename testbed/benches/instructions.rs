//! Instructions a packet, counted by valgrind: `make bench` runs it and shows them next to the times.
//!
//! A benchmark's name is what `instructions::name` makes of a case and a way.

use gungraun::{
    library_benchmark, library_benchmark_group, main, Callgrind, LibraryBenchmarkConfig,
};
use srh::Encoding::{Encap, Insert};
use testbed::bench::case::Case::{self, *};
use testbed::bench::case::Way::{self, *};
use testbed::bench::instructions::Counted;

fn prepare(case: Case, way: Way) -> Counted {
    Counted::new(case, way).expect("an engine with its flows")
}

#[library_benchmark(setup = prepare)]
#[bench::pinned_encap(Pinned, Srv6(Encap))]
#[bench::pinned_gre(Pinned, MaglevGre)]
#[bench::pinned_insert(Pinned, Srv6(Insert))]
#[bench::settled_encap(Settled, Srv6(Encap))]
#[bench::settled_gre(Settled, MaglevGre)]
#[bench::settled_insert(Settled, Srv6(Insert))]
#[bench::newflow_encap(NewFlow, Srv6(Encap))]
#[bench::newflow_gre(NewFlow, MaglevGre)]
#[bench::newflow_insert(NewFlow, Srv6(Insert))]
#[bench::recovery_encap(Recovery, Srv6(Encap))]
#[bench::recovery_insert(Recovery, Srv6(Insert))]
#[bench::mixed_encap(Mixed, Srv6(Encap))]
#[bench::mixed_gre(Mixed, MaglevGre)]
#[bench::mixed_insert(Mixed, Srv6(Insert))]
#[bench::refresh_encap(Refresh, Srv6(Encap))]
#[bench::refresh_gre(Refresh, MaglevGre)]
#[bench::refresh_insert(Refresh, Srv6(Insert))]
#[bench::createstickiness_encap(CreateStickiness, Srv6(Encap))]
#[bench::createstickiness_insert(CreateStickiness, Srv6(Insert))]
fn packets(mut counted: Counted) -> Counted {
    counted.work().expect("no packet is dropped");
    counted
}

library_benchmark_group!(name = engine, benchmarks = packets);

// Caches are the times' affair.
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = engine
);
