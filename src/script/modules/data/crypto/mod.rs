//! `crypto`, also `glua_crypto`: digests, Base64 and ciphers, the functions of both modules that
//! scripts know by these names.
//!
//! The older ones (digests, `hmac`, `base64_*`, `encrypt`, `decrypt`) never raise: an argument that
//! is no text counts as the empty one. The younger ones (`aes_*`) are strict. Every failure of a
//! cipher is `nil, message`, where the reference sometimes raises. Rules: `lua/modules/crypto.md`.
//! Time grows with the text; texts are bounded by the state's memory.

mod cipher;

use crate::script::base64::{Codec, STANDARD, URL};
use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::script::modules::Module;
use crate::script::modules::data::hex::from_hex;
use cipher::{Direction, Mode};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use std::borrow::Cow;

pub static MODULE: Module = Module {
    names: &["crypto", "glua_crypto"],
    functions: &[
        Function { name: "md5", body: digest::<Md5> },
        Function { name: "sha1", body: digest::<Sha1> },
        Function { name: "sha256", body: digest::<Sha256> },
        Function { name: "sha512", body: digest::<Sha512> },
        Function { name: "crc32", body: crc32 },
        Function { name: "hmac", body: hmac },
        Function { name: "base64_encode", body: |call| base64_encode(call, &STANDARD) },
        Function { name: "base64_decode", body: |call| base64_decode(call, &STANDARD) },
        Function { name: "base64_url_encode", body: |call| base64_encode(call, &URL) },
        Function { name: "base64_url_decode", body: |call| base64_decode(call, &URL) },
        Function { name: "encrypt", body: encrypt },
        Function { name: "decrypt", body: decrypt },
        Function { name: "aes_encrypt", body: |call| aes(call, Direction::Encrypt) },
        Function { name: "aes_decrypt", body: |call| aes(call, Direction::Decrypt) },
        Function { name: "aes_encrypt_hex", body: |call| aes_hex(call, Direction::Encrypt) },
        Function { name: "aes_decrypt_hex", body: |call| aes_hex(call, Direction::Decrypt) },
    ],
    waiting: &[],
    setup: Some(&CONSTANTS),
    lua: None,
};

static CONSTANTS: Function = Function {
    name: "crypto",
    body: |call| {
        for name in ["GCM", "CBC", "CTR"] {
            call.push_string(name.as_bytes());
            call.set_field(1, name);
        }
        call.push_number(RAW_DATA as f64);
        call.set_field(1, "RAW_DATA");
        call.push_number(2.0);
        call.set_field(1, "ZERO_PADDING");
        call.push_string(b"0.0.0");
        call.set_field(1, "_VERSION");
        call.push_bool(false);
        call.set_field(1, "_DEBUG");
        Ok(0)
    },
};

/// A text as the older functions take it.
fn lenient<'a>(call: &'a Call<'_>, at: i32) -> Cow<'a, [u8]> {
    call.string(at).unwrap_or_default()
}

/// Pushes bytes: as they are, or as lower-case hexadecimal.
fn push_bytes(call: &Call<'_>, bytes: &[u8], raw: bool) -> i32 {
    if raw {
        call.push_string(bytes);
    } else {
        call.push_string(hex::encode(bytes).as_bytes());
    }
    1
}

/// `md5(text[, raw])` and so on.
fn digest<D: Digest>(call: &Call<'_>) -> Result<i32, Fault> {
    Ok(push_bytes(call, &D::digest(lenient(call, 1)), call.truthy(2)))
}

/// `crc32(text[, raw])`: of IEEE.
fn crc32(call: &Call<'_>) -> Result<i32, Fault> {
    Ok(push_bytes(call, &crc32fast::hash(&lenient(call, 1)).to_be_bytes(), call.truthy(2)))
}

/// `hmac(algorithm, text, key[, raw])`
fn hmac(call: &Call<'_>) -> Result<i32, Fault> {
    let (text, key) = (lenient(call, 2), lenient(call, 3));
    let bytes = match &*lenient(call, 1) {
        b"md5" => authenticate::<Hmac<Md5>>(&text, &key),
        b"sha1" => authenticate::<Hmac<Sha1>>(&text, &key),
        b"sha256" => authenticate::<Hmac<Sha256>>(&text, &key),
        b"sha512" => authenticate::<Hmac<Sha512>>(&text, &key),
        _ => None,
    };
    match bytes {
        Some(bytes) => Ok(push_bytes(call, &bytes, call.truthy(4))),
        None => Ok(call.nil_and("unsupported algorithm")),
    }
}

