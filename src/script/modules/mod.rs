//! The Lua-visible modules, one file each: what `require` finds before anything else.
//!
//! [`MODULES`] lists them all. A module is a list of functions, of waiting functions, and perhaps a
//! set-up function that adds constants and types to its table, or a Lua half. Rules: specification
//! `lua/modules-*.md`.

pub mod data;
pub mod nauthilus;
pub mod net;
pub mod observe;
pub mod support;
pub mod system;

use crate::script::ffi::{Function, Waiting};

/// One module.
pub struct Module {
    /// Every name that `require` knows it by.
    pub names: &'static [&'static str],
    pub functions: &'static [Function],
    pub waiting: &'static [Waiting],
    /// Called once per state with the module's table as its argument, to add constants, types and
    /// nested tables.
    pub setup: Option<&'static Function>,
    /// Source of a Lua half, called once per state with the module's table and the maker of waiting
    /// functions.
    pub lua: Option<&'static str>,
}

/// All modules, in the order in which they are set up.
pub static MODULES: &[&Module] = &[
    &nauthilus::context::MODULE,
    &nauthilus::backend::MODULE,
    &nauthilus::redis::MODULE,
    &nauthilus::password::MODULE,
    &nauthilus::misc::MODULE,
    &nauthilus::brute_force::MODULE,
    &nauthilus::soft_whitelist::MODULE,
    &nauthilus::cache::MODULE,
    &nauthilus::http_request::MODULE,
    &nauthilus::http_response::MODULE,
    &observe::prometheus::MODULE,
    &data::json::MODULE,
    &data::time::MODULE,
    &data::base64::MODULE,
    &data::strings::MODULE,
    &data::crypto::MODULE,
    &net::db::MODULE,
    &data::bit::MODULE,
    &data::hex::MODULE,
    &data::stats::MODULE,
    &data::humanize::MODULE,
    &system::shellescape::MODULE,
    &system::runtime::MODULE,
    &system::filepath::MODULE,
    &data::template::MODULE,
    &system::goos::MODULE,
    &system::ioutil::MODULE,
    &system::tac::MODULE,
    &system::cmd::MODULE,
    &observe::gll_prometheus::MODULE,
    &observe::log::MODULE,
    &system::storage::MODULE,
    &net::tcp::MODULE,
    &net::mail::MODULE,
    &net::ldap::MODULE,
    &net::dns::MODULE,
    &net::psnet::MODULE,
    &data::regexp::MODULE,
    &data::yaml::MODULE,
    &data::xmlpath::MODULE,
    &nauthilus::neural::MODULE,
    &observe::opentelemetry::MODULE,
    &net::cert_util::MODULE,
    &net::glua_http::MODULE,
    &net::http::MODULE,
    &net::http::CLIENT,
    &net::http::UTIL,
    &net::http::SERVER,
    &net::telegram::MODULE,
    &net::zabbix::MODULE,
];

/// Our own library files, found last: an operator's file of the same name wins.
pub static LIBRARIES: &[(&str, &str)] = &[
    ("nauthilus_util", include_str!("../../../lua/lib/nauthilus_util.lua")),
    ("nauthilus_keys", include_str!("../../../lua/lib/nauthilus_keys.lua")),
];
