//! `base64`: the four usual encodings, encodings with an alphabet of one's own, and streams through
//! them.
//!
//! An encoding is an object with two methods; the streams are the Lua half's. Rules:
//! `lua/modules/base64.md`.

use crate::script::base64::{Codec, RAW_STANDARD, RAW_URL, STANDARD, URL};
use crate::script::ffi::{Call, Fault, Function};
use crate::script::modules::Module;
use crate::script::modules::support::streams;

pub static MODULE: Module = Module {
    names: &["base64"],
    functions: &[Function { name: "new_encoding", body: new_encoding }, streams::WRITE],
    waiting: &[],
    setup: Some(&SETUP),
    lua: Some(concat!(
        include_str!("../../../../../lua/host/streams.lua"),
        include_str!("../../../../../lua/host/base64.lua")
    )),
};

static SETUP: Function = Function {
    name: "base64",
    body: |call| {
        call.register_type::<Codec>(METHODS);
        for (name, codec) in [
            ("StdEncoding", &STANDARD),
            ("URLEncoding", &URL),
            ("RawStdEncoding", &RAW_STANDARD),
            ("RawURLEncoding", &RAW_URL),
        ] {
            call.push_userdata(codec.clone())?;
            call.set_field(1, name);
        }
        Ok(0)
    },
};

static METHODS: &[Function] = &[
    Function { name: "encode_to_string", body: encode_to_string },
    Function { name: "decode_string", body: decode_string },
];

fn this<'a>(call: &'a Call<'_>) -> Result<&'a Codec, Fault> {
    call.userdata::<Codec>(1).ok_or_else(|| Fault::Argument(1, "base64 encoding expected".into()))
}

fn encode_to_string(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_string(&this(call)?.encode(&call.string(2)?));
    Ok(1)
}

fn decode_string(call: &Call<'_>) -> Result<i32, Fault> {
    match this(call)?.decode(&call.string(2)?) {
        Ok(bytes) => {
            call.push_string(&bytes);
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error.to_string())),
    }
}

/// `new_encoding(alphabet)` → an encoding with padding.
fn new_encoding(call: &Call<'_>) -> Result<i32, Fault> {
    let alphabet = call.string(1)?;
    let codec =
        Codec::with_alphabet(&alphabet).map_err(|error| Fault::Argument(1, error.to_string()))?;
    call.push_userdata(codec)?;
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    fn text(source: &str) -> String {
        match eval(&format!("local b = require('base64') {source}")) {
            Ok(Value::String(text)) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn encode_to_string_has_four_forms() {
        let source = r#"return b.StdEncoding:encode_to_string("a?>~") .. " " .. b.URLEncoding:encode_to_string("a?>~")
            .. " " .. b.RawStdEncoding:encode_to_string("a?>~") .. " " .. b.RawURLEncoding:encode_to_string("a?>~")"#;
        assert_eq!(text(source), "YT8+fg== YT8-fg== YT8+fg YT8-fg");
    }

    #[test]
    fn decode_string_gives_bytes_or_an_error() {
        assert_eq!(text(r#"return b.StdEncoding:decode_string("YT8+\r\nfg==")"#), "a?>~");
        assert_eq!(
            text(r#"return select(2, b.StdEncoding:decode_string("YQ"))"#),
            "illegal base64 data at input byte 0"
        );
    }

    #[test]
    fn a_number_is_taken_as_its_text() {
        assert_eq!(text("return b.StdEncoding:encode_to_string(12)"), "MTI=");
        assert!(
            eval("require('base64').StdEncoding:encode_to_string(nil)")
                .unwrap_err()
                .contains("bad argument #2 to encode_to_string")
        );
    }

    #[test]
    fn new_encoding_takes_an_alphabet() {
        let alphabet = r#"("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")"#;
        assert_eq!(
            text(&format!("return b.new_encoding{alphabet}:encode_to_string('abc')")),
            "MK7X"
        );
        assert_eq!(text(&format!("return b.new_encoding{alphabet}:decode_string('MK7X')")), "abc");
        assert!(
            eval("require('base64').new_encoding('abc')")
                .unwrap_err()
                .contains("bad argument #1 to new_encoding")
        );
    }

    #[test]
    fn new_encoder_writes_whole_groups_and_the_rest_at_the_end() {
        let source = r#"local out = require("strings").new_builder()
            local e = b.new_encoder(b.StdEncoding, out)
            e:write("ab"); e:write("cd", 5)
            local before = out:string()
            e:close()
            return before .. " " .. out:string()"#;
        assert_eq!(text(source), "YWJj YWJjZDU=");
    }

    #[test]
    fn new_decoder_reads_through_an_encoding() {
        let source = r#"local r = b.new_decoder(b.StdEncoding, require("strings").new_reader("aGVsbG8K\r\nd29ybGQ="))
            return r:read() .. "," .. r:read("*a") .. "," .. tostring(r:read())"#;
        assert_eq!(text(source), "hello,world,nil");
    }

    #[test]
    fn new_decoder_raises_on_bad_input() {
        let error = eval(
            r#"require("base64").new_decoder(require("base64").StdEncoding, require("strings").new_reader("a*")):read()"#,
        );
        assert!(error.unwrap_err().contains("illegal base64 data at input byte 1"));
    }
}
