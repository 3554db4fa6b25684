//! The schemes as a whole: the specification's vectors, what is known and what is not, and that
//! nothing panics.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

#[test]
fn the_specification_vectors_match() {
    let vectors = [
        ("$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0", "password"),
        ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"),
        (
            "$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo",
            "password",
        ),
        ("{SSHA256}YHwWAhvYSecp3KMnWk68BDFr3xsXX9GS62TGo7+BLF5hYmNkZWZnaA==", "secret"),
        (
            "{SSHA512}ytFH9I94cCMEuw3MMIIYlWHg5tW7mxuNqsMin6bOQdsAyNAZaBWPv4ZEzVYJZDGlh9hW/r21q/6wnzthF/SVrWFiY2RlZmdo",
            "secret",
        ),
    ];
    for (stored, plain) in vectors {
        assert_eq!(verify(stored.as_bytes(), plain.as_bytes()), Ok(true), "{stored}");
    }
}

#[test]
fn plain_text_is_compared_as_it_stands() {
    assert_eq!(verify(b"{PLAIN}pw", b"pw"), Ok(true));
    assert_eq!(verify(b"{CLEARTEXT}{PLAIN}", b"{PLAIN}"), Ok(true));
    assert_eq!(verify(b"{PLAIN}pw", b"pw "), Ok(false));
    assert_eq!(verify(b"{PLAIN}", b""), Ok(false));
}

#[test]
fn unknown_schemes_are_errors_at_once() {
    for stored in [
        "",
        "pw",
        "$",
        "$$",
        "$7$salt$hash",
        "$2x$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy",
        "{CRYPT}*",
        "{DES-CRYPT}$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0",
        "{SSHA224}YWJj",
        "{SSHA256.B32}YWJj",
        "{SSHA256",
        "{NTLM}0123",
        "{SHA512-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "{ARGON2I}$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8",
        "{SCRAM-SHA-256}4096,x,y,z",
        "{",
        "{}",
        "{PLAIN",
    ] {
        let error = verify(stored.as_bytes(), b"pw").unwrap_err();
        assert!(
            error.to_string().starts_with("no registered algorithm for settings []: "),
            "{stored}"
        );
        assert_eq!(cost(stored.as_bytes()), Cost::Inline, "{stored}");
    }
}

#[test]
fn error_texts_are_those_scripts_know() {
    for (stored, text) in [
        ("{SSHA256}!!", "illegal base64 data at input byte 0"),
        ("{SSHA256.HEX}zz", "encoding/hex: invalid byte: U+007A 'z'"),
        ("{SSHA256.HEX}abc", "encoding/hex: odd length hex string"),
        ("{SSHA256}YWJj", "unsupported hash algorithm"),
    ] {
        assert_eq!(verify(stored.as_bytes(), b"pw").unwrap_err().to_string(), text, "{stored}");
    }
}

#[test]
fn an_unknown_scheme_names_itself_and_the_known_ones() {
    let no_name = "the stored value names no scheme";
    for (stored, name) in [
        ("{NTLM}0123", "{NTLM}"),
        ("{scram-sha-256}4096,x,y,z", "{scram-sha-256}"),
        ("$7$salt$hash", "$7$"),
        ("{CRYPT}*", "{CRYPT}"),
        // What may be a password that is stored as it stands is not repeated.
        ("secret", no_name),
        ("$ecret", no_name),
        ("$ecret$", no_name),
        ("{secret", no_name),
        ("{sec ret}", no_name),
        ("{secret-that-is-longer-than-any-name}", no_name),
        ("", no_name),
    ] {
        let text = verify(stored.as_bytes(), b"pw").unwrap_err().to_string();
        let (named, known) = text.split_once("; known are ").unwrap();
        assert!(named.ends_with(name) && !known.contains("NTLM"), "{stored}: {text}");
        assert!(stored.is_empty() || name != no_name || !text.contains(stored), "{text}");
    }
    // Every word of the list is known.
    for word in KNOWN
        .split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .filter(|word| word.starts_with('{'))
    {
        assert!(Named::parse(word.as_bytes()).is_ok(), "{word}");
        assert!(
            Named::parse(word.to_lowercase().replace('}', ".b64}").as_bytes()).is_ok(),
            "{word}"
        );
    }
}

#[test]
fn words_and_their_suffixes_have_no_case() {
    let encoded =
        |text: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD_NO_PAD, text);
    let bcrypt = "$2y$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy";
    let argon2 = "$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8";
    for (stored, plain) in [
        // Dovecot's documentation.
        ("{SSHA.b64}986H5cS9JcDYQeJd6wKaITMho4M9CrXM".to_owned(), "pass"),
        ("{SSHA.base64}986H5cS9JcDYQeJd6wKaITMho4M9CrXM".to_owned(), "pass"),
        ("{plain}pw".to_owned(), "pw"),
        ("{Clear}pw".to_owned(), "pw"),
        ("{plain.b64}cHc".to_owned(), "pw"),
        ("{CLEARTEXT.hex}7077".to_owned(), "pw"),
        ("{md5}$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0".to_owned(), "password"),
        ("{Md5-Crypt}$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0".to_owned(), "password"),
        (format!("{{crypt.b64}}{}", encoded("$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0")), "password"),
        (format!("{{md5.base64}}{}", encoded("$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0")), "password"),
        (format!("{{blf-crypt}}{bcrypt}"), "correct horse"),
        (format!("{{BLF-CRYPT.hex}}{}", hex::encode(bcrypt)), "correct horse"),
        (format!("{{ARGON2}}{argon2}"), "correct horse"),
        (format!("{{argon2id.B64}}{}", encoded(argon2)), "correct horse"),
        (
            "{pbkdf2}$1$kitsalt1$1000$20abd54df763e335a76026d9df67f316600b166a".to_owned(),
            "correct horse",
        ),
    ] {
        assert_eq!(verify(stored.as_bytes(), plain.as_bytes()), Ok(true), "{stored}");
        assert_eq!(verify(stored.as_bytes(), b"other"), Ok(false), "{stored}");
    }
}

