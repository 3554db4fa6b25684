//! Commands on hashes.

use super::command::Arg::{Int, Number as Float, Text};
use super::command::Form::{Args, List};
use super::command::{Command, Empty, Rest};
use super::reply::Shape::{Any, Flag, Map, Number};

pub static HGET: Command = Command::read("HGET", Args(&[Text, Text]), Any);
pub static HSET: Command = Command::write("HSET", List(&[Text], Rest::Pairs, Empty::Zero), Number);
pub static HDEL: Command = Command::write("HDEL", List(&[Text], Rest::Texts, Empty::Zero), Number);
pub static HLEN: Command = Command::read("HLEN", Args(&[Text]), Number);
pub static HGETALL: Command = Command::read("HGETALL", Args(&[Text]), Map);
pub static HMGET: Command = Command::read("HMGET", List(&[Text], Rest::Texts, Empty::Table), Any);
pub static HINCRBY: Command = Command::write("HINCRBY", Args(&[Text, Text, Int]), Number);
pub static HINCRBYFLOAT: Command =
    Command::write("HINCRBYFLOAT", Args(&[Text, Text, Float]), Number);
pub static HEXISTS: Command = Command::read("HEXISTS", Args(&[Text, Text]), Flag);
