//! A request from a script's arguments. What is of a wrong type counts as absent; what cannot be
//! meant is an error text.

use crate::proto::url::escape_where;
use crate::script::ffi::{Call, Kind};
use crate::time::parse_go_nanos;
use crate::upstream::http::Request;
use std::borrow::Cow;
use std::ffi::c_int;
use std::time::Duration;

/// The request that the arguments at `url` and `options` describe.
pub(super) fn request(
    call: &Call<'_>,
    method: &str,
    url: c_int,
    options: c_int,
) -> Result<Request, String> {
    let mut request = Request::new(method, text(call, url)).map_err(|error| error.to_string())?;
    request.headers.set("User-Agent", USER_AGENT);
    if call.kind(options) == Kind::Table {
        let height = call.len();
        let outcome = Options { call, table: options }.apply(&mut request);
        call.pop(call.len() - height);
        outcome?;
    }
    Ok(request)
}

/// The bytes of a string or number; nothing for anything else.
pub(super) fn text<'a>(call: &'a Call<'_>, at: c_int) -> Cow<'a, [u8]> {
    call.string(at).unwrap_or_default()
}

struct Options<'a, 'b> {
    call: &'a Call<'b>,
    table: c_int,
}

impl Options<'_, '_> {
    /// In the original's order: headers last, over what the others set.
    fn apply(&self, request: &mut Request) -> Result<(), String> {
        self.query(request)?;
        self.body(request);
        self.timeout(request)?;
        self.cookies(request);
        self.auth(request)?;
        self.headers(request);
        Ok(())
    }

    /// Leaves a field on the stack.
    fn field(&self, name: &str) -> Kind {
        self.call.push_field(self.table, name)
    }

    /// In the place of the URL's query, as it is.
    fn query(&self, request: &mut Request) -> Result<(), String> {
        if self.field("query") != Kind::String {
            return Ok(());
        }
        let query = self.call.bytes(-1);
        if query.iter().any(|byte| byte.is_ascii_control() || matches!(byte, b' ' | b'#')) {
            return Err("query must not contain blanks, control characters or #".into());
        }
        request.url.query = (!query.is_empty()).then(|| escape_where(query, |_| true));
        Ok(())
    }

    fn body(&self, request: &mut Request) {
        if self.field("body") == Kind::String {
            request.body = Some(self.call.bytes(-1).to_vec());
        } else if self.field("form") == Kind::String {
            request.body = Some(self.call.bytes(-1).to_vec());
            request.headers.set("Content-Type", "application/x-www-form-urlencoded");
        }
    }

    /// Seconds, or a duration; nothing left is an error of the sending. Never more than the
    /// request's own limit.
    fn timeout(&self, request: &mut Request) -> Result<(), String> {
        let timeout = match self.field("timeout") {
            Kind::None | Kind::Nil => return Ok(()),
            Kind::Number => seconds(self.call.raw_number(-1)),
            Kind::String => {
                let nanos = parse_go_nanos(&String::from_utf8_lossy(self.call.bytes(-1)))
                    .map_err(|error| error.to_string())?;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
            }
            _ => Duration::ZERO,
        };
        request.timeout = request.timeout.min(timeout);
        Ok(())
    }

    fn cookies(&self, request: &mut Request) {
        let mut cookies = Vec::new();
        self.pairs("cookies", |name, value| {
            if !name.is_empty()
                && name
                    .iter()
                    .all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(byte))
            {
                cookies.push([&*name, b"=", &cookie_value(&value)].concat());
            }
        });
        if !cookies.is_empty() {
            request.headers.set("Cookie", cookies.join(&b"; "[..]));
        }
    }

    fn auth(&self, request: &mut Request) -> Result<(), String> {
        if self.field("auth") != Kind::Table {
            return Ok(());
        }
        let auth = self.call.len();
        let [user, pass] = ["user", "pass"].map(|name| {
            self.call.push_field(auth, name);
            self.call.truthy(-1).then(|| shown(self.call, -1))
        });
        let (Some(user), Some(pass)) = (user, pass) else {
            return Err("auth table must contain no nil user and pass fields".into());
        };
        request.set_basic_auth(&user, &pass);
        Ok(())
    }

    fn headers(&self, request: &mut Request) {
        self.pairs("headers", |name, value| {
            request.headers.set(&String::from_utf8_lossy(&name), value)
        });
    }

    /// The pairs of a table of texts.
    fn pairs(&self, name: &str, mut each: impl FnMut(Vec<u8>, Vec<u8>)) {
        if self.field(name) == Kind::Table {
            let pushed = self.call.for_each(-1, |call| {
                each(shown(call, -2), shown(call, -1));
                Ok(())
            });
            debug_assert!(pushed.is_ok(), "nothing in there fails");
        }
    }
}

/// A value made text.
fn shown(call: &Call<'_>, at: c_int) -> Vec<u8> {
    match call.kind(at) {
        Kind::String => call.bytes(at).to_vec(),
        _ => call.display(at).into_bytes(),
    }
}

fn seconds(number: f64) -> Duration {
    if number > 0.0 {
        Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
    } else {
        Duration::ZERO
    }
}

/// RFC 6265 4.1.1: what may not be in a value is left out; blanks and commas are kept between
/// quotes.
fn cookie_value(value: &[u8]) -> Vec<u8> {
    let kept: Vec<u8> = value
        .iter()
        .copied()
        .filter(|byte| (b' '..0x7f).contains(byte) && !b"\";\\".contains(byte))
        .collect();
    if kept.iter().any(|byte| b" ,".contains(byte)) {
        [b"\"", &kept[..], b"\""].concat()
    } else {
        kept
    }
}

/// What the original calls itself.
const USER_AGENT: &str = "Go-http-client/1.1";
