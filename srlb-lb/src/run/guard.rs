//! The guard in front of the TUN device's queues: see `packet_io::guard`.

use anyhow::Context;
use daemon::run::random_key;
use packet_io::guard::Guard;
use packet_io::tun::TunHandle;
use serde_json::{json, Value};

use crate::config::Settings;

/// Puts one in place if the settings want one. Without it all works, but a flood fills the queue; so a kernel that has no BPF is
/// no reason not to serve.
pub(super) fn start(settings: &Settings, tun: &TunHandle) -> Option<Guard> {
    if settings.guard.strangers_pps == 0 {
        return None;
    }
    match load(settings, tun) {
        Ok(guard) => Some(guard),
        Err(error) => {
            eprintln!("srlb-lb: note: no guard against floods: {error:#}");
            None
        }
    }
}

fn load(settings: &Settings, tun: &TunHandle) -> anyhow::Result<Guard> {
    let mut locator = [0; 8];
    locator.copy_from_slice(&settings.locator.network().octets()[..8]);
    let key = random_key().context("reading /dev/urandom")?;
    let guard = Guard::load(locator, key, settings.guard).context("loading BPF")?;
    tun.set_guard(&guard)
        .context("attaching it to the TUN device")?;
    Ok(guard)
}

/// Takes a new limit. Without a guard one is put in place; with 0 it lets everybody pass.
pub(super) fn update(
    guard: &mut Option<Guard>,
    settings: &Settings,
    tun: &TunHandle,
) -> anyhow::Result<()> {
    match guard {
        Some(guard) => Ok(guard.set_limits(settings.guard)?),
        None => {
            *guard = start(settings, tun);
            Ok(())
        }
    }
}

/// Limits second knocks that are no SYNs; 0 lets all of them in. A guard that cannot be told lets in what the engine bounds anyway.
pub(super) fn limit_others(guard: Option<&Guard>, pps: u32) {
    if let Some(Err(error)) = guard.map(|guard| guard.limit_others(pps)) {
        eprintln!("srlb-lb: note: the guard cannot be told of a flood: {error}");
    }
}

/// For `status`; null without a guard.
pub(super) fn status(guard: Option<&Guard>, settings: &Settings) -> Value {
    let Some(counts) = guard.and_then(|guard| guard.counts().ok()) else {
        return Value::Null;
    };
    json!({
        "strangers_pps": settings.guard.strangers_pps,
        "newcomers_pps": settings.guard.newcomers_pps,
        "strangers_passed": counts.strangers_passed,
        "strangers_dropped": counts.strangers_dropped,
        "admitted": counts.admitted,
        "newcomers_dropped": counts.refused,
        "memory_bytes": Guard::MEMORY_BYTES,
    })
}
