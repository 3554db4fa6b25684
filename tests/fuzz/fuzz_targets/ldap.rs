//! LDAP messages of a server, and search filters of a script.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::ldap::{compose_filter, message_length, parse};

fuzz_target!(|input: &[u8]| {
    if let Ok(Some(length)) = message_length(input) {
        assert!(length <= input.len());
        assert_eq!(message_length(&input[..length - 1]), Ok(None));
        // What lies behind a message does not matter.
        assert_eq!(parse(&input[..length]), parse(input));
    }

    if let Ok(filter) = compose_filter(input) {
        // One element, which the server can tell the end of.
        let message = [&[0x30][..], &filter[1..]].concat();
        if let Ok(length) = message_length(&message) {
            assert_eq!(length, Some(filter.len()));
        }
        // Line ends do not count.
        let folded: Vec<u8> = input.iter().flat_map(|byte| [*byte, b'\n']).collect();
        assert_eq!(compose_filter(&folded).as_ref(), Ok(&filter));
    }
});
