//! Commands, encoded as Redis reads them: arrays of bulk strings.

/// One or more encoded commands that go out together. Each gets one reply, in this order.
#[derive(Clone, Default)]
pub struct Commands {
    bytes: Vec<u8>,
    count: usize,
    /// Arguments that the last `begin` still waits for.
    missing: usize,
}

impl Commands {
    /// None yet, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Commands {
        Commands { bytes: Vec::with_capacity(bytes), ..Commands::default() }
    }

    /// A single command: its name and arguments.
    pub fn one(args: &[&[u8]]) -> Commands {
        let mut commands = Commands::default();
        commands.push(args);
        commands
    }

    /// Appends a command. One without a name is none, and is not sent: Redis would not answer it.
    pub fn push(&mut self, args: &[&[u8]]) {
        self.bytes
            .reserve(args.iter().map(|arg| arg.len() + ARG_OVERHEAD).sum::<usize>() + ARG_OVERHEAD);
        self.begin(args.len());
        for arg in args {
            self.arg(arg);
        }
    }

    /// Begins a command of `args` arguments, its name included; as many calls of
    /// [`arg`](Commands::arg) must follow.
    pub fn begin(&mut self, args: usize) {
        debug_assert_eq!(self.missing, 0, "the command before is incomplete");
        if args > 0 {
            self.head(b'*', args);
            self.count += 1;
            self.missing = args;
        }
    }

    /// The next argument of the command begun.
    #[inline]
    pub fn arg(&mut self, arg: &[u8]) {
        debug_assert!(self.missing > 0, "more arguments than announced");
        self.missing = self.missing.saturating_sub(1);
        self.head(b'$', arg.len());
        self.bytes.extend_from_slice(arg);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The next argument of the command begun: `head` and `parts` in one word, a key of several
    /// parts.
    #[inline]
    pub fn arg_of(&mut self, head: &[u8], parts: &[&[u8]]) {
        debug_assert!(self.missing > 0, "more arguments than announced");
        self.missing = self.missing.saturating_sub(1);
        self.head(b'$', head.len() + parts.iter().map(|part| part.len()).sum::<usize>());
        self.bytes.extend_from_slice(head);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// How many commands, hence replies.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What goes on the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The commands one by one, as they were encoded.
    pub fn iter(&self) -> impl Iterator<Item = Command<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let mut words = Words::of(rest)?;
            words.by_ref().for_each(drop);
            let (bytes, after) = rest.split_at_checked(rest.len() - words.rest.len())?;
            rest = after;
            Some(Command { bytes })
        })
    }

    /// A short number is by far the most frequent, and a copy of fixed length the fastest.
    fn head(&mut self, kind: u8, number: usize) {
        let digit = |number: usize| b'0' + (number % 10) as u8;
        match number {
            0..10 => self.bytes.extend_from_slice(&[kind, digit(number), b'\r', b'\n']),
            10..100 => self.bytes.extend_from_slice(&[
                kind,
                digit(number / 10),
                digit(number),
                b'\r',
                b'\n',
            ]),
            _ => {
                self.bytes.push(kind);
                self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Commands({}, {} bytes)", self.count, self.bytes.len())
    }
}

/// One of [`Commands`].
#[derive(Clone, Copy)]
pub struct Command<'a> {
    bytes: &'a [u8],
}

impl<'a> Command<'a> {
    /// Its name and arguments.
    pub fn words(&self) -> Words<'a> {
        Words::of(self.bytes).unwrap_or(Words { rest: &[], left: 0 })
    }

    /// This command alone.
    pub fn to_commands(&self) -> Commands {
        Commands { bytes: self.bytes.to_vec(), count: 1, missing: 0 }
    }

    /// This command, with another before it; two replies.
    pub fn after(&self, first: &[&[u8]]) -> Commands {
        let mut commands = Commands::one(first);
        commands.bytes.extend_from_slice(self.bytes);
        commands.count += 1;
        commands
    }
}

/// The words of a command: reads back what [`Commands`] wrote.
#[derive(Clone)]
pub struct Words<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Words<'a> {
    /// Of the command at the start of `bytes`.
    fn of(bytes: &'a [u8]) -> Option<Words<'a>> {
        let mut words = Words { rest: bytes, left: 0 };
        words.left = words.head(b'*')?;
        Some(words)
    }

    fn head(&mut self, kind: u8) -> Option<usize> {
        let end = memchr::memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at_checked(end + 1)?;
        self.rest = rest;
        std::str::from_utf8(line.strip_prefix(&[kind])?.trim_ascii_end()).ok()?.parse().ok()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let len = self.head(b'$')?;
        let (word, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest.strip_prefix(b"\r\n")?;
        Some(word)
    }
}

/// `$`, a length of the usual size, two line ends.
const ARG_OVERHEAD: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_byte_for_byte() {
        let mut commands = Commands::one(&[b"GET", b"k"]);
        commands.begin(3);
        for arg in [b"SET".as_slice(), b"a\r\nb", b""] {
            commands.arg(arg);
        }
        assert_eq!(
            commands.bytes(),
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"
        );
        assert_eq!(commands.count(), 2);
    }

    #[test]
    fn a_word_of_several_parts() {
        let mut commands = Commands::default();
        commands.begin(3);
        commands.arg(b"GET");
        commands.arg_of(b"p:", &[b"a", b"", b"bc"]);
        commands.arg_of(b"", &[]);
        assert_eq!(commands.bytes(), b"*3\r\n$3\r\nGET\r\n$5\r\np:abc\r\n$0\r\n\r\n");
    }

    #[test]
    fn no_words_are_no_command() {
        let commands = Commands::one(&[]);
        assert_eq!((commands.count(), commands.bytes()), (0, b"".as_slice()));
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Commands::one(&[b"AUTH", b"hunter2"])), "Commands(1, 27 bytes)");
    }

    proptest! {
        #[test]
        fn commands_come_apart_as_they_were_put_together(
            list in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6), 0..6))
        {
            let mut commands = Commands::default();
            for args in &list {
                commands.push(&args.iter().map(Vec::as_slice).collect::<Vec<_>>());
            }
            let apart: Vec<Vec<Vec<u8>>> = commands.iter().map(|command| command.words().map(<[u8]>::to_vec).collect()).collect();
            prop_assert_eq!(&apart, &list);
            let together: Vec<u8> = commands.iter().flat_map(|command| command.to_commands().bytes().to_vec()).collect();
            prop_assert_eq!(together, commands.bytes());
            for command in commands.iter() {
                let with = command.after(&[b"ASKING"]);
                prop_assert_eq!(with.count(), 2);
                prop_assert_eq!(with.iter().nth(1).map(|second| second.to_commands().bytes().to_vec()), Some(command.to_commands().bytes().to_vec()));
            }
        }

        #[test]
        fn redis_would_read_what_was_meant(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6)) {
            let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            let expected = redis::Value::Array(args.iter().cloned().map(redis::Value::BulkString).collect());
            prop_assert_eq!(redis::parse_redis_value(Commands::one(&slices).bytes()).unwrap(), expected);
        }
    }
}
