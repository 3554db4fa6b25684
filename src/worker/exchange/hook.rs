//! A custom hook: a script of the operator answers the request.

use super::kind::{self, Output};
use crate::auth::login::Login;
use crate::auth::pipeline;
use crate::auth::report::Event;
use crate::auth::request::{Request, Service};
use crate::auth::scripts::{ScriptError, StageKind};
use crate::dialect::envelope::Envelope;
use crate::dialect::hook;
use crate::epoch::Epoch;
use crate::op::Ops;
use crate::value::Value;
use crate::worker::local::Local;
use std::rc::Rc;

pub struct Job {
    pub(super) login: Box<Login>,
    index: usize,
}

impl Job {
    /// `index`: of the hook in the epoch.
    pub(super) fn new(mut login: Box<Login>, index: usize) -> Job {
        login.request.service = Service::Hook;
        Job { login, index }
    }

    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let Job { login, index } = self;
        let returned = pipeline::hook(&login, &local.host, index, &ops).await;
        Output::Answer(Box::new(Finished { login, returned }))
    }
}

struct Finished {
    login: Box<Login>,
    returned: Result<Value, ScriptError>,
}

impl kind::Finished for Finished {
    fn compose(&mut self, out: &mut Vec<u8>, epoch: &Epoch, envelope: &Envelope<'_>) -> u16 {
        let request = &self.login.request;
        let path = request.text(request.http.path);
        let location = path.strip_prefix(HOOKS).unwrap_or(path);
        let leading = location.iter().take_while(|byte| **byte == b'/').count();
        let location = location.get(leading..).unwrap_or_default();
        let content_type = epoch.hook_content_type(location, request.http.head.framing.method);
        let response = self.login.response.borrow();
        hook::compose(out, location, &self.returned, &response, content_type, envelope)
    }

    fn request(&self) -> &Request {
        &self.login.request
    }

    fn events(&mut self) -> Vec<Event> {
        match &self.returned {
            Ok(_) => Vec::new(),
            Err(error) => vec![Event::script_failed(StageKind::Hook, error, &self.login)],
        }
    }

    fn login(&self) -> Option<&Login> {
        Some(&self.login)
    }
}

const HOOKS: &[u8] = b"/api/v1/custom/";
