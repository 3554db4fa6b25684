//! `zabbix`: Zabbix' JSON-RPC API, and pictures of its graphs.
//!
//! ```text
//! bot{ url=, user=, password=, … }[, http_client]     → a bot, or nil, err (also `new`; settings.rs: what the table may hold)
//! bot:login()  bot:logout()                           → nothing, or err
//! bot:request(method, params)                         → the result, or nil, err; `params` must be an object to JSON
//! bot:save_graph(item_id, path[, { period=, width=, height= }])   → nothing, or err (graph.rs)
//! ```
//!
//! JSON-RPC 2.0 by POST, the session in the body, requests numbered from 0. Logs in as `username`,
//! as Zabbix since 5.4 wants it, and as `user` if the server does not know that. Without a client
//! the limit is 10 s each. Rules: `lua/modules/zabbix.md`. Bounds: [`ANSWER_BYTES_MAX`], and those
//! of `upstream::http`.

mod graph;
mod settings;
#[cfg(test)]
mod tests;

use crate::op::Answer;
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::data::json;
use crate::script::modules::net::http::HttpClient;
use crate::secret::Secret;
use crate::upstream::http::{Client, Label, Request};
use serde_json::json;
use settings::Settings;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::rc::Rc;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["zabbix"],
    functions: &[Function { name: "bot", body: bot }, Function { name: "new", body: bot }],
    // They become methods by the Lua half.
    waiting: &[
        Waiting { name: "login", start: login },
        Waiting { name: "logout", start: logout },
        Waiting { name: "request", start: request },
        Waiting { name: "save_graph", start: graph::save },
    ],
    setup: Some(&SETUP),
    lua: Some(include_str!("../../../../../lua/host/zabbix.lua")),
};

static SETUP: Function = Function {
    name: "zabbix",
    body: |call| {
        call.register_type::<Bot>(&[]);
        call.push_type::<Bot>()?;
        call.set_field(1, "bot_type");
        Ok(0)
    },
};

/// What scripts hold.
#[derive(Clone)]
struct Bot(Rc<Account>);

struct Account {
    settings: Settings,
    client: HttpClient,
    session: RefCell<Option<Secret>>,
    /// The number of the next request.
    next: Cell<u64>,
}

/// `bot(settings[, http_client])`.
fn bot(call: &Call<'_>) -> Result<c_int, Fault> {
    call.table(1)?;
    let client = HttpClient::given(call, 2)?;
    match settings::read(call, 1) {
        Ok(settings) => {
            call.push_userdata(Bot(Rc::new(Account {
                settings,
                client,
                session: RefCell::default(),
                next: Cell::default(),
            })))?;
            Ok(1)
        }
        Err(error) => Ok(call.nil_and(error)),
    }
}

fn this(call: &Call<'_>) -> Result<Bot, Fault> {
    call.userdata::<Bot>(1).cloned().ok_or_else(|| Fault::Argument(1, "zabbix bot expected".into()))
}

/// `bot:login()`.
fn login(call: &Call<'_>) -> Result<Start, Fault> {
    this(call)?.login(call, "username")
}

/// `bot:logout()`.
fn logout(call: &Call<'_>) -> Result<Start, Fault> {
    let bot = this(call)?;
    if bot.0.session.borrow().is_none() {
        call.push_string(b"not logged in");
        return Ok(Start::Done(1));
    }
    bot.clone().ask(call, "user.logout", "[]", move |call, answer| {
        Ok(Start::Done(match answer {
            Ok(()) => {
                bot.0.session.take();
                0
            }
            Err(error) => push_error(call, &error),
        }))
    })
}

/// `bot:request(method, params)`.
fn request(call: &Call<'_>) -> Result<Start, Fault> {
    let (bot, method) = (this(call)?, call.text(2)?);
    let params = match json::text_of(call, 3) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(Fault::Message(error)) => return Ok(Start::Done(call.nil_and(error))),
        Err(other) => return Err(other),
    };
    if !params.starts_with('{') {
        return Ok(Start::Done(call.nil_and("params must be an object to JSON")));
    }
    bot.ask(call, &method, &params, |call, answer| {
        Ok(Start::Done(answer.map_or_else(|error| call.nil_and(error), |()| 1)))
    })
}

