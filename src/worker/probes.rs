//! Probes: connections that are opened only to see whether they can be.

use crate::op::{Answer, Failure};
use crate::reactor::{Address, Interest, Key, Kind, Reactor, Slots, Stream, Token};
use crate::upstream::dial_text;

/// The probes under way, by key; each answers one ask.
#[derive(Default)]
pub struct Probes(Slots<Probe>);

struct Probe {
    stream: Stream,
    address: String,
    ask: Key,
}

impl Probes {
    /// Begins to connect to `host:port`. Some: the answer is known already. Host names are not looked up here.
    pub fn begin(&mut self, reactor: &mut Reactor, address: String, ask: Key) -> Option<Answer> {
        let refused = |error: &std::io::Error| Some(Answer::Failed(Failure::Refused(dial_text(&address, error))));
        let target = match Address::parse(&address) {
            Ok(target) => target,
            Err(error) => return Some(Answer::Failed(Failure::Refused(format!("dial tcp {address}: {error}")))),
        };
        let stream = match Stream::connect(&target) {
            Ok(stream) => stream,
            Err(error) => return refused(&error),
        };
        let key = self.0.insert(Probe { stream, address: address.clone(), ask });
        let registered = self.0.get_mut(key).map(|probe| reactor.register(&mut probe.stream, Token::new(Kind::Call, key), Interest::Both));
        if let Some(Err(error)) = registered {
            self.0.remove(key);
            return refused(&error);
        }
        None
    }

    /// Looks at a probe whose socket is ready: who asked, and the answer, if there is one.
    pub fn handle(&mut self, key: Key) -> Option<(Key, Answer)> {
        let probe = self.0.get(key)?;
        let answer = match probe.stream.finish_connect() {
            Ok(false) => return None,
            Ok(true) => Answer::Probed,
            Err(error) => Answer::Failed(Failure::Refused(dial_text(&probe.address, &error))),
        };
        self.0.remove(key).map(|probe| (probe.ask, answer))
    }

    /// Drops the probe of an ask that nobody waits for any more.
    pub fn forget(&mut self, ask: Key) {
        let stale: Vec<Key> = self.0.iter().filter(|(_, probe)| probe.ask == ask).map(|(key, _)| key).collect();
        for key in stale {
            self.0.remove(key);
        }
    }
}
