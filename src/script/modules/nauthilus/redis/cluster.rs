//! Keys of a Redis script in a cluster: they must all belong to one slot.
//!
//! Keys that share a hash tag already do. Others get a common one, as the reference does
//! (`lua/modules/nauthilus_redis.md`): so in a cluster a script works on keys of its own.

use super::arguments::{Refused, each_member, member_text};
use crate::proto::resp::Commands;
use crate::script::ffi::Call;
use std::ffi::c_int;

/// The keys in the table at `at`, as words.
pub fn put_keys(call: &Call<'_>, at: c_int, out: &mut Commands) -> Result<(), Refused> {
    let mut keys = Vec::new();
    each_member(call, at, |call, at| {
        keys.push(member_text(call, at)?.into_owned());
        Ok(())
    })?;
    let have_one_tag = keys.iter().all(|key| {
        hash_tag(key).is_some_and(|tag| Some(tag) == keys.first().and_then(|first| hash_tag(first)))
    });
    for key in &keys {
        if have_one_tag { out.arg(key) } else { out.arg(&tagged(key)) }
    }
    Ok(())
}

/// What decides on the slot of a key that has braces: the text between the first `{` and the `}`
/// after it, unless it is empty.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let (_, rest) = split_once(key, b'{')?;
    let (tag, _) = split_once(rest, b'}')?;
    (!tag.is_empty()).then_some(tag)
}

/// The key with our tag: in place of its own, or in front.
fn tagged(key: &[u8]) -> Vec<u8> {
    if hash_tag(key).is_some()
        && let Some((before, rest)) = split_once(key, b'{')
        && let Some((_, after)) = split_once(rest, b'}')
    {
        return [before, b"{", TAG, b"}", after].concat();
    }
    [b"{", TAG, b"}:", key].concat()
}

fn split_once(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

const TAG: &[u8] = b"lua-nauthilus";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_tags() {
        for (key, tag) in [
            ("a{b}c", Some("b")),
            ("{b}", Some("b")),
            ("a{}c{d}", None),
            ("a{b", None),
            ("a}b{", None),
            ("", None),
        ] {
            assert_eq!(hash_tag(key.as_bytes()), tag.map(str::as_bytes), "{key}");
        }
    }

    #[test]
    fn a_tag_is_put_in_front_or_replaced() {
        for (key, expected) in [
            ("k", "{lua-nauthilus}:k"),
            ("a{b}c", "a{lua-nauthilus}c"),
            ("a{}c", "{lua-nauthilus}:a{}c"),
        ] {
            assert_eq!(tagged(key.as_bytes()), expected.as_bytes());
        }
    }
}
