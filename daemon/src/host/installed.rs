//! A plan in force.

use std::io;
use std::net::Ipv6Addr;

use serde_json::{json, Value};

use super::forwarding::{self, Sysctl};
use super::item::Found;
use super::netlink::Netlink;
use super::ruleset::{Ruleset, EDGE_COUNTER};
use super::{link, nft, route, rule, HostError, Item, Plan};

/// One item, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ItemState {
    /// What is wanted, in the words of `ip`, `nft` and `sysctl`.
    pub item: String,
    /// Is it there?
    pub present: bool,
}

/// A plan in force. Dropping it removes what was installed; [`Host::remove`] does the same and
/// reports errors.
pub struct Host {
    plan: Plan,
    netlink: Netlink,
    sysctls: Vec<Sysctl>,
    /// The ruleset's text as it was put into force.
    loaded: String,
    removed: bool,
}

impl Host {
    /// Puts a plan into force: whatever an earlier run has left behind is put right, what it no
    /// longer wants is removed. The TUN devices must be there. On an error nothing stays.
    /// Refused where another daemon of the same kind runs, whose items would look like leftovers.
    pub fn install(plan: Plan) -> Result<Self, HostError> {
        let mut netlink = Netlink::open().map_err(|error| HostError::new("netlink", error))?;
        // Before there is a host whose drop removes things: they may be another daemon's.
        refuse_second_daemon(&plan, &mut netlink)?;
        let mut host = Host {
            plan,
            netlink,
            sysctls: Vec::new(),
            loaded: String::new(),
            removed: false,
        };
        // An error drops the host, which removes what is there so far.
        host.apply()?;
        Ok(host)
    }

    /// Puts another plan into force in place of this one (SIGHUP), or this one again to repair
    /// what somebody has removed. On an error the plan that was in force is so again.
    pub fn update(&mut self, plan: Plan) -> Result<(), HostError> {
        let before = self.look()?;
        let old = std::mem::replace(&mut self.plan, plan);
        if let Err(error) = self.set_filter() {
            // Nothing else has been touched yet: there is nothing to put back, and an `nft` that fails could not do it.
            self.plan = old;
            return Err(error);
        }
        let replaced = self.replace(&old.ruleset);
        replaced.map_err(|error| self.go_back(old, &before, error))
    }

    fn replace(&mut self, before: &Ruleset) -> Result<(), HostError> {
        self.set_rest()?;
        // Not earlier: its notes have just been taken over.
        self.remove_other_table(before)
    }

    /// Is there anything in a plan that this host refuses, whatever is done? It is asked before each plan is put into force, too.
    pub fn check(&mut self, plan: &Plan) -> Result<(), HostError> {
        refuse_own_addresses(&mut self.netlink, &plan.foreign)
    }

    /// Puts the plan `old` into force again after an update has failed half way; gives the error
    /// to report.
    fn go_back(&mut self, old: Plan, before: &Found, error: HostError) -> HostError {
        let failed = std::mem::replace(&mut self.plan, old);
        if failed == self.plan {
            return error;
        }
        let items = failed.items.iter().rev();
        for item in items.filter(|item| !self.plan.items.contains(item)) {
            // What stays in spite of this the next start clears.
            let _ = match item {
                Item::Address(addr) if !before.has_address(*addr) => {
                    link::remove_address(&mut self.netlink, *addr)
                }
                item => item.remove(&mut self.netlink),
            };
        }
        let restored = self.apply();
        let cleared = self.remove_other_table(&failed.ruleset);
        match restored.and(cleared) {
            Ok(()) => error,
            Err(second) => error.and(&second),
        }
    }

    /// Removes a table of ours unless it is the one in force.
    fn remove_other_table(&self, other: &Ruleset) -> Result<(), HostError> {
        if other.table == self.plan.ruleset.table {
            return Ok(());
        }
        let removed = nft::load(&other.render_removal());
        removed.map_err(|error| HostError::new(format!("nft table ip6 {}", other.table), error))
    }

    /// The plan in force.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Filter first, forwarding then, devices and routes last: no packet passes that the filter
    /// should have seen.
    fn apply(&mut self) -> Result<(), HostError> {
        self.set_filter()?;
        self.set_rest()
    }

