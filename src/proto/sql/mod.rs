//! SQL on the wire: what the dialects of MySQL and PostgreSQL have in common, and a codec for each.
//!
//! Pure: no socket, no clock. [`Table`] is a result set, [`Parameter`] a value for a placeholder;
//! `upstream::sql` holds the dialogues, `script::modules::net::db` shows both to scripts. Each
//! codec names the rules of its protocol. Bounds: [`RESULT_BYTES_MAX`].

pub mod mysql;
pub mod postgres;
mod table;

pub use table::{Cell, Table};

/// A value for a placeholder of a statement.
#[derive(Clone, PartialEq)]
pub enum Parameter {
    Null,
    Bool(bool),
    Number(f64),
    Text(Vec<u8>),
}

/// Why bytes of a server are refused. The connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// What the protocol does not allow, in words.
    #[error("{0}")]
    Protocol(&'static str),
    /// A result, or a part of one, above [`RESULT_BYTES_MAX`].
    #[error("the result is larger than {RESULT_BYTES_MAX} bytes")]
    TooLarge,
}

impl std::fmt::Debug for Parameter {
    /// The kind alone: values are user data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Parameter::Null => "Null",
            Parameter::Bool(_) => "Bool",
            Parameter::Number(_) => "Number",
            Parameter::Text(_) => "Text",
        })
    }
}

/// Bytes of one result, the table's own included. A Lua state holds 64 MiB, and the result is in
/// memory twice while it is handed over.
pub const RESULT_BYTES_MAX: usize = 16 << 20;
