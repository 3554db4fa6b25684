//! `runtime`: what system the server runs on, in Go's words. Rules: `lua/modules/runtime.md`.

use crate::script::ffi::Function;
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["runtime"],
    functions: &[
        Function {
            name: "goos",
            body: |call| {
                call.push_string(std::env::consts::OS.as_bytes());
                Ok(1)
            },
        },
        Function {
            name: "goarch",
            body: |call| {
                call.push_string(architecture(std::env::consts::ARCH).as_bytes());
                Ok(1)
            },
        },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

fn architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::eval;
    use crate::value::Value;

    #[test]
    fn names_are_those_of_go() {
        assert_eq!(
            ["x86_64", "aarch64", "riscv64"].map(architecture),
            ["amd64", "arm64", "riscv64"]
        );
        let expected = format!("{} {}", std::env::consts::OS, architecture(std::env::consts::ARCH));
        assert_eq!(
            eval("local r = require('runtime') return r.goos() .. ' ' .. r.goarch()"),
            Ok(Value::string(expected))
        );
    }
}
