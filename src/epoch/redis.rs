//! Where Redis is: the server's own, and those that scripts register.

use crate::config::section::redis::{
    Redis, RedisCluster, RedisMaster, RedisReplica, RedisSentinels,
};
use crate::config::section::tls::Tls;
use crate::config::{self, Config};
use crate::reactor::{CertificateFiles, ClientTls, ClientTlsSettings, TlsVersion};
use crate::script::stores::pools::{Mode, PoolSettings};
use crate::upstream::redis::Target;
use crate::upstream::redis::{Layout, Plan, Protocol, Serve, Settings as RedisSettings};
use std::time::Duration;

/// The server's own Redis. A cluster wins over sentinels, which win over master and replicas.
pub(super) fn redis(config: &Config) -> Result<Option<Target>, String> {
    let Redis {
        database_number,
        // What scripts and the store read (`script_settings`, `policy.rs`, `brute_force.rs`).
        prefix: _,
        password_nonce: _,
        encryption_secret: _,
        positive_cache_ttl: _,
        negative_cache_ttl: _,
        account_local_cache: _,
        master,
        replica,
        sentinels,
        cluster,
        tls,
        dial_timeout,
        // See `times`.
        read_timeout: _,
        write_timeout: _,
        protocol,
        // One connection carries everything (`config::inactive`).
        pool_size: _,
        idle_pool_size: _,
        pool_timeout: _,
        pool_fifo: _,
        conn_max_idle_time: _,
        max_retries: _,
    } = &config.server.redis;
    let RedisMaster { address, username, password } = master;
    let RedisReplica { addresses: replicas } = replica;
    let texts = |addresses: &[config::HostPort]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (layout, username, password) = if let Some(cluster) = cluster {
        let RedisCluster {
            addresses,
            username,
            password,
            route_by_latency,
            route_randomly,
            route_reads_to_replicas,
            max_redirects,
            // See `times`.
            read_timeout: _,
            write_timeout: _,
        } = cluster;
        let reads_at_replicas = *route_reads_to_replicas || *route_by_latency || *route_randomly;
        let redirects_max = if *max_redirects == 0 {
            REDIRECTS_MAX
        } else {
            (*max_redirects).try_into().unwrap_or(u8::MAX)
        };
        (
            Layout::Cluster { seeds: texts(addresses), reads_at_replicas, redirects_max },
            username,
            password,
        )
    } else if let Some(set) = sentinels {
        let RedisSentinels {
            master: name,
            addresses,
            username: own_username,
            password: own_password,
        } = set;
        let layout = Layout::Sentinel {
            sentinels: texts(addresses),
            name: name.clone(),
            username: own_username.clone(),
            password: own_password.clone(),
            // As the reference has it: who names several sentinels reads from replicas.
            serve: if addresses.len() > 1 { Serve::MasterAndReplicas } else { Serve::Master },
        };
        (layout, username, password)
    } else if let Some(master) = address {
        (
            Layout::Direct { master: master.to_string(), replicas: texts(replicas) },
            username,
            password,
        )
    } else {
        return Ok(None);
    };
    let settings = RedisSettings {
        username: username.clone(),
        password: password.clone(),
        database: (*database_number).into(),
        tracking: true,
        protocol: if *protocol == 2 { Protocol::Resp2 } else { Protocol::Resp3 },
        client_name: config.server.instance_name.replace(' ', "_"),
        connect_timeout: (*dial_timeout).min(Duration::from_secs(1)),
        ..RedisSettings::new("")
    };
    let tls = client_tls(tls).map_err(|error| format!("server.redis.tls: {error}"))?;
    Ok(Some(Target { plan: Plan { layout, settings }, tls }))
}

/// How long a command may take: the smaller of the stage's and the connection's time.
pub(super) fn times(config: &Config) -> (Duration, Duration) {
    let redis = &config.server.redis;
    let (mut read, mut write) = (redis.read_timeout, redis.write_timeout);
    if let Some(cluster) = &redis.cluster {
        let or = |own: Duration, otherwise| if own.is_zero() { otherwise } else { own };
        (read, write) = (or(cluster.read_timeout, read), or(cluster.write_timeout, write));
    }
    (config.server.timeouts.redis_read.min(read), config.server.timeouts.redis_write.min(write))
}

/// TLS to a server, if it is enabled.
pub(super) fn client_tls(tls: &Tls) -> Result<Option<ClientTls>, String> {
    if !tls.enabled {
        return Ok(None);
    }
    ClientTls::new(&tls_settings(tls)).map(Some).map_err(|error| error.to_string())
}

pub(super) fn tls_settings(tls: &Tls) -> ClientTlsSettings {
    // Enabled or not is the caller's question; suites cannot be chosen (`config::inactive`).
    let Tls { enabled: _, cert, key, ca_file, skip_verify, min_tls_version, cipher_suites: _ } =
        tls;
    let certificate = match (cert, key) {
        (Some(certificate), Some(key)) => {
            Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() })
        }
        _ => None,
    };
    let minimum = if *min_tls_version == config::TlsVersion::Tls13 {
        TlsVersion::Tls13
    } else {
        TlsVersion::Tls12
    };
    ClientTlsSettings {
        ca_file: ca_file.clone(),
        certificate,
        skip_verify: *skip_verify,
        skip_name: false,
        minimum,
    }
}

/// Where the Redis of a pool is that a script registered. Reads certificates, once per pool and
/// worker.
///
/// # Errors
/// Why there is no way to it: no address, certificates that cannot be read.
pub fn pool_target(pool: &PoolSettings) -> Result<Target, String> {
    let first = pool.addresses.first().ok_or("the Redis pool has no address")?;
    let sentinel = |serve| Layout::Sentinel {
        sentinels: pool.addresses.clone(),
        name: pool.master_name.clone(),
        username: pool.sentinel_username.clone(),
        password: pool.sentinel_password.clone(),
        serve,
    };
    let layout = match pool.mode {
        Mode::Standalone => Layout::Direct { master: first.clone(), replicas: Vec::new() },
        Mode::Sentinel => sentinel(Serve::Master),
        Mode::SentinelReplica => sentinel(Serve::Replicas),
        Mode::Cluster => Layout::Cluster {
            seeds: pool.addresses.clone(),
            reads_at_replicas: false,
            redirects_max: REDIRECTS_MAX,
        },
    };
    let settings = RedisSettings {
        username: pool.username.clone(),
        password: pool.password.clone(),
        database: pool.database,
        ..RedisSettings::new("")
    };
    let tls = pool.tls.as_ref().map(|tls| Tls {
        enabled: true,
        cert: tls.cert_file.as_ref().map(Into::into),
        key: tls.key_file.as_ref().map(Into::into),
        ..Tls::default()
    });
    let tls = tls.map_or(Ok(None), |tls| client_tls(&tls))?;
    Ok(Target { plan: Plan { layout, settings }, tls })
}

/// Redirections of one command in a cluster, unless the configuration says otherwise: what client
/// libraries usually follow.
const REDIRECTS_MAX: u8 = 3;
