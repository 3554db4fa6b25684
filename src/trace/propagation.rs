//! A trace's context as headers, in and out: what services tell each other.
//!
//! Formats: W3C `traceparent` and `baggage`, B3 in one header and in three, Jaeger. What cannot be
//! read is as if it were not there.
//! Bounds: [`BAGGAGE_MAX`] entries, [`BAGGAGE_BYTES_MAX`] bytes.

use super::{Place, SpanId, TraceId};

/// One format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagator {
    TraceContext,
    Baggage,
    B3,
    B3Multi,
    Jaeger,
}

impl Propagator {
    pub const ALL: [(&'static str, Propagator); 5] = [
        ("tracecontext", Propagator::TraceContext),
        ("baggage", Propagator::Baggage),
        ("b3", Propagator::B3),
        ("b3multi", Propagator::B3Multi),
        ("jaeger", Propagator::Jaeger),
    ];

    /// Hands the headers for a place and some baggage to `put`, names in lower case.
    pub fn inject(
        self,
        place: Option<Place>,
        baggage: &[(String, String)],
        mut put: impl FnMut(&str, String),
    ) {
        if self == Propagator::Baggage {
            if !baggage.is_empty() {
                put("baggage", compose_baggage(baggage));
            }
            return;
        }
        let Some(Place { trace, span, sampled }) = place else { return };
        let flag = u8::from(sampled);
        match self {
            Propagator::TraceContext => {
                put("traceparent", format!("00-{:032x}-{:016x}-0{flag}", trace.0, span.0))
            }
            Propagator::B3 => put("b3", format!("{:032x}-{:016x}-{flag}", trace.0, span.0)),
            Propagator::B3Multi => {
                put("x-b3-traceid", format!("{:032x}", trace.0));
                put("x-b3-spanid", format!("{:016x}", span.0));
                put("x-b3-sampled", flag.to_string());
            }
            Propagator::Jaeger => {
                put("uber-trace-id", format!("{:032x}:{:016x}:0:{flag}", trace.0, span.0))
            }
            Propagator::Baggage => {}
        }
    }

    /// The place that headers tell of. `header` looks one up by its name in lower case.
    pub fn extract<'h>(self, header: impl Fn(&str) -> Option<&'h str>) -> Option<Place> {
        match self {
            Propagator::TraceContext => traceparent(header("traceparent")?),
            Propagator::Baggage => None,
            Propagator::B3 => {
                let mut parts = header("b3")?.split('-');
                place(parts.next()?, parts.next()?, matches!(parts.next(), Some("1" | "d")))
            }
            Propagator::B3Multi => place(
                header("x-b3-traceid")?,
                header("x-b3-spanid")?,
                matches!(header("x-b3-sampled"), Some("1" | "true")),
            ),
            Propagator::Jaeger => {
                let mut parts = header("uber-trace-id")?.split(':');
                let (trace, span, _parent) = (parts.next()?, parts.next()?, parts.next()?);
                place(trace, span, u8::from_str_radix(parts.next()?, 16).ok()? & 1 == 1)
            }
        }
    }
}

/// `00-TRACE-SPAN-FLAGS`; later versions may have more behind it.
fn traceparent(text: &str) -> Option<Place> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let fits = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    if !fits || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    place(trace, span, u8::from_str_radix(flags, 16).ok()? & 1 == 1)
}

fn place(trace: &str, span: &str, sampled: bool) -> Option<Place> {
    // from_str_radix would take a sign.
    if trace.starts_with('+') || span.starts_with('+') {
        return None;
    }
    let (trace, span) =
        (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
    (trace != 0 && span != 0).then_some(Place {
        trace: TraceId(trace),
        span: SpanId(span),
        sampled,
    })
}

fn compose_baggage(baggage: &[(String, String)]) -> String {
    let mut out = String::new();
    for (key, value) in baggage {
        let start = out.len();
        out.push_str(if start == 0 { "" } else { "," });
        escape(&mut out, key);
        out.push('=');
        escape(&mut out, value);
        if out.len() > BAGGAGE_BYTES_MAX {
            out.truncate(start);
            break;
        }
    }
    out
}

/// The entries of a `baggage` header; properties behind a `;` are left out.
pub fn parse_baggage(text: &str) -> Vec<(String, String)> {
    let members =
        text.get(..text.floor_char_boundary(BAGGAGE_BYTES_MAX)).unwrap_or_default().split(',');
    let pair = |member: &str| {
        let (key, value) = member.split(';').next()?.split_once('=')?;
        let (key, value) = (unescape(key.trim())?, unescape(value.trim())?);
        (!key.is_empty()).then_some((key, value))
    };
    members.filter_map(pair).take(BAGGAGE_MAX).collect()
}

fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte))
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match (byte, behind) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?
            }
            (b'%', _) => return None,
            (byte, _) => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// As many as the W3C asks for.
pub const BAGGAGE_MAX: usize = 64;

/// Also the W3C's.
const BAGGAGE_BYTES_MAX: usize = 8192;
