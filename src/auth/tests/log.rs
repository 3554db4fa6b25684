//! The authentication line, error lines.

use super::*;
use crate::auth::login::LogValue;
use crate::auth::request::Mode;

fn fields(outcome: &Outcome, login: &Login) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    outcome.report.fields(login, Duration::from_nanos(2_061_497), &mut |name, value| {
        fields.push((name.to_owned(), shown(value)))
    });
    outcome.report.pairs(login, &mut |name, value| fields.push((name.to_owned(), shown(value))));
    fields
}

fn field(outcome: &Outcome, login: &Login, name: &str) -> String {
    fields(outcome, login).into_iter().find(|(n, _)| n == name).map(|(_, value)| value).unwrap()
}

#[test]
fn all_fields_in_their_order_then_the_pairs_of_scripts() {
    let log =
        |login: &Login, name: &str, value| login.custom_log.borrow_mut().push((name.into(), value));
    let case = Case::with_alice()
        .feature(move |login| {
            log(login, "text", LogValue::Text(b"a b".to_vec()));
            log(login, "text", LogValue::Number(2.5));
            Ok(Some(PASS))
        })
        .filter(move |login| {
            log(login, "flag", LogValue::Bool(true));
            log(login, "table", LogValue::Unsupported);
            log(login, "empty", LogValue::Text(Vec::new()));
            Ok(Some(ACCEPT))
        });
    let login = login_with("alice", "secret", |request| {
        for (field, text) in [
            (Field::LocalIp, "192.0.2.1"),
            (Field::LocalPort, "993"),
            (Field::SslProtocol, "TLSv1.3"),
            (Field::AuthMethod, "plain"),
        ] {
            request.set(field, text.as_bytes());
        }
        request.http.path = request.append(b"/api/v1/auth/header");
        request.login_attempt = 3;
    });
    let outcome = case.run(&login);
    let expected = [
        ("session", "000000000000000000000000000"),
        ("mode", "auth"),
        ("backend_name", "__meta_default__"),
        ("protocol", "imap"),
        ("local_ip", "192.0.2.1"),
        ("port", "993"),
        ("client_ip", "192.0.2.9"),
        ("client_port", "N/A"),
        ("client_host", "N/A"),
        ("tls_protocol", "TLSv1.3"),
        ("tls_cipher", "N/A"),
        ("auth_method", "plain"),
        ("username", "alice"),
        ("passdb_backend", "lua"),
        ("current_password_retries", "3"),
        ("account_passwords_seen", "0"),
        ("total_passwords_seen", "0"),
        ("user_agent", "N/A"),
        ("client_id", "N/A"),
        ("brute_force_bucket", "N/A"),
        ("feature", "N/A"),
        ("status_message", "OK"),
        ("uri_path", "/api/v1/auth/header"),
        ("authenticated", "ok"),
        ("latency", "2.061497ms"),
        ("text", "a b"),
        ("text", "2.5"),
        ("flag", "true"),
        ("table", "UNSUPPORTED"),
        ("empty", ""),
    ];
    assert_eq!(
        fields(&outcome, &login),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn endings_as_the_line_names_them() {
    let lookup = |username| login_with(username, "", |request| request.mode = Mode::NoAuth);
    let case = Case::with_alice();
    for (login, mode, authenticated, backend_name, passdb) in [
        (login("alice", "secret"), "auth", "ok", "__meta_default__", "lua"),
        (login("alice", "secret"), "auth", "ok", "__meta_default__", "memory"),
        (login("alice", "wrong"), "auth", "fail", "__meta_default__", "lua"),
        (login("nobody", "x"), "auth", "fail", "N/A", "unknown"),
        (login("broken", "x"), "auth", "tempfail", "N/A", "unknown"),
        (lookup("alice"), "no-auth", "N/A", "__meta_default__", "lua"),
        (lookup("nobody"), "no-auth", "fail", "N/A", "unknown"),
    ] {
        let outcome = case.run(&login);
        let is = ["mode", "authenticated", "backend_name", "passdb_backend"]
            .map(|name| field(&outcome, &login, name));
        assert_eq!(is, [mode, authenticated, backend_name, passdb]);
    }
}

#[test]
fn the_line_has_the_text_of_a_script_even_on_success() {
    let case = Case::with_alice().filter(|login| {
        *login.status_message.borrow_mut() = b"hint".to_vec();
        Ok(Some(ACCEPT))
    });
    let login = login("alice", "secret");
    let outcome = case.run(&login);
    assert_eq!(field(&outcome, &login, "status_message"), "hint");
}

#[test]
fn a_listing_has_two_fields() {
    let login = login_with("", "", |request| request.mode = Mode::ListAccounts);
    let case = Case::with_alice();
    let (_, report) = case.drive(async |ops| {
        pipeline::list_accounts(&login, &case.scripts, &case.policy, case.stores(), ops).await
    });
    let mut names = Vec::new();
    report.fields(&login, Duration::ZERO, &mut |name, value| {
        names.push(format!("{name}={}", shown(value)))
    });
    report.pairs(&login, &mut |name, _| panic!("{name} is there"));
    assert_eq!(names, [format!("session={}", "0".repeat(27)), "mode=list-accounts".into()]);
}

#[test]
fn a_backends_error_line_has_what_scripts_logged_before() {
    let case = Case::with_alice().feature(|login| {
        login.custom_log.borrow_mut().push(("from_feature".into(), LogValue::Number(7.0)));
        Ok(Some(PASS))
    });
    let login = login("broken", "x");
    let outcome = case.run(&login);
    let line = line(&outcome.report.events[0], &login);
    assert_eq!(
        line,
        format!(
            "Backend failed session={} backend_name=__meta_default__ script=b1.lua error=result code 1 from_feature=7",
            "0".repeat(27)
        )
    );
    // And they are still on the authentication line.
    assert_eq!(field(&outcome, &login, "from_feature"), "7");
}

#[test]
fn no_password_in_any_line() {
    let case = Case::new().backend(DEFAULT_BACKEND, &["imap"], |_| {
        Err(raised("b.lua:3: secretive, not secret: secretive\ntraceback"))
    });
    let login = login("alice", "secretive");
    let outcome = case.run(&login);
    let line = line(&outcome.report.events[0], &login);
    assert!(line.ends_with("error=b.lua:3: ***, not secret: ***\ntraceback"), "{line}");
    assert!(!fields(&outcome, &login).iter().any(|(_, value)| value.contains("secretive")));
}

#[test]
fn without_a_password_error_texts_stay_as_they_are() {
    let case = Case::new().backend(DEFAULT_BACKEND, &["imap"], |_| Err(raised("text")));
    let login = login_with("alice", "", |request| request.mode = Mode::NoAuth);
    let outcome = case.run(&login);
    assert!(line(&outcome.report.events[0], &login).ends_with("error=text"));
}
