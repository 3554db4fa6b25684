//! The scripts of `lua/examples`, each under the real server and beside the services it asks: what
//! it lets in, what it refuses, and what becomes of a login while its service is down.

mod actions;
mod blocklist;
mod geoip;
mod init;
mod ldap;
mod monitoring;
mod rate_limit;
mod sample;
mod sql;
mod status;

use crate::support::redis::Redis;
use crate::support::{Request, Server, Site, root};
use serde_json::{Value, json};

/// The text of a script.
fn example(path: &str) -> String {
    let path = root().join("lua/examples").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A site with a Redis, whose scripts `init.lua` uploads.
fn site_with_redis(redis: &Redis) -> Site {
    let init = root().join("lua/examples/init/init.lua");
    let settings = json!({ "server": { "redis": { "master": { "address": redis.address() } } }, "lua": { "config": { "init_script_path": init } } });
    Site::new()
        .set(settings)
        .env("REDIS_SCRIPTS", root().join("lua/examples/redis").to_str().unwrap())
}

/// A login by IMAP from some client, whose result neither comes from the server's memory nor goes
/// there.
fn login_from(client_ip: &str, client_port: u16, user: &str, password: &str) -> Request {
    let request = Request::get("/api/v1/auth/header?in-memory=0")
        .header("Auth-User", user)
        .header("Auth-Pass", password);
    request
        .header("Auth-Protocol", "imap")
        .header("Client-IP", client_ip)
        .header("X-Client-Port", client_port.to_string())
}

/// The status of a login and what the client is told.
fn login(server: &Server, user: &str, password: &str) -> (u16, String) {
    let answer = server.ask(&Request::uncached_login(user, password));
    (answer.status, answer.header("auth-status").unwrap_or_default().to_owned())
}

/// The status of a look-up, which carries no password.
fn look_up(server: &Server, user: &str) -> u16 {
    server.ask(&Request::login_at("/api/v1/auth/header?mode=no-auth&in-memory=0", user, "")).status
}

/// All accounts, as a provider of mailboxes asks for them.
fn accounts(server: &Server) -> (u16, Value) {
    let answer = server.ask(
        &Request::get("/api/v1/auth/json?mode=list-accounts").header("Accept", "application/json"),
    );
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// What a login is answered whose verdict nobody could find.
fn is_temporary(answer: &(u16, String)) -> bool {
    answer.0 == 500 && answer.1 == "Temporary server problem, try again later"
}
