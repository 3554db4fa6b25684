//! Decisions: who is let in, and to what.

use super::basic::BasicUser;
use super::jwks::tests::Issuer;
use super::oidc::KeySet;
use super::*;
use crate::secret::Secret;
use std::sync::Arc;

const NOW: u64 = 1_800_000_000;
const PASSWORD: &[u8] = b"0123456789abcdef";

fn jwt() -> Jwt {
    Jwt {
        secret: "0123456789abcdef0123456789abcdef".into(),
        previous: Vec::new(),
        expiry: Duration::from_secs(60),
        refresh_expiry: None,
        stored: false,
        users: Vec::new(),
    }
}

fn callers() -> Callers {
    let fingerprints = Fingerprints::new([3; 32]);
    let basic =
        Basic { users: vec![BasicUser::plain("mail", PASSWORD, &fingerprints, Rights::All)] };
    Callers {
        fingerprints,
        basic: Some(basic),
        jwt: Some(jwt()),
        oidc: None,
        certificates: Vec::new(),
    }
}

fn decide(callers: &Callers, presented: Presented<'_>) -> Decision {
    callers.decide(presented, NOW, Instant::now())
}

fn grant(roles: &[&str]) -> Grant {
    Grant {
        name: "op".into(),
        rights: Rights::Roles(roles.iter().map(|role| (*role).to_owned()).collect()),
    }
}

#[test]
fn either_scheme_will_do() {
    let callers = callers();
    let token = jwt().issue("op", &["authenticate".into()], "id", NOW).unwrap().token;
    let basic = Presented::Basic { name: b"mail", password: PASSWORD };
    assert!(matches!(
        decide(&callers, basic),
        Decision::Granted(Grant { rights: Rights::All, .. })
    ));
    assert!(
        matches!(decide(&callers, Presented::Bearer(token.as_bytes())), Decision::Granted(found) if found == grant(&["authenticate"]))
    );
}

#[test]
fn what_is_wrong_is_told_apart() {
    let both = callers();
    let only_basic = Callers { jwt: None, ..callers() };
    let only_tokens = Callers { basic: None, ..callers() };
    let wrong = Presented::Basic { name: b"mail", password: b"wrong" };
    for (callers, presented, expected) in [
        (&both, Presented::Nothing, Refusal::Missing),
        (&both, Presented::Other, Refusal::Scheme),
        (&both, wrong, Refusal::WrongPassword),
        (&both, Presented::Bearer(b"abc"), Refusal::InvalidToken),
        (&only_basic, Presented::Bearer(b"abc"), Refusal::Scheme),
        (&only_tokens, Presented::Basic { name: b"mail", password: PASSWORD }, Refusal::Scheme),
    ] {
        assert!(
            matches!(decide(callers, presented), Decision::Refused(found) if found == expected),
            "{expected:?}"
        );
    }
}

#[test]
fn a_stored_token_is_looked_up() {
    let callers = Callers { jwt: Some(Jwt { stored: true, ..jwt() }), ..callers() };
    let token = jwt().issue("op", &[], "id", NOW).unwrap().token;
    let Decision::Check(check) = decide(&callers, Presented::Bearer(token.as_bytes())) else {
        panic!("it is not looked up")
    };
    assert!(matches!(&check, Check::Stored { grant, .. } if grant.name == "op"));
    assert!(!check.is_hash());
}

#[test]
fn keys_that_are_missing_are_no_wrong_token() {
    let issuer = Issuer::new("a");
    let oidc = Oidc {
        issuer: "https://id.example".into(),
        audience: vec!["loligo".into()],
        scope_prefix: "nauthilus:".into(),
        roles_claim: String::new(),
        keys: Arc::new(KeySet::default()),
    };
    let callers = Callers { basic: None, jwt: Some(jwt()), oidc: Some(oidc), ..callers() };
    let token = issuer.sign("{}");
    let Decision::Refused(refusal) = decide(&callers, Presented::Bearer(token.as_bytes())) else {
        panic!("it is let in")
    };
    assert_eq!((refusal.clone(), refusal.is_failure()), (Refusal::Unavailable, false));
    let own = jwt().issue("op", &[], "id", NOW).unwrap().token;
    assert!(matches!(decide(&callers, Presented::Bearer(own.as_bytes())), Decision::Granted(_)));
}

#[test]
fn every_family_of_endpoints_has_its_role() {
    let monitoring = ["monitoring".to_owned(), "other".to_owned()];
    let needs = [
        Need::Caller,
        Need::Authenticate,
        Need::UserInfo,
        Need::ListAccounts,
        Need::Security,
        Need::Admin,
        Need::Metrics,
        Need::AnyOf(&monitoring),
    ];
    // In the order of the needs: may it?
    for (roles, may) in [
        (&[][..], [1, 0, 0, 0, 0, 0, 0, 0]),
        (&["authenticate"][..], [1, 1, 0, 0, 0, 0, 0, 0]),
        (&["user_info"], [1, 0, 1, 0, 0, 0, 0, 0]),
        (&["list_accounts"], [1, 0, 0, 0, 0, 0, 0, 0]),
        (&["authenticate", "list_accounts"], [1, 1, 0, 1, 0, 0, 0, 0]),
        (&["security"], [1, 0, 0, 0, 0, 0, 1, 0]),
        (&["authenticate", "security"], [1, 1, 0, 0, 1, 0, 1, 0]),
        (&["authenticate", "admin"], [1, 1, 0, 0, 1, 1, 1, 0]),
        (&["other"], [1, 0, 0, 0, 0, 0, 0, 1]),
        (&["Authenticate", "authenticate ", ""], [1, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        for (need, may) in needs.iter().zip(may) {
            assert_eq!(grant(roles).satisfies(*need).is_ok(), may == 1, "{roles:?} {need:?}");
        }
    }
    let all = Grant { name: "mail".into(), rights: Rights::All };
    assert!(needs.iter().all(|need| all.satisfies(*need).is_ok()));
}

#[test]
fn access_besides_callers() {
    let fingerprints = Arc::new(Fingerprints::new([4; 32]));
    let access = Access {
        public: false,
        token: Some(AccessToken::new(b"scrape-scrape-scrape", fingerprints)),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
    };
    let at = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    for (presented, peer, admitted) in [
        (Presented::Nothing, at("192.0.2.7"), true),
        (Presented::Nothing, at("::ffff:192.0.2.7"), true),
        (Presented::Nothing, at("198.51.100.7"), false),
        (Presented::Nothing, at("127.0.0.1"), false),
        (Presented::Nothing, None, false),
        (Presented::Bearer(b"scrape-scrape-scrape"), None, true),
        (Presented::Bearer(b"scrape-scrape-scrap"), None, false),
        (Presented::Bearer(b""), None, false),
        (Presented::Other, None, false),
    ] {
        assert_eq!(access.admits(presented, peer), admitted, "{peer:?}");
    }
    assert!(access.is_restricted() && !Access::default().is_restricted());
    assert!(!Access::default().admits(Presented::Bearer(b""), None));
    assert!(Access { public: true, ..Access::default() }.admits(Presented::Nothing, None));
}

#[test]
fn a_secret_is_in_no_text() {
    let check = decide(&callers(), Presented::Basic { name: b"mail", password: b"hunter2" });
    assert!(
        !format!("{check:?} {:?} {:?}", callers(), Secret::from("hunter2")).contains("hunter2")
    );
}
