//! Who may ask: every kind of credentials protects, attacks on tokens fail, and a setting that
//! cannot protect keeps the server from starting.

use crate::support::redis::Redis;
use crate::support::site::loligo;
use crate::support::stub::WebStub;
use crate::support::{Request, Server, Site, until};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "e2e-secret-e2e-secret-e2e-secret-e2e";

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

fn asked_by(authorization: &str) -> Request {
    Request::uncached_login("ada", "right").header("Authorization", authorization)
}

fn status(server: &Server, authorization: &str) -> u16 {
    server.ask(&asked_by(authorization)).status
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn encode(part: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part)
}

/// A token with this header and these claims, signed by HMAC with this key.
fn hmac_token(header: &Value, claims: &Value, key: &[u8]) -> String {
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encode(&mac.finalize().into_bytes()))
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({
        "username": "op", "sub": "op", "roles": ["authenticate"], "iss": "nauthilus", "exp": now() + 600, "nbf": now() - 1, "iat": now() - 1,
    });
    change(&mut claims);
    claims
}

/// The token and the refresh token of a caller.
fn fetch(server: &Server, name: &str, password: &str) -> (String, String) {
    let body = json!({ "username": name, "password": password }).to_string();
    let answer = server.ask(&Request::post("/api/v1/jwt/token", "application/json", body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    pair(&answer.body)
}

fn pair(body: &[u8]) -> (String, String) {
    let pair: Value = serde_json::from_slice(body).unwrap();
    let text = |name: &str| pair[name].as_str().unwrap_or_default().to_owned();
    (text("token"), text("refresh_token"))
}

fn refresh(server: &Server, token: &str) -> (u16, Vec<u8>) {
    let answer = server.ask(
        &Request::post("/api/v1/jwt/refresh", "text/plain", "").header("X-Refresh-Token", token),
    );
    (answer.status, answer.body)
}

/// Whether a configuration is refused, and with these words.
fn refused(settings: Value, words: &[&str]) {
    let site = Site::new()
        .set(settings.clone())
        .file("hook.lua", "function nauthilus_run_hook() end")
        .file("jwks.json", "{\"keys\":[]}");
    let config = site.write_config();
    for command in ["check", "serve"] {
        let output = loligo()
            .current_dir(site.path(""))
            .args([command, "-c"])
            .arg(&config)
            .output()
            .unwrap();
        if command == "check" && output.status.success() {
            // What only the start looks into: files with keys.
            continue;
        }
        assert!(!output.status.success(), "{command} {settings}");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(words.iter().all(|word| text.contains(word)), "{command}: {text}");
    }
}

#[test]
fn a_secret_is_changed_without_an_outage() {
    let hash = |password: &str| bcrypt::hash(password, 5).unwrap();
    let users = |passwords: &[&str]| {
        let users: Vec<_> = passwords
            .iter()
            .map(|password| json!({ "username": "mail", "password": hash(password) }))
            .collect();
        json!({ "server": { "basic_auth": { "enabled": true, "users": users } } })
    };
    let (old, new) = (basic("mail", "the old secret"), basic("mail", "the new secret"));
    let mut server = Site::new().set(users(&["the old secret"])).start();
    assert_eq!((status(&server, &old), status(&server, &new)), (200, 403));
    server.change(users(&["the old secret", "the new secret"]));
    assert!(server.reload());
    for _ in 0..3 {
        assert_eq!((status(&server, &old), status(&server, &new)), (200, 200));
    }
    server.change(users(&["the new secret"]));
    assert!(server.reload());
    assert_eq!((status(&server, &old), status(&server, &new)), (403, 200));
    let answer = server.ask(&Request::login("ada", "right"));
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Basic realm=\"restricted\", charset=\"UTF-8\""))
    );
}

