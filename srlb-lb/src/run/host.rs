//! What an LB has on its host: see `daemon::host`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use daemon::host::{Host, HostError, LbHost, Plan};
use ipnet::Ipv6Net;
use serde_json::{json, Value};

use crate::config::Settings;

/// The plan for these settings.
pub fn plan(settings: &Settings) -> Plan {
    let servers = settings.pool.servers();
    let locators = servers.map(|s| Ipv6Net::new_assert(s.locator.network(), 64));
    LbHost {
        name: settings.name.clone(),
        locator: settings.locator,
        vips: settings.pool.vips().map(|(_, address)| address).collect(),
        domain: settings.domain.iter().copied().chain(locators).collect(),
        domain_interfaces: settings.domain_interfaces.clone(),
        tun: settings.tun.clone(),
        tun_mtu_bytes: settings.fabric_mtu_bytes.into(),
    }
    .plan()
}

/// Puts a plan into force.
pub(super) fn update(host: &Mutex<Host>, plan: Plan) -> Result<(), HostError> {
    locked(host).update(plan)
}

/// May a plan wait until packets have seen what it is for? One that only lets the filter pass something else. What the host refuses is an error at once.
pub(super) fn may_wait(host: &Mutex<Host>, plan: &Plan) -> Result<bool, HostError> {
    let mut host = locked(host);
    host.check(plan)?;
    Ok(plan.differs_in_filter_alone(host.plan()))
}

fn locked(host: &Mutex<Host>) -> MutexGuard<'_, Host> {
    host.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Items with whether they are there, for `status`.
pub(super) fn status(host: &Mutex<Host>) -> Value {
    // Nobody who asks waits for a reload.
    let Ok(mut host) = host.try_lock() else {
        return json!({ "items": [], "error": "it is being changed by a reload" });
    };
    host.status()
}
