//! Pages and paths: one byte, the length of the path; path; page.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::script::modules::data::xmlpath::{Document, Path};

fuzz_target!(|input: &[u8]| {
    let Some((len, rest)) = input.split_first() else { return };
    let (path, page) = rest.split_at(rest.len().min(usize::from(*len)));
    let Ok(document) = Document::load(page) else { return };
    let all = document.select(&Path::compile("//node()").expect("a path"), (0, 0)).expect("a small page");
    assert!(all.iter().all(|place| document.text(*place).len() <= 4 * page.len() + 64));
    let Ok(path) = Path::compile(&String::from_utf8_lossy(path)) else { return };
    if let Ok(places) = document.select(&path, (0, 0)) {
        // In document order, none twice.
        assert!(places.is_sorted_by(|a, b| a < b));
    }
});
