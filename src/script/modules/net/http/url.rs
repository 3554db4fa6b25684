//! URL functions, as the specification has them (`lua/modules/http_util.md`).

use crate::proto::http::{form_pairs, percent_decode};
use crate::proto::url::{Url, broken_escape, escape_path, escape_user, query_escape};
use crate::script::ffi::{Call, Fault, Function, Kind};
use std::collections::BTreeMap;

pub(super) const QUERY_ESCAPE: Function = Function { name: "query_escape", body: escape };
pub(super) const QUERY_UNESCAPE: Function = Function { name: "query_unescape", body: unescape };
pub(super) const PARSE_URL: Function = Function { name: "parse_url", body: parse_url };
pub(super) const BUILD_URL: Function = Function { name: "build_url", body: build_url };

fn escape(call: &Call<'_>) -> Result<i32, Fault> {
    call.push_string(query_escape(&call.string(1)?).as_bytes());
    Ok(1)
}

fn unescape(call: &Call<'_>) -> Result<i32, Fault> {
    let text: Vec<u8> =
        call.string(1)?.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    match percent_decode(&text) {
        Ok(text) => {
            call.push_string(&text);
            Ok(1)
        }
        Err(_) => Ok(call
            .nil_and(format!("invalid URL escape {:?}", broken_escape(&text).unwrap_or_default()))),
    }
}

fn parse_url(call: &Call<'_>) -> Result<i32, Fault> {
    let text = call.string(1)?;
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(error) => {
            return Ok(call.nil_and(format!("parse {:?}: {error}", String::from_utf8_lossy(&text))));
        }
    };
    let query = url.query.as_deref().unwrap_or_default();
    call.push_table(0, 7);
    let table = call.len();
    let (authority, path) = (url.authority(), url.decoded_path());
    let texts: [(&str, &[u8]); 5] = [
        ("scheme", url.scheme.as_bytes()),
        ("host", authority.as_bytes()),
        ("port", url.port.as_bytes()),
        ("path", &path),
        ("raw_query", query.as_bytes()),
    ];
    for (name, text) in texts {
        call.push_string(text);
        call.set_field(table, name);
    }
    push_query(call, query.as_bytes());
    call.set_field(table, "query");
    if let Some(user) = &url.user {
        call.push_table(0, 2);
        call.push_string(user.name.expose());
        call.set_field(-2, "username");
        if let Some(password) = &user.password {
            call.push_string(password.expose());
            call.set_field(-2, "password");
        }
        call.set_field(table, "user");
    }
    Ok(1)
}

/// Name → list of values.
fn push_query(call: &Call<'_>, query: &[u8]) {
    let mut values = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in form_pairs(query) {
        values.entry(name).or_default().push(value);
    }
    call.push_table(0, values.len());
    let table = call.len();
    for (name, values) in values {
        call.push_string(&name);
        call.push_table(values.len(), 0);
        let list = call.len();
        for (at, value) in values.iter().enumerate() {
            call.push_string(value);
            call.set_index(list, at + 1);
        }
        call.set_pair(table);
    }
}

fn build_url(call: &Call<'_>) -> Result<i32, Fault> {
    call.table(1)?;
    let [scheme, host, path] = [text(call, "scheme")?, text(call, "host")?, text(call, "path")?];
    let user = user(call)?;
    let query = query(call)?;
    let mut url = Vec::new();
    if !scheme.is_empty() {
        url.extend([&scheme[..], b":"].concat());
    }
    if !scheme.is_empty() || !host.is_empty() || user.is_some() {
        if !host.is_empty() || !path.is_empty() || user.is_some() {
            url.extend(b"//");
        }
        if let Some(user) = user {
            url.extend([user.as_bytes(), b"@"].concat());
        }
        url.extend(&host);
        if !path.is_empty() && !path.starts_with(b"/") && !host.is_empty() {
            url.push(b'/');
        }
    }
    url.extend(escape_path(&path).into_bytes());
    if !query.is_empty() {
        url.push(b'?');
        url.extend(query.into_bytes());
    }
    call.push_string(&url);
    Ok(1)
}

/// A text field of the argument; empty for nil.
fn text(call: &Call<'_>, name: &str) -> Result<Vec<u8>, Fault> {
    let text = match call.push_field(1, name) {
        Kind::Nil => Ok(Vec::new()),
        Kind::String | Kind::Number => call.string(-1).map(|text| text.into_owned()),
        kind => Err(wrong(name, "string", kind)),
    };
    call.pop(1);
    text
}

/// `name:password`, escaped. A password that is missing becomes the text `nil`, as in the original.
fn user(call: &Call<'_>) -> Result<Option<String>, Fault> {
    let user = match call.push_field(1, "user") {
        Kind::Nil => Ok(None),
        Kind::Table => {
            let table = call.len();
            let [name, password] = ["username", "password"].map(|name| {
                let text = if call.push_field(table, name) == Kind::String {
                    call.bytes(-1).to_vec()
                } else {
                    call.display(-1).into_bytes()
                };
                call.pop(1);
                text
            });
            Ok(Some(format!("{}:{}", escape_user(&name), escape_user(&password))))
        }
        kind => Err(wrong("user", "table", kind)),
    };
    call.pop(1);
    user
}

/// The pairs of `query`, sorted by name.
fn query(call: &Call<'_>) -> Result<String, Fault> {
    let mut pairs = Vec::new();
    match call.push_field(1, "query") {
        Kind::Nil => {}
        Kind::Table => call.for_each(-1, |call| {
            if call.kind(-1) != Kind::Table {
                return Err(wrong("query", "table of lists", call.kind(-1)));
            }
            let name = call.string(-2)?.into_owned();
            pairs.extend(call.string_list(-1)?.into_iter().map(|value| (name.clone(), value)));
            Ok(())
        })?,
        kind => return Err(wrong("query", "table", kind)),
    }
    call.pop(1);
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", query_escape(name), query_escape(value)))
        .collect();
    Ok(pairs.join("&"))
}

fn wrong(name: &str, expected: &str, kind: Kind) -> Fault {
    Fault::Argument(1, format!("{name} must be a {expected}, got {}", kind.name()))
}
