//! The module as scripts meet it. Vectors: `lua/modules/crypto.md`, observed in the reference.

use crate::script::testing::eval;
use crate::value::Value;

fn run(source: &str) -> Value {
    eval(&format!("local c = require('crypto') return {source}"))
        .unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn assert_texts(cases: &[(&str, &str)]) {
    for (source, text) in cases {
        assert_eq!(run(source), Value::string(*text), "{source}");
    }
}

#[test]
fn digests_are_hexadecimal_or_raw() {
    assert_texts(&[
        ("c.md5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("c.sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("c.sha256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("c.sha512(''):sub(1, 16)", "cf83e1357eefb8bd"),
        ("c.crc32('abc')", "352441c2"),
        ("c.md5(12)", "c20ad4d76fe97759aa27a0c99bff6710"),
    ]);
    assert_eq!(run("c.crc32('abc', true)"), Value::string(b"\x35\x24\x41\xc2".as_slice()));
    assert_eq!(run("#c.sha1('abc', 0)"), Value::Number(20.0));
    assert_eq!(run("#c.sha512('abc', true)"), Value::Number(64.0));
}

#[test]
fn the_older_functions_take_anything() {
    assert_texts(&[
        ("c.md5(nil)", "d41d8cd98f00b204e9800998ecf8427e"),
        ("c.md5({})", "d41d8cd98f00b204e9800998ecf8427e"),
        ("c.base64_encode()", ""),
    ]);
}

#[test]
fn hmac_takes_the_data_before_the_key() {
    assert_texts(&[
        ("c.hmac('sha1', 'data', 'key')", "104152c5bfdca07bc633eebd46199f0255c9f49d"),
        ("c.hmac('md5', 'data', 'key')", "9d5c73ef85594d34ec4438b7c97e51d8"),
        (
            "c.hmac('sha256', 'data', 'key')",
            "5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0",
        ),
        ("select(2, c.hmac('sha3', 'data', 'key'))", "unsupported algorithm"),
        ("select(2, c.hmac('SHA1', 'data', 'key'))", "unsupported algorithm"),
    ]);
    assert_eq!(run("#c.hmac('sha512', 'data', 'key', true)"), Value::Number(64.0));
}

#[test]
fn base64_has_two_alphabets() {
    assert_texts(&[
        ("c.base64_encode('a?>')", "YT8+"),
        ("c.base64_url_encode('a?>')", "YT8-"),
        ("c.base64_decode('YT8+')", "a?>"),
        ("c.base64_url_decode('YT8-')", "a?>"),
        ("select(2, c.base64_decode('a'))", "illegal base64 data at input byte 0"),
        ("select(2, c.base64_url_decode('YT8+'))", "illegal base64 data at input byte 3"),
    ]);
}

#[test]
fn encrypt_and_decrypt_know_three_methods() {
    assert_texts(&[
        (
            "c.encrypt('hello', 'aes-cbc', '0123456789abcdef', 0, 'abcdefghijklmnop')",
            "cbc712cab0ebcab287d2e1919773dbe8",
        ),
        ("c.encrypt('hello', 'des-cbc', '12345678', 0, 'abcdefgh')", "7a311cba6188523e"),
        ("c.encrypt('hello', 'des-ecb', '12345678')", "ba16c6a0257125af"),
        (
            "c.decrypt('cbc712cab0ebcab287d2e1919773dbe8', 'aes-cbc', '0123456789abcdef', 0, 'abcdefghijklmnop')",
            "hello",
        ),
        ("c.decrypt('7a311cba6188523e', 'des-cbc', '12345678', 0, 'abcdefgh')", "hello"),
        ("c.decrypt('BA16C6A0257125AF', 'des-ecb', '12345678')", "hello"),
    ]);
}

#[test]
fn encrypt_and_decrypt_go_raw_and_with_longer_keys() {
    for bytes in [16, 24, 32] {
        let source = format!(
            "(function() local key, iv = ('k'):rep({bytes}), ('i'):rep(16)
                local raw = c.encrypt(('x'):rep(16), 'aes-cbc', key, c.RAW_DATA, iv)
                return #raw .. c.decrypt(raw, 'aes-cbc', key, c.RAW_DATA, iv)
            end)()"
        );
        assert_eq!(run(&source), Value::string("32xxxxxxxxxxxxxxxx"));
    }
}

#[test]
fn a_cipher_that_cannot_work_says_why() {
    assert_texts(&[
        (
            "select(2, c.encrypt('x', 'aes-cbc', 'short', 0, ('i'):rep(16)))",
            "crypto/aes: invalid key size 5",
        ),
        (
            "select(2, c.encrypt('x', 'des-cbc', 'short', 0, ('i'):rep(8)))",
            "crypto/des: invalid key size 5",
        ),
        ("select(2, c.encrypt('x', 'des-ecb', 'short'))", "crypto/des: invalid key size 5"),
        ("select(2, c.encrypt('x', 'rot13', 'key'))", "unsupported encrypt method"),
        ("select(2, c.encrypt('x', 'aes-cbc', ('k'):rep(16)))", "IV length must equal block size"),
        (
            "select(2, c.decrypt('zz', 'des-ecb', '12345678'))",
            "encoding/hex: invalid byte: U+007A 'z'",
        ),
        (
            "select(2, c.decrypt('abc', 'des-ecb', '12345678'))",
            "encoding/hex: odd length hex string",
        ),
        (
            "select(2, c.decrypt('abcd', 'des-ecb', '12345678'))",
            "crypto/cipher: input not full blocks",
        ),
        (
            "select(2, c.decrypt('abcd', 'des-cbc', '12345678', 0, 'abcdefgh'))",
            "ciphertext is not a multiple of the block size",
        ),
        ("select(2, c.decrypt('', 'des-ecb', '12345678'))", "invalid padding"),
        ("select(2, c.decrypt(('00'):rep(8), 'des-ecb', '12345678'))", "invalid padding"),
    ]);
}

#[test]
fn aes_hex_functions_match_their_vectors() {
    assert_texts(&[
        (
            "c.aes_encrypt_hex('GCM', '86e15cbc1cbf510d8f2e51d4b63a2144', 'b6b86d581a991a652158bd10', '48656c6c6f20776f726c64')",
            "7ec4e38508a26abf7b46e8dc90a7299d5144bcf045e460c3ef6b3e",
        ),
        (
            "c.aes_encrypt_hex('cbc', '86e15cbc1cbf510d8f2e51d4b63a2144', '000102030405060708090a0b0c0d0e0f', '48656c6c6f20776f726c64')",
            "f93b392304960b99a799a40d8a2a63be",
        ),
        (
            "c.aes_encrypt_hex(c.CTR, '86e15cbc1cbf510d8f2e51d4b63a2144', '000102030405060708090a0b0c0d0e0f', '48656c6c6f20776f726c64')",
            "aa70c647d8d2476bca7c1d",
        ),
        (
            "c.aes_decrypt_hex('GCM', '86e15cbc1cbf510d8f2e51d4b63a2144', 'b6b86d581a991a652158bd10', '7ec4e38508a26abf7b46e8dc90a7299d5144bcf045e460c3ef6b3e')",
            "48656c6c6f20776f726c64",
        ),
    ]);
}

#[test]
fn aes_decrypt_undoes_aes_encrypt() {
    for (mode, iv, plain) in [
        ("GCM", 12, "hello"),
        ("CTR", 16, "hello"),
        ("CBC", 16, "hello\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
    ] {
        for key in [16, 24, 32] {
            let source = format!(
                "c.aes_decrypt('{mode}', ('k'):rep({key}), ('i'):rep({iv}), c.aes_encrypt('{mode}', ('k'):rep({key}), ('i'):rep({iv}), 'hello'))"
            );
            assert_eq!(run(&source), Value::string(plain), "{source}");
        }
    }
}

#[test]
fn aes_functions_say_why_they_fail() {
    let key = "('k'):rep(16)";
    assert_texts(&[
        (
            &format!("select(2, c.aes_decrypt('GCM', {key}, ('i'):rep(12), ('x'):rep(20)))"),
            "failed to decrypt: cipher: message authentication failed",
        ),
        (
            &format!("select(2, c.aes_encrypt('GCM', {key}, 'i', 'x'))"),
            "failed to encrypt: incorrect nonce length given to GCM",
        ),
        (
            &format!("select(2, c.aes_decrypt('CTR', {key}, 'i', 'x'))"),
            "failed to decrypt: IV length must equal block size",
        ),
        (
            "select(2, c.aes_encrypt('CBC', 'k', 'i', 'x'))",
            "failed to encrypt: crypto/aes: invalid key size 1",
        ),
        (
            "select(2, c.aes_encrypt_hex('ECB', '', '', ''))",
            "failed to decode params: invalid mode: ECB",
        ),
        (
            "select(2, c.aes_encrypt_hex('GCM', 'x', '', ''))",
            "failed to decode params: encoding/hex: invalid byte: U+0078 'x'",
        ),
    ]);
    assert!(
        eval("require('crypto').aes_encrypt('ECB', '', '', '')")
            .unwrap_err()
            .contains("invalid mode: ECB")
    );
    assert!(
        eval("require('crypto').aes_encrypt('GCM', nil, '', '')")
            .unwrap_err()
            .contains("bad argument #2 to aes_encrypt")
    );
}

#[test]
fn both_names_serve_the_same_module() {
    assert_eq!(
        run(
            "require('glua_crypto').sha1 == c.sha1 and c._VERSION .. tostring(c._DEBUG) .. c.ZERO_PADDING"
        ),
        Value::string("0.0.0false2")
    );
}
