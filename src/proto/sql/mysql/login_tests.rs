use super::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

fn greeting_of(capabilities: u32, plugin: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let mut bytes = b"\x0a8.4.0\0\x01\0\0\0".to_vec();
    bytes.extend_from_slice(&NONCE[..8]);
    bytes.extend_from_slice(&[0, a, b, 45, 2, 0, c, d, 21]);
    bytes.extend_from_slice(&[0; 10]);
    bytes.extend_from_slice(&NONCE[8..]);
    bytes.push(0);
    bytes.extend_from_slice(plugin);
    bytes.push(0);
    bytes
}

fn account(password: &str) -> Account {
    Account {
        user: "ada".into(),
        password: password.into(),
        database: "mail".into(),
        allow_clear_text: false,
        allow_native: true,
        allow_old: false,
    }
}

fn begin(plugin: &[u8], account: Account, privacy: Privacy) -> (Login, Vec<u8>) {
    let greeting = greeting(&greeting_of(u32::MAX, plugin)).unwrap();
    Login::begin(&greeting, account, privacy, CapabilityFlags::empty()).unwrap()
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    Sha256::digest(parts.concat()).to_vec()
}

/// What caching_sha2_password sends first.
fn scramble(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let first = sha256(&[password]);
    let mask = sha256(&[&sha256(&[&first]), nonce]);
    first.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

#[test]
fn the_greeting_is_read() {
    let read = greeting(&greeting_of(u32::MAX, b"caching_sha2_password")).unwrap();
    assert_eq!(
        (&read.nonce, read.plugin.as_slice(), read.offers_tls()),
        (NONCE, &b"caching_sha2_password"[..], true)
    );
    let plain = greeting(&greeting_of(NEEDED.bits(), b"x")).unwrap();
    assert!(!plain.offers_tls());
}

#[test]
fn a_server_that_will_not_or_cannot_is_an_error() {
    assert!(
        matches!(greeting(b"\xFF\x10\x04Too many connections"), Err(LoginError::Refused(error)) if error.code == 1040)
    );
    assert!(matches!(greeting(&greeting_of(0, b"x")), Err(LoginError::Malformed(_))));
    let whole = greeting_of(u32::MAX, b"");
    for cut in 0..whole.len() - 2 {
        assert!(greeting(&whole[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn the_response_names_user_database_and_plugin() {
    let (_, payload) = begin(b"caching_sha2_password", account("secret"), Privacy::None);
    let behind = &payload[32..];
    let expected =
        [&b"ada\0\x20"[..], &scramble(b"secret", NONCE), b"mail\0caching_sha2_password\0"].concat();
    assert_eq!(behind, expected);
    assert_eq!(
        u32::from_le_bytes(payload[..4].try_into().unwrap()) & CapabilityFlags::CLIENT_SSL.bits(),
        0
    );
    let (_, over_tls) = begin(b"caching_sha2_password", account("secret"), Privacy::Tls);
    assert_ne!(
        u32::from_le_bytes(over_tls[..4].try_into().unwrap()) & CapabilityFlags::CLIENT_SSL.bits(),
        0
    );
}

#[test]
fn a_cached_password_needs_nothing_more() {
    let (mut login, _) = begin(b"caching_sha2_password", account("secret"), Privacy::None);
    assert!(login.answer(&[1, 3]).is_ok_and(|step| step == Step::Wait));
    assert!(login.answer(&[0, 0, 0, 2, 0, 0, 0]).is_ok_and(|step| step == Step::Done));
}

#[test]
fn a_password_goes_out_in_clear_text_only_where_nobody_listens() {
    for privacy in [Privacy::Tls, Privacy::Unix] {
        let (mut login, _) = begin(b"caching_sha2_password", account("secret"), privacy);
        assert!(login.answer(&[1, 4]).is_ok_and(|step| step == Step::Send(b"secret\0".to_vec())));
    }
    let (mut login, _) = begin(b"caching_sha2_password", account("secret"), Privacy::None);
    // It asks for the server's key instead.
    assert!(login.answer(&[1, 4]).is_ok_and(|step| step == Step::Send(vec![2])));
    let Ok(Step::Send(encrypted)) = login.answer(&[&[1], TEST_KEY.as_bytes()].concat()) else {
        panic!("nothing to send")
    };
    assert_eq!(encrypted.len(), 256);
}

#[test]
fn a_key_that_is_none_ends_the_login() {
    let (mut login, _) = begin(b"caching_sha2_password", account("secret"), Privacy::None);
    assert!(login.answer(&[1, 4]).is_ok());
    let error = login
        .answer(b"\x01-----BEGIN PUBLIC KEY-----\nMDA=\n-----END PUBLIC KEY-----\n")
        .err()
        .unwrap();
    assert_eq!(
        error,
        LoginError::Malformed(Malformed::Protocol("the server's public key cannot be used"))
    );
}

#[test]
fn another_plugin_gets_its_own_nonce() {
    let (mut login, _) = begin(b"mysql_native_password", account("secret"), Privacy::None);
    let other = b"ABCDEFGHIJKLMNOPQRST";
    let Ok(Step::Send(sent)) =
        login.answer(&[&b"\xFEcaching_sha2_password\0"[..], other, &[0]].concat())
    else {
        panic!("nothing to send")
    };
    assert_eq!(sent, scramble(b"secret", other));
}

#[test]
fn clear_text_and_old_passwords_must_be_allowed() {
    for (name, allow) in
        [("mysql_clear_password", 0), ("mysql_old_password", 1), ("mysql_native_password", 2)]
    {
        let mut account = account("secret");
        account.allow_native = false;
        let request = [&b"\xFE"[..], name.as_bytes(), b"\0", NONCE, &[0]].concat();
        let (mut login, _) = begin(b"caching_sha2_password", account.clone(), Privacy::None);
        assert_eq!(login.answer(&request).err(), Some(LoginError::Unsupported(name.into())));
        *[&mut account.allow_clear_text, &mut account.allow_old, &mut account.allow_native]
            [allow] = true;
        let (mut login, _) = begin(b"caching_sha2_password", account, Privacy::None);
        assert!(matches!(login.answer(&request), Ok(Step::Send(_))), "{name}");
    }
    let (mut login, _) = begin(b"mysql_native_password", account("secret"), Privacy::None);
    assert!(
        matches!(login.answer(b"\xFEauth_gssapi_client\0data"), Err(LoginError::Unsupported(name)) if name == "auth_gssapi_client")
    );
}

#[test]
fn an_empty_password_is_empty() {
    let (_, payload) = begin(b"mysql_native_password", account(""), Privacy::None);
    assert_eq!(payload[32..], b"ada\0\0mail\0mysql_native_password\0"[..]);
}

#[test]
fn a_refusal_is_the_servers_words() {
    let (mut login, _) = begin(b"mysql_native_password", account("secret"), Privacy::None);
    let error = login.answer(b"\xFF\x15\x04#28000Access denied for user 'ada'").err().unwrap();
    assert_eq!(error.to_string(), "Error 1045 (28000): Access denied for user 'ada'");
}

proptest! {
    #[test]
    fn nothing_a_server_sends_makes_it_panic(first in proptest::collection::vec(any::<u8>(), 0..100), packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..4)) {
        let _ = greeting(&first);
        for plugin in [&b"caching_sha2_password"[..], b"sha256_password", b"mysql_native_password", b"mysql_old_password"] {
            let (mut login, _) = begin(plugin, Account { allow_old: true, allow_clear_text: true, ..account("secret") }, Privacy::None);
            for packet in &packets {
                let _ = login.answer(packet);
            }
        }
    }
}

/// Of 2048 bits; its private half is gone.
const TEST_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0TlCjVELHJb1D6WhQzNt
bMGriXYOGTgkr8iG9orSiQDadV66zLyqhnMQT5kIUElXEfA+6cdtEJQgZwkggkeK
QtM/c0G13iYaoJaQTneops0ItLfmX9wnnY4qLLvfnkbBPKdpLk0gLNgj8eWWOY2N
+O2O4padp4hVOFghJpAV1QIyZw1+B00jiHE+Ppz3/1zUH8uc6I0NgD2+URK5jveC
XFEOK3R2VZdetxmtWpjN5NyXqWIHvTeMM8s3P8ym6QDayIJ2Y56y/H9rRXCrGWfe
P0Ejo28S+s/Szel/rHoh7lau6ggWxEz8n6dkGfxQ98L1dxuNHbeOKXtjOmdjaX+O
cwIDAQAB
-----END PUBLIC KEY-----
";
