//! Keys: which words of a command are keys, and whether a command can be taken apart by them.
//!
//! By name, for the commands whose keys are not simply their first argument; for one that is not
//! listed the first argument is taken, and the cluster corrects a wrong guess with MOVED. Commands
//! without keys go to one node or to all masters: KEYS, DBSIZE, SCRIPT, FUNCTION, FLUSHDB and
//! FLUSHALL to all (their replies become one), SCAN from one to the next (its cursor says which),
//! everything else (PING, TIME, ECHO, PUBLISH, INFO) to any one.
//! Rules: the Redis command reference, "key specifications".

/// Where the keys of a command are. Words are counted from its name, which is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// One word.
    At(usize),
    /// All words from here on, every so many.
    From {
        first: usize,
        step: usize,
    },
    /// Two words.
    Pair(usize, usize),
    /// So many as the word at `count` says, from `first` on; and perhaps one more before.
    Counted {
        count: usize,
        first: usize,
        destination: Option<usize>,
    },
    /// Half of the words after STREAMS.
    Streams,
    None(Keyless),
}

/// Where a command without keys goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyless {
    AnyNode,
    EveryMaster(Gather),
    /// Master after master.
    Scan,
}

/// What the replies of several nodes become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gather {
    /// The first, where all are the same.
    Same,
    /// Their sum.
    Sum,
    /// One list of all members.
    Concatenate,
    /// Of lists of 0 and 1: 1 where all have it.
    Every,
}

/// How a command on keys of several slots can be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apart {
    /// MGET: a value for each key, in their order.
    Values,
    /// DEL, EXISTS, UNLINK, TOUCH: a number, added up.
    Sum,
    /// MSET: a status. What one slot refuses, another may have done.
    Status,
}

/// Where the keys of a command are; its name in any case, the word after it for those that have
/// subcommands.
pub(super) fn of(name: &[u8], second: Option<&[u8]>) -> Keys {
    let mut buffer = [0; NAME_BYTES_MAX];
    let Some(upper) = upper(name, &mut buffer) else { return Keys::At(1) };
    let counted = |count, first| Keys::Counted { count, first, destination: None };
    match upper {
        b"DEL" | b"UNLINK" | b"EXISTS" | b"TOUCH" | b"MGET" | b"PFCOUNT" | b"PFMERGE"
        | b"SUNION" | b"SINTER" | b"SDIFF" | b"SUNIONSTORE" | b"SINTERSTORE" | b"SDIFFSTORE"
        | b"WATCH" => Keys::From { first: 1, step: 1 },
        b"MSET" | b"MSETNX" => Keys::From { first: 1, step: 2 },
        b"BITOP" => Keys::From { first: 2, step: 1 },
        b"RENAME" | b"RENAMENX" | b"COPY" | b"SMOVE" | b"LMOVE" | b"BLMOVE" | b"RPOPLPUSH"
        | b"GEOSEARCHSTORE" | b"ZRANGESTORE" | b"LCS" => Keys::Pair(1, 2),
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => counted(2, 3),
        b"ZUNION" | b"ZINTER" | b"ZDIFF" | b"ZINTERCARD" | b"SINTERCARD" | b"LMPOP" | b"ZMPOP" => {
            counted(1, 2)
        }
        b"ZUNIONSTORE" | b"ZINTERSTORE" | b"ZDIFFSTORE" => {
            Keys::Counted { count: 2, first: 3, destination: Some(1) }
        }
        b"OBJECT" | b"XGROUP" | b"XINFO" | b"MEMORY" => Keys::At(2),
        b"XREAD" | b"XREADGROUP" => Keys::Streams,
        b"PING" | b"ECHO" | b"TIME" | b"INFO" | b"PUBLISH" | b"COMMAND" | b"CONFIG" | b"CLIENT"
        | b"CLUSTER" | b"RANDOMKEY" | b"WAIT" | b"LASTSAVE" | b"ROLE" | b"ACL" | b"LATENCY"
        | b"SLOWLOG" => Keys::None(Keyless::AnyNode),
        b"KEYS" => Keys::None(Keyless::EveryMaster(Gather::Concatenate)),
        b"DBSIZE" => Keys::None(Keyless::EveryMaster(Gather::Sum)),
        b"SCRIPT" if second.is_some_and(|word| word.eq_ignore_ascii_case(b"EXISTS")) => {
            Keys::None(Keyless::EveryMaster(Gather::Every))
        }
        b"SCRIPT" | b"FUNCTION" | b"FLUSHALL" | b"FLUSHDB" => {
            Keys::None(Keyless::EveryMaster(Gather::Same))
        }
        b"SCAN" => Keys::None(Keyless::Scan),
        _ => Keys::At(1),
    }
}

