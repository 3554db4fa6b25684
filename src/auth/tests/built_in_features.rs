//! The built-in features: TLS, relay domains, blocklists and their threshold.

use super::*;
use crate::auth::policy::{Blocklist, Blocklists, RelayDomains};
use crate::auth::report::FieldValue;
use crate::auth::request::{Mode, Service};
use crate::config::Networks;
use crate::metrics::LabelId;
use crate::op::{DnsAnswer, DnsOp, Failure};
use crate::proto::dns::{Kind, Record};
use crate::state::Exemption;

/// All built-in features but `rbl`; example.test is served, 198.51.100.0/24 needs no encryption.
fn case() -> Case {
    let mut case = Case::with_alice()
        .filter(|_| Ok(Some(ACCEPT)))
        .action(ActionKind::TlsEncryption, |_| Ok(Some(0)))
        .action(ActionKind::RelayDomains, |_| Ok(Some(0)))
        .action(ActionKind::Rbl, |_| Ok(Some(0)))
        .post();
    case.policy.tls_encryption = Some(networks(&["198.51.100.0/24"]));
    case.policy.relay_domains = Some(RelayDomains::new(["example.test".to_owned()]));
    case
}

fn networks(texts: &[&str]) -> Networks {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn encrypted(username: &str) -> Login {
    encrypted_from(username, "192.0.2.9")
}

fn encrypted_from(username: &str, client_ip: &str) -> Login {
    login_with(username, "secret", |request| {
        request.set(Field::Ssl, b"on");
        request.set(Field::ClientIp, client_ip.as_bytes());
    })
}

/// The pairs that features and scripts logged: `key=value`.
fn log(login: &Login) -> Vec<String> {
    login
        .custom_log
        .borrow()
        .iter()
        .map(|(key, value)| format!("{key}={}", shown(FieldValue::from(value))))
        .collect()
}

const TLS_REQUIRED: &str = "temporary: TLS transport encryption required";

#[test]
fn without_encryption_a_temporary_failure_with_its_own_text() {
    let (case, login) = (case(), login("alice", "secret"));
    assert_eq!(ending(&case.run(&login)), TLS_REQUIRED);
    assert_eq!(case.calls(), "tlsencryption1 post1");
    assert_eq!(log(&login), ["tls_encryption=Client has no transport security"]);
    assert_eq!(login.facts.borrow().feature, "tls_encryption");
}

#[test]
fn who_needs_no_encryption() {
    for (client_ip, ssl, how, logged) in [
        ("192.0.2.9", "on", "ok", &[][..]),
        ("192.0.2.9", "false", "ok", &[]),
        ("198.51.100.7", "", "ok", &["tls_encryption=Client is whitelisted"]),
        ("::ffff:198.51.100.7", "", "ok", &["tls_encryption=Client is whitelisted"]),
        ("garbage", "", TLS_REQUIRED, &["tls_encryption=Client has no transport security"]),
        ("127.0.0.2", "", TLS_REQUIRED, &["tls_encryption=Client has no transport security"]),
        (
            "127.0.0.1",
            "",
            "ok",
            &["feature_tls_encryption=localhost", "feature_relay_domains=localhost"],
        ),
        ("::1", "", "ok", &["feature_tls_encryption=localhost", "feature_relay_domains=localhost"]),
        ("", "", "ok", &["feature_tls_encryption=localhost", "feature_relay_domains=localhost"]),
    ] {
        let login = login_with("alice", "secret", |request| {
            request.set(Field::ClientIp, client_ip.as_bytes());
            request.set(Field::Ssl, ssl.as_bytes());
        });
        assert_eq!(ending(&case().run(&login)), how, "{client_ip} {ssl}");
        assert_eq!(log(&login), logged, "{client_ip} {ssl}");
    }
}

#[test]
fn logins_of_other_domains_fail() {
    for (username, refused) in [
        ("u@other.test", Some("other.test")),
        ("u@sub.example.test", Some("sub.example.test")),
        ("u@", Some("")),
        ("u@EXAMPLE.test", None),
        ("u@example.test.", None),
        ("u", None),
        ("u@v@other.test", None),
    ] {
        let (case, login) = (case(), encrypted(username));
        assert_eq!(ending(&case.run(&login)), FAIL, "{username}");
        let (calls, logged) = match refused {
            Some(domain) => {
                ("relaydomains1 post1", vec![format!("relay_domains={domain} not our domain")])
            }
            None => ("b1 x1 post1", vec![]),
        };
        assert_eq!((case.calls().as_str(), log(&login)), (calls, logged), "{username}");
    }
}

#[test]
fn of_a_master_login_the_targets_domain_counts() {
    for (username, passes) in [
        ("u@other.test*boss@example.test", false),
        ("u@example.test*boss", true),
        ("u@example.test*boss@x", true),
    ] {
        let mut case = case();
        case.policy.master_user_delimiter = Some(b'*');
        case.run(&encrypted(username));
        assert_eq!(case.calls().starts_with("b1"), passes, "{username}");
    }
}

#[test]
fn master_logins_go_past_the_in_process_cache() {
    let mut case = Case::new().backend(DEFAULT_BACKEND, &["imap"], |_| {
        Ok(BackendReturn { code: 0, result: Some(found("a", true)) })
    });
    case.policy.master_user_delimiter = Some(b'*');
    for username in ["alice", "alice*boss"] {
        case.run(&login(username, "secret"));
        case.run(&login(username, "secret"));
    }
    assert_eq!(case.calls(), "b1 b1 b1");
}

#[test]
fn lua_comes_first_and_may_send_a_login_past_the_others() {
    let logins = |returned| {
        let case = case().feature(move |_| Ok(Some(returned)));
        ending(&case.run(&login("u@other.test", "secret")));
        case.calls()
    };
    assert_eq!(logins(PASS), "f1 tlsencryption1 post1");
    assert_eq!(logins(ABORT), "f1 b1 x1 post1");
    assert_eq!(logins(TRIGGER), "f1 post1");
}

#[test]
fn lookups_and_saslauthd_are_spared() {
    for (mode, service) in [(Mode::NoAuth, Service::Header), (Mode::Auth, Service::Saslauthd)] {
        let case = case();
        case.run(&login_with("u@other.test", "secret", |request| {
            (request.mode, request.service) = (mode, service)
        }));
        assert_eq!(case.calls(), "b1 x1 post1", "{mode:?} {service:?}");
    }
}

#[test]
fn what_is_not_listed_does_not_run() {
    let case = Case::with_alice();
    let login = login("alice", "secret");
    assert_eq!(ending(&case.run(&login)), "ok");
    assert!(log(&login).is_empty());
}

/// Feature `rbl` alone, with a list for each weight: `one`, `two`, …
fn listed(threshold: i32, weights: &[i32]) -> Case {
    let mut case = case();
    (case.policy.tls_encryption, case.policy.relay_domains) = (None, None);
    let lists = ["one", "two", "three"].iter().zip(weights).map(|(name, weight)| Blocklist {
        name: name.to_string(),
        zone: format!("{name}.test"),
        ipv4: true,
        ipv6: *name == "two",
        return_codes: vec![[127, 0, 0, 2].into(), [127, 0, 0, 4].into()],
        weight: *weight,
        allow_failure: *name == "three",
        label: LabelId::OTHER,
    });
    case.policy.blocklists =
        Some(Blocklists { lists: lists.collect(), threshold, ..Blocklists::default() });
    case
}

/// What the domain name system of a test says.
fn zone(answers: &'static [(&'static str, &'static str)]) -> impl Fn(&DnsOp) -> Answer {
    move |op| {
        assert_eq!(op.kind, Kind::A);
        match answers.iter().find(|(name, _)| *name == op.name) {
            Some((_, "fails")) => Answer::Failed(Failure::TimedOut),
            Some((_, "empty")) => Answer::Dns(DnsAnswer::NoData(None)),
            Some((_, addresses)) => {
                let records: Vec<Record> = addresses
                    .split(' ')
                    .map(|text| Record::Address(text.parse().unwrap()))
                    .collect();
                Answer::Dns(DnsAnswer::Records(records.into()))
            }
            None => Answer::Dns(DnsAnswer::NoSuchName(None)),
        }
    }
}

#[test]
fn weights_of_the_lists_that_know_the_client_add_up() {
    /// Threshold, weights, what the lists say, calls, log.
    type Row = (
        i32,
        &'static [i32],
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static [&'static str],
    );
    let table: [Row; 8] = [
        (10, &[10], &[("9.2.0.192.one.test.", "127.0.0.2")], "rbl1 post1", &["rbl one=10"]),
        (
            10,
            &[10],
            &[("9.2.0.192.one.test.", "127.0.0.9 127.0.0.4")],
            "rbl1 post1",
            &["rbl one=10"],
        ),
        (10, &[10], &[("9.2.0.192.one.test.", "127.0.0.3")], "b1 x1 post1", &[]),
        (10, &[10], &[("9.2.0.192.one.test.", "empty")], "b1 x1 post1", &[]),
        (10, &[10], &[], "b1 x1 post1", &[]),
        (
            15,
            &[10, 5],
            &[("9.2.0.192.one.test.", "127.0.0.2"), ("9.2.0.192.two.test.", "127.0.0.2")],
            "rbl1 post1",
            &["rbl one=10", "rbl two=5"],
        ),
        (15, &[10, 5], &[("9.2.0.192.one.test.", "127.0.0.2")], "b1 x1 post1", &["rbl one=10"]),
        (
            5,
            &[10, -10],
            &[("9.2.0.192.one.test.", "127.0.0.2"), ("9.2.0.192.two.test.", "127.0.0.2")],
            "b1 x1 post1",
            &["rbl one=10", "rbl two=-10"],
        ),
    ];
    for (threshold, weights, answers, calls, logged) in table {
        let case = listed(threshold, weights).dns(zone(answers));
        let login = login("alice", "secret");
        let outcome = case.run(&login);
        assert_eq!(
            ending(&outcome),
            if calls.starts_with("rbl") { FAIL } else { "ok" },
            "{answers:?}"
        );
        assert_eq!(
            (case.calls().as_str(), log(&login)),
            (calls, logged.iter().map(|text| text.to_string()).collect()),
            "{answers:?}"
        );
        assert_eq!(outcome.report.listings.len(), weights.len());
        assert_eq!(
            outcome.report.listings.iter().filter(|listing| listing.found).count(),
            logged.len()
        );
    }
}

#[test]
fn a_list_that_must_not_fail_makes_a_temporary_failure() {
    // Not even another list's match makes it a failure: our outage must not ban anybody.
    let case = listed(10, &[10, 10, 10])
        .dns(zone(&[("9.2.0.192.one.test.", "127.0.0.2"), ("9.2.0.192.two.test.", "fails")]));
    let login = login("alice", "secret");
    let outcome = case.run(&login);
    assert_eq!((ending(&outcome), case.calls().as_str()), (temporary(), ""));
    assert_eq!(
        line(&outcome.report.events[0], &login),
        format!(
            "Blocklist could not be asked session={} rbl=two error=i/o timeout",
            "0".repeat(27)
        )
    );
}

#[test]
fn a_list_that_may_fail_is_passed_over_and_leaves_its_word() {
    let case = listed(10, &[10, 10, 10]).dns(zone(&[("9.2.0.192.three.test.", "fails")]));
    let login = login("alice", "secret");
    let outcome = case.run(&login);
    assert_eq!((ending(&outcome).as_str(), case.calls().as_str()), ("ok", "b1 x1 post1"));
    assert_eq!(log(&login), ["rbl three=i/o timeout"]);
    assert_eq!(outcome.report.listings.len(), 2);
}

#[test]
fn lists_are_asked_about_their_family_only() {
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.two.test.";
    for (client_ip, names) in [
        ("2001:db8::1", &[v6][..]),
        ("192.0.2.9", &["9.2.0.192.one.test.", "9.2.0.192.two.test."]),
        ("::ffff:192.0.2.9", &["9.2.0.192.one.test.", "9.2.0.192.two.test."]),
        // On this host, or nowhere.
        ("127.0.0.2", &[]),
        ("127.0.0.1", &[]),
        ("garbage", &[]),
    ] {
        let asked = std::rc::Rc::new(RefCell::new(Vec::new()));
        let seen = asked.clone();
        let case = listed(10, &[10, 10]).dns(move |op| {
            seen.borrow_mut().push(op.name.clone());
            Answer::Dns(DnsAnswer::NoSuchName(None))
        });
        let login = login_with("alice", "secret", |request| {
            request.set(Field::ClientIp, client_ip.as_bytes())
        });
        assert_eq!(ending(&case.run(&login)), "ok", "{client_ip}");
        assert_eq!(*asked.borrow(), names, "{client_ip}");
    }
}

#[test]
fn some_clients_and_users_are_not_looked_up() {
    let exempt = |ip_whitelist, user: &str, logged| {
        let mut case = listed(10, &[10]).dns(|op| panic!("{op:?} was asked"));
        case.policy.blocklists.as_mut().unwrap().ip_whitelist = ip_whitelist;
        case.policy.brute_force.soft_whitelist.add(
            Exemption::Rbl,
            user.as_bytes(),
            "192.0.2.0/24".parse().unwrap(),
        );
        let login = login("alice", "secret");
        assert_eq!(ending(&case.run(&login)), "ok");
        assert_eq!(log(&login), [logged]);
    };
    exempt(networks(&["192.0.2.9/32"]), "", "rbl=Client is whitelisted");
    exempt(Networks::default(), "alice", "rbl=Username is whitelisted");
}

#[test]
fn users_of_other_domains_may_be_let_in_from_some_networks() {
    for (client_ip, passes) in [("192.0.2.9", true), ("203.0.113.9", false)] {
        let case = case();
        case.policy.brute_force.soft_whitelist.add(
            Exemption::RelayDomains,
            b"u@other.test",
            "192.0.2.0/24".parse().unwrap(),
        );
        let login = encrypted_from("U@other.test", client_ip);
        case.run(&login);
        assert_eq!(case.calls().starts_with("b1"), passes, "{client_ip}");
        assert_eq!(
            log(&login)[0] == "relay_domains=Username is whitelisted",
            passes,
            "{client_ip}"
        );
    }
}

#[test]
fn a_client_is_named_by_its_address() {
    let answer = |names: &'static [&'static str]| {
        move |op: &DnsOp| {
            assert_eq!((op.name.as_str(), op.kind), ("192.0.2.9", Kind::Ptr));
            match names {
                [] => Answer::Dns(DnsAnswer::NoSuchName(None)),
                ["fails"] => Answer::Failed(Failure::TimedOut),
                names => Answer::Dns(DnsAnswer::Records(
                    names.iter().map(|name| Record::Name(name.to_string())).collect(),
                )),
            }
        }
    };
    for (names, service, expected) in [
        (&["client.example.test.", "other.test."][..], Service::Header, "client.example.test"),
        (&["from-hosts-file"], Service::Json, "from-hosts-file"),
        (&[], Service::Nginx, "sent"),
        (&["fails"], Service::Basic, "sent"),
        (&["client.example.test."], Service::Saslauthd, "sent"),
    ] {
        let mut case = Case::new().dns(answer(names));
        case.policy.client_name_wait = Some(Duration::from_secs(2));
        let mut login = login_with("alice", "secret", |request| {
            request.service = service;
            request.set(Field::ClientHostname, b"sent");
        });
        case.name_client(&mut login);
        assert_eq!(
            login.request.get(Field::ClientHostname),
            expected.as_bytes(),
            "{names:?} {service:?}"
        );
    }
}

#[test]
fn nobody_is_asked_for_names_unless_told_to() {
    let mut login = login("alice", "secret");
    Case::new().dns(|op| panic!("{op:?} was asked")).name_client(&mut login);
    assert_eq!(login.request.get(Field::ClientHostname), b"");
}
