//! Modules that speak to other servers: HTTP, SQL, LDAP, mail, DNS and plain TCP, and what is built
//! on them.

pub mod cert_util;
pub mod db;
pub mod dns;
pub mod glua_http;
pub mod http;
pub mod ldap;
pub mod mail;
pub mod psnet;
pub mod tcp;
pub mod telegram;
pub mod zabbix;
