//! The schemes as a whole: the specification's vectors, what is known and what is not, and that nothing panics.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

#[test]
fn the_specification_vectors_match() {
    let vectors = [
        ("$1$deadbeef$Q7g0UO4hRC0mgQUQ/qkjZ0", "password"),
        ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"),
        ("$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo", "password"),
        ("{SSHA256}YHwWAhvYSecp3KMnWk68BDFr3xsXX9GS62TGo7+BLF5hYmNkZWZnaA==", "secret"),
        ("{SSHA512}ytFH9I94cCMEuw3MMIIYlWHg5tW7mxuNqsMin6bOQdsAyNAZaBWPv4ZEzVYJZDGlh9hW/r21q/6wnzthF/SVrWFiY2RlZmdo", "secret"),
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
fn unknown_schemes_say_so_and_no_more() {
    for stored in [
        "",
        "pw",
        "$",
        "$$",
        "$7$salt$hash",
        "$y$j9T$salt$hash",
        "$2x$05$ZxVMRH0Dp0nYwQgoL5njQu7MHmy1HPCafRwRJs3e4BfLdmW5yqyMy",
        "{plain}pw",
        "{ssha256}YWJj",
        "{CRYPT}abJnggxhB/yWI",
        "{CRYPT}*",
        "{SHA512-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "{ARGON2I}$argon2id$v=19$m=64,t=2,p=1$a2l0c2FsdGtpdHNhbHQ$DG+VeTTvt2MkqUdyL7WBBeNnyrqf5wC7nRZKuZzbnS8",
        "{SCRAM-SHA-256}4096,x,y,z",
        "{",
        "{}",
        "{PLAIN",
    ] {
        let error = verify(stored.as_bytes(), b"pw").unwrap_err();
        assert_eq!(error.to_string(), "no registered algorithm for settings []", "{stored}");
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
        ("{SSHA224}YWJj", "unsupported hash algorithm"),
    ] {
        assert_eq!(verify(stored.as_bytes(), b"pw").unwrap_err().to_string(), text, "{stored}");
    }
}

#[test]
fn only_single_digests_are_inline() {
    for stored in ["{SHA}", "{SSHA512.HEX}", "{PLAIN}", "{CLEARTEXT}", "nonsense"] {
        assert_eq!(cost(stored.as_bytes()), Cost::Inline, "{stored}");
    }
    for stored in
        ["$1$", "$5$", "$6$", "$2y$", "$argon2id$", "$pbkdf2-sha256$", "{CRYPT}$6$", "{BLF-CRYPT}$2y$", "{PBKDF2}$1$", "{PBKDF2-SHA512}"]
    {
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
    let digest = "\\{S?SHA(1|256|384|512)?(\\.B64|\\.HEX)?\\}[a-f0-9+/=\n]{0,140}";
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
            b"{SSHA256}kdNkeplnWTVMLwOqYwDr7yESu//hjLBNIQUdfFAlG41raXRzYWx0MQ==",
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