    /// All of it, or nothing has changed.
    fn set_filter(&mut self) -> Result<(), HostError> {
        refuse_own_addresses(&mut self.netlink, &self.plan.foreign)?;
        let table = self.table_text();
        let notes = nft::notes().map_err(|error| HostError::new(&table, error))?;
        let sysctls =
            forwarding::wanted(&notes).map_err(|error| HostError::new("net.ipv6.conf", error))?;
        let old: Vec<_> = sysctls.iter().filter_map(Sysctl::note).collect();
        let text = self.plan.ruleset.render(&old);
        let loaded = self.load(text);
        loaded.map_err(|error| HostError::new(table, error))?;
        self.sysctls = sysctls;
        Ok(())
    }

    fn set_rest(&mut self) -> Result<(), HostError> {
        let found = self.look()?;
        self.clear(&found)?;
        for sysctl in &self.sysctls {
            sysctl
                .set()
                .map_err(|error| HostError::new(sysctl.text(), error))?;
        }
        for item in &self.plan.items {
            let installed = item.install(&mut self.netlink, self.plan.protocol);
            installed.map_err(|error| HostError::new(item.to_string(), error))?;
        }
        Ok(())
    }

    /// Loads the ruleset unless it is in force as it should be: counters and the flows that are
    /// being steered outlive a reload that does not concern them.
    fn load(&mut self, text: String) -> io::Result<()> {
        if self.loaded == text {
            let table = nft::table(&self.plan.ruleset)?;
            let chains = &self.plan.ruleset.chains;
            if chains.iter().all(|chain| table.has(chain)) {
                return Ok(());
            }
        }
        nft::load(&text)?;
        self.loaded = text;
        Ok(())
    }

    /// Removes routes and rules of ours that are not in the plan.
    fn clear(&mut self, found: &Found) -> Result<(), HostError> {
        let Host { plan, netlink, .. } = self;
        for route in &found.routes {
            let wanted = plan
                .items
                .iter()
                .any(|item| matches!(item, Item::Route(want) if want.is(route, netlink)));
            if !wanted {
                let removed = route::remove_found(netlink, route);
                removed.map_err(|error| {
                    HostError::new(format!("stale route proto {}", plan.protocol), error)
                })?;
            }
        }
        for rule in &found.rules {
            let wanted = plan
                .items
                .iter()
                .any(|item| matches!(item, Item::Rule(want) if want.is(rule)));
            if !wanted {
                let removed = rule::remove_found(netlink, rule);
                removed.map_err(|error| {
                    HostError::new(format!("stale rule proto {}", plan.protocol), error)
                })?;
            }
        }
        Ok(())
    }

    /// Every item with whether it is there. Runs the nft program: for `status`, not for the
    /// packet path.
    pub fn list(&mut self) -> Result<Vec<ItemState>, HostError> {
        let found = self.look()?;
        let table = nft::table(&self.plan.ruleset)
            .map_err(|error| HostError::new(self.table_text(), error))?;
        let sysctls = self.sysctls.iter();
        let mut list: Vec<_> = sysctls
            .map(|sysctl| ItemState {
                item: sysctl.text(),
                present: sysctl.is_present(),
            })
            .collect();
        for chain in &self.plan.ruleset.chains {
            let present = table.has(chain);
            list.push(ItemState {
                item: chain.text(&self.plan.ruleset.table),
                present,
            });
        }
        for item in &self.plan.items {
            let present = item.is_present(&mut self.netlink, &found);
            list.push(ItemState {
                item: item.to_string(),
                present,
            });
        }
        Ok(list)
    }

    /// The same for `status`, with what was dropped at the domain's edge; or why it can't be told.
    pub fn status(&mut self) -> Value {
        match self.list() {
            Ok(items) => json!({ "items": items, "dropped_at_edge": self.edge_drops().ok() }),
            Err(error) => json!({ "items": [], "error": error.to_string() }),
        }
    }

    /// How many packets for locators, or from locators, came from outside the domain and were
    /// dropped before the daemon. Runs the nft program.
    pub fn edge_drops(&self) -> Result<u64, HostError> {
        let table = nft::table(&self.plan.ruleset)
            .map_err(|error| HostError::new(self.table_text(), error))?;
        Ok(table.packets(EDGE_COUNTER))
    }

    /// Removes what was installed, VIP addresses excepted. Everything is tried; the errors
    /// are what is left.
    pub fn remove(mut self) -> Vec<HostError> {
        self.remove_now()
    }

