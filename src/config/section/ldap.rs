//! `ldap`: directories for scripts. What belongs to the LDAP backend is read and checked, so that
//! files which have it load.

use crate::config::check::{
    any, at_most, between, existing_file, if_given, milliseconds, minutes, one_of, one_word,
    one_word_each, printable, seconds, secret_of,
};
use crate::config::choice::LdapScope;
use crate::config::keys::{Both, Keys, Section};
use crate::config::problem::Wrong;
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct Ldap {
    pub config: LdapPool,
    pub optional_ldap_pools: BTreeMap<String, LdapPool>,
    pub search: Vec<LdapSearch>,
}

impl Section for Ldap {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.require("config");
        keys.section("config", &mut self.config);
        keys.named_sections("optional_ldap_pools", &mut self.optional_ldap_pools);
        keys.sections("search", &mut self.search);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let reserved = self
            .optional_ldap_pools
            .keys()
            .find(|name| ["default", "__meta_default__"].contains(&name.as_str()));
        reserved
            .map(|name| {
                ("optional_ldap_pools", Wrong::new(format!("no pool may be called {name:?}")))
            })
            .into_iter()
            .collect()
    }
}

/// A pool of connections to one set of servers.
#[derive(Clone, Debug)]
pub struct LdapPool {
    /// Only for lookups, not for logins.
    pub lookup_pool_only: bool,
    pub starttls: bool,
    pub tls_skip_verify: bool,
    pub sasl_external: bool,
    pub number_of_workers: u32,
    pub lookup_pool_size: u32,
    pub lookup_idle_pool_size: u32,
    pub auth_pool_size: u32,
    pub auth_idle_pool_size: u32,
    pub lookup_queue_length: u32,
    pub auth_queue_length: u32,
    pub bind_dn: String,
    pub bind_pw: Secret,
    pub encryption_secret: Secret,
    pub tls_ca_cert: Option<PathBuf>,
    pub tls_client_cert: Option<PathBuf>,
    pub tls_client_key: Option<PathBuf>,
    pub connect_abort_timeout: Duration,
    pub server_uri: Vec<String>,
    pub search_timeout: Duration,
    pub bind_timeout: Duration,
    pub modify_timeout: Duration,
    pub search_size_limit: u32,
    pub search_time_limit: Duration,
    pub retry_max: u32,
    pub retry_base: Duration,
    pub retry_max_backoff: Duration,
    pub cb_failure_threshold: u32,
    pub cb_cooldown: Duration,
    pub cb_half_open_max: u32,
    pub health_check_interval: Duration,
    pub health_check_timeout: Duration,
    pub dn_cache_ttl: Duration,
    pub membership_cache_ttl: Duration,
    pub negative_cache_ttl: Duration,
    pub cache_max_entries: u32,
    /// `ttl` or `lru`.
    pub cache_impl: String,
    pub include_raw_result: bool,
    pub auth_rate_limit_per_second: f64,
    pub auth_rate_limit_burst: u32,
}

impl Default for LdapPool {
    fn default() -> LdapPool {
        LdapPool {
            lookup_pool_only: false,
            starttls: false,
            tls_skip_verify: false,
            sasl_external: false,
            number_of_workers: 10,
            lookup_pool_size: 0,
            lookup_idle_pool_size: 2,
            auth_pool_size: 0,
            auth_idle_pool_size: 2,
            lookup_queue_length: 0,
            auth_queue_length: 0,
            bind_dn: String::new(),
            bind_pw: Secret::default(),
            encryption_secret: Secret::default(),
            tls_ca_cert: None,
            tls_client_cert: None,
            tls_client_key: None,
            connect_abort_timeout: Duration::ZERO,
            server_uri: Vec::new(),
            search_timeout: Duration::ZERO,
            bind_timeout: Duration::ZERO,
            modify_timeout: Duration::ZERO,
            search_size_limit: 0,
            search_time_limit: Duration::ZERO,
            retry_max: 2,
            retry_base: milliseconds(200),
            retry_max_backoff: seconds(2),
            cb_failure_threshold: 5,
            cb_cooldown: seconds(30),
            cb_half_open_max: 1,
            health_check_interval: seconds(10),
            health_check_timeout: milliseconds(1500),
            dn_cache_ttl: Duration::ZERO,
            membership_cache_ttl: Duration::ZERO,
            negative_cache_ttl: seconds(20),
            cache_max_entries: 5000,
            cache_impl: "ttl".to_owned(),
            include_raw_result: false,
            auth_rate_limit_per_second: 0.0,
            auth_rate_limit_burst: 0,
        }
    }
}

