//! Slow password hashes are computed beside the worker: logins that need none do not queue behind
//! them.

use crate::support::{Request, Site};
use serde_json::json;

/// `hashed` has a bcrypt password, everybody else a plain one.
const BACKEND: &str = r#"
local nauthilus_password = require("nauthilus_password")

function nauthilus_backend_verify_password(request)
    local result = nauthilus_backend_result.new()
    local hash = request.username:match("^hashed") and "@HASH@" or "{PLAIN}right"
    local matches, err = nauthilus_password.compare_passwords(hash, request.password)
    if err then error(err) end
    result:user_found(true)
    result:account_field("account")
    result:attributes({ account = request.username })
    result:authenticated(matches)
    return nauthilus_builtin.BACKEND_RESULT_OK, result
end
"#;

/// A hash of this cost takes as long as hundreds of quick logins.
const COST: u32 = 10;

#[test]
fn quick_logins_overtake_hashed_ones() {
    let hash = bcrypt::hash("right", COST).unwrap();
    // The quick logins leave the hashes little of the core, which is as it should be: they may take
    // their time.
    let patience = json!({ "server": { "timeouts": { "lua_backend": "20s", "request": "20s" } } });
    let server = Site::new().backend(&BACKEND.replace("@HASH@", &hash)).set(patience).start();

    let hashed = 4;
    let mut slow: Vec<_> = (0..hashed)
        .map(|number| {
            let mut client = server.connect();
            client.send(&Request::login(&format!("hashed{number}"), "right").bytes());
            client
        })
        .collect();

    // Quick logins, one after the other, until all hashes are through. In line with the hashes
    // there could be one for each at most.
    let waiter = std::thread::spawn(move || {
        slow.iter_mut().map(|client| client.answer().status).collect::<Vec<_>>()
    });
    let mut quick = server.connect();
    let mut answered = 0;
    while !waiter.is_finished() {
        assert_eq!(
            quick.ask(&Request::uncached_login(&format!("quick{answered}"), "right")).status,
            200
        );
        answered += 1;
    }
    assert_eq!(waiter.join().unwrap(), vec![200; hashed]);
    assert!(answered > 10 * hashed, "only {answered} quick logins during {hashed} hashed ones");
}

#[test]
fn a_wrong_password_is_refused_there_too() {
    let server =
        Site::new().backend(&BACKEND.replace("@HASH@", &bcrypt::hash("right", 4).unwrap())).start();
    assert_eq!(server.login("hashed", "right").status, 200);
    assert_eq!(server.login("hashed", "wrong").status, 403);
}
