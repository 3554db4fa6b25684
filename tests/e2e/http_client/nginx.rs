//! Against nginx: connections are kept, bodies come in every framing, redirects are followed,
//! certificates are checked.

use super::{GET, ask, error, site};
use crate::support::web::{Certificate, Web};
use serde_json::{Value, json};

#[test]
fn connections_are_used_again() {
    let (server, web) = (site(GET).start(), Web::start());
    let counts: Vec<Value> =
        (0..3).map(|_| ask(&server, &web.url("/connection"), "")["body"].clone()).collect();
    // The first to connect to nginx was the test's own look whether it is up.
    assert_eq!(counts, ["1", "2", "3"]);
}

#[test]
fn many_at_once_share_what_is_left_idle() {
    let batch = r#"
        local list = {}
        for i = 1, 20 do list[i] = { "get", url } end
        local responses, errors = glua_http.request_batch(list)
        local bodies = {}
        for i, response in ipairs(responses) do bodies[i] = response.body end
        return { bodies = bodies, errors = errors == nil }
    "#;
    let (server, web) = (site(batch).start(), Web::start());
    let answer = ask(&server, &web.url("/hello"), "");
    assert_eq!(answer, json!({ "bodies": vec!["hello"; 20], "errors": true }));
}

#[test]
fn a_host_gets_no_more_connections_than_it_may() {
    let batch = r#"
        local list = {}
        for i = 1, 10 do list[i] = { "get", url } end
        local counts = {}
        for i, response in ipairs(glua_http.request_batch(list)) do counts[i] = tonumber(response.body) end
        table.sort(counts)
        return { counts = counts }
    "#;
    let limit = json!({ "server": { "http_client": { "max_connections_per_host": 1 } } });
    let (server, web) = (site(batch).set(limit).start(), Web::start());
    // All on one connection, one after the other.
    assert_eq!(
        ask(&server, &web.url("/connection"), "")["counts"],
        json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    );
}

#[test]
fn bodies_come_chunked_and_compressed() {
    let (server, web) = (site(GET).start(), Web::start());
    let chunked = ask(&server, &web.url("/included.txt?x=yes"), "");
    assert_eq!(
        (&chunked["body"], &chunked["headers"]["Transfer-Encoding"]),
        (&json!("yes, chunked\n"), &json!("chunked"))
    );
    let compressed = ask(&server, &web.url("/big.txt"), "");
    assert_eq!(
        (&compressed["size"], &compressed["headers"]["Content-Encoding"]),
        (&json!(320_000), &Value::Null)
    );
    assert_eq!(
        compressed["body"].as_str().map(|body| body.starts_with("0123456789abcdef0123")),
        Some(true)
    );
    assert_eq!(ask(&server, &web.url("/nothing"), "")["size"], 0);
    assert_eq!(ask(&server, &web.url("/status"), "")["status"], 503);
}

#[test]
fn redirects_are_followed_without_taking_credentials_elsewhere() {
    let body = r#"
        local response, err = glua_http.request(timeout, url, { auth = { user = "u", pass = "p" }, headers = { ["User-Agent"] = "Kit" } })
        return { err = err, body = response and response.body, url = response and response.url, status = response and response.status_code }
    "#;
    let (server, web) = (site(body).start(), Web::start());
    let to = |method: &str, path: &str| ask(&server, &web.url(path), method);
    let answer = to("POST", "/redirect");
    let referer = web.url("/redirect");
    assert_eq!(answer["body"], format!("GET /echo?from=redirect Kit Basic dTpw  {referer}"));
    assert_eq!(answer["url"], web.url("/echo?from=redirect"));
    assert_eq!(
        to("GET", "/elsewhere")["body"],
        format!("GET /echo Kit   {}", web.url("/elsewhere"))
    );
    assert_eq!(
        to("GET", "/loop")["err"],
        format!("Get \"{}\": stopped after 10 redirects", web.url("/loop"))
    );
    assert_eq!(to("POST", "/again")["status"], 200);
}

#[test]
fn a_client_has_its_own_cookies() {
    let body = r#"
        local client = http.client({ timeout = 5 })
        local first = assert(client:do_request(http.request("GET", url .. "/cookie")))
        local second = assert(client:do_request(http.request("GET", url .. "/echo")))
        local other = assert(http.client():do_request(http.request("GET", url .. "/echo")))
        return { bodies = { first.body, second.body, other.body }, code = second.code }
    "#;
    let (server, web) = (site(body).start(), Web::start());
    let expected = json!({ "bodies": ["set", "GET /echo gopher-lua  seen=yes ", "GET /echo gopher-lua   "], "code": 200 });
    assert_eq!(ask(&server, &web.url(""), ""), expected);
}

#[test]
fn certificates_are_checked_against_the_systems_authorities() {
    let good = Web::start_tls(Certificate::Good);
    let server = site(GET).env("SSL_CERT_FILE", good.authority().to_str().unwrap()).start();
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(ask(&server, &good.url_at(host, "/hello"), "")["body"], "hello", "{host}");
    }
    assert_eq!(ask(&server, &good.url("/connection"), "")["body"], "2");
    let plain = good.url("/hello").replace("https:", "http:");
    assert_eq!(ask(&server, &plain, "")["status"], 400);

    let stranger = Web::start_tls(Certificate::Good);
    let text = error(&server, &stranger.url("/hello"), "");
    assert!(
        text.starts_with(&format!(
            "Get \"{}\": tls: failed to verify certificate: ",
            stranger.url("/hello")
        )),
        "{text}"
    );
}

#[test]
fn expired_certificates_and_those_of_others_are_refused_unless_the_operator_or_the_script_says_otherwise()
 {
    let body = r#"
        local response, err = glua_http.get(url)
        local insecure, insecure_err = http.client({ insecure_ssl = true }):do_request(http.request("GET", url))
        return { err = err, body = response and response.body, insecure = insecure and insecure.body or insecure_err }
    "#;
    for certificate in [Certificate::Expired, Certificate::OtherName] {
        let web = Web::start_tls(certificate);
        let with = |settings: Value| {
            let site = site(body).env("SSL_CERT_FILE", web.authority().to_str().unwrap());
            ask(&site.set(json!({ "server": settings })).start(), &web.url("/hello"), "")
        };
        let strict = with(json!({}));
        let text = strict["err"].as_str().unwrap();
        assert!(text.contains("tls: failed to verify certificate: "), "{text}");
        assert_eq!(strict["insecure"], "hello");
        assert_eq!(
            with(json!({ "http_client": { "tls": { "skip_verify": true } } }))["body"],
            "hello"
        );
        assert_eq!(with(json!({ "tls": { "http_client_skip_verify": true } }))["body"], "hello");
    }
}

#[test]
fn an_authority_of_ones_own_takes_the_place_of_the_systems() {
    let web = Web::start_tls(Certificate::Good);
    let own = json!({ "server": { "http_client": { "tls": { "ca_file": web.authority() } } } });
    assert_eq!(ask(&site(GET).set(own).start(), &web.url("/hello"), "")["body"], "hello");
    let body = format!(
        "return http.client({{ root_cas_pem_file = {:?} }}):do_request(http.request('GET', url))",
        web.authority()
    );
    assert_eq!(ask(&site(&body).start(), &web.url("/hello"), "")["body"], "hello");
}
