//! A file read line by line from its end.
//!
//! Blocking: used on helper threads. Holds what was read and not yet handed out: at most
//! [`LINE_BYTES_MAX`] and one piece.

use crate::script::disk::{self, path_error};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// See the module's head.
pub struct Backward {
    file: File,
    /// Where in the file `held` begins.
    start: u64,
    held: Vec<u8>,
    /// The line end at the very end of the file is off `held`: it ends the last line and begins
    /// none.
    trimmed: bool,
    /// The first line was handed out.
    over: bool,
}

impl Backward {
    /// # Errors
    /// The file cannot be opened, or is no plain file: only those have an end to start from.
    pub fn open(path: &Path) -> Result<Backward, String> {
        let file = disk::open(path)?;
        let about = file.metadata().map_err(|error| path_error("stat", path, &error))?;
        if !about.is_file() {
            return Err(format!("open {}: not a regular file", path.display()));
        }
        Ok(Backward { file, start: about.len(), held: Vec::new(), trimmed: false, over: false })
    }

    /// The line in front of the last one, without its line end; `None` at the start of the file.
    ///
    /// # Errors
    /// The disk failed, or the line is longer than [`LINE_BYTES_MAX`].
    pub fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(line) = self.held_line() {
                return Ok(Some(line));
            }
            if self.start == 0 {
                return Ok(None);
            }
            if self.held.len() > LINE_BYTES_MAX {
                return Err("line is too long".into());
            }
            self.read_piece().map_err(|error| crate::upstream::error_text(&error))?;
        }
    }

    /// A line that needs no reading.
    pub fn held_line(&mut self) -> Option<Vec<u8>> {
        if !self.trimmed {
            let last = *self.held.last()?;
            self.trimmed = true;
            if last == b'\n' {
                self.held.pop();
            }
        }
        let mut line = match self.held.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => {
                let line = self.held.split_off(at + 1);
                self.held.pop();
                line
            }
            None if self.start == 0 && !self.over => {
                self.over = true;
                std::mem::take(&mut self.held)
            }
            None => return None,
        };
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    fn read_piece(&mut self) -> std::io::Result<()> {
        let len = self.start.min(PIECE_BYTES);
        let mut piece = vec![0; usize::try_from(len).unwrap_or_default()];
        self.file.read_exact_at(&mut piece, self.start - len)?;
        piece.append(&mut self.held);
        self.held = piece;
        self.start -= len;
        Ok(())
    }
}

const PIECE_BYTES: u64 = 64 << 10;

/// Longest line.
pub const LINE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backward(text: &[u8]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        let mut file = Backward::open(&path).unwrap();
        let lines = std::iter::from_fn(|| file.line().unwrap())
            .map(|line| String::from_utf8(line).unwrap())
            .collect();
        assert_eq!(file.line(), Ok(None));
        lines
    }

    #[test]
    fn lines_come_from_the_end() {
        for (text, lines) in [
            ("", &[][..]),
            ("a", &["a"]),
            ("a\n", &["a"]),
            ("\n", &[""]),
            ("a\nb", &["b", "a"]),
            ("a\r\n\nb\r\n", &["b", "", "a"]),
            ("\na", &["a", ""]),
        ] {
            assert_eq!(backward(text.as_bytes()), lines, "{text:?}");
        }
    }

    #[test]
    fn lines_may_be_longer_than_a_piece_but_not_endless() {
        let long = "x".repeat(200_000);
        assert_eq!(backward(format!("first\n{long}\nlast").as_bytes()), ["last", &long, "first"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "x".repeat(2 << 20)).unwrap();
        assert_eq!(
            Backward::open(&folder.path().join("file")).unwrap().line(),
            Err("line is too long".into())
        );
    }

    #[test]
    fn only_plain_files_have_an_end() {
        assert_eq!(
            Backward::open(Path::new("/dev/null")).err(),
            Some("open /dev/null: not a regular file".into())
        );
        assert_eq!(Backward::open(Path::new("/")).err(), Some("open /: not a regular file".into()));
    }

    proptest! {
        #[test]
        fn the_lines_are_those_from_the_front_reversed(text in "[a\r\n]{0,40}") {
            let mut lines: Vec<&str> = text.split_terminator('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
            lines.reverse();
            prop_assert_eq!(backward(text.as_bytes()), lines);
        }
    }
}
