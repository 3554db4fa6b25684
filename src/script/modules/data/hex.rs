//! `hex`: bytes as hexadecimal digits and back.
//!
//! Encoders and decoders over writers and readers are the Lua half's. Rules: `lua/modules/hex.md`.

use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use crate::script::modules::support::streams;

pub static MODULE: Module = Module {
    names: &["hex"],
    functions: &[
        Function { name: "encode_to_string", body: encode },
        Function { name: "decode_string", body: decode },
        streams::WRITE,
    ],
    waiting: &[],
    setup: None,
    lua: Some(concat!(
        include_str!("../../../../lua/host/streams.lua"),
        include_str!("../../../../lua/host/hex.lua")
    )),
};

/// `encode_to_string(bytes)` → text, in lower case.
fn encode(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_string(hex::encode(call.string(1)?).as_bytes());
    Ok(1)
}

/// `decode_string(text)` → bytes; digits in either case.
fn decode(call: &Call<'_>) -> Result<i32, Fault> {
    match from_hex(&call.string(1)?) {
        Ok(bytes) => call.push_string(&bytes),
        Err(error) => return Ok(call.nil_and(error)),
    }
    Ok(1)
}

/// # Errors
/// What the reference says: the first wrong byte counts for more than a missing one.
pub fn from_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    if let Some(byte) = text.iter().find(|byte| !byte.is_ascii_hexdigit()) {
        let shown = char::from(*byte);
        let quoted = if shown.is_control() { String::new() } else { format!(" '{shown}'") };
        return Err(format!("encoding/hex: invalid byte: U+{byte:04X}{quoted}"));
    }
    hex::decode(text).map_err(|_| "encoding/hex: odd length hex string".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::eval;
    use crate::value::Value;
    use proptest::prelude::*;

    fn run(source: &str) -> Result<Value, String> {
        eval(&format!("local hex, strings = require('hex'), require('strings') {source}"))
    }

    #[test]
    fn text_is_encoded_and_decoded() {
        assert_eq!(run(r"return hex.encode_to_string('\0\255a')"), Ok(Value::string("00ff61")));
        assert_eq!(run("return hex.decode_string('4A6b')"), Ok(Value::string("Jk")));
        assert_eq!(run("return hex.decode_string(41)"), Ok(Value::string("A")));
        for (text, error) in [
            ("'0g'", "encoding/hex: invalid byte: U+0067 'g'"),
            ("'abc'", "encoding/hex: odd length hex string"),
            ("'a\\n'", "encoding/hex: invalid byte: U+000A"),
        ] {
            assert_eq!(
                run(&format!("return select(2, hex.decode_string({text}))")),
                Ok(Value::string(error))
            );
        }
        assert!(
            run("hex.decode_string({})")
                .unwrap_err()
                .contains("bad argument #1 to decode_string (string expected, got table)")
        );
    }

    #[test]
    fn new_encoder_writes_digits() {
        let source = "local out = strings.new_builder() local e = hex.new_encoder(out) e:write('Jk', 1) e:close() return out:string()";
        assert_eq!(run(source), Ok(Value::string("4a6b31")));
        assert!(run("hex.new_encoder(5)").unwrap_err().contains("bad argument #1 to new_encoder"));
    }

    #[test]
    fn new_decoder_reads_digits_however_they_are_cut() {
        let source = "local parts, at = { '4', 'a6', 'b3', '10', 'a' }, 0
            local r = hex.new_decoder({ read = function() at = at + 1 return parts[at] end })
            return r:read() .. r:read('*a') .. tostring(r:read())";
        assert_eq!(run(source), Ok(Value::string("Jk1nil")));
        for (text, error) in [("zz", "invalid byte: U+007A 'z'"), ("abc", "odd length")] {
            assert!(
                run(&format!("hex.new_decoder(strings.new_reader('{text}')):read('*a')"))
                    .unwrap_err()
                    .contains(error)
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(from_hex(hex::encode_upper(&bytes).as_bytes()), Ok(bytes));
        }

        #[test]
        fn no_text_upsets_the_decoder(text: Vec<u8>) {
            prop_assert_eq!(from_hex(&text).is_ok(), text.len() % 2 == 0 && text.iter().all(u8::is_ascii_hexdigit));
        }
    }
}
