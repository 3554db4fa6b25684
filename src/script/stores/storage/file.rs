//! The form in which a store lies on disk: `{"data":{"key":{"value":"<base64 of
//! JSON>","max_valid_at":<Unix nanoseconds>}}}`.
//!
//! Rules: `lua/modules/storage.md`. Keys are JSON texts, so bytes of a key that are no UTF-8 come
//! back as U+FFFD.

use crate::script::base64::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One value and how long it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// JSON.
    pub value: Arc<[u8]>,
    /// Unix nanoseconds.
    pub valid_until: i64,
}

/// What a store holds, by key.
pub type Entries = BTreeMap<Vec<u8>, Entry>;

/// Why a file is none of ours.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("entry {key:?}: {error}")]
    Value { key: String, error: String },
}

#[derive(Serialize, Deserialize)]
struct Whole {
    #[serde(default)]
    data: BTreeMap<String, Stored>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    value: String,
    max_valid_at: i64,
}

/// # Errors
/// [`Broken`]: no JSON, of another form, or with a value that is no Base64.
pub fn parse(bytes: &[u8]) -> Result<Entries, Broken> {
    let whole: Whole = serde_json::from_slice(bytes)?;
    let entry = |(key, stored): (String, Stored)| match STANDARD.decode(stored.value.as_bytes()) {
        Ok(value) => {
            Ok((key.into_bytes(), Entry { value: value.into(), valid_until: stored.max_valid_at }))
        }
        Err(error) => Err(Broken::Value { key, error: error.to_string() }),
    };
    whole.data.into_iter().map(entry).collect()
}

/// # Errors
/// None that is known: texts and numbers can always be written.
pub fn text(entries: &Entries) -> Result<Vec<u8>, serde_json::Error> {
    let stored = |(key, entry): (&Vec<u8>, &Entry)| {
        let value = String::from_utf8_lossy(&STANDARD.encode(&entry.value)).into_owned();
        (
            String::from_utf8_lossy(key).into_owned(),
            Stored { value, max_valid_at: entry.valid_until },
        )
    };
    serde_json::to_vec(&Whole { data: entries.iter().map(stored).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_of_the_reference_is_read() {
        let entries =
            parse(br#"{"data":{"k":{"value":"eyJhIjoxfQ==","max_valid_at":1700000000000000000}}}"#)
                .unwrap();
        let entry = entries.get(&b"k"[..]).unwrap();
        assert_eq!(
            (&*entry.value, entry.valid_until),
            (&br#"{"a":1}"#[..], 1_700_000_000_000_000_000)
        );
        assert_eq!(parse(b"{}").unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_store_is_refused() {
        for (text, error) in [
            ("", "EOF while parsing"),
            ("[1]", "invalid type"),
            (r#"{"data":{"k":1}}"#, "invalid type"),
            (
                r#"{"data":{"k":{"value":"*","max_valid_at":1}}}"#,
                "entry \"k\": illegal base64 data at input byte 0",
            ),
        ] {
            let broken = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(broken.contains(error), "{text}: {broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(entries in proptest::collection::btree_map(".{0,8}", (any::<Vec<u8>>(), any::<i64>()), 0..6)) {
            let entry = |(key, (value, valid_until)): (String, (Vec<u8>, i64))| (key.into_bytes(), Entry { value: value.into(), valid_until });
            let entries: Entries = entries.into_iter().map(entry).collect();
            prop_assert_eq!(parse(&text(&entries).unwrap()).unwrap(), entries);
        }
    }
}
