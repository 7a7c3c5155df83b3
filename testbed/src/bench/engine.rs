//! All cases, ways and sizes, pass by pass in turn.

use anyhow::Result;
use srh::Encoding;

use super::args::BenchArgs;
use super::case::{Case, Way};
use super::page::Machine;
use super::rig::{ring, Rig, RING};
use super::spread::Spread;

/// What goes in front of packets, in every run.
pub const WAYS: [Way; 2] = [Way::Srv6(Encoding::Encap), Way::Srv6(Encoding::Insert)];

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Which packets.
    pub case: Case,
    /// What goes in front of them.
    pub way: Way,
    /// Flows in the table.
    pub flows: u64,
    /// Bytes that the table has for each of them.
    pub table_bytes_a_flow: f64,
    /// Nanoseconds a packet.
    pub ns: Spread,
}

/// Measures. One pass over the ring for every figure, then the next one for every figure: so what the machine does meanwhile
/// befalls all of them alike. `done` is called after each pass over all of them; an error from it ends the run. The machine is looked at while all tables
/// are there.
pub fn measure(
    args: &BenchArgs,
    mut done: impl FnMut() -> Result<()>,
) -> Result<(Vec<Figure>, Machine)> {
    let mut rigs = Vec::new();
    for flows in args.sizes() {
        for way in WAYS {
            let rig = Rig::new(way, args.servers, flows)?;
            rigs.push((flows, way, rig));
            done()?;
        }
    }
    let cases = args.cases();
    let mut frames = ring(RING);
    let mut ns = vec![Vec::new(); rigs.len() * cases.len()];
    // The first pass is to warm up and is not kept.
    for pass in 0..=args.passes() {
        let mut kept = ns.iter_mut();
        for (_, _, rig) in &mut rigs {
            rig.settle()?;
            for (&case, kept) in cases.iter().zip(&mut kept) {
                let measured = rig.pass(case, args.batch.into(), &mut frames)?;
                if pass > 0 {
                    kept.push(measured.ns());
                }
            }
        }
        done()?;
    }
    let mut figures = Vec::new();
    let mut ns = ns.iter();
    for (flows, way, rig) in &rigs {
        for (&case, ns) in cases.iter().zip(&mut ns) {
            figures.push(Figure {
                case,
                way: *way,
                flows: *flows,
                table_bytes_a_flow: rig.table_bytes() as f64 / *flows as f64,
                ns: Spread::of(ns),
            });
        }
    }
    Ok((figures, Machine::here()))
}

/// How often `done` is called.
pub fn steps(args: &BenchArgs) -> u64 {
    (args.sizes().len() * WAYS.len()) as u64 + u64::from(args.passes()) + 1
}
