//! placeholder
use crate::script::modules::Module;
pub static MODULE: Module = Module { names: &["placeholder_base64"], functions: &[], waiting: &[], setup: None, lua: None };
