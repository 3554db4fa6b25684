//! Percent escapes, queries and forms.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::http::{form_pairs, nginx_decode, percent_decode, query_param};

fuzz_target!(|input: &[u8]| {
    match percent_decode(input) {
        Ok(decoded) => {
            assert!(decoded.len() <= input.len());
            assert_eq!(nginx_decode(input), decoded);
        }
        Err(_) => assert_eq!(nginx_decode(input), input),
    }
    let escaped: String = input.iter().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(percent_decode(escaped.as_bytes()).as_deref(), Ok(input));

    let pairs: Vec<_> = form_pairs(input).collect();
    for (name, _) in &pairs {
        let first = pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        assert_eq!(query_param(input, name).as_ref(), first);
    }
});
