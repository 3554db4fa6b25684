//! Regular expressions in the syntax of RE2: the engine behind the Lua module `regexp`, without
//! Lua.
//!
//! [`parse`] reads the syntax as Go does; [`matcher`] compiles it with regex-automata (the engine
//! below the crate regex, whose own parser reads another syntax), matches, and caches compiled
//! expressions. fancy-regex and pcre2 were looked at, too: they backtrack.

mod class;
mod matcher;
mod parse;

pub use matcher::{Cache, Error, Regexp};

#[cfg(test)]
mod tests;
