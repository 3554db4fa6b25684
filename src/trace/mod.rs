//! Tracing: spans that scripts make, the context they belong to, and what leaves the process.
//!
//! A [`Context`] belongs to one request: its trace, the spans that are open, the baggage. Finished
//! spans of sampled traces go into the worker's [`Buffer`], and from there to the background
//! worker's [`exporter`]; [`otlp`] writes a batch as an OTLP/HTTP request, [`propagation`] the
//! context as headers. No socket, no clock, no Lua. Rules: OTLP 1.x, W3C Trace Context and Baggage. Bounds: [`SPAN_BYTES_MAX`],
//! [`BUFFERED_MAX`], [`OPEN_MAX`], [`propagation::BAGGAGE_MAX`].

pub mod exporter;
pub mod otlp;
pub mod propagation;

use propagation::Propagator;
use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

/// What an operator may set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Share of the traces that begin here whose spans are kept, 0 to 1.
    pub sampler_ratio: f64,
    pub propagators: Vec<Propagator>,
}

/// A trace's number, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// A span's number, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanId(pub u64);

/// What a span needs to know of where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub trace: TraceId,
    pub span: SpanId,
    /// The spans of the trace are kept.
    pub sampled: bool,
}

/// The trace of one request.
#[derive(Debug, Default)]
pub struct Context {
    /// Where the request came from, if a script has said so, or the first span of its own.
    origin: Option<Place>,
    /// The spans that are open, the current one last.
    open: Vec<Place>,
    pub baggage: Vec<(String, String)>,
}

impl Context {
    /// The current span, or where the request came from.
    pub fn current(&self) -> Option<Place> {
        self.open.last().copied().or(self.origin)
    }

    /// Goes on with a trace that began elsewhere.
    pub fn extracted(&mut self, place: Place) {
        self.origin = Some(place);
    }

    /// Begins a span; it becomes the current one. Its place, and its parent. `random` is for the
    /// numbers.
    pub fn enter(&mut self, settings: &Settings, random: [u8; 24]) -> (Place, Option<SpanId>) {
        let [high, low, span] = numbers(random);
        let parent = self.current();
        let (trace, sampled) = match parent {
            Some(parent) => (parent.trace, parent.sampled),
            None => (
                TraceId(u128::from(high) << 64 | u128::from(low)),
                is_sampled(low, settings.sampler_ratio),
            ),
        };
        let place = Place { trace, span: SpanId(span), sampled };
        // Later spans of a request belong to the trace of the first.
        self.origin.get_or_insert(place);
        if self.open.len() < OPEN_MAX {
            self.open.push(place);
        }
        (place, parent.map(|parent| parent.span))
    }

    /// A span is finished, whether it is the current one or not.
    pub fn leave(&mut self, span: SpanId) {
        self.open.retain(|open| open.span != span);
    }
}

/// Three numbers, none of them 0.
fn numbers(random: [u8; 24]) -> [u64; 3] {
    let mut words = random.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word).max(1));
    std::array::from_fn(|_| words.next().unwrap_or(1))
}

/// As every implementation decides it, by the lower half of the trace's number: so that all
/// services keep the same traces.
fn is_sampled(low: u64, ratio: f64) -> bool {
    (low >> 1) as f64 <= ratio * (u64::MAX >> 1) as f64 && ratio > 0.0
}

/// One piece of work, as it is sent to the collector.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub place: Place,
    pub parent: Option<SpanId>,
    /// Who made it: the tracer's name.
    pub scope: String,
    pub name: String,
    pub kind: Kind,
    /// Nanoseconds since 1970.
    pub began: u64,
    pub ended: u64,
    pub attributes: Attributes,
    pub events: Vec<Event>,
    pub links: Vec<Link>,
    pub status: Status,
    /// What did not fit any more.
    pub dropped: u32,
    bytes: usize,
}

/// In the order in which they were set, no name twice.
pub type Attributes = Vec<(String, Attribute)>;

#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Text(String),
    Number(f64),
    Bool(bool),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Unset,
    Ok,
    Error(String),
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: u64,
    pub name: String,
    pub attributes: Attributes,
}

/// Another span that this one has to do with.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub trace: TraceId,
    pub span: SpanId,
    pub attributes: Attributes,
}

impl Span {
    pub fn new(
        place: Place,
        parent: Option<SpanId>,
        scope: &str,
        name: &str,
        kind: Kind,
        began: u64,
    ) -> Span {
        Span {
            place,
            parent,
            scope: cut(scope),
            name: cut(name),
            kind,
            began,
            ended: began,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
            dropped: 0,
            bytes: 0,
        }
    }

    /// Sets attributes; those that are there already get their new values.
    pub fn set(&mut self, attributes: Attributes) {
        for (name, value) in attributes {
            if let Some((_, old)) = self.attributes.iter_mut().find(|(known, _)| *known == name) {
                *old = value;
            } else if self.fits(size(&name, &value)) {
                self.attributes.push((name, value));
            }
        }
    }

    pub fn add_event(&mut self, event: Event) {
        let bytes = event.name.len()
            + event.attributes.iter().map(|(name, value)| size(name, value)).sum::<usize>();
        if self.fits(bytes + size_of::<Event>()) {
            self.events.push(event);
        }
    }

    pub fn add_link(&mut self, link: Link) {
        let bytes = link.attributes.iter().map(|(name, value)| size(name, value)).sum::<usize>();
        if self.fits(bytes + size_of::<Link>()) {
            self.links.push(link);
        }
    }

    fn fits(&mut self, bytes: usize) -> bool {
        if !self.place.sampled {
            return false;
        }
        let fits = self.bytes + bytes <= SPAN_BYTES_MAX;
        if fits {
            self.bytes += bytes;
        } else {
            self.dropped += 1;
        }
        fits
    }
}

fn size(name: &str, value: &Attribute) -> usize {
    let text = if let Attribute::Text(text) = value { text.len() } else { 0 };
    name.len() + text + size_of::<(String, Attribute)>()
}

/// At most [`TEXT_BYTES_MAX`] bytes of a text.
pub fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned()
}

/// A time as spans have it: nanoseconds since 1970.
pub fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The finished spans of one worker, until they are exported. Full, it drops and counts.
#[derive(Debug, Default)]
pub struct Buffer {
    spans: RefCell<Vec<Span>>,
    dropped: Cell<u64>,
}

impl Buffer {
    /// Keeps a span if its trace is sampled and there is room.
    pub fn push(&self, span: Span) {
        let mut spans = self.spans.borrow_mut();
        if !span.place.sampled {
            return;
        }
        if spans.len() < BUFFERED_MAX {
            spans.push(span);
        } else {
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// Whether nothing was kept or dropped since the last time.
    pub fn is_empty(&self) -> bool {
        self.spans.borrow().is_empty() && self.dropped.get() == 0
    }

    /// Everything that was kept since the last time, oldest first.
    pub fn take(&self) -> Vec<Span> {
        self.spans.take()
    }

    /// How many spans found no room since the last time.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.take()
    }
}

/// Everything in a span but its names. With a thousand bytes of overhead it is what an open span
/// may take.
pub const SPAN_BYTES_MAX: usize = 16 << 10;

/// Of a name, a value, a status text.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Spans that wait to be taken, at most 32 MB of them; usually a hundredth of that.
pub const BUFFERED_MAX: usize = 2048;

/// Spans inside spans; deeper ones are siblings.
const OPEN_MAX: usize = 64;

#[cfg(test)]
mod tests;