impl Section for LdapPool {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        self.connections(keys);
        self.limits(keys);
        self.caches(keys);
    }

    fn check(&self) -> Vec<(&'static str, Wrong)> {
        let missing = self.auth_pool_size == 0 && !self.lookup_pool_only;
        if missing {
            vec![(
                "auth_pool_size",
                Wrong::new("must be at least 1 unless lookup_pool_only is true"),
            )]
        } else {
            Vec::new()
        }
    }
}

impl LdapPool {
    fn connections(&mut self, keys: &mut Keys<'_>) {
        keys.alias("pool_only", "lookup_pool_only", Both::Newer);
        keys.value("lookup_pool_only", &mut self.lookup_pool_only);
        keys.value("starttls", &mut self.starttls);
        keys.value("tls_skip_verify", &mut self.tls_skip_verify);
        keys.value("sasl_external", &mut self.sasl_external);
        keys.or_default("number_of_workers", &mut self.number_of_workers, at_most(1_000_000));
        keys.required("lookup_pool_size", &mut self.lookup_pool_size, between(1, u32::MAX));
        keys.value("lookup_idle_pool_size", &mut self.lookup_idle_pool_size);
        keys.value("auth_pool_size", &mut self.auth_pool_size);
        keys.value("auth_idle_pool_size", &mut self.auth_idle_pool_size);
        keys.value("lookup_queue_length", &mut self.lookup_queue_length);
        keys.value("auth_queue_length", &mut self.auth_queue_length);
        keys.checked("bind_dn", &mut self.bind_dn, printable(4096));
        keys.value("bind_pw", &mut self.bind_pw);
        keys.checked("encryption_secret", &mut self.encryption_secret, secret_of(16));
        keys.checked("tls_ca_cert", &mut self.tls_ca_cert, if_given(existing_file));
        keys.checked("tls_client_cert", &mut self.tls_client_cert, if_given(existing_file));
        keys.checked("tls_client_key", &mut self.tls_client_key, if_given(existing_file));
        keys.required("server_uri", &mut self.server_uri, |uris: &Vec<String>| {
            uris.iter().try_for_each(uri)
        });
    }

    fn limits(&mut self, keys: &mut Keys<'_>) {
        keys.checked(
            "connect_abort_timeout",
            &mut self.connect_abort_timeout,
            at_most(minutes(10)),
        );
        keys.checked("search_timeout", &mut self.search_timeout, at_most(minutes(10)));
        keys.checked("bind_timeout", &mut self.bind_timeout, at_most(minutes(10)));
        keys.checked("modify_timeout", &mut self.modify_timeout, at_most(minutes(10)));
        keys.checked("search_size_limit", &mut self.search_size_limit, at_most(100_000));
        keys.checked("search_time_limit", &mut self.search_time_limit, at_most(minutes(10)));
        keys.checked("retry_max", &mut self.retry_max, at_most(10));
        keys.checked("retry_base", &mut self.retry_base, at_most(minutes(1)));
        keys.checked("retry_max_backoff", &mut self.retry_max_backoff, at_most(minutes(5)));
        keys.or_default("cb_failure_threshold", &mut self.cb_failure_threshold, between(1, 1000));
        keys.checked("cb_cooldown", &mut self.cb_cooldown, at_most(minutes(10)));
        keys.or_default("cb_half_open_max", &mut self.cb_half_open_max, between(1, 100));
        keys.checked(
            "health_check_interval",
            &mut self.health_check_interval,
            at_most(minutes(10)),
        );
        keys.checked("health_check_timeout", &mut self.health_check_timeout, at_most(minutes(1)));
    }

