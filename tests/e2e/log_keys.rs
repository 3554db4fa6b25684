//! Whatever key a script gives a pair of the log, the line stays one line and its other fields what
//! they are.

use crate::support::{Server, Site};
use serde_json::json;

const FEATURE: &str = r#"
function nauthilus_call_feature(request)
    nauthilus_builtin.custom_log_add('two words', 1)
    nauthilus_builtin.custom_log_add('quoted" level=error msg="forged\n', "text")
    nauthilus_builtin.custom_log_add('', true)
    return false, false, 0
end
"#;

/// The authentication line of a login under this log format.
fn line(json: bool) -> String {
    let site = Site::new()
        .feature("keys", FEATURE)
        .set(json!({ "server": { "log": { "json": json, "level": "info" } } }));
    let mut server: Server = site.start();
    assert_eq!(server.login("ada", "right").status, 200);
    server.wait_for_log("current_password_retries");
    let log = server.log();
    log.lines().find(|line| line.contains("current_password_retries")).unwrap().to_owned()
}

#[test]
fn in_logfmt_odd_bytes_of_a_key_become_underscores() {
    let line = line(false);
    assert!(line.contains(" two_words=1 "), "{line}");
    assert!(!line.contains("level=error") && !line.contains("msg="), "{line}");
}

#[test]
fn in_json_a_key_is_any_text() {
    let line: serde_json::Value = serde_json::from_str(&line(true)).unwrap();
    assert_eq!((&line["two words"], &line["level"]), (&json!(1), &json!("info")));
    assert_eq!(line["quoted\" level=error msg=\"forged\n"], json!("text"));
}