/// How a command on keys of several slots is taken apart; None: it cannot be.
pub(super) fn apart(name: &[u8]) -> Option<Apart> {
    let mut buffer = [0; NAME_BYTES_MAX];
    Some(match upper(name, &mut buffer)? {
        b"MGET" => Apart::Values,
        b"DEL" | b"UNLINK" | b"EXISTS" | b"TOUCH" => Apart::Sum,
        b"MSET" => Apart::Status,
        _ => return None,
    })
}

impl Keys {
    /// The places of the keys among `words`; places that are not there are left out.
    pub(super) fn places(self, words: &[&[u8]]) -> Vec<usize> {
        let end = words.len();
        let number = |at: usize| -> usize {
            words.get(at).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok()).unwrap_or(0)
        };
        match self {
            Keys::At(at) => (at..end).take(1).collect(),
            Keys::From { first, step } => (first..end).step_by(step).collect(),
            Keys::Pair(one, other) => [one, other].into_iter().filter(|at| *at < end).collect(),
            Keys::Counted { count, first, destination } => destination
                .into_iter()
                .filter(|at| *at < end)
                .chain((first..end).take(number(count)))
                .collect(),
            Keys::Streams => {
                let first = words
                    .iter()
                    .position(|word| word.eq_ignore_ascii_case(b"STREAMS"))
                    .map_or(end, |at| at + 1);
                (first..end).take((end - first) / 2).collect()
            }
            Keys::None(_) => Vec::new(),
        }
    }
}

/// The name in upper case; None for one that is longer than any that is listed.
fn upper<'a>(name: &[u8], buffer: &'a mut [u8; NAME_BYTES_MAX]) -> Option<&'a [u8]> {
    let upper = buffer.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    Some(upper)
}

const NAME_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_where_the_manual_says() {
        for (command, keys) in [
            ("GET k", "k"),
            ("get k", "k"),
            ("HSET k f v", "k"),
            ("SOMETHINGTHATISNOTLISTED k v", "k"),
            ("PING", ""),
            ("MGET a b c", "a b c"),
            ("MSET a 1 b 2", "a b"),
            ("RENAME a b", "a b"),
            ("RENAME a", "a"),
            ("BITOP AND a b c", "a b c"),
            ("EVALSHA sha 2 a b x", "a b"),
            ("eval src 0 x", ""),
            ("EVAL src 9 a b", "a b"),
            ("EVAL src nonsense a b", ""),
            ("EVAL src -1 a", ""),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"),
            ("ZUNION 2 a b WEIGHTS 1 2", "a b"),
            ("OBJECT ENCODING k", "k"),
            ("XREAD COUNT 2 STREAMS a b 0 0", "a b"),
            ("XREAD STREAMS", ""),
            ("SCRIPT LOAD x", ""),
            ("KEYS *", ""),
        ] {
            let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            let found = of(words[0], words.get(1).copied()).places(&words);
            let found: Vec<&str> =
                found.into_iter().map(|at| std::str::from_utf8(words[at]).unwrap()).collect();
            assert_eq!(found.join(" "), keys, "{command}");
        }
    }
}