    fn caches(&mut self, keys: &mut Keys<'_>) {
        keys.checked("dn_cache_ttl", &mut self.dn_cache_ttl, at_most(minutes(10)));
        keys.checked("membership_cache_ttl", &mut self.membership_cache_ttl, at_most(minutes(10)));
        keys.checked("negative_cache_ttl", &mut self.negative_cache_ttl, at_most(minutes(10)));
        keys.checked("cache_max_entries", &mut self.cache_max_entries, at_most(10_000_000));
        keys.or_default("cache_impl", &mut self.cache_impl, one_of(&["lru", "ttl"]));
        keys.value("include_raw_result", &mut self.include_raw_result);
        keys.checked(
            "auth_rate_limit_per_second",
            &mut self.auth_rate_limit_per_second,
            between(0.0, f64::MAX),
        );
        keys.value("auth_rate_limit_burst", &mut self.auth_rate_limit_burst);
    }
}

fn uri(text: &String) -> Result<(), Wrong> {
    let sound = ["ldap://", "ldaps://", "ldapi://"]
        .iter()
        .any(|scheme| text.to_ascii_lowercase().starts_with(scheme));
    if sound && one_word(text).is_ok() {
        Ok(())
    } else {
        Err(Wrong::new(format!("{text:?} is not an LDAP URI")).allowed("ldap://HOST:PORT"))
    }
}

/// Which protocols a pool answers, and how.
#[derive(Clone, Debug, Default)]
pub struct LdapSearch {
    pub protocol: Vec<String>,
    pub cache_name: String,
    /// None: the default pool.
    pub pool_name: Option<String>,
    pub base_dn: String,
    pub scope: LdapScope,
    pub filter: LdapFilter,
    pub mapping: LdapMapping,
    pub attribute: Vec<String>,
}

impl Section for LdapSearch {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("protocol", &mut self.protocol, any);
        keys.required("cache_name", &mut self.cache_name, one_word);
        keys.checked("pool_name", &mut self.pool_name, if_given(one_word));
        keys.required("base_dn", &mut self.base_dn, printable(4096));
        keys.value("scope", &mut self.scope);
        keys.require("filter");
        keys.section("filter", &mut self.filter);
        keys.require("mapping");
        keys.section("mapping", &mut self.mapping);
        keys.required("attribute", &mut self.attribute, one_word_each);
    }
}

/// Search filters with macros such as `%{username}`.
#[derive(Clone, Debug, Default)]
pub struct LdapFilter {
    pub user: String,
    pub list_accounts: String,
    pub webauthn_credentials: String,
}

impl Section for LdapFilter {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.value("user", &mut self.user);
        keys.value("list_accounts", &mut self.list_accounts);
        keys.value("webauthn_credentials", &mut self.webauthn_credentials);
    }
}

/// Names of LDAP attributes, by what they hold.
#[derive(Clone, Debug, Default)]
pub struct LdapMapping {
    pub account_field: String,
    pub totp_secret_field: String,
    pub totp_recovery_field: String,
    pub totp_object_class: String,
    pub totp_recovery_object_class: String,
    pub display_name_field: String,
    pub unique_user_id_field: String,
    pub credential_object: String,
    pub credential_id_field: String,
    pub public_key_field: String,
    pub aaguid_field: String,
    pub sign_count_field: String,
    pub webauthn_credential_field: String,
    pub webauthn_object_class: String,
}

impl Section for LdapMapping {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("account_field", &mut self.account_field, any);
        keys.value("totp_secret_field", &mut self.totp_secret_field);
        keys.value("totp_recovery_field", &mut self.totp_recovery_field);
        keys.value("totp_object_class", &mut self.totp_object_class);
        keys.value("totp_recovery_object_class", &mut self.totp_recovery_object_class);
        keys.value("display_name_field", &mut self.display_name_field);
        keys.value("unique_user_id_field", &mut self.unique_user_id_field);
        keys.value("credential_object", &mut self.credential_object);
        keys.value("credential_id_field", &mut self.credential_id_field);
        keys.value("public_key_field", &mut self.public_key_field);
        keys.value("aaguid_field", &mut self.aaguid_field);
        keys.value("sign_count_field", &mut self.sign_count_field);
        keys.value("webauthn_credential_field", &mut self.webauthn_credential_field);
        keys.value("webauthn_object_class", &mut self.webauthn_object_class);
    }
}
