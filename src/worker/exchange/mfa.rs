//! The back channel for second factors: a function of a backend is called.

use super::kind::{self, Context, Next, Output, login};
use crate::auth::login::Login;
use crate::auth::mfa;
use crate::auth::report::Event;
use crate::auth::request::Request;
use crate::auth::run::Stores;
use crate::dialect::envelope::Envelope;
use crate::dialect::mfa::{self as dialect, Endpoint, Question};
use crate::epoch::Epoch;
use crate::op::Ops;
use crate::worker::local::Local;
use std::rc::Rc;

pub(super) fn open(
    request: &mut Request,
    endpoint: Endpoint,
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Next<Job> {
    let mut login = login(request);
    match dialect::read(&mut login, endpoint) {
        Ok(question) => Next::Run(Job { login, question }),
        Err(error) => {
            *request = login.request;
            Next::Answered(dialect::rejected(out, error, &context.envelope), None)
        }
    }
}

pub struct Job {
    pub(super) login: Box<Login>,
    question: Question,
}

impl Job {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let Job { login, question } = self;
        let Local { epoch, host, state, process, .. } = &*local;
        let stores = Stores { results: &process.results, state };
        let Question { backend_name, call, .. } = question;
        let (answer, event) =
            mfa::call(&login, &backend_name, call, host, &epoch.policy, stores, &ops).await;
        Output::Answer(Box::new(Finished { login, answer, event }))
    }
}

struct Finished {
    login: Box<Login>,
    answer: mfa::Reply,
    event: Option<Event>,
}

impl kind::Finished for Finished {
    fn compose(&mut self, out: &mut Vec<u8>, _: &Epoch, envelope: &Envelope<'_>) -> u16 {
        dialect::compose(out, &self.answer, envelope)
    }

    fn request(&self) -> &Request {
        &self.login.request
    }

    fn events(&mut self) -> Vec<Event> {
        self.event.take().into_iter().collect()
    }

    fn login(&self) -> Option<&Login> {
        Some(&self.login)
    }
}
