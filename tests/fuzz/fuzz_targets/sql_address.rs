//! Addresses of databases, with a password in them that no error may show.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loligo::proto::sql::{mysql, postgres};

const PASSWORD: &str = "Tr0ub4dor";

fuzz_target!(|input: &[u8]| {
    let Some((shape, text)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    // Where the input itself has it, it may be no password.
    if text.contains(PASSWORD) {
        return;
    }
    let (before, after) = text.split_at(text.char_indices().nth(usize::from(shape >> 3)).map_or(text.len(), |(at, _)| at));
    let address = match shape & 7 {
        0 => format!("u:{PASSWORD}{text}"),
        1 => format!("u:{before}{PASSWORD}{after}@tcp(h)/d"),
        2 => format!("postgres://u:{PASSWORD}{text}"),
        3 => format!("postgres://u:{before}{PASSWORD}{after}@h/d"),
        4 => format!("user=u password={PASSWORD}{text}"),
        5 => format!("user=u password='{before}{PASSWORD}{after}' x"),
        _ => text.into_owned(),
    };
    // What somebody passes to the wrong driver is a secret, too; without a password in its place,
    // anything may be shown.
    let holds_one = shape & 7 < 6;
    if let Err(error) = mysql::dsn::Dsn::parse(&address) {
        assert!(!holds_one || !error.to_string().contains(PASSWORD), "{address:?}: {error}");
    }
    match postgres::dsn::Dsn::parse(&address, |_| None) {
        Err(error) => assert!(!holds_one || !error.to_string().contains(PASSWORD), "{address:?}: {error}"),
        Ok(dsn) => drop((dsn.socket(), dsn.password_in(&address))),
    }
});
