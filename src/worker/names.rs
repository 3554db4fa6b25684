//! Host names of upstreams, looked up by the system's resolver on a thread beside the loop.
//!
//! The resolver blocks for as long as it likes, so the loop only leaves the name and goes on; the thread's answer comes by mailbox. The thread
//! is started with the first name and asked about each name once at a time. An answer serves for [`FRESH`], so that a name that moves is
//! followed at the next connection; while there is no newer one, because the resolver is slow or fails, an old one is better than none.
//! Called by `links`. Bounds: [`NAMES_MAX`] names.

use crate::reactor::{Address, Mailbox, Sender, Waker, mailbox};
use ahash::AHashMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub struct Names {
    known: AHashMap<String, Known>,
    questions: Option<mpsc::Sender<String>>,
    answers: Mailbox<Answer>,
    sender: Sender<Answer>,
    resolve: fn(&str) -> Found,
}

/// What is known of an address whose host is a name.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    /// Where to connect to, in the order to try. Never empty.
    Known(Vec<Address>),
    /// The thread has been asked; [`Names::receive`] will tell.
    Asked,
    /// It is nowhere: why.
    Failed(String),
}

type Found = Result<Vec<Address>, String>;
type Answer = (String, Found);

#[derive(Default)]
struct Known {
    addresses: Vec<Address>,
    /// Why the last look-up failed, if it did.
    error: Option<String>,
    /// When the last answer came.
    answered: Option<Instant>,
    /// The thread is at it.
    is_asked: bool,
}

impl Names {
    pub fn new(waker: Waker) -> Names {
        Names::with(waker, |text| Address::resolve(text).map_err(|error| error.to_string()))
    }

    fn with(waker: Waker, resolve: fn(&str) -> Found) -> Names {
        let (sender, answers) = mailbox(NAMES_MAX, waker);
        Names { known: AHashMap::new(), questions: None, answers, sender, resolve }
    }

    /// Where `text` (`host:port` or a path) is. An address that is none by itself is known at once.
    pub fn look_up(&mut self, text: &str, now: Instant) -> Lookup {
        match Address::parse(text) {
            Ok(address) => return Lookup::Known(vec![address]),
            Err(crate::reactor::AddressError::Name(_)) => {}
            Err(error) => return Lookup::Failed(error.to_string()),
        }
        if self.known.len() >= NAMES_MAX && !self.known.contains_key(text) {
            return Lookup::Failed(format!("lookup {text}: too many names"));
        }
        let known = self.known.entry(text.to_owned()).or_default();
        let is_fresh = known.answered.is_some_and(|answered| now.saturating_duration_since(answered) < FRESH);
        if !is_fresh && !known.is_asked {
            known.is_asked = true;
            if let Err(error) = ask(&mut self.questions, &self.sender, self.resolve, text) {
                known.is_asked = false;
                return Lookup::Failed(format!("lookup {text}: {error}"));
            }
            return Lookup::Asked;
        }
        match (&known.error, known.addresses.is_empty()) {
            // An answer is under way, and nothing is known yet.
            (None, true) => Lookup::Asked,
            (_, false) => Lookup::Known(known.addresses.clone()),
            (Some(error), true) => Lookup::Failed(error.clone()),
        }
    }

    /// The next name that the thread has answered.
    pub fn receive(&mut self, now: Instant) -> Option<String> {
        let (text, found) = self.answers.receive()?;
        let known = self.known.entry(text.clone()).or_default();
        known.is_asked = false;
        known.answered = Some(now);
        match found {
            Ok(addresses) => (known.addresses, known.error) = (addresses, None),
            Err(error) => known.error = Some(error),
        }
        Some(text)
    }
}

/// Leaves a question with the thread, which is started if it does not run.
fn ask(
    questions: &mut Option<mpsc::Sender<String>>,
    answers: &Sender<Answer>,
    resolve: fn(&str) -> Found,
    text: &str,
) -> std::io::Result<()> {
    let left = questions.as_ref().is_some_and(|questions| questions.send(text.to_owned()).is_ok());
    if left {
        return Ok(());
    }
    let (sender, inbox) = mpsc::channel::<String>();
    let answers = answers.clone();
    // It ends when the worker does, after the look-up it is at; nobody waits for it.
    std::thread::Builder::new().name("names".to_owned()).spawn(move || {
        while let Ok(text) = inbox.recv() {
            let found = resolve(&text);
            if answers.send((text, found)).is_err() {
                return;
            }
        }
    })?;
    // The thread has just begun to listen.
    let _ = sender.send(text.to_owned());
    *questions = Some(sender);
    Ok(())
}

/// Long enough for all workers' links to try each address of a name, short enough to follow one that moves.
const FRESH: Duration = Duration::from_secs(1);

/// Names come from the configuration, from scripts and from clusters: as many as a cluster may have nodes.
const NAMES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Reactor;

    fn resolve(text: &str) -> Found {
        match text {
            "here.example:1" => Ok(vec![Address::parse("192.0.2.1:1").unwrap()]),
            _ => Err(format!("lookup {text}: no such host")),
        }
    }

    /// Looks up a name for as long as it takes to be told something.
    fn told(names: &mut Names, reactor: &mut Reactor, text: &str, now: Instant) -> Lookup {
        loop {
            match names.look_up(text, now) {
                Lookup::Asked => {
                    reactor.wait(None, now).unwrap();
                    while let Some(answered) = names.receive(now) {
                        assert_eq!(answered, text);
                    }
                }
                other => return other,
            }
        }
    }

    #[test]
    fn names_are_looked_up_beside_the_loop() {
        let mut reactor = Reactor::new().unwrap();
        let mut names = Names::with(reactor.waker(), resolve);
        let now = Instant::now();
        let found = Lookup::Known(vec![Address::parse("192.0.2.1:1").unwrap()]);
        assert_eq!(names.look_up("here.example:1", now), Lookup::Asked);
        assert_eq!(told(&mut names, &mut reactor, "here.example:1", now), found);
        assert_eq!(told(&mut names, &mut reactor, "gone.example:1", now), Lookup::Failed("lookup gone.example:1: no such host".into()));
        // Another look-up is due, and until it is answered the old answer serves.
        assert_eq!(names.look_up("here.example:1", now + FRESH), Lookup::Asked);
        assert_eq!(names.look_up("here.example:1", now + FRESH), found);
    }

    #[test]
    fn a_resolver_that_fails_takes_nothing_away() {
        let mut reactor = Reactor::new().unwrap();
        let mut names = Names::with(reactor.waker(), resolve);
        let now = Instant::now();
        let found = told(&mut names, &mut reactor, "here.example:1", now);
        names.resolve = |_| Err("out of order".into());
        names.questions = None;
        assert_eq!(told(&mut names, &mut reactor, "here.example:1", now + FRESH), found);
    }

    #[test]
    fn what_is_no_name_asks_nobody() {
        let reactor = Reactor::new().unwrap();
        let mut names = Names::with(reactor.waker(), resolve);
        let now = Instant::now();
        assert_eq!(names.look_up("/run/redis.sock", now), Lookup::Known(vec![Address::parse("/run/redis.sock").unwrap()]));
        assert_eq!(names.look_up("127.0.0.1:1", now), Lookup::Known(vec![Address::parse("127.0.0.1:1").unwrap()]));
        assert_eq!(names.look_up("a b:1", now), Lookup::Failed("a b:1: invalid host".into()));
        assert!(names.questions.is_none());
    }
}
