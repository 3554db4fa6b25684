//! The list of all accounts that the backends know (`mode=list-accounts`).

use super::kind::{self, Next, Output, login};
use crate::auth::login::Login;
use crate::auth::pipeline;
use crate::auth::report::{Event, Report};
use crate::auth::request::Request;
use crate::auth::run::Stores;
use crate::dialect::envelope::Envelope;
use crate::dialect::list_accounts::{self, Format};
use crate::epoch::Epoch;
use crate::op::Ops;
use crate::worker::local::Local;
use std::rc::Rc;

pub(super) fn open(request: &mut Request, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Next<Job> {
    match Format::of(request) {
        Some(format) => Next::Run(Job { login: login(request), format }),
        None => Next::Answered(list_accounts::unacceptable(out, envelope), None),
    }
}

pub struct Job {
    pub(super) login: Box<Login>,
    format: Format,
}

impl Job {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let Job { login, format } = self;
        let Local { epoch, host, state, process, .. } = &*local;
        let stores = Stores { results: &process.results, state };
        let (accounts, report) =
            pipeline::list_accounts(&login, host, &epoch.policy, stores, &ops).await;
        Output::Answer(Box::new(Finished { login, accounts, report, format }))
    }
}

struct Finished {
    login: Box<Login>,
    accounts: Vec<Vec<u8>>,
    report: Report,
    format: Format,
}

impl kind::Finished for Finished {
    fn compose(&mut self, out: &mut Vec<u8>, _: &Epoch, envelope: &Envelope<'_>) -> u16 {
        list_accounts::compose(out, std::mem::take(&mut self.accounts), self.format, envelope)
    }

    fn request(&self) -> &Request {
        &self.login.request
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.report.events)
    }

    fn login(&self) -> Option<&Login> {
        Some(&self.login)
    }

    fn report(&self) -> Option<&Report> {
        Some(&self.report)
    }
}
