//! Pools one after the other, each with one server replaced, and flows by which a packet shows that it went by the newest.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use packet_io::PacketBuf;
use srh::{parse, Frame, Locator};
use srlb_lb::engine::Pool;
use srlb_lb::pool::{file, view};

use crate::bench::packets;

pub use crate::bench::candidates::{GENERATIONS, SERVERS};

/// Flows of each newcomer: enough for a daemon that takes a fifth of a second.
const FLOWS: usize = 3_000;

/// The pool as it is now, and the flows that have been used up.
pub(super) struct Pools {
    /// The newest generation: it has [`SERVERS`] servers from this number on.
    newest: u16,
    /// The next flow that has had no packet.
    fresh: u64,
}

impl Pools {
    /// A pool with all its generations.
    pub fn new() -> Result<Pools> {
        Ok(Pools {
            newest: GENERATIONS,
            fresh: 0,
        })
    }

    /// A new generation, with one more server and without one; the oldest generation goes. Gives where the new server is.
    pub fn replace_one(&mut self) -> Result<Locator> {
        let next = self.newest.checked_add(1);
        self.newest = next.context("so many servers have no numbers")?;
        Ok(packets::server(self.newcomer()))
    }

    fn newcomer(&self) -> u16 {
        self.newest + SERVERS - 1
    }

    /// What the daemon reads.
    pub fn file(&self) -> String {
        let oldest = self.newest + 1 - GENERATIONS;
        let mut text = format!(
            "cluster_key = \"000102030405060708090a0b0c0d0e0f\"\nbuckets = 65537\nchoices = 2\nforgotten = {}\n\n\
             [[vip]]\nname = \"web\"\naddress = \"{}\"\n",
            oldest - 1,
            packets::vip(),
        );
        for server in oldest..=self.newcomer() {
            let locator = packets::server(server);
            let _ = write!(
                text,
                "\n[[server]]\nname = \"s{server}\"\nlocator = \"{locator}\"\n"
            );
        }
        for generation in oldest..=self.newest {
            let state = if generation == self.newest {
                "active"
            } else {
                "kept"
            };
            let _ = write!(
                text,
                "\n[[generation]]\nnumber = {generation}\nstate = \"{state}\"\n[generation.members.web]\n"
            );
            for server in generation..generation + SERVERS {
                let _ = writeln!(text, "s{server} = 1");
            }
        }
        text
    }

    fn pool(&self) -> Result<Pool> {
        let file = file::parse(Path::new("pool.toml"), self.file())?;
        Ok(view::tables(&file, &mut view::Registry::default())?)
    }

    /// Flows that have had no packet, and whose first one goes to the newest server before all others.
    pub fn flows_of_newcomer(&mut self) -> Result<Vec<u64>> {
        let pool = self.pool()?;
        let newcomer = pool.server_at(packets::server(self.newcomer()));
        let tables = &pool.vips()[0].tables;
        let mut frame = PacketBuf::with_capacity(2 * packets::PACKET_BYTES);
        let mut is_newcomers = |flow: u64| {
            packets::syn(flow, &mut frame);
            let flow = parse::packet(frame.bytes())
                .ok()?
                .flow_from_client(packets::vip())?;
            let first = tables
                .candidates(tables.bucket(&flow.key()))
                .first()
                .copied();
            (first == newcomer).then_some(())
        };
        let mut flows = Vec::with_capacity(FLOWS);
        while flows.len() < FLOWS {
            flows.extend(is_newcomers(self.fresh).map(|()| self.fresh));
            self.fresh += 1;
        }
        Ok(flows)
    }
}