#[test]
fn many_requests_of_one_caller_cost_one_hash() {
    let settings = json!({ "server": { "basic_auth": { "enabled": true, "users": [
        { "username": "mail", "password": bcrypt::hash("the secret", 10).unwrap() },
    ] } } });
    let server = Site::new().set(settings).start();
    // Were each of them to cost a hash, most would wait past the request's time.
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send(&asked_by(&basic("mail", "the secret")).bytes()));
    assert!(clients.iter_mut().all(|client| client.answer().status == 200));
}

#[test]
fn an_address_that_fails_too_often_is_not_listened_to() {
    let settings = json!({ "server": { "basic_auth": { "enabled": true, "username": "mail", "password": "0123456789abcdef" } } });
    let server = Site::new().set(settings).start();
    let right = basic("mail", "0123456789abcdef");
    assert_eq!(status(&server, &right), 200);
    for attempt in 0..10 {
        assert_eq!(status(&server, &basic("mail", &format!("guess {attempt}"))), 403);
    }
    for authorization in [basic("mail", "one guess more"), right] {
        let answer = server.ask(&asked_by(&authorization));
        assert_eq!(answer.status, 429);
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    }
    assert_eq!(
        server.ask(&Request::login("ada", "right")).status,
        401,
        "without credentials nothing is guessed"
    );
    assert_eq!(server.ask(&Request::get("/ping")).status, 200);
}

#[test]
fn guessing_hashed_passwords_all_at_once_is_stopped_as_well() {
    let settings = json!({ "server": { "basic_auth": { "enabled": true, "users": [
        { "username": "mail", "password": bcrypt::hash("the secret", 5).unwrap() },
    ] } } });
    let server = Site::new().set(settings).start();
    let mut clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&asked_by(&basic("mail", &format!("guess {number}"))).bytes());
    }
    let answers: Vec<_> = clients.iter_mut().map(|client| client.answer().status).collect();
    let count = |status| answers.iter().filter(|found| **found == status).count();
    assert_eq!((count(403), count(429)), (10, 30), "{answers:?}");
}

fn jwt(more: Value) -> Value {
    let mut jwt = json!({
        "enabled": true, "secret_key": SECRET, "refresh_token": true,
        "users": [
            { "username": "op", "password": "operator1", "roles": ["authenticate"] },
            { "username": "reader", "password": "readreader", "roles": ["user_info"] },
            { "username": "lister", "password": "listlist1", "roles": ["authenticate", "list_accounts"] },
            { "username": "guard", "password": "guardguard", "roles": ["authenticate", "security"] },
        ],
    });
    jwt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "server": { "jwt_auth": jwt } })
}

