//! The scripts of one epoch as read from disk: read once when the configuration is loaded, compiled
//! by every worker for itself.

use crate::auth::scripts::{ActionKind, StageKind};
use crate::files;
use std::path::Path;

/// All scripts, and which of them belong where. Indices of `features`, `filters` … refer to
/// `scripts`.
#[derive(Clone, Debug, Default)]
pub struct ScriptSet {
    pub scripts: Vec<Script>,
    pub features: Vec<usize>,
    pub filters: Vec<usize>,
    /// By type.
    pub actions: [Vec<usize>; ActionKind::COUNT],
    /// By the epoch's list of Lua backends.
    pub backends: Vec<usize>,
    pub hooks: Vec<usize>,
    pub init: Vec<usize>,
}

/// One script file.
#[derive(Clone, Debug)]
pub struct Script {
    /// As configured; the chunk's name in messages.
    pub path: String,
    /// The entry's `name`, for metrics and logs.
    pub name: String,
    pub stage: StageKind,
    pub source: Vec<u8>,
    /// Run the top-level chunk once per state instead of once per call, although its calls may
    /// notice.
    pub reuse: bool,
}

impl ScriptSet {
    /// The stages whose scripts share an environment.
    pub fn sharing(&self) -> impl Iterator<Item = &[usize]> {
        [&self.features, &self.filters].into_iter().chain(&self.actions).map(Vec::as_slice)
    }

    /// Reads a file and adds it; returns its index for the list it belongs to.
    ///
    /// # Errors
    /// The file cannot be read, is no regular one or too large; the text names the path.
    pub fn read(
        &mut self,
        path: &Path,
        name: &str,
        stage: StageKind,
        reuse: bool,
    ) -> Result<usize, String> {
        let shown = path.display().to_string();
        let source = files::read(path, SCRIPT_BYTES_MAX)
            .map_err(|error| format!("cannot read script {shown}: {error}"))?;
        self.scripts.push(Script { path: shown, name: name.into(), stage, source, reuse });
        Ok(self.scripts.len() - 1)
    }
}

/// A hundred times the longest script known.
const SCRIPT_BYTES_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_must_be_a_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo.lua");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        for (path, what) in [
            (fifo.as_path(), "a FIFO"),
            (Path::new("/dev/zero"), "a device"),
            (folder.path(), "a directory"),
        ] {
            let error = ScriptSet::default().read(path, "x", StageKind::Hook, false).unwrap_err();
            let expected = format!(
                "cannot read script {}: is {what}; only regular files can be used here",
                path.display()
            );
            assert_eq!(error, expected);
        }
        let huge = folder.path().join("huge.lua");
        std::fs::File::create(&huge).unwrap().set_len(SCRIPT_BYTES_MAX + 1).unwrap();
        let error = ScriptSet::default().read(&huge, "x", StageKind::Hook, false).unwrap_err();
        assert!(error.ends_with(&format!("has more than {SCRIPT_BYTES_MAX} bytes")), "{error}");
    }
}