impl Bot {
    /// Logs in; `parameter` is what this server calls the user.
    fn login(self, call: &Call<'_>, parameter: &'static str) -> Result<Start, Fault> {
        let Settings { user, password, .. } = &self.0.settings;
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        let params = json!({ (parameter): text(user), "password": text(password) }).to_string();
        self.0.session.take();
        let bot = self.clone();
        self.ask(call, "user.login", &params, move |call, answer| {
            Ok(Start::Done(match answer {
                Ok(()) if call.kind(-1) == Kind::String => {
                    *bot.0.session.borrow_mut() = Some(Secret::new(call.bytes(-1)));
                    0
                }
                Ok(()) => push_error(call, "login was answered without a session"),
                Err(error) if parameter == "username" && error.contains("\"username\"") => {
                    return bot.login(call, "user");
                }
                Err(error) => push_error(call, &error),
            }))
        })
    }

    /// Asks; `finish` finds the result on top of the stack.
    fn ask(
        self,
        call: &Call<'_>,
        method: &str,
        params: &str,
        finish: impl FnOnce(&Call<'_>, Result<(), String>) -> Result<Start, Fault> + 'static,
    ) -> Result<Start, Fault> {
        let request = match Request::post(
            &self.0.settings.api,
            "application/json-rpc",
            self.body(method, params),
        ) {
            Ok(request) => self.dress(request),
            Err(error) => return finish(call, Err(error.to_string())),
        };
        let label = request.label();
        let finish = Finish::Boxed(Box::new(move |call: &Call<'_>, answer| {
            finish(call, push_result(call, answer, &label))
        }));
        Ok(Start::Wait { op: call.services().http.op(request), limit: Duration::MAX, finish })
    }

    /// The request by the client's way, with its headers.
    fn dress(&self, request: Request) -> Request {
        let mut request = self.0.client.dress(request);
        request.limits.body_bytes_max = ANSWER_BYTES_MAX;
        request
    }

    fn body(&self, method: &str, params: &str) -> String {
        let id = self.0.next.replace(self.0.next.get().wrapping_add(1));
        let session = self.0.session.borrow();
        let auth = session.as_ref().map(|session| {
            format!(",\"auth\":{}", json!(String::from_utf8_lossy(session.expose())))
        });
        format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":{},\"params\":{params},\"id\":{id}{}}}",
            json!(method),
            auth.unwrap_or_default()
        )
    }
}

/// Pushes the `result` of an answer.
///
/// # Errors
/// `error CODE: TEXT`, as Zabbix says it; or why there is no answer.
fn push_result(call: &Call<'_>, answer: Answer, label: &Label) -> Result<(), String> {
    let response = Client::outcome(answer, label).map_err(|error| error.to_string())?;
    call.collect_for(response.body.len());
    json::push_decoded(call, &response.body)
        .map_err(|error| format!("{label}: status {}: {error}", response.status))?;
    let answer = call.len();
    if call.kind(answer) != Kind::Table {
        return Err(format!("{label}: status {}: the answer is not an object", response.status));
    }
    if call.push_field(answer, "error") == Kind::Table {
        let error = call.len();
        let text = |name| match call.push_field(error, name) {
            Kind::Nil => String::new(),
            _ => call.display(-1),
        };
        let (code, message, data) = (text("code"), text("message"), text("data"));
        return Err(format!("error {code}: {}", if data.is_empty() { message } else { data }));
    }
    call.push_field(answer, "result");
    Ok(())
}

fn push_error(call: &Call<'_>, error: &str) -> c_int {
    call.push_string(error.as_bytes());
    1
}

/// Of an answer, and of a picture.
const ANSWER_BYTES_MAX: usize = 8 << 20;
