//! The Lua-visible modules, one file each: what `require` finds before anything else.
//!
//! [`MODULES`] lists them all. A module is a list of functions, of waiting functions, and perhaps a set-up function that adds constants and
//! types to its table, or a Lua half. Rules: specification `lua/modules-*.md`.

pub mod asking;
pub mod backend;
pub mod base;
pub mod base64;
pub mod bit;
pub mod brute_force;
pub mod bundled;
pub mod cache;
pub mod cert_util;
pub mod cmd;
pub mod context;
pub mod crypto;
pub mod db;
pub mod dns;
pub mod filepath;
pub mod gll_prometheus;
pub mod glua_http;
pub mod goos;
pub mod hex;
pub mod http;
pub mod http_request;
pub mod http_response;
pub mod humanize;
pub mod ioutil;
pub mod json;
pub mod ldap;
pub mod log;
pub mod mail;
pub mod misc;
pub mod neural;
pub mod opentelemetry;
pub mod password;
pub mod prometheus;
pub mod psnet;
pub mod redis;
pub mod regexp;
pub mod runtime;
pub mod shellescape;
pub mod soft_whitelist;
pub mod stats;
pub mod storage;
pub mod streams;
pub mod strings;
pub mod tac;
pub mod tcp;
pub mod telegram;
pub mod template;
pub mod time;
pub mod work;
pub mod xmlpath;
pub mod yaml;
pub mod zabbix;

use crate::script::ffi::{Function, Waiting};

/// One module.
pub struct Module {
    /// Every name that `require` knows it by.
    pub names: &'static [&'static str],
    pub functions: &'static [Function],
    pub waiting: &'static [Waiting],
    /// Called once per state with the module's table as its argument, to add constants, types and nested tables.
    pub setup: Option<&'static Function>,
    /// Source of a Lua half, called once per state with the module's table and the maker of waiting functions.
    pub lua: Option<&'static str>,
}

/// All modules, in the order in which they are set up.
pub static MODULES: &[&Module] = &[
    &context::MODULE,
    &backend::MODULE,
    &redis::MODULE,
    &password::MODULE,
    &misc::MODULE,
    &brute_force::MODULE,
    &soft_whitelist::MODULE,
    &cache::MODULE,
    &http_request::MODULE,
    &http_response::MODULE,
    &prometheus::MODULE,
    &json::MODULE,
    &time::MODULE,
    &base64::MODULE,
    &strings::MODULE,
    &crypto::MODULE,
    &db::MODULE,
    &bit::MODULE,
    &hex::MODULE,
    &stats::MODULE,
    &humanize::MODULE,
    &shellescape::MODULE,
    &runtime::MODULE,
    &filepath::MODULE,
    &template::MODULE,
    &goos::MODULE,
    &ioutil::MODULE,
    &tac::MODULE,
    &cmd::MODULE,
    &gll_prometheus::MODULE,
    &log::MODULE,
    &storage::MODULE,
    &tcp::MODULE,
    &mail::MODULE,
    &ldap::MODULE,
    &dns::MODULE,
    &psnet::MODULE,
    &regexp::MODULE,
    &yaml::MODULE,
    &xmlpath::MODULE,
    &neural::MODULE,
    &opentelemetry::MODULE,
    &cert_util::MODULE,
    &glua_http::MODULE,
    &http::MODULE,
    &http::CLIENT,
    &http::UTIL,
    &http::SERVER,
    &telegram::MODULE,
    &zabbix::MODULE,
];

/// Our own library files, found last: an operator's file of the same name wins.
pub static LIBRARIES: &[(&str, &str)] = &[
    ("nauthilus_util", include_str!("../../../lua/lib/nauthilus_util.lua")),
    ("nauthilus_keys", include_str!("../../../lua/lib/nauthilus_keys.lua")),
];