/// A code over `text`; keys of any length will do.
fn authenticate<M: Mac + KeyInit>(text: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mac = <M as KeyInit>::new_from_slice(key).ok()?;
    Some(mac.chain_update(text).finalize().into_bytes().to_vec())
}

fn base64_encode(call: &Call<'_>, codec: &Codec) -> Result<i32, Fault> {
    call.push_string(&codec.encode(&lenient(call, 1)));
    Ok(1)
}

fn base64_decode(call: &Call<'_>, codec: &Codec) -> Result<i32, Fault> {
    Ok(push_outcome(call, codec.decode(&lenient(call, 1)), true))
}

/// Bytes, or nil and why there are none.
fn push_outcome(
    call: &Call<'_>,
    outcome: Result<Vec<u8>, impl std::fmt::Display>,
    raw: bool,
) -> i32 {
    match outcome {
        Ok(bytes) => push_bytes(call, &bytes, raw),
        Err(error) => call.nil_and(error.to_string()),
    }
}

/// `encrypt(text, method, key[, options[, iv]])` → hexadecimal, or bytes.
fn encrypt(call: &Call<'_>) -> Result<i32, Fault> {
    let (key, iv) = (lenient(call, 3), lenient(call, 5));
    let outcome = cipher::encrypt(&lenient(call, 2), &key, &iv, &lenient(call, 1));
    Ok(push_outcome(call, outcome, wants_raw(call)))
}

/// `decrypt(text, method, key[, options[, iv]])` → bytes; the text is hexadecimal, or bytes.
fn decrypt(call: &Call<'_>) -> Result<i32, Fault> {
    let (text, key, iv) = (lenient(call, 1), lenient(call, 3), lenient(call, 5));
    let text = if wants_raw(call) {
        text
    } else {
        match from_hex(&text) {
            Ok(bytes) => bytes.into(),
            Err(error) => return Ok(call.nil_and(error)),
        }
    };
    Ok(push_outcome(call, cipher::decrypt(&lenient(call, 2), &key, &iv, &text), true))
}

fn wants_raw(call: &Call<'_>) -> bool {
    call.kind(4) == Kind::Number && call.raw_number(4) as i64 & RAW_DATA != 0
}

/// `aes_encrypt(mode, key, iv, data)`, `aes_decrypt(…)`: bytes in and out.
fn aes(call: &Call<'_>, direction: Direction) -> Result<i32, Fault> {
    let (name, key, iv, data) = (call.text(1)?, call.string(2)?, call.string(3)?, call.string(4)?);
    let mode = Mode::named(&name).ok_or_else(|| Fault::Message(format!("invalid mode: {name}")))?;
    Ok(push_aes(call, cipher::aes(mode, direction, &key, &iv, &data), direction, true))
}

/// `aes_encrypt_hex(mode, key, iv, data)`, `aes_decrypt_hex(…)`: hexadecimal in and out.
fn aes_hex(call: &Call<'_>, direction: Direction) -> Result<i32, Fault> {
    let name = call.text(1)?;
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for (at, part) in (2..).zip(&mut parts) {
        match from_hex(&call.string(at)?) {
            Ok(bytes) => *part = bytes,
            Err(error) => return Ok(call.nil_and(format!("failed to decode params: {error}"))),
        }
    }
    let Some(mode) = Mode::named(&name) else {
        return Ok(call.nil_and(format!("failed to decode params: invalid mode: {name}")));
    };
    let [key, iv, data] = &parts;
    Ok(push_aes(call, cipher::aes(mode, direction, key, iv, data), direction, false))
}

fn push_aes(
    call: &Call<'_>,
    outcome: Result<Vec<u8>, cipher::Error>,
    direction: Direction,
    raw: bool,
) -> i32 {
    let attempt = match direction {
        Direction::Encrypt => "encrypt",
        Direction::Decrypt => "decrypt",
    };
    push_outcome(call, outcome.map_err(|error| format!("failed to {attempt}: {error}")), raw)
}

/// The option that stands for bytes in place of hexadecimal.
const RAW_DATA: i64 = 1;

#[cfg(test)]
mod tests;
