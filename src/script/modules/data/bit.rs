//! `bit`: arithmetic on unsigned 32-bit numbers.
//!
//! Not LuaJIT's module of that name: results are never negative, and what does not fit 32 bits is
//! `nil, message`. Arguments must be numbers (numeric texts raise); fractions are cut off. Rules:
//! `lua/modules/bit.md`.

use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["bit"],
    functions: &[
        Function { name: "band", body: |call| binary(call, |a, b| a & b) },
        Function { name: "bor", body: |call| binary(call, |a, b| a | b) },
        Function { name: "bxor", body: |call| binary(call, |a, b| a ^ b) },
        Function {
            name: "lshift",
            body: |call| binary(call, |a, b| a.checked_shl(b).unwrap_or(0)),
        },
        Function {
            name: "rshift",
            body: |call| binary(call, |a, b| a.checked_shr(b).unwrap_or(0)),
        },
        Function { name: "bnot", body: bnot },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

fn binary(call: &Call<'_>, operation: fn(u32, u32) -> u32) -> Result<i32, Fault> {
    let (a, b) = (integer(call, 1)?, integer(call, 2)?);
    Ok(push(call, to_u32(a).and_then(|a| Ok(operation(a, to_u32(b)?)))))
}

fn bnot(call: &Call<'_>) -> Result<i32, Fault> {
    let a = integer(call, 1)?;
    Ok(push(call, to_u32(a).map(|a| !a)))
}

/// A number in the strict sense, without its fraction.
fn integer(call: &Call<'_>, at: i32) -> Result<i64, Fault> {
    match call.kind(at) {
        Kind::Number => call.int(at),
        Kind::String => Err(Fault::Argument(at, "number expected, got string".into())),
        // Raises with the usual text.
        _ => call.int(at),
    }
}

fn to_u32(n: i64) -> Result<u32, String> {
    match u32::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) if n < 0 => Err(format!("cannot convert negative int {n} to uint32")),
        Err(_) => Err(format!("int {n} overflows uint32")),
    }
}

fn push(call: &Call<'_>, result: Result<u32, String>) -> i32 {
    match result {
        Ok(n) => {
            call.push_number(f64::from(n));
            1
        }
        Err(error) => call.nil_and(error),
    }
}

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    fn run(source: &str) -> Value {
        eval(&format!("local b = require('bit') return {source}"))
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    #[test]
    fn results_are_unsigned() {
        for (source, result) in [
            ("b.band(12, 10)", 8.0),
            ("b.bor(12, 10)", 14.0),
            ("b.bxor(12, 10, 99)", 6.0),
            ("b.bnot(0)", 4_294_967_295.0),
            ("b.lshift(1, 31)", 2_147_483_648.0),
            ("b.lshift(3, 31)", 2_147_483_648.0),
            ("b.lshift(1, 32)", 0.0),
            ("b.rshift(16, 2.9)", 4.0),
            ("b.rshift(1, 4294967295)", 0.0),
        ] {
            assert_eq!(run(source), Value::Number(result), "{source}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (source, error) in [
            ("b.band(-1, 1)", "cannot convert negative int -1 to uint32"),
            ("b.bor(1, 4294967296)", "int 4294967296 overflows uint32"),
            ("b.bnot(1e300)", "int 9223372036854775807 overflows uint32"),
        ] {
            assert_eq!(run(&format!("select(2, {source})")), Value::string(error), "{source}");
            assert_eq!(run(&format!("type(({source}))")), Value::string("nil"), "{source}");
        }
    }

    #[test]
    fn arguments_must_be_numbers() {
        for (source, error) in [
            ("b.band('1', 1)", "bad argument #1 to band (number expected, got string)"),
            ("b.bnot()", "bad argument #1 to bnot (number expected, got nil)"),
            ("b.lshift(1, {})", "bad argument #2 to lshift (number expected, got table)"),
        ] {
            assert!(
                eval(&format!("local b = require('bit') return {source}"))
                    .unwrap_err()
                    .contains(error),
                "{source}"
            );
        }
    }
}
