//! Commands on sets and on HyperLogLogs, which count the members of sets that they do not keep.

use super::command::Arg::{Text, Value};
use super::command::Form::{Args, List};
use super::command::{Command, Empty, Rest};
use super::reply::Shape::{Any, Flag, Number};

pub static SADD: Command = Command::write("SADD", List(&[Text], Rest::Values, Empty::Zero), Number);
pub static SREM: Command = Command::write("SREM", List(&[Text], Rest::Values, Empty::Zero), Number);
pub static SISMEMBER: Command = Command::read("SISMEMBER", Args(&[Text, Value]), Flag);
pub static SMEMBERS: Command = Command::read("SMEMBERS", Args(&[Text]), Any);
pub static SCARD: Command = Command::read("SCARD", Args(&[Text]), Number);
pub static PFADD: Command =
    Command::write("PFADD", List(&[Text], Rest::Values, Empty::Zero), Number);
pub static PFCOUNT: Command = Command::read(
    "PFCOUNT",
    List(&[], Rest::Texts, Empty::Refuse("at least one key required")),
    Number,
);
pub static PFMERGE: Command = Command::write("PFMERGE", List(&[Text], Rest::Texts, Empty::Ok), Any);
