//! `telegram` and `zabbix` against servers that keep to nothing: each call ends as an error within
//! its time, and no error tells the token.

use super::hostile::{endless, saying, silent};
use super::{error, site};
use std::time::Duration;

const TELEGRAM: &str = r#"
    local bot = require("telegram").bot("12:secret-token", http.client({ timeout = 0.5 }), url)
    local message, err = bot:sendMessage({ chat_id = 1, text = "x" })
    return { err = err, message = message }
"#;

const ZABBIX: &str = r#"
    local bot = require("zabbix").bot({ url = url, user = "u", password = "secret-token" }, http.client({ timeout = 0.5 }))
    return { err = bot:login() }
"#;

#[test]
fn each_vice_is_an_error() {
    for (module, body) in [("telegram", TELEGRAM), ("zabbix", ZABBIX)] {
        let server = site(body).start();
        let json = |body: &str| {
            saying(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        };
        for (what, url, expected) in [
            ("silence", silent(), "context deadline exceeded"),
            (
                "a body without end",
                endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'['; 1 << 20], Duration::ZERO),
                "response body too large",
            ),
            ("closing at once", saying(""), "EOF"),
            (
                "closing in the body",
                saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
                "unexpected EOF",
            ),
            (
                "another protocol",
                saying("220 mail.example.org ESMTP\r\n"),
                "malformed HTTP response",
            ),
            ("no JSON", json("<html>"), "status 200: invalid character '<'"),
            ("too deep", json(&"[".repeat(100_000)), "status 200: "),
            ("half of it", json("{\"ok\":true,\"result\":"), "unexpected end of JSON input"),
            (
                "nothing in it",
                json("{}"),
                if module == "telegram" {
                    "refused without a description"
                } else {
                    "without a session"
                },
            ),
        ] {
            let text = error(&server, &url, "");
            assert!(
                text.contains(expected) && !text.contains("secret-token"),
                "{module}: {what}: {text}"
            );
        }
        assert_eq!(server.login("ada", "right").status, 200);
    }
}
