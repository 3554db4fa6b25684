//! The client side of PostgreSQL's protocol, version 3.
//!
//! Messages are those of the crate `postgres-protocol`, both ways. Ours: [`message`] cuts them out
//! of the input and reads rows and errors, [`value`] turns the text of a value into a cell of a
//! [`Table`](super::Table) by its type, [`login`] answers the server's demands for a password,
//! [`dsn`] reads addresses. Rules: "Frontend/Backend Protocol" of PostgreSQL's manual.

pub mod dsn;
pub mod login;
pub mod message;
pub mod value;
