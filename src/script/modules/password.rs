//! placeholder
use crate::script::modules::Module;
pub static MODULE: Module = Module { names: &["placeholder_password"], functions: &[], waiting: &[], setup: None, lua: None };
