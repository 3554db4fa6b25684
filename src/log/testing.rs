//! For tests of any module: a log that keeps what is written, and a check that a secret is not in
//! it.

use super::writer::LogSink;
use super::{Format, Level, Log, LogSettings};
use crate::time::Now;
use base64::Engine;
use std::time::Instant;

/// A sink without a writer thread.
pub struct Capture(LogSink);

impl Default for Capture {
    fn default() -> Capture {
        Capture::new()
    }
}

impl Capture {
    pub fn new() -> Capture {
        Capture(LogSink::detached())
    }

    /// A log of instance `test` that ends here.
    pub fn log(&self, level: Level, format: Format) -> Log {
        Log::new(&self.0, &LogSettings { level, format, instance: "test".into() })
    }

    /// Sunday, 22 November 2026, 14:41:28.061497003 UTC.
    pub fn now(&self) -> Now {
        Now { mono: Instant::now(), unix_ns: 1_795_358_488_061_497_003 }
    }

    /// What `log` has written since the last call.
    pub fn text(&self, log: &mut Log) -> String {
        log.flush();
        self.written()
    }

    /// What was flushed since the last call.
    pub fn written(&self) -> String {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.0.take() {
            bytes.extend_from_slice(&chunk.bytes);
        }
        String::from_utf8(bytes).expect("a log is UTF-8")
    }

    /// Fails if `secret` is in `text`: as it is, in hexadecimal, in base64, or in URL encoding.
    #[track_caller]
    pub fn assert_absent(text: &str, secret: &[u8]) {
        let percent: String = secret.iter().map(|byte| format!("%{byte:02x}")).collect();
        let forms = [
            String::from_utf8_lossy(secret).into_owned(),
            hex::encode(secret),
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret),
            percent,
        ];
        for form in forms {
            assert!(
                !text.to_lowercase().contains(&form.to_lowercase()),
                "the log holds a secret as {form}"
            );
        }
    }
}
