//! `server.redis`. Without an address in it, the process keeps its state in memory.

use crate::config::address::{HostPort, ServerAddress};
use crate::config::check::{
    DAY, YEAR, any, between, hours, milliseconds, minutes, no_blank, one_word, seconds, secret_of,
};
use crate::config::keys::{Both, Keys, Section};
use crate::config::problem::Wrong;
use crate::config::section::tls::Tls;
use crate::secret::Secret;
use std::time::Duration;

/// A cluster wins over sentinels, which win over master and replicas.
#[derive(Clone, Debug)]
pub struct Redis {
    /// 0 to 15; a cluster has only 0.
    pub database_number: u8,
    /// Put in front of every key.
    pub prefix: String,
    /// Mixed into password hashes; equal on all instances; at least 16 characters. Empty: none.
    pub password_nonce: Secret,
    /// At least 16 characters. Empty: none.
    pub encryption_secret: Secret,
    /// Connections per server; 0: the default. Without effect where one pipelined connection per
    /// worker does all.
    pub pool_size: u32,
    pub idle_pool_size: u32,
    /// Lifetime of cached successes.
    pub positive_cache_ttl: Duration,
    /// Lifetime of wrong-password histories.
    pub negative_cache_ttl: Duration,
    pub master: RedisMaster,
    pub replica: RedisReplica,
    pub sentinels: Option<RedisSentinels>,
    pub cluster: Option<RedisCluster>,
    pub tls: Tls,
    pub pool_timeout: Duration,
    pub dial_timeout: Duration,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    pub pool_fifo: bool,
    pub conn_max_idle_time: Duration,
    pub max_retries: u32,
    /// RESP version: 0 (as 2), 2, 3.
    pub protocol: u8,
    pub account_local_cache: AccountLocalCache,
}

impl Redis {
    /// Whether there is a Redis at all.
    pub fn is_configured(&self) -> bool {
        self.master.address.is_some() || self.sentinels.is_some() || self.cluster.is_some()
    }
}

impl Default for Redis {
    fn default() -> Redis {
        Redis {
            database_number: 0,
            prefix: String::new(),
            password_nonce: Secret::default(),
            encryption_secret: Secret::default(),
            pool_size: 0,
            idle_pool_size: 0,
            positive_cache_ttl: hours(1),
            negative_cache_ttl: hours(1),
            master: RedisMaster::default(),
            replica: RedisReplica::default(),
            sentinels: None,
            cluster: None,
            tls: Tls::default(),
            pool_timeout: seconds(1),
            dial_timeout: seconds(5),
            read_timeout: seconds(1),
            write_timeout: seconds(1),
            pool_fifo: true,
            conn_max_idle_time: seconds(90),
            max_retries: 1,
            protocol: 0,
            account_local_cache: AccountLocalCache::default(),
        }
    }
}

impl Section for Redis {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.checked("database_number", &mut self.database_number, between(0, 15));
        keys.checked("prefix", &mut self.prefix, one_word);
        keys.checked("password_nonce", &mut self.password_nonce, secret_of(16));
        keys.checked("encryption_secret", &mut self.encryption_secret, secret_of(16));
        keys.or_default("pool_size", &mut self.pool_size, any);
        keys.value("idle_pool_size", &mut self.idle_pool_size);
        keys.positive_or_default("positive_cache_ttl", &mut self.positive_cache_ttl, YEAR);
        keys.positive_or_default("negative_cache_ttl", &mut self.negative_cache_ttl, YEAR);
        keys.section("master", &mut self.master);
        keys.section("replica", &mut self.replica);
        keys.optional_section("sentinels", &mut self.sentinels);
        keys.optional_section("cluster", &mut self.cluster);
        keys.section("tls", &mut self.tls);
        keys.checked("pool_timeout", &mut self.pool_timeout, between(milliseconds(1), seconds(30)));
        keys.checked("dial_timeout", &mut self.dial_timeout, between(milliseconds(1), seconds(60)));
        keys.checked("read_timeout", &mut self.read_timeout, between(milliseconds(1), seconds(60)));
        keys.checked(
            "write_timeout",
            &mut self.write_timeout,
            between(milliseconds(1), seconds(60)),
        );
        keys.value("pool_fifo", &mut self.pool_fifo);
        keys.checked(
            "conn_max_idle_time",
            &mut self.conn_max_idle_time,
            between(Duration::ZERO, DAY),
        );
        keys.value("max_retries", &mut self.max_retries);
        keys.checked("protocol", &mut self.protocol, |version| match version {
            0 | 2 | 3 => Ok(()),
            _ => Err(Wrong::new(format!("there is no protocol {version}")).allowed("0, 2, 3")),
        });
        keys.section("account_local_cache", &mut self.account_local_cache);
        keys.left_out("identity_enabled", "the client does not introduce itself");
        keys.left_out(
            "maint_notifications_enabled",
            "maintenance notifications are not understood",
        );
        keys.left_out("batching", "commands of one turn always leave in one write");
        keys.left_out("client_tracking", "there is no client-side caching");
    }
}

