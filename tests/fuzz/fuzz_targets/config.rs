//! Configuration files: the first byte chooses the format, the rest is the file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::config::{Format, Loaded, Problems, Source, load};
use std::path::Path;

fuzz_target!(|input: &[u8]| {
    let Some((format, text)) = input.split_first() else { return };
    let format = [Format::Yaml, Format::Json, Format::Toml][usize::from(*format) % 3];
    let folder = std::env::temp_dir().join(format!("loligo-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("config");
    match load_text(&file, text, format) {
        Ok(loaded) => {
            // What is in force can be written down, and means the same again.
            let effective = loaded.config.effective();
            let again = load_text(&file, effective.as_bytes(), Format::Yaml).unwrap_or_else(|problems| panic!("{problems}\n{effective}"));
            assert_eq!(again.config.effective(), effective);
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});

fn load_text(file: &Path, text: &[u8], format: Format) -> Result<Loaded, Problems> {
    std::fs::write(file, text).expect("a file");
    // The environment wins over the file, whose address may be a host name that would be looked up.
    let environment = vec![("LOLIGO_SERVER_ADDRESS".to_owned(), "127.0.0.1:0".to_owned())];
    load(&Source { file: Some(file.to_owned()), format: Some(format), environment })
}
