//! placeholder
use crate::script::modules::Module;
pub static MODULE: Module = Module { names: &["placeholder_http_response"], functions: &[], waiting: &[], setup: None, lua: None };
