//! What no client waits for: post actions, init scripts, exports of spans.

use super::kind::{Background, Output};
use crate::auth::login::Login;
use crate::auth::pipeline;
use crate::auth::report::Event;
use crate::auth::request::Request;
use crate::auth::run::Stores;
use crate::auth::scripts::StageKind;
use crate::op::Ops;
use crate::trace::{Span, otlp};
use crate::upstream::http;
use crate::worker::local::Local;
use std::rc::Rc;
use std::time::Duration;

/// The post actions of a login whose answer is out.
pub struct PostActions(pub Box<Login>);

impl PostActions {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let PostActions(login) = self;
        let Local { epoch, host, state, process, .. } = &*local;
        let stores = Stores { results: &process.results, state };
        let events = pipeline::post_actions(&login, host, &epoch.policy, stores, &ops).await;
        Output::Background(Background::PostActions(login, events))
    }
}

/// The init scripts.
pub struct Init;

impl Init {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let login = Box::new(Login::new(Request::default()));
        let errors = local.host.init(&login, &ops).await;
        let event = |error| Event::script_failed(StageKind::Init, error, &login);
        Output::Background(Background::Init(errors.iter().map(event).collect()))
    }
}

/// Sends spans to the collector.
pub struct Export(pub Vec<Span>);

impl Export {
    pub async fn run(self, local: Rc<Local>, ops: Ops) -> Output {
        let Export(spans) = self;
        let sent = export(&local, &spans, &ops).await;
        Output::Background(Background::Exported(spans.len(), sent))
    }
}

async fn export(local: &Local, spans: &[Span], ops: &Ops) -> Result<(), String> {
    let Some(to) = &local.epoch.tracing else { return Ok(()) };
    let body = otlp::encode(&to.service, env!("CARGO_PKG_VERSION"), spans);
    let request = http::Request::post(&to.url, "application/json", body)
        .map_err(|error| error.to_string())?;
    let mut request = request.timeout(EXPORT_MAX);
    request.tls = to.tls.clone();
    let client = &local.host.state().services().http;
    match client.send(ops, request).await.map_err(|error| error.to_string())?.status {
        200..=299 => Ok(()),
        status => Err(format!("the collector answered with status {status}")),
    }
}

/// How long an export may take: as OpenTelemetry's own exporters have it.
pub const EXPORT_MAX: Duration = Duration::from_secs(10);
