//! Another pool and other settings. What has to be made of them grows with the number of servers, so somebody else makes it than the thread that
//! packets wait for; that one only takes it.

use std::net::Ipv6Addr;
use std::sync::Arc;

use flow_table::VipState;
use srh::plain::PlainHeaders;
use srh::Function;

use super::clients::Covers;
use super::{Config, Engine, Pool, Server};

/// All that packets need of a pool and of settings.
pub struct Change {
    config: Config,
    pool: Arc<Pool>,
    pub(super) headers: PlainHeaders,
    pub(super) ack_sids: Vec<Ipv6Addr>,
    pub(super) vip_states: Vec<VipState>,
    pub(super) covers: Covers,
}

impl Engine {
    /// Prepares a change, for this engine or one that it shares all with. Numbers of servers must be those of before.
    pub fn prepare(&self, config: &Config, pool: &Arc<Pool>) -> Change {
        self.health.make_room(pool.servers().len());
        let is_gre = self.maglev.is_on();
        let ack = |server: &Server| match is_gre {
            false => server.locator.sid(Function::AckStickiness),
            true => server.locator.node(),
        };
        let hasher = self.flows.hasher();
        let vips = pool.vips().iter();
        Change {
            headers: PlainHeaders::new(config.locator),
            ack_sids: pool.servers().iter().map(ack).collect(),
            vip_states: vips.map(|vip| hasher.of_vip(vip.address)).collect(),
            covers: Covers::new(config, pool),
            config: config.clone(),
            pool: Arc::clone(pool),
        }
    }

    /// Takes a change. The flow table keeps its size and its entries; those of servers that are no member any more count as none from now on, and
    /// [`Engine::poll`] takes them out, a bounded number at a time.
    pub fn take(&mut self, change: Change) {
        if !Arc::ptr_eq(&self.pool, &change.pool) {
            // Before anything is sent by it: see [`Changed`](super::pool::Changed).
            self.pool_changed.set();
            self.selector.set_pool(&change.pool);
        }
        self.icmp.set_rate(change.config.icmp_rate_pps);
        self.unpinned.set_config(&change.config);
        self.signed.set_keys(change.config.hmac.as_ref());
        self.config = change.config;
        self.pool = change.pool;
        self.headers = change.headers;
        self.ack_sids = change.ack_sids;
        self.vip_states = change.vip_states;
        self.covers = change.covers;
    }

    /// Makes anew what packets need of the pool and the settings in force.
    pub(super) fn prebuild(&mut self) {
        self.take(self.prepare(&self.config, &self.pool));
    }

    /// Forgets what was thought of servers that are no member any more: nobody needs to know whether they live. For one engine of those that share all, once all
    /// have taken the pool.
    pub fn forget_strangers(&self) {
        self.health.forget(|server| !self.pool.is_member(server));
    }

    /// Takes a new version of the pool, at once and alone. Numbers of servers must be those of before.
    pub fn set_pool(&mut self, pool: impl Into<Arc<Pool>>) {
        self.take(self.prepare(&self.config, &pool.into()));
        self.forget_strangers();
    }

    /// Takes new settings, at once and alone.
    pub fn set_config(&mut self, config: Config) {
        self.take(self.prepare(&config, &self.pool));
    }
}
