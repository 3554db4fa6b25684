//! Administration: what brute force blocks, flushes of blocks and of caches, the configuration.

use super::kind::{self, Background, Context, Next, Output, take};
use crate::auth::admin::{self, Blocked, JobState};
use crate::auth::brute_force::rules::Flush;
use crate::auth::report::{Event, Level};
use crate::auth::request::{Request, SessionId};
use crate::auth::run::Stores;
use crate::dialect::admin::{self as dialect, Endpoint, Filter, Question};
use crate::dialect::bans::{self, NewBan};
use crate::dialect::envelope::Envelope;
use crate::epoch::Epoch;
use crate::op::Ops;
use crate::state::{Ban, Error, NotBanned, Subject};
use crate::worker::local::Local;
use std::rc::Rc;

pub(super) fn open(
    request: &mut Request,
    endpoint: Endpoint,
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Next<Job> {
    let Context { local, envelope, .. } = context;
    let (envelope, session) = (&envelope, request.session);
    let question = match endpoint {
        Endpoint::ConfigLoad => {
            let status = dialect::config(out, &local.epoch.effective, &session, envelope);
            return Next::Answered(status, None);
        }
        Endpoint::Job => {
            let id = dialect::job_id(request.text(request.http.path));
            let state = local.process.jobs.get(&id);
            let status = dialect::job(out, &id, state.as_ref(), &session, envelope);
            return Next::Answered(status, None);
        }
        Endpoint::BruteForceList => dialect::filter(request).map(Question::Blocked),
        Endpoint::BruteForceFlush | Endpoint::BruteForceFlushLater => {
            dialect::flush(request).map(Question::Flush)
        }
        Endpoint::CacheFlush => dialect::forget(request).map(Question::Forget),
        Endpoint::Bans => Ok(Question::Bans),
        Endpoint::Ban => bans::new_ban(request).map(Question::Ban),
        Endpoint::Unban => bans::subject(request).map(Question::Unban),
    };
    match question {
        Err(rejection) => Next::Answered(dialect::rejected(out, &rejection, envelope), None),
        Ok(Question::Flush(flush)) if endpoint == Endpoint::BruteForceFlushLater => {
            local.process.jobs.set(session.as_str(), JobState::Queued);
            let status = dialect::queued(out, &session, envelope);
            Next::AnsweredFirst(status, Job::FlushLater(session, flush))
        }
        Ok(question) => Next::Run(Job::Ask(take(request), question)),
    }
}

pub enum Job {
    Ask(Box<Request>, Question),
    /// A flush whose answer is out already.
    FlushLater(SessionId, Flush),
}

impl Job {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let (request, question) = match self {
            Job::Ask(request, question) => (request, question),
            Job::FlushLater(session, flush) => {
                return flush_later(session, flush, &local, &ops).await;
            }
        };
        let Local { epoch, state, process, .. } = &*local;
        let policy = &epoch.policy;
        let stores = Stores { results: &process.results, state };
        let answer = match question {
            Question::Blocked(filter) => Answer::Blocked(filter, admin::blocked(state, &ops).await),
            Question::Flush(flush) => {
                let removed = admin::flush(&policy.brute_force, state, &ops, &flush).await;
                Answer::Flushed(flush, removed)
            }
            Question::Bans => Answer::Bans(state.bans(&ops).await),
            Question::Ban(ban) => {
                let NewBan { subject, time, reason } = ban;
                Answer::Banned(state.ban(&ops, subject, time, reason).await)
            }
            Question::Unban(subject) => {
                let was = state.unban(&ops, &subject).await;
                Answer::Unbanned(subject, was)
            }
            Question::Forget(user) => {
                let removed = admin::forget(policy, stores, &ops, &user).await;
                Answer::Forgotten(user, removed)
            }
        };
        Output::Answer(Box::new(Finished { request, answer }))
    }
}

struct Finished {
    request: Box<Request>,
    answer: Answer,
}

/// Removed are keys.
enum Answer {
    Blocked(Filter, Blocked),
    Flushed(Flush, Result<Vec<Vec<u8>>, Error>),
    Forgotten(String, Result<Vec<Vec<u8>>, Error>),
    Bans(Result<Vec<Ban>, Error>),
    Banned(Result<Ban, NotBanned>),
    Unbanned(Subject, Result<bool, Error>),
}

