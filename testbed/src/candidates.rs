//! The candidate tables of a testbed, made as its LBs make them.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use srh::Flow;
use srlb_lb::engine::Pool;
use srlb_lb::pool::file;
use srlb_lb::pool::view::{tables, Registry};

use crate::daemons;
use crate::plan::{Node, VIP, VIP_PORT};
use crate::settings::Settings;

/// The tables of a pool in which these servers serve. Pools with one `registry` have one numbering.
///
/// # Errors
///
/// Where the pool's file can't be written into the run folder, or the LB would not take it.
pub fn pool(settings: &Settings, members: &[Node], registry: &mut Registry) -> Result<Pool> {
    let path = settings.plan.run_dir().join("study.toml");
    std::fs::write(&path, daemons::pool_file(settings, members))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let file = file::load(&path).context("the pool's file")?;
    Ok(tables(&file, registry)?)
}

/// A server's place among the candidates of a client's flow, from 0; none if it is none of them.
pub fn place(pool: &Pool, client: SocketAddr, server: &str) -> Option<usize> {
    let SocketAddr::V6(client) = client else {
        return None;
    };
    let flow = Flow {
        protocol: srh::parse::next_header::TCP,
        client: *client.ip(),
        client_port: client.port(),
        vip: VIP.parse().ok()?,
        vip_port: VIP_PORT,
    };
    let vip = &pool.vips()[pool.vip_at(flow.vip)?].tables;
    let candidates = vip.candidates(vip.bucket(&flow.key())).iter();
    let mut names = candidates.map(|&n| pool.servers()[usize::from(n)].name.as_str());
    names.position(|candidate| candidate == server)
}
