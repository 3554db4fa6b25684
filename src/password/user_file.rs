//! The text of a user file: a line per user, `user:{SCHEME}hash:account:key=value:key=value`.
//!
//! Pure. The format is that of the backend script `password_file.lua`, which is its specification:
//! lines end with LF or CRLF, empty lines and lines that start with `#` are comments, and of several
//! lines for one user the first one counts. Changes keep all other lines byte for byte, malformed
//! ones included. Called by the command line.

/// A file of users, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFile {
    /// With their ends; the last one may have none.
    lines: Vec<Vec<u8>>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Empty, or `#…`.
    Comment,
    User(User<'a>),
    /// The user that it names, perhaps empty. Logins of this user fail temporarily.
    Malformed(&'a [u8], Fault),
}

/// A line of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User<'a> {
    pub name: &'a [u8],
    pub hash: &'a [u8],
    /// That of the line, or the name.
    pub account: &'a [u8],
    /// In order; a key may come several times.
    pub attributes: Vec<(&'a [u8], &'a [u8])>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it has no password hash (user:{{SCHEME}}hash)")]
    NoHash,
    #[error("a field after the account is not key=value")]
    NoAttribute,
}

impl<'a> Line<'a> {
    /// Reads a line, whose end may be there.
    pub fn parse(line: &'a [u8]) -> Line<'a> {
        let (text, _) = split_end(line);
        if matches!(text, [] | [b'#', ..]) {
            return Line::Comment;
        }
        let mut fields = text.split(|byte| *byte == b':');
        let name = fields.next().unwrap_or_default();
        let hash = fields.next().unwrap_or_default();
        if hash.is_empty() {
            return Line::Malformed(name, Fault::NoHash);
        }
        let account = fields.next().filter(|account| !account.is_empty()).unwrap_or(name);
        let attributes: Option<Vec<_>> = fields.map(attribute).collect();
        match attributes {
            Some(attributes) => Line::User(User { name, hash, account, attributes }),
            None => Line::Malformed(name, Fault::NoAttribute),
        }
    }

    /// The user that it is about.
    pub fn name(&self) -> Option<&'a [u8]> {
        match self {
            Line::Comment => None,
            Line::User(user) => Some(user.name),
            Line::Malformed(name, _) => Some(name),
        }
    }
}

impl UserFile {
    pub fn parse(text: &[u8]) -> UserFile {
        UserFile {
            lines: text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.lines.concat()
    }

    /// All lines, with their numbers from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, Line<'_>)> {
        self.lines.iter().enumerate().map(|(at, line)| (at + 1, Line::parse(line)))
    }

    /// The line that counts for a user, and its number.
    pub fn find(&self, name: &[u8]) -> Option<(usize, Line<'_>)> {
        self.lines().find(|(_, line)| line.name() == Some(name))
    }

    /// Appends a line, with the line end that the file has.
    pub fn push(&mut self, text: &[u8]) {
        let end: &[u8] = match self.lines.first() {
            Some(first) if first.ends_with(b"\r\n") => b"\r\n",
            _ => b"\n",
        };
        if let Some(last) = self.lines.last_mut().filter(|last| !last.ends_with(b"\n")) {
            last.extend_from_slice(end);
        }
        self.lines.push([text, end].concat());
    }

    /// Replaces the password hash in the line of this number, which is a user's.
    pub fn set_hash(&mut self, number: usize, hash: &[u8]) {
        let Some(line) = number.checked_sub(1).and_then(|at| self.lines.get_mut(at)) else {
            return;
        };
        let (text, end) = split_end(line);
        let fields: Vec<&[u8]> = text
            .split(|byte| *byte == b':')
            .enumerate()
            .map(|(at, field)| if at == 1 { hash } else { field })
            .collect();
        *line = [&fields.join(&b':')[..], end].concat();
    }