impl kind::Finished for Finished {
    fn compose(&mut self, out: &mut Vec<u8>, _: &Epoch, envelope: &Envelope<'_>) -> u16 {
        let session = &self.request.session;
        match &self.answer {
            Answer::Blocked(filter, blocked) => {
                dialect::list(out, blocked, filter, session, envelope)
            }
            Answer::Flushed(flush, removed) => {
                dialect::flushed(out, flush, removed, session, envelope)
            }
            Answer::Forgotten(user, removed) => {
                dialect::forgotten(out, user, removed, session, envelope)
            }
            Answer::Bans(all) => bans::list(out, all, session, envelope),
            Answer::Banned(banned) => bans::banned(out, banned, session, envelope),
            Answer::Unbanned(_, was) => bans::unbanned(out, was, session, envelope),
        }
    }

    fn request(&self) -> &Request {
        &self.request
    }

    fn events(&mut self) -> Vec<Event> {
        match &self.answer {
            Answer::Blocked(..) | Answer::Bans(_) => Vec::new(),
            Answer::Banned(banned) => vec![ban_event(banned)],
            Answer::Unbanned(subject, was) => vec![unban_event(subject, was)],
            Answer::Flushed(flush, removed) => flush_events(flush, removed),
            Answer::Forgotten(user, removed) => forget_events(user, removed),
        }
    }
}

/// The line about a ban by hand: whom, until when and why.
fn ban_event(banned: &Result<Ban, NotBanned>) -> Event {
    let failed = |error: String| Event::new(Level::Error, "Ban failed").with("error", error);
    match banned {
        Ok(ban) => {
            let event = about(Event::new(Level::Warn, "Banned by an operator"), &ban.subject);
            let until = ban.details.until.map_or("never".to_owned(), |until| until.to_string());
            event.with("until_ms", until).with("ban_reason", ban.details.reason.as_str())
        }
        Err(NotBanned::TooMany) => failed("too many bans".to_owned()),
        Err(NotBanned::Failed(error)) => failed(error.to_string()),
    }
}

fn unban_event(subject: &Subject, was: &Result<bool, Error>) -> Event {
    match was {
        Ok(was) => {
            let event = about(Event::new(Level::Warn, "Ban lifted by an operator"), subject);
            event.with("status", if *was { "lifted" } else { "not banned" })
        }
        Err(error) => {
            let event = about(Event::new(Level::Error, "Lifting a ban failed"), subject);
            event.with("error", error.to_string())
        }
    }
}

fn about(event: Event, subject: &Subject) -> Event {
    match subject {
        Subject::Network(network) => event.with("rule_network", network.to_string()),
        Subject::User(name) => event.with("rule_user", name.as_str()),
    }
}

async fn flush_later(session: SessionId, flush: Flush, local: &Local, ops: &Ops) -> Output {
    let removed = admin::flush(&local.epoch.policy.brute_force, &local.state, ops, &flush).await;
    let done =
        removed.clone().map_or_else(|error| JobState::Failed(error.to_string()), JobState::Done);
    local.process.jobs.set(session.as_str(), done);
    Output::Background(Background::Flushed(flush_events(&flush, &removed)))
}

/// A line for every key that went with a user.
fn forget_events(user: &str, removed: &Result<Vec<Vec<u8>>, Error>) -> Vec<Event> {
    match removed {
        Ok(keys) => {
            let line = |key: &Vec<u8>| {
                Event::new(Level::Info, "Cache")
                    .with("user", user)
                    .with("keys", key.as_slice())
                    .with("status", "flushed")
            };
            keys.iter().map(line).collect()
        }
        Err(error) => vec![
            Event::new(Level::Error, "Flush failed")
                .with("user", user)
                .with("error", error.to_string()),
        ],
    }
}

/// A line for every key that a flush removed.
fn flush_events(flush: &Flush, removed: &Result<Vec<Vec<u8>>, Error>) -> Vec<Event> {
    let about = |event: Event| {
        event.with("ip_address", flush.address.to_string()).with("rule_name", flush.rule.as_str())
    };
    match removed {
        Ok(keys) => {
            let line = |key: &Vec<u8>| {
                Event::new(Level::Info, "Brute force")
                    .with("keys", key.as_slice())
                    .with("status", "flushed")
            };
            keys.iter().map(|key| about(line(key))).collect()
        }
        Err(error) => {
            vec![about(Event::new(Level::Error, "Flush failed").with("error", error.to_string()))]
        }
    }
}
