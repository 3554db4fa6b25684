//! Commands on lists.

use super::command::Arg::{Int, Text};
use super::command::Form::{Args, List};
use super::command::{Command, Empty, Rest};
use super::reply::Shape::{Any, Number};

pub static LPUSH: Command =
    Command::write("LPUSH", List(&[Text], Rest::Values, Empty::Zero), Number);
pub static RPUSH: Command =
    Command::write("RPUSH", List(&[Text], Rest::Values, Empty::Zero), Number);
pub static LPOP: Command = Command::write("LPOP", Args(&[Text]), Any);
pub static RPOP: Command = Command::write("RPOP", Args(&[Text]), Any);
pub static LRANGE: Command = Command::read("LRANGE", Args(&[Text, Int, Int]), Any);
pub static LLEN: Command = Command::read("LLEN", Args(&[Text]), Number);