#[test]
fn attacks_on_tokens_fail() {
    let hs = || json!({ "alg": "HS256", "typ": "JWT" });
    let good = hmac_token(&hs(), &claims(|_| ()), SECRET.as_bytes());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let with = |header: Value| hmac_token(&header, &claims(|_| ()), SECRET.as_bytes());
    let having = |name: &str, value: Value| {
        hmac_token(&hs(), &claims(|claims| claims[name] = value), SECRET.as_bytes())
    };
    let attacks = [
        (
            "alg none",
            format!(
                "{}.{}.",
                encode(br#"{"alg":"none"}"#),
                encode(claims(|_| ()).to_string().as_bytes())
            ),
        ),
        ("alg None with a signature", with(json!({ "alg": "None" }))),
        ("another algorithm", with(json!({ "alg": "HS512" }))),
        ("an algorithm for public keys", with(json!({ "alg": "RS256" }))),
        ("a critical extension", with(json!({ "alg": "HS256", "crit": ["b64"], "b64": false }))),
        ("another key", hmac_token(&hs(), &claims(|_| ()), b"another key another key another k")),
        (
            "no key",
            hmac_token(&json!({ "alg": "HS256", "kid": "/dev/null" }), &claims(|_| ()), b""),
        ),
        ("expired", having("exp", json!(now() - 1))),
        ("never expires", having("exp", Value::Null)),
        ("not yet valid", having("nbf", json!(now() + 300))),
        ("another issuer", having("iss", json!("evil"))),
        ("another subject", having("sub", json!("chief"))),
        ("a refresh token", having("token_type", json!("refresh"))),
        ("a truncated signature", format!("{signed}.{}", &signature[..signature.len() - 2])),
        ("no signature", format!("{signed}.")),
        ("padding", format!("{good}=")),
        (
            "a huge token",
            hmac_token(
                &hs(),
                &claims(|claims| claims["x"] = json!("y".repeat(40_000))),
                SECRET.as_bytes(),
            ),
        ),
    ];
    // Each on a server of its own would be slow; a reload does not forget failures, so they go in
    // groups that are small enough.
    for group in attacks.chunks(9) {
        let server = Site::new().set(jwt(json!({}))).start();
        assert_eq!(status(&server, &format!("Bearer {good}")), 200);
        for (name, token) in group {
            let answer = server.ask(&asked_by(&format!("Bearer {token}")));
            assert_eq!(
                (answer.status, answer.text()),
                (401, r#"{"error":"invalid token"}"#.into()),
                "{name}"
            );
        }
        assert_eq!(status(&server, &format!("Bearer {good}")), 200);
    }
}

#[test]
fn roles_protect_every_family_of_endpoints() {
    let mut settings = jwt(json!({}));
    settings["lua"] = json!({ "custom_hooks": [
        { "http_location": "guarded", "http_method": "GET", "script_path": "hook.lua", "roles": ["security"] },
    ] });
    let hook = "function nauthilus_run_hook() return { a = 1 } end";
    let server = Site::new().set(settings).file("hook.lua", hook).start();
    let [op, reader, lister, guard] = [
        ("op", "operator1"),
        ("reader", "readreader"),
        ("lister", "listlist1"),
        ("guard", "guardguard"),
    ]
    .map(|(name, password)| format!("Bearer {}", fetch(&server, name, password).0));
    let lookup = Request::login_at("/api/v1/auth/header?mode=no-auth", "ada", "");
    let list =
        Request::get("/api/v1/auth/json?mode=list-accounts").header("Accept", "application/json");
    let factor =
        Request::post("/api/v1/mfa-backchannel/totp", "application/json", r#"{"username":"ada"}"#);
    for (request, allowed, missing) in [
        (Request::uncached_login("ada", "right"), [true, false, true, true], 401),
        (lookup, [false, true, false, false], 403),
        (list, [false, false, true, false], 403),
        (Request::get("/api/v1/bruteforce/list"), [false, false, false, true], 403),
        (Request::get("/api/v1/config/load"), [false, false, false, false], 403),
        (Request::get("/api/v1/custom/guarded"), [false, false, false, true], 403),
        (Request::get("/metrics"), [false, false, false, true], 403),
        (factor, [true, false, true, true], 401),
    ] {
        for (authorization, allowed) in [&op, &reader, &lister, &guard].into_iter().zip(allowed) {
            let answer = server.ask(&request.clone().header("Authorization", authorization));
            let line =
                String::from_utf8(request.bytes()).unwrap().lines().next().unwrap().to_owned();
            // The back channel finds its input incomplete once it lets somebody in.
            let in_words = format!("{line} {authorization}: {} {}", answer.status, answer.text());
            assert_eq!(!matches!(answer.status, 401 | 403), allowed, "{in_words}");
            // Who lacks the role of everybody learns of that first.
            assert!(
                allowed
                    || answer.status == missing
                    || (authorization == &reader && answer.status == 401),
                "{in_words}"
            );
        }
        assert_eq!(server.ask(&request).status, 401);
    }
    for open in ["/ping", "/healthz"] {
        assert_eq!(server.ask(&Request::get(open)).status, 200);
    }
}

#[test]
fn a_token_key_is_changed_without_an_outage() {
    let mut server = Site::new().set(jwt(json!({}))).start();
    let (old, old_refresh) = fetch(&server, "op", "operator1");
    let next = "next-secret-next-secret-next-secret-x";
    server.change(jwt(json!({ "secret_key": next, "previous_secret_keys": [SECRET] })));
    assert!(server.reload());
    assert_eq!(status(&server, &format!("Bearer {old}")), 200);
    let (answer, body) = refresh(&server, &old_refresh);
    assert_eq!(answer, 200);
    let new = pair(&body).0;
    server.change(jwt(json!({ "secret_key": next, "previous_secret_keys": [] })));
    assert!(server.reload());
    assert_eq!(
        (status(&server, &format!("Bearer {old}")), status(&server, &format!("Bearer {new}"))),
        (401, 200)
    );
    assert_eq!(refresh(&server, &new).0, 401, "an access token refreshes nothing");
}

#[test]
fn a_stored_token_ends_with_the_next_one() {
    let mut redis = Redis::start();
    let mut settings = jwt(json!({ "store_in_redis": true }));
    settings["server"]["redis"] =
        json!({ "prefix": "p:", "master": { "address": redis.address() } });
    let server = Site::new().set(settings).start();
    let (first, first_refresh) = fetch(&server, "op", "operator1");
    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(status(&server, &bearer(&first)), 200);
    assert_eq!(redis.ask::<String>("GET p:jwt:token:op"), first);
    assert!((3000..=3600).contains(&redis.ask::<i64>("TTL p:jwt:token:op")));
    let (second, _) = fetch(&server, "op", "operator1");
    assert_eq!((status(&server, &bearer(&first)), status(&server, &bearer(&second))), (401, 200));
    let (answer, body) = refresh(&server, &first_refresh);
    assert_eq!(
        (answer, String::from_utf8(body).unwrap()),
        (401, r#"{"error":"refresh token does not match the one in Redis"}"#.into())
    );
    redis.ask::<i64>("DEL p:jwt:refresh:op");
    let (_, body) = refresh(&server, &first_refresh);
    assert_eq!(String::from_utf8(body).unwrap(), r#"{"error":"refresh token not found in Redis"}"#);
    // Without Redis nobody can say whether a token is good: neither wrong nor welcome.
    redis.stop();
    assert_eq!(status(&server, &bearer(&second)), 503);
    let body = json!({ "username": "op", "password": "operator1" }).to_string();
    assert_eq!(
        server.ask(&Request::post("/api/v1/jwt/token", "application/json", body)).status,
        503
    );
}

#[test]
fn without_users_the_backends_say_who_may_have_a_token() {
    let backend = r#"
        function nauthilus_backend_verify_password(request)
            if request.username == "broken" then error("no store") end
            local result = nauthilus_backend_result.new()
            result:user_found(true)
            result:account_field("account")
            result:attributes({ account = request.username, roles = { "authenticate", "admin", "user_info" } })
            result:authenticated(request.password == "right")
            return nauthilus_builtin.BACKEND_RESULT_OK, result
        end"#;
    let server = Site::new().backend(backend).set(jwt(json!({ "users": [] }))).start();
    let (token, refresh_token) = fetch(&server, "ada", "right");
    for token in [token, pair(&refresh(&server, &refresh_token).1).0] {
        let bearer = format!("Bearer {token}");
        assert_eq!(status(&server, &bearer), 200);
        let list = Request::get("/api/v1/bruteforce/list").header("Authorization", bearer);
        assert_eq!(server.ask(&list).status, 403, "no backend makes an administrator");
    }
    for (user, expected) in [("ada", 401), ("broken", 503)] {
        let body = json!({ "username": user, "password": "wrong" }).to_string();
        assert_eq!(
            server.ask(&Request::post("/api/v1/jwt/token", "application/json", body)).status,
            expected
        );
    }
}

/// An issuer of tokens with an Ed25519 key.
struct Issuer(Ed25519KeyPair, &'static str);

impl Issuer {
    fn new(id: &'static str) -> Issuer {
        Issuer(Ed25519KeyPair::from_seed_unchecked(&[id.as_bytes()[0]; 32]).unwrap(), id)
    }

    fn jwks(&self) -> String {
        let x = encode(self.0.public_key().as_ref());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": self.1, "x": x }] }).to_string()
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": "https://id.example", "aud": "loligo", "sub": "proxy", "exp": now() + 600, "scope": "nauthilus:authenticate",
        });
        change(&mut claims);
        let header = json!({ "alg": "EdDSA", "kid": self.1 });
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        format!("Bearer {signed}.{}", encode(self.0.sign(signed.as_bytes()).as_ref()))
    }
}

fn oidc(more: Value) -> Value {
    let mut oidc =
        json!({ "enabled": true, "issuer": "https://id.example", "audience": ["loligo"] });
    oidc.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "server": { "oidc_auth": oidc } })
}

#[test]
fn tokens_of_an_issuer_whose_keys_are_in_a_file() {
    let issuer = Issuer::new("a");
    let server = Site::new()
        .file("jwks.json", &issuer.jwks())
        .set(oidc(json!({ "jwks_file": "jwks.json" })))
        .start();
    assert_eq!(status(&server, &issuer.token(|_| ())), 200);
    assert_eq!(status(&server, &issuer.token(|claims| claims["scope"] = json!("openid"))), 401);
    let public = issuer.0.public_key().as_ref().to_vec();
    let confused = hmac_token(&json!({ "alg": "HS256", "kid": "a" }), &claims(|_| ()), &public);
    for (name, token) in [
        ("another audience", issuer.token(|claims| claims["aud"] = json!("other"))),
        ("another issuer", issuer.token(|claims| claims["iss"] = json!("https://evil.example"))),
        ("expired", issuer.token(|claims| claims["exp"] = json!(now() - 1))),
        ("another key", Issuer::new("b").token(|_| ())),
        ("a public key as a secret", format!("Bearer {confused}")),
    ] {
        let answer = server.ask(&asked_by(&token));
        assert_eq!(
            (answer.status, answer.text()),
            (401, r#"{"error":"invalid token"}"#.into()),
            "{name}"
        );
    }
}

#[test]
fn tokens_of_an_issuer_whose_keys_are_fetched() {
    let (issuer, next) = (Issuer::new("a"), Issuer::new("b"));
    let web = WebStub::answering(503, "");
    let mut server = Site::new().set(oidc(json!({ "jwks_url": web.url("/keys") }))).start();
    // No keys yet: that is nobody's wrong token, however often it is tried.
    for _ in 0..12 {
        assert_eq!(status(&server, &issuer.token(|_| ())), 503);
    }
    server.wait_for_log("keys of the token issuer cannot be read");
    web.answer(200, issuer.jwks());
    until("the keys", || (status(&server, &issuer.token(|_| ())) == 200).then_some(()));
    assert_eq!(status(&server, &next.token(|_| ())), 401);
    // A reload neither forgets nor needs them.
    web.answer(503, "");
    assert!(server.reload());
    assert_eq!(status(&server, &issuer.token(|_| ())), 200);
}

#[test]
fn metrics_and_administration_have_settings_of_their_own() {
    let settings = json!({ "server": {
        "basic_auth": { "enabled": true, "username": "mail", "password": "0123456789abcdef" },
        "metrics_access": { "token": "scrape-scrape-scrape" },
        "admin_access": { "networks": ["192.0.2.0/24"] },
    } });
    let mut server = Site::new().set(settings).start();
    let ask = |server: &Server, path: &str, authorization: &str| match authorization {
        "" => server.ask(&Request::get(path)).status,
        given => server.ask(&Request::get(path).header("Authorization", given)).status,
    };
    let (metrics, blocked) = ("/metrics", "/api/v1/bruteforce/list");
    let (scrape, right) = ("Bearer scrape-scrape-scrape", basic("mail", "0123456789abcdef"));
    assert_eq!(
        (ask(&server, metrics, ""), ask(&server, metrics, scrape), ask(&server, metrics, &right)),
        (401, 200, 200)
    );
    assert_eq!(
        (ask(&server, blocked, ""), ask(&server, blocked, scrape), ask(&server, blocked, &right)),
        (401, 401, 200)
    );
    server.change(json!({ "server": { "admin_access": { "networks": ["127.0.0.0/8"] } } }));
    assert!(server.reload());
    assert_eq!((ask(&server, metrics, ""), ask(&server, blocked, "")), (401, 200));
    server.change(json!({ "server": { "metrics_access": { "token": "", "public": true } } }));
    assert!(server.reload());
    assert_eq!(ask(&server, metrics, ""), 200);
    // They protect without callers, too.
    server.change(
        json!({ "server": { "basic_auth": { "enabled": false }, "metrics_access": { "token": "scrape-scrape-scrape", "public": false } } }),
    );
    assert!(server.reload());
    assert_eq!(
        (
            ask(&server, metrics, ""),
            ask(&server, metrics, "Bearer wrong"),
            ask(&server, metrics, scrape)
        ),
        (401, 401, 200)
    );
    assert_eq!(server.login("ada", "right").status, 200);
}

#[test]
fn what_cannot_protect_is_refused() {
    let basic =
        |users: Value| json!({ "server": { "basic_auth": { "enabled": true, "users": users } } });
    refused(basic(json!([])), &["basic_auth.username", "is missing"]);
    refused(
        basic(json!([{ "username": "mail", "password": "plain-text-secret" }])),
        &["password", "must be a password hash"],
    );
    refused(
        basic(json!([{ "username": "mail", "password": "{NOPE}abc" }])),
        &["must be a password hash"],
    );
    refused(
        basic(json!([{ "username": "a:b", "password": "{PLAIN}0123456789abcdef" }])),
        &["colon"],
    );
    refused(
        basic(json!([{ "username": "mail", "password": bcrypt::hash("", 4).unwrap() }])),
        &["empty password"],
    );
    refused(jwt(json!({ "secret_key": "" })), &["secret_key", "is missing"]);
    refused(jwt(json!({ "secret_key": "short" })), &["secret_key", "at least 32"]);
    refused(
        jwt(json!({ "previous_secret_keys": ["short"] })),
        &["previous_secret_keys", "at least 32"],
    );
    refused(jwt(json!({ "previous_secret_keys": [""] })), &["previous_secret_keys", "empty"]);
    refused(jwt(json!({ "store_in_redis": true })), &["store_in_redis", "needs server.redis"]);
    refused(
        oidc(json!({ "issuer": "", "jwks_url": "https://id.example/keys" })),
        &["issuer", "is missing"],
    );
    refused(
        oidc(json!({ "audience": [], "jwks_url": "https://id.example/keys" })),
        &["audience", "is missing"],
    );
    refused(oidc(json!({})), &["jwks_url"]);
    refused(
        oidc(json!({ "jwks_url": "https://id.example/keys", "jwks_file": "jwks.json" })),
        &["jwks_url", "either"],
    );
    refused(oidc(json!({ "jwks_url": "http://id.example/keys" })), &["jwks_url", "https"]);
    refused(oidc(json!({ "jwks_file": "missing.json" })), &["jwks_file", "does not exist"]);
    refused(
        oidc(json!({ "jwks_file": "jwks.json" })),
        &["jwks_file", "has no usable signature key"],
    );
    refused(
        json!({ "server": { "metrics_access": { "token": "short" } } }),
        &["metrics_access.token", "at least 16"],
    );
    let both =
        json!({ "server": { "admin_access": { "public": true, "token": "0123456789abcdef" } } });
    refused(both, &["admin_access.public", "have no effect"]);
}