    fn remove_now(&mut self) -> Vec<HostError> {
        self.removed = true;
        let mut errors = Vec::new();
        for item in self.plan.items.iter().rev() {
            let removed = item.remove(&mut self.netlink);
            errors.extend(
                removed
                    .err()
                    .map(|error| HostError::new(item.to_string(), error)),
            );
        }
        self.restore_sysctls(&mut errors);
        let removed = nft::load(&self.plan.ruleset.render_removal());
        errors.extend(
            removed
                .err()
                .map(|error| HostError::new(self.table_text(), error)),
        );
        errors
    }

    fn restore_sysctls(&self, errors: &mut Vec<HostError>) {
        if self.sysctls.is_empty() {
            return;
        }
        let mut others = nft::notes().unwrap_or_default();
        others.retain(|note| note.table != self.plan.ruleset.table);
        for sysctl in self.sysctls.iter().rev() {
            let restored = sysctl.restore(&others);
            errors.extend(
                restored
                    .err()
                    .map(|error| HostError::new(sysctl.text(), error)),
            );
        }
    }

    fn look(&mut self) -> Result<Found, HostError> {
        Found::look(&mut self.netlink, self.plan.protocol)
            .map_err(|error| HostError::new("netlink", error))
    }

    fn table_text(&self) -> String {
        format!("nft table ip6 {}", self.plan.ruleset.table)
    }
}

fn refuse_own_addresses(netlink: &mut Netlink, vips: &[Ipv6Addr]) -> Result<(), HostError> {
    for &vip in vips {
        let local = route::is_local(netlink, vip);
        if local.map_err(|error| HostError::new("netlink", error))? {
            let text = "this VIP is an address of this very host, which would keep its packets; \
                        remove the address: only servers have it";
            return Err(HostError::new(
                format!("address {vip}"),
                io::Error::new(io::ErrorKind::AddrInUse, text),
            ));
        }
    }
    Ok(())
}

/// There is one daemon of a kind in a network namespace: the protocol number tells what is ours from what
/// is not, but not one daemon's from another's.
fn refuse_second_daemon(plan: &Plan, netlink: &mut Netlink) -> Result<(), HostError> {
    let told = |error| HostError::new("netlink", error);
    for route in route::ours(netlink, plan.protocol).map_err(told)? {
        let Some(dev) = link::served_tun(netlink, &route).map_err(told)? else {
            continue;
        };
        let ours = |item: &Item| matches!(item, Item::Link { dev: own, .. } if *own == dev);
        if !plan.items.iter().any(ours) {
            let text = format!(
                "another daemon of this kind runs in this network namespace, with this TUN device \
                 (ip -6 route show table all proto {}); stop that one, or start this one in a network \
                 namespace of its own",
                plan.protocol
            );
            return Err(HostError::new(
                format!("link {dev}"),
                io::Error::new(io::ErrorKind::AddrInUse, text),
            ));
        }
    }
    Ok(())
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.removed {
            // Nobody is left to be told; the next start clears what stays.
            self.remove_now();
        }
    }
}

impl Plan {
    /// Removes everything that a daemon with this plan has or had installed, VIP addresses that
    /// it has put on `lo` included. The daemon must not be running.
    pub fn clean_up(&self) -> Vec<HostError> {
        let mut errors = Vec::new();
        match self.clean_up_netlink() {
            Ok(()) => {}
            Err(error) => errors.push(error),
        }
        let notes = nft::notes().unwrap_or_default();
        let (own, others): (Vec<_>, Vec<_>) = notes
            .into_iter()
            .partition(|note| note.table == self.ruleset.table);
        for sysctl in forwarding::wanted(&own).unwrap_or_default().iter().rev() {
            let restored = sysctl.restore(&others);
            errors.extend(
                restored
                    .err()
                    .map(|error| HostError::new(sysctl.text(), error)),
            );
        }
        let removed = nft::load(&self.ruleset.render_removal());
        errors.extend(
            removed
                .err()
                .map(|error| HostError::new(&self.ruleset.table, error)),
        );
        errors
    }

    fn clean_up_netlink(&self) -> Result<(), HostError> {
        let told =
            |error: io::Error| HostError::new(format!("items with proto {}", self.protocol), error);
        let mut netlink = Netlink::open().map_err(told)?;
        let found = Found::look(&mut netlink, self.protocol).map_err(told)?;
        for route in &found.routes {
            route::remove_found(&mut netlink, route).map_err(told)?;
        }
        for rule in &found.rules {
            rule::remove_found(&mut netlink, rule).map_err(told)?;
        }
        for (addr, ours) in found.addresses {
            if ours {
                link::remove_address(&mut netlink, addr).map_err(told)?;
            }
        }
        Ok(())
    }
}
