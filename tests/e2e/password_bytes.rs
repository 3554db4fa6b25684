//! Every byte of a password arrives as it was typed, whichever way it comes.

use crate::support::{Request, Server, Site};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::json;

/// Passwords that escapes, splitting or character sets could spoil.
pub const PASSWORDS: &[&[u8]] = &[
    b"two words",
    b"100%",
    b"%41 is not A",
    b"a+b&c=d;e",
    b"\"quoted\" \\ 'too'",
    "grün".as_bytes(),
    b"latin gr\xfcn",
    b"a:b",
];

/// A backend that knows users by the number of their password: `user1` has the first.
pub fn backend() -> String {
    let byte = |byte: &u8| format!("\\{byte:03}");
    let texts: Vec<String> = PASSWORDS
        .iter()
        .map(|password| format!("\"{}\"", password.iter().map(byte).collect::<String>()))
        .collect();
    let passwords = texts.join(", ");
    format!(
        r#"
        local passwords = {{ {passwords} }}

        function nauthilus_backend_verify_password(request)
            local result = nauthilus_backend_result.new()
            if request.username == "tempfail" then return nauthilus_builtin.BACKEND_RESULT_FAIL, result end
            local password = passwords[tonumber(request.username:match("^user(%d+)$"))]
            if not password then return nauthilus_builtin.BACKEND_RESULT_NOT_FOUND, result end
            result:user_found(true)
            result:account_field("account")
            result:attributes({{ account = request.username .. "@example.test" }})
            if not request.no_auth then result:authenticated(request.password == password) end
            return nauthilus_builtin.BACKEND_RESULT_OK, result
        end
        "#
    )
}

/// Each user with the password, and one with a wrong one.
pub fn users() -> impl Iterator<Item = (String, &'static [u8])> {
    PASSWORDS.iter().enumerate().map(|(at, password)| (format!("user{}", at + 1), *password))
}

fn check(request: impl Fn(&str, &[u8]) -> Request) {
    let server: Server = Site::new().backend(&backend()).start();
    let accepted = |request: Request| server.ask(&request).header("auth-status") == Some("OK");
    for (user, password) in users() {
        assert!(accepted(request(&user, password)), "{:?}", String::from_utf8_lossy(password));
        let wrong = [password, b"!"].concat();
        assert!(!accepted(request(&user, &wrong)), "{:?}", String::from_utf8_lossy(&wrong));
    }
}

#[test]
fn in_a_header() {
    check(|user, password| Request::login(user, password));
}

#[test]
fn in_a_header_as_base64() {
    check(|user, password| {
        Request::login(user, BASE64_URL_SAFE.encode(password))
            .header("X-Auth-Password-Encoded", "1")
    });
}

#[test]
fn in_a_header_with_the_escapes_of_nginx() {
    check(|user, password| {
        Request::login_at(
            "/api/v1/auth/nginx",
            user,
            escape(password, |byte| byte <= b' ' || byte == b'%'),
        )
    });
}

#[test]
fn in_a_form() {
    check(|user, password| {
        let password = escape(password, |byte| !byte.is_ascii_alphanumeric());
        let body =
            [format!("username={user}&protocol=imap&password=").as_bytes(), &password].concat();
        Request::post("/api/v1/auth/saslauthd", "application/x-www-form-urlencoded", body)
    });
}

#[test]
fn in_basic_credentials() {
    check(|user, password| {
        let credentials = BASE64_STANDARD.encode([user.as_bytes(), b":", password].concat());
        Request::get("/api/v1/auth/basic").header("Authorization", format!("Basic {credentials}"))
    });
}

#[test]
fn in_json() {
    let server = Site::new().backend(&backend()).start();
    // JSON is UTF-8: what is not cannot be said in it.
    for (user, password) in
        users().filter_map(|(user, password)| Some((user, str::from_utf8(password).ok()?)))
    {
        let login = |password: &str| {
            json!({ "username": user, "password": password, "protocol": "imap" }).to_string()
        };
        let status = |body: String| {
            server.ask(&Request::post("/api/v1/auth/json", "application/json", body)).status
        };
        assert_eq!(status(login(password)), 200, "{password}");
        let escape =
            |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) };
        assert_eq!(
            status(login(password).chars().map(escape).collect()),
            200,
            "{password} with escapes"
        );
        assert_eq!(status(login(&format!("{password}!"))), 403, "{password}!");
    }
}

/// Percent-escapes some bytes.
fn escape(bytes: &[u8], which: impl Fn(u8) -> bool) -> Vec<u8> {
    let one =
        |byte: &u8| if which(*byte) { format!("%{byte:02X}").into_bytes() } else { vec![*byte] };
    bytes.iter().flat_map(one).collect()
}
