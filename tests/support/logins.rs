//! Logins that go on while something happens to a store: which verdicts were given, and that none
//! was wrong.

use super::http::{Client, Request};
use super::{PATIENCE, Server, Site};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A backend that keeps passwords in Redis, a key for each user: who logs in as `enrol-NAME` sets
/// the password of NAME.
pub const PASSWORDS_IN_REDIS: &str = r#"
local nauthilus_redis = require("nauthilus_redis")

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    local name, enrols = request.username:gsub("^enrol%-", "")
    if enrols > 0 then
        local _, err = nauthilus_redis.redis_set("default", "password:" .. name, request.password)
        if err then error(err) end
    end
    local password, err = nauthilus_redis.redis_get("default", "password:" .. name)
    if err and err ~= "redis: nil" then error(err) end
    -- Every login is counted, so that every login writes.
    local _, err = nauthilus_redis.redis_hincrby("default", "counts:" .. name, "logins", 1)
    if err then error(err) end
    result:user_found(password ~= nil)
    result:account_field("account")
    result:attributes({ account = request.username })
    result:authenticated(request.password == password)
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

/// A server whose users are in a Redis of this configuration, which does not remember results
/// itself.
pub fn site(redis: Value) -> Site {
    Site::new().backend(PASSWORDS_IN_REDIS).set(json!({ "server": { "redis": redis } }))
}

/// The status of a login whose result neither comes from the server's memory nor goes there.
pub fn status(server: &Server, user: &str, password: &str) -> u16 {
    server.ask(&Request::uncached_login(user, password)).status
}

/// Sets the password of users to `right`, waiting until the store takes it.
pub fn enrol(server: &Server, users: &[&str]) {
    for user in users {
        super::until("a user to be enrolled", || {
            (status(server, &format!("enrol-{user}"), "right") == 200).then_some(())
        });
    }
}

/// Waits until a user's right password is accepted, says how long that took since `since`, and that
/// a wrong one is not.
pub fn recovered(server: &Server, user: &str, since: Instant, after: &str) {
    super::until(&format!("logins to work after {after}"), || {
        match status(server, user, "right") {
            200 => Some(()),
            other => {
                assert_eq!(other, 500, "after {after}");
                None
            }
        }
    });
    println!("{after}: logins work again after {:?}", since.elapsed());
    assert_eq!(status(server, user, "wrong"), 403);
}

/// How often each verdict was given.
#[derive(Debug, Default)]
pub struct Verdicts {
    pub accepted: u32,
    pub rejected: u32,
    pub temporary: u32,
    /// The longest that an answer took.
    pub slowest: Duration,
}

/// Logins with right and wrong passwords in turn, until stopped.
pub struct Logins {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Verdicts>,
}

impl Logins {
    pub fn of(server: &Server, users: &[&str]) -> Logins {
        let stop = Arc::new(AtomicBool::new(false));
        let users: Vec<String> = users.iter().map(|user| (*user).to_owned()).collect();
        let (address, stopped) = (server.address, stop.clone());
        let thread = std::thread::spawn(move || run(address, &users, &stopped));
        Logins { stop, thread }
    }

    /// Ends them and tells the verdicts.
    ///
    /// # Panics
    /// A verdict was wrong: a right password refused, a wrong one accepted.
    pub fn stop(self, what: &str) -> Verdicts {
        self.stop.store(true, Ordering::Relaxed);
        let verdicts = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        println!("{what}: {verdicts:?}");
        verdicts
    }
}

fn run(address: SocketAddr, users: &[String], stop: &AtomicBool) -> Verdicts {
    let (mut verdicts, mut client, end) =
        (Verdicts::default(), Client::tcp(address), Instant::now() + 2 * PATIENCE);
    while !stop.load(Ordering::Relaxed) {
        assert!(Instant::now() < end, "nobody stopped the logins");
        for user in users {
            for password in ["right", "wrong"] {
                let asked = Instant::now();
                match (client.ask(&Request::uncached_login(user, password)).status, password) {
                    (200, "right") => verdicts.accepted += 1,
                    (403, "wrong") => verdicts.rejected += 1,
                    (500, _) => verdicts.temporary += 1,
                    (status, _) => panic!("{user} with the {password} password: {status}"),
                }
                verdicts.slowest = verdicts.slowest.max(asked.elapsed());
            }
        }
    }
    verdicts
}
