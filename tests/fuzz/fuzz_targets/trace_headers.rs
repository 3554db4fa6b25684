//! Headers that tell of a trace: what is read is written and read again; baggage too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::trace::propagation::{Propagator, parse_baggage};
use std::collections::HashMap;

fuzz_target!(|text: &str| {
    for (_, propagator) in Propagator::ALL {
        let Some(place) = propagator.extract(|_| Some(text)) else { continue };
        let mut headers = HashMap::new();
        propagator.inject(Some(place), &[], |name, value| {
            headers.insert(name.to_owned(), value);
        });
        assert_eq!(propagator.extract(|name| headers.get(name).map(String::as_str)), Some(place));
    }
    let baggage = parse_baggage(text);
    let mut again = Vec::new();
    Propagator::Baggage.inject(None, &baggage, |_, value| again = parse_baggage(&value));
    // Written it may be longer, and lose entries at its end.
    assert!(baggage.starts_with(&again));
});
