//! placeholder
use crate::script::modules::Module;
pub static MODULE: Module = Module { names: &["placeholder_cache"], functions: &[], waiting: &[], setup: None, lua: None };
#[derive(Default)] pub struct ProcessCache;
