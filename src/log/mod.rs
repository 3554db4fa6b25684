//! The log: one line per event, `key=value` or JSON, to standard output.
//!
//! Each thread has a [`Log`]: a buffer that [`Log::line`] writes into and [`Log::flush`] hands to
//! the one writer thread at the end of a turn. No thread ever waits for standard output: when it is
//! stuck, whole buffers are dropped and counted ([`LogSink::lines_dropped`]). What one thread logs
//! comes out in its order, `print` lines of scripts included ([`Log::raw`]).
//!
//! Passwords never go here. The functions take bytes, so that a `Secret` does not fit in by itself;
//! never pass what `Secret::expose` returns. Tests prove it with
//! [`testing::Capture::assert_absent`].
//!
//! Called by everybody; names only `time` and `value`.
//! Bounds: [`LINE_BYTES_MAX`], [`RAW_BYTES_MAX`], and those of [`writer`].

mod encode;
mod line;
#[cfg(test)]
pub mod testing;
pub mod writer;

pub use line::{Line, Number, PairValue};
pub use writer::{LogSink, LogWriter};

use crate::time::{LogTime, Now};
use std::panic::Location;
use writer::Chunk;

/// How urgent a line is. A log of one level takes the lines of that level and of those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing at all: the default of the configuration.
    #[default]
    None,
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    /// The word of the configuration; the empty one is [`Level::None`].
    pub fn parse(word: &str) -> Option<Level> {
        match word {
            "" | "none" => Some(Level::None),
            "error" => Some(Level::Error),
            "warn" => Some(Level::Warn),
            "info" => Some(Level::Info),
            "debug" => Some(Level::Debug),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// The notation of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `key=value key="quoted value"`.
    #[default]
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// What the configuration says about the log. A reload makes a new [`Log`] from the new settings
/// and the same sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    pub level: Level,
    pub format: Format,
    /// `server.instance_name`, added to every line.
    pub instance: String,
}

/// One thread's end of the log.
pub struct Log {
    level: Level,
    format: Format,
    /// ` instance=…`, ready to be copied.
    instance: Vec<u8>,
    time: LogTime,
    buffer: Vec<u8>,
    /// Lines in `buffer`, to be counted if it is dropped.
    lines: u32,
    sink: LogSink,
}

impl Log {
    pub fn new(sink: &LogSink, settings: &LogSettings) -> Log {
        Log {
            level: settings.level,
            format: settings.format,
            instance: line::instance_field(settings.format, &settings.instance),
            time: LogTime::new(),
            buffer: sink.buffer(),
            lines: 0,
            sink: sink.clone(),
        }
    }

    /// Whether lines of this level are written: ask before computing what only the line needs.
    pub fn takes(&self, level: Level) -> bool {
        level <= self.level && level != Level::None
    }

    /// Begins a line with `level`, `ts`, `caller` (file and line of the code that calls this) and
    /// `instance`. It is finished by [`Line::end`], or when it is dropped. A level that is switched
    /// off costs a comparison here and in each field.
    #[track_caller]
    pub fn line(&mut self, level: Level, now: Now) -> Line<'_> {
        if self.takes(level) {
            Line::begin(self, level, now, Location::caller())
        } else {
            Line::disabled()
        }
    }

    /// Bytes as they are, whatever the level: what scripts `print` or `io.write`, newline included.
    /// Cut after [`RAW_BYTES_MAX`].
    pub fn raw(&mut self, bytes: &[u8]) {
        if bytes.len() <= RAW_BYTES_MAX {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.buffer.extend_from_slice(bytes.get(..RAW_BYTES_MAX).unwrap_or_default());
            self.buffer.push(b'\n');
        }
        self.line_written();
    }

    /// Hands what was written to the writer thread. Call it at the end of each turn; it never waits
    /// and is free when there is nothing.
    pub fn flush(&mut self) {
        if !self.buffer.is_empty() {
            let next = self.sink.buffer();
            let bytes = std::mem::replace(&mut self.buffer, next);
            self.sink.send(Chunk { bytes, lines: std::mem::take(&mut self.lines) });
        }
    }

    fn line_written(&mut self) {
        self.lines = self.lines.saturating_add(1);
        if self.buffer.len() >= BUFFER_BYTES_MAX {
            self.flush();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}

/// A line takes no further fields beyond this, and no field is longer than what is left of it. A
/// request's head has 16 KiB, so only scripts get here.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// More than anybody reads from one `print`; the rest of such a text is cut off.
pub const RAW_BYTES_MAX: usize = 1024 * 1024;
/// A buffer with this much in it does not wait for the end of the turn.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::testing::Capture;
    use super::*;

    #[test]
    fn level_words_are_those_of_the_configuration() {
        for level in [Level::None, Level::Error, Level::Warn, Level::Info, Level::Debug] {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert_eq!(Level::parse(""), Some(Level::None));
        assert_eq!(Level::parse("INFO"), None);
    }

    #[test]
    fn a_level_takes_itself_and_what_is_more_urgent() {
        for (set, taken) in [
            (Level::None, [false, false, false, false]),
            (Level::Error, [true, false, false, false]),
            (Level::Warn, [true, true, false, false]),
            (Level::Info, [true, true, true, false]),
            (Level::Debug, [true, true, true, true]),
        ] {
            let log = Capture::new().log(set, Format::Logfmt);
            assert_eq!(
                [Level::Error, Level::Warn, Level::Info, Level::Debug]
                    .map(|level| log.takes(level)),
                taken
            );
            assert!(!log.takes(Level::None));
        }
    }

    #[test]
    fn raw_lines_keep_their_place_among_the_others_at_any_level() {
        let capture = Capture::new();
        let mut log = capture.log(Level::Error, Format::Logfmt);
        log.line(Level::Error, capture.now()).text("msg", "first").end();
        log.raw(b"one\t2\tnil\n");
        log.line(Level::Info, capture.now()).text("msg", "switched off").end();
        log.line(Level::Error, capture.now()).text("msg", "last").end();
        let text = capture.text(&mut log);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].ends_with(" msg=first"));
        assert_eq!(lines[1], "one\t2\tnil");
        assert!(lines[2].ends_with(" msg=last"));
    }

    #[test]
    fn an_endless_print_is_cut() {
        let capture = Capture::new();
        let mut log = capture.log(Level::None, Format::Logfmt);
        log.raw(&vec![b'x'; RAW_BYTES_MAX + 1]);
        assert_eq!(capture.text(&mut log).len(), RAW_BYTES_MAX + 1);
    }

    #[test]
    fn a_full_buffer_does_not_wait_for_the_end_of_the_turn() {
        let capture = Capture::new();
        let mut log = capture.log(Level::Info, Format::Logfmt);
        for _ in 0..BUFFER_BYTES_MAX / 100 {
            log.line(Level::Info, capture.now()).text("msg", "x".repeat(100)).end();
        }
        assert!(log.buffer.len() < BUFFER_BYTES_MAX);
        assert!(capture.text(&mut log).len() >= BUFFER_BYTES_MAX);
    }

    #[test]
    fn a_dropped_log_loses_nothing() {
        let capture = Capture::new();
        let mut log = capture.log(Level::Info, Format::Logfmt);
        log.line(Level::Info, capture.now()).word("msg", "bye").end();
        drop(log);
        assert!(capture.written().ends_with(" msg=bye\n"));
    }
}