    /// Removes all lines of a user, malformed ones included: a second line would come into force
    /// otherwise. Says how many there were.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        let before = self.lines.len();
        self.lines.retain(|line| Line::parse(line).name() != Some(name));
        before - self.lines.len()
    }
}

fn attribute(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = field.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((field.get(..at)?, field.get(at + 1..)?))
}

/// A line's text and its end. The end is LF or CRLF.
fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    line.split_at_checked(text.len()).unwrap_or((line, b""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As in the test of the script.
    const FILE: &[u8] = b"# a comment\n\nada:{PLAIN}secret:ada@example.org:name=Ada L:group=a:group=b\n\
        bob:$6$salt$hash\nbob:{PLAIN}second:other\ncarl:{PLAIN}x::id=u-3\r\nbroken\nempty::account\n\
        odd:{PLAIN}x:odd:nothing\nlast:{PLAIN}x:last:note=b=c";

    #[test]
    fn lines_are_read_as_the_script_reads_them() {
        let file = UserFile::parse(FILE);
        let lines: Vec<_> = file.lines().map(|(_, line)| line).collect();
        let user = |name: &'static str, hash: &'static str, account: &'static str| User {
            name: name.as_bytes(),
            hash: hash.as_bytes(),
            account: account.as_bytes(),
            attributes: Vec::new(),
        };
        let with = |user: User<'static>, attributes: &[(&'static str, &'static str)]| User {
            attributes: attributes.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect(),
            ..user
        };
        let ada = user("ada", "{PLAIN}secret", "ada@example.org");
        let last = user("last", "{PLAIN}x", "last");
        assert_eq!(
            lines,
            [
                Line::Comment,
                Line::Comment,
                Line::User(with(ada, &[("name", "Ada L"), ("group", "a"), ("group", "b")])),
                Line::User(user("bob", "$6$salt$hash", "bob")),
                Line::User(user("bob", "{PLAIN}second", "other")),
                Line::User(with(user("carl", "{PLAIN}x", "carl"), &[("id", "u-3")])),
                Line::Malformed(b"broken", Fault::NoHash),
                Line::Malformed(b"empty", Fault::NoHash),
                Line::Malformed(b"odd", Fault::NoAttribute),
                Line::User(with(last, &[("note", "b=c")])),
            ]
        );
        assert_eq!(file.find(b"bob").map(|(number, _)| number), Some(4));
    }

    #[test]
    fn changes_keep_everything_else() {
        let mut file = UserFile::parse(FILE);
        file.set_hash(6, b"{SSHA}new");
        file.push(b"eve:{PLAIN}x");
        assert_eq!(file.remove(b"bob"), 2);
        assert_eq!(file.remove(b"nobody"), 0);
        let text = String::from_utf8(file.bytes()).unwrap();
        let expected = String::from_utf8(FILE.to_vec())
            .unwrap()
            .replace("bob:$6$salt$hash\nbob:{PLAIN}second:other\n", "")
            .replace("carl:{PLAIN}x::id=u-3\r\n", "carl:{SSHA}new::id=u-3\r\n");
        assert_eq!(text, expected + "\neve:{PLAIN}x\n");
    }

    proptest! {
        #[test]
        fn any_text_is_kept(text in prop::collection::vec(prop::sample::select(b"a:#=\r\n\0\xff{}".to_vec()), 0..60)) {
            let mut file = UserFile::parse(&text);
            prop_assert_eq!(file.bytes(), text.clone());
            let numbers: Vec<usize> = file.lines().map(|(number, _)| number).collect();
            prop_assert_eq!(numbers, (1..=file.lines.len()).collect::<Vec<_>>());
            let users = file.lines().filter(|(_, line)| matches!(line, Line::User(_))).count();
            file.push(b"new:{PLAIN}x:new");
            prop_assert_eq!(file.lines().filter(|(_, line)| matches!(line, Line::User(_))).count(), users + 1);
            prop_assert!(file.bytes().starts_with(&text));
        }
    }
}