#[test]
fn only_single_digests_are_inline() {
    for stored in [
        "{SHA}",
        "{SSHA512.HEX}",
        "{PLAIN}",
        "{CLEARTEXT}",
        "{plain.b64}",
        "{MD5}x",
        "{SMD5}",
        "{sha.hex}",
        "nonsense",
    ] {
        assert_eq!(cost(stored.as_bytes()), Cost::Inline, "{stored}");
    }
    for stored in [
        "$1$",
        "$5$",
        "$6$",
        "$2y$",
        "$argon2id$",
        "$pbkdf2-sha256$",
        "{CRYPT}$6$",
        "{BLF-CRYPT}$2y$",
        "{PBKDF2}$1$",
        "{PBKDF2-SHA512}",
        "$y$",
        "{crypt}abJnggxhB/yWI",
        "{MD5}$1$",
        "{crypt.b64}JDYk",
        "{des-crypt}abJnggxhB/yWI",
    ] {
        assert_eq!(cost(stored.as_bytes()), Cost::Slow, "{stored}");
    }
}

#[test]
fn history_hashes_are_those_of_the_specification() {
    assert_eq!(&history_hash(b"5yBOr5PKa8UQq8iXF44ceFWaWW3vO15W", b"secret"), b"be0377cb");
    assert_eq!(&history_hash(b"0123456789abcdef0123456789abcdef", b"secret"), b"8f73ed4a");
    assert_eq!(&history_hash(b"", b"secret"), b"7c8cc910");
}

/// Stored values with the shape of real ones, and settings small enough to be tried by the hundred.
fn stored() -> impl Strategy<Value = Vec<u8>> {
    let digest = "\\{(S?SHA(1|256|384|512)?|S?MD5|PLAIN-MD5|plain|Crypt)(\\.B64|\\.hex)?\\}[a-f0-9+/=\n]{0,140}";
    let crypt = "(\\{CRYPT\\})?\\$[156]\\$(rounds=[0-9]{0,4}\\$)?[ -~]{0,20}\\$?[ -~]{0,90}";
    let bcrypt = "\\$2[aby]\\$0[0-4]\\$[./A-Za-z0-9]{50,55}";
    let argon2 = "\\$argon2(i|d|id)\\$(v=(16|19|20)\\$)?m=[0-9]{1,3},t=[0-3](,p=[0-9]{1,2})?\\$[A-Za-z0-9+/=]{0,30}\\$[A-Za-z0-9+/=]{0,50}";
    let pbkdf2 = "(\\$pbkdf2-sha(256|512)\\$|\\{PBKDF2(-SHA256)?\\}(\\$1\\$)?)[0-9]{0,3}\\$[A-Za-z0-9./]{0,20}\\$[a-f0-9./]{0,180}";
    prop_oneof![
        select(vec![digest, crypt, bcrypt, argon2, pbkdf2, "\\{[A-Z0-9.-]{0,12}\\}?\\PC*"])
            .prop_flat_map(|pattern| proptest::string::string_regex(pattern).unwrap())
            .prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..80),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics(stored in stored(), plain in proptest::collection::vec(any::<u8>(), 0..100)) {
        let first = verify(&stored, &plain);
        prop_assert_eq!(first, verify(&stored, &plain));
        if first.is_err() {
            prop_assert_eq!(first, verify(&stored, b""));
        }
    }

    #[test]
    fn a_cut_hash_never_matches(index in 0_usize..6, cut in 1_usize..60) {
        let whole: [&[u8]; 6] = [
            b"{SSHA256}kdNkeplnWTVMLwOqYwDr7yESu//hjLBNIQUdfFAlG41raXRzYWx0MQ",
            b"$1$kitsalt1$4DyR.6sAzORfnG7xketkL/",
            b"$5$rounds=1000$a$q29MuptkDKeCD0C/Ugd36TP5BvLNAsYMh9FCDX7KAI3",
            b"$2b$04$ZxVMRH0Dp0nYwQgoL5njQulWguNCZmcjkXaX3J4XChLYoOLOJ1ghW",
            b"$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8",
            b"$pbkdf2-sha256$1000$a2l0c2FsdDE$iRqEhQwrUHWFj09AkMk367vTUS5/a.n9eE71x/Vah/8",
        ];
        let stored = &whole[index][..whole[index].len().saturating_sub(cut)];
        let plain = if index == 3 { "grüße ☃".as_bytes() } else { b"correct horse" };
        prop_assert_ne!(verify(stored, plain), Ok(true));
    }
}
