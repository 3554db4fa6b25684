//! YAML documents for scripts: what decodes is encoded and decodes to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::modules::data::yaml::{Documents, encode_value};
use loligo::value::Value;

fuzz_target!(|text: &[u8]| {
    let Ok(documents) = Documents::of(text, false) else { return };
    for document in documents {
        let Ok(value) = document else { return };
        if survives(&value) {
            let text = encode_value(&value);
            let again = Documents::of(text.as_bytes(), true).ok().and_then(|mut documents| documents.next());
            assert!(matches!(&again, Some(Ok(again)) if same(again, &value)), "{value:?}\n{text}\n{again:?}");
        }
    }
});

/// An empty map is written like an empty list, and NaN is not itself.
fn survives(value: &Value) -> bool {
    match value {
        Value::Number(n) => !n.is_nan(),
        Value::List(members) => members.iter().all(survives),
        Value::Map(pairs) => !pairs.is_empty() && pairs.iter().all(|(key, value)| survives(key) && survives(value)),
        _ => true,
    }
}

/// Equal, in any order of keys.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::List(one), Value::List(other)) => one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b)),
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.iter().any(|(k, v)| k == key && same(v, value)))
        }
        _ => one == other,
    }
}
