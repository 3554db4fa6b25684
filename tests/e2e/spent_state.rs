//! Scripts that keep ever more memory in what outlives their requests: when it is full one request
//! fails, and the next is served.

use crate::support::Site;
use serde_json::json;

/// Keeps a MiB of each login.
const KEEPS: &str = r#"
local kept = {}

function nauthilus_call_feature(request)
    kept[#kept + 1] = ("x"):rep(1024 * 1024) .. #kept
    return nauthilus_builtin.FEATURE_TRIGGER_NO, nauthilus_builtin.FEATURES_ABORT_NO, nauthilus_builtin.FEATURE_RESULT_OK
end
"#;

#[test]
fn a_state_whose_memory_stays_taken_is_replaced() {
    let feature = json!([{ "name": "keeps", "script_path": "keeps.lua", "reuse": true }]);
    let settings = json!({ "server": { "features": ["lua"] }, "lua": { "features": feature, "config": { "memory_limit": 16 << 20 } } });
    let mut server = Site::new().file("keeps.lua", KEEPS).set(settings).start();
    // Each user anew: what is known of one is answered from memory.
    let mut failed = 0;
    for user in 0..100 {
        if server.login(&format!("user{user}"), "right").status == 500 {
            failed += 1;
            assert_eq!(
                server.login(&format!("after{user}"), "right").status,
                200,
                "after failure {failed}"
            );
        }
    }
    // A dozen fit into a state.
    assert!((3..=20).contains(&failed), "{failed} failed");
    server.wait_for_log("the Lua state is replaced");
}