/// `server.redis.master`: where writes go.
#[derive(Clone, Debug, Default)]
pub struct RedisMaster {
    pub address: Option<ServerAddress>,
    /// Also for replicas and for the data nodes behind sentinels.
    pub username: String,
    pub password: Secret,
}

impl Section for RedisMaster {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("address", &mut self.address);
        keys.checked("username", &mut self.username, no_blank);
        keys.checked("password", &mut self.password, secret_of(0));
    }
}

/// `server.redis.replica`: where reads go if there is any.
#[derive(Clone, Debug, Default)]
pub struct RedisReplica {
    pub addresses: Vec<HostPort>,
}

impl Section for RedisReplica {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.alias("address", "addresses", Both::Join);
        keys.value("addresses", &mut self.addresses);
    }
}

/// `server.redis.sentinels`
#[derive(Clone, Debug, Default)]
pub struct RedisSentinels {
    /// Name of the monitored set.
    pub master: String,
    pub addresses: Vec<HostPort>,
    /// For the sentinels themselves.
    pub username: String,
    pub password: Secret,
}

impl Section for RedisSentinels {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("master", &mut self.master, one_word);
        keys.required("addresses", &mut self.addresses, any);
        keys.checked("username", &mut self.username, no_blank);
        keys.checked("password", &mut self.password, secret_of(0));
    }
}

/// `server.redis.cluster`
#[derive(Clone, Debug, Default)]
pub struct RedisCluster {
    pub addresses: Vec<HostPort>,
    pub username: String,
    pub password: Secret,
    pub route_by_latency: bool,
    pub route_randomly: bool,
    pub route_reads_to_replicas: bool,
    /// 0: the default.
    pub max_redirects: u32,
    /// 0: as `server.redis.read_timeout`.
    pub read_timeout: Duration,
    /// 0: as `server.redis.write_timeout`.
    pub write_timeout: Duration,
}

impl Section for RedisCluster {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("addresses", &mut self.addresses, any);
        keys.checked("username", &mut self.username, no_blank);
        keys.checked("password", &mut self.password, secret_of(0));
        keys.value("route_by_latency", &mut self.route_by_latency);
        keys.value("route_randomly", &mut self.route_randomly);
        keys.alias("read_only", "route_reads_to_replicas", Both::Newer);
        keys.value("route_reads_to_replicas", &mut self.route_reads_to_replicas);
        keys.value("max_redirects", &mut self.max_redirects);
        keys.value("read_timeout", &mut self.read_timeout);
        keys.value("write_timeout", &mut self.write_timeout);
    }
}

/// `server.redis.account_local_cache`: user names to accounts, inside the process. It saves a round
/// trip a login, but then users it remembers are let in while Redis is away, too. Its memory is
/// bounded in any case; the last three keys have no effect.
#[derive(Clone, Debug)]
pub struct AccountLocalCache {
    pub enabled: bool,
    pub ttl: Duration,
    pub shards: u32,
    pub cleanup_interval: Duration,
    /// 0: no limit.
    pub max_items: u32,
}

impl Default for AccountLocalCache {
    fn default() -> AccountLocalCache {
        AccountLocalCache {
            enabled: false,
            ttl: seconds(60),
            shards: 32,
            cleanup_interval: minutes(10),
            max_items: 0,
        }
    }
}

impl Section for AccountLocalCache {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("enabled", &mut self.enabled);
        keys.checked("ttl", &mut self.ttl, between(Duration::ZERO, DAY));
        keys.checked("shards", &mut self.shards, between(1, 1024));
        keys.checked(
            "cleanup_interval",
            &mut self.cleanup_interval,
            between(Duration::ZERO, hours(1)),
        );
        keys.value("max_items", &mut self.max_items);
    }
}
