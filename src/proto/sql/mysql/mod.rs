//! The client side of MySQL's protocol, as MySQL 5.6 to 9 and MariaDB speak it.
//!
//! [`packet`] frames payloads and reads what a server answers, [`row`] turns rows of both protocols
//! (text and prepared) into a [`Table`](super::Table), [`login`] composes what we send while
//! logging in, [`public_key`] guards the key that a server offers, [`dsn`] reads addresses.
//! Password scrambles, the handshake response and the request to execute are those of the crate
//! `mysql_common`; what is parsed of a server is ours, since the crate's parsers may panic on a
//! hostile one (its handshake and key parsers do).
//! Rules: the "MySQL Client/Server Protocol" pages; MariaDB's "Clients & Utilities: protocol".

pub mod dsn;
pub mod login;
pub mod packet;
pub mod public_key;
pub mod row;
