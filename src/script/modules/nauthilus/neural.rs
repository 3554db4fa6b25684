//! `nauthilus_neural`: features for a neural network, which this server does not have.
//!
//! Scripts written for it keep running: what they add is checked and dropped, as the reference does
//! without a collector. Rules: `lua/modules/nauthilus_neural.md`.

use crate::script::ffi::Function;
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["nauthilus_neural"],
    functions: &[Function {
        name: "add_additional_features",
        body: |call| {
            call.table(1)?;
            Ok(0)
        },
    }],
    waiting: &[],
    setup: None,
    lua: None,
};

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    #[test]
    fn what_is_added_goes_nowhere() {
        assert_eq!(
            eval(
                "return select('#', require('nauthilus_neural').add_additional_features({ a = 1 }))"
            ),
            Ok(Value::Number(0.0))
        );
    }

    #[test]
    fn a_table_is_wanted() {
        let error = eval("require('nauthilus_neural').add_additional_features('a')").unwrap_err();
        assert!(
            error.contains(
                "bad argument #1 to add_additional_features (table expected, got string)"
            ),
            "{error}"
        );
    }
}
