//! The loader as a whole: files and environments in, configurations or lists of problems out.

use super::*;

/// A folder of its own for one test, removed at the end of it.
pub(super) struct TestDir(PathBuf);

impl TestDir {
    pub fn new() -> TestDir {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("loligo-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        TestDir(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a file of this text, and this environment, come to. `{dir}` in the text is the test's
/// folder, where `a.lua` and `b.lua` are.
fn try_text(name: &str, text: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
    let dir = TestDir::new();
    dir.write("a.lua", "");
    dir.write("b.lua", "");
    let file = dir.write(name, text.replace("{dir}", &dir.0.display().to_string()));
    let environment =
        environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let shown = format!("{}/", dir.0.display());
    load(&Source { file: Some(file), format: None, environment })
        .map_err(|problems| problems.to_string().replace(&shown, ""))
}

fn yaml(text: &str) -> Config {
    try_text("c.yml", text, &[]).unwrap().config
}

fn warnings(text: &str) -> Vec<String> {
    let all = try_text("c.yml", text, &[]).unwrap().warnings;
    all.iter().map(|line| line.to_string().split_once("c.yml:").unwrap().1.to_owned()).collect()
}

/// The problems of a file, without its name: `LINE: PATH: ...`.
fn problems(text: &str) -> Vec<String> {
    let all = try_text("c.yml", text, &[]).unwrap_err();
    all.lines().map(|line| line.strip_prefix("c.yml:").unwrap_or(line).to_owned()).collect()
}

fn with_environment(text: &str, environment: &[(&str, &str)]) -> Config {
    try_text("c.yml", text, environment).unwrap().config
}

/// A backend that can be asked, so that a file needs only what its test is about.
const BASE: &str = "server: {backends: [lua]}\nlua: {config: {backend_script_path: '{dir}/a.lua'}, search: [{protocol: imap}]}\n";

mod environment;
mod files;
mod listeners;
mod reading;
mod samples;
