//! `telegram`: bots that send messages by Telegram's Bot API.
//!
//! ```text
//! bot(token[, http_client[, url]])       → a bot; raises if the client is none
//! bot:sendMessage{ chat_id=, text=, … }  → the message, or nil, err    (methods.rs: what each method takes; message.rs: what comes back)
//! bot:getUpdates()                       → a list; the next call asks for those behind it
//! bot:getOffset()                        → the number of the first update that was not seen
//! ```
//!
//! `url` is another server of the Bot API than Telegram's own, such as one of the operator's. Forms
//! go the client's way but without its headers, uploads with them, as in the original; without a
//! client the limit is 10 s. The token is part of every URL: it is in no error text. Rules:
//! `lua/modules/telegram.md`. Bounds: [`ANSWER_BYTES_MAX`], and those of `upstream::http`.

mod message;
mod methods;
#[cfg(test)]
mod tests;

use crate::op::{Answer, BlockingJob, Op};
use crate::proto::url::{Url, escape_path};
use crate::script::ffi::{Call, Fault, Finish, Function, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::data::json;
use crate::script::modules::net::http::HttpClient;
use crate::script::modules::support::work;
use crate::secret::Secret;
use crate::upstream::http::{Client, Label, Request};
use methods::{Method, Photo};
use std::cell::Cell;
use std::ffi::c_int;
use std::rc::Rc;
use std::time::Duration;

pub static MODULE: Module = Module {
    names: &["telegram"],
    // All but `bot` become methods by the Lua half.
    functions: &[Function { name: "bot", body: bot }, Function { name: "getOffset", body: offset }],
    waiting: &[
        Waiting { name: "sendMessage", start: |call| send(call, &methods::SEND_MESSAGE) },
        Waiting { name: "forwardMessage", start: |call| send(call, &methods::FORWARD_MESSAGE) },
        Waiting { name: "editMessageText", start: |call| send(call, &methods::EDIT_MESSAGE_TEXT) },
        Waiting {
            name: "editMessageCaption",
            start: |call| send(call, &methods::EDIT_MESSAGE_CAPTION),
        },
        Waiting {
            name: "editMessageReplyMarkup",
            start: |call| send(call, &methods::EDIT_MESSAGE_REPLY_MARKUP),
        },
        Waiting { name: "deleteMessage", start: |call| send(call, &methods::DELETE_MESSAGE) },
        Waiting { name: "sendPhoto", start: send_photo },
        Waiting { name: "getUpdates", start: updates },
    ],
    setup: Some(&SETUP),
    lua: Some(include_str!("../../../../../lua/host/telegram.lua")),
};

static SETUP: Function = Function {
    name: "telegram",
    body: |call| {
        call.register_type::<Bot>(&[]);
        call.push_type::<Bot>()?;
        call.set_field(1, "bot_type");
        Ok(0)
    },
};

/// What scripts hold.
#[derive(Clone)]
struct Bot {
    /// As it stands in URLs.
    token: Secret,
    /// Of the Bot API, without a slash at its end.
    url: String,
    client: HttpClient,
    /// Of the first update that was not seen.
    offset: Rc<Cell<i64>>,
}

/// What a method returns.
#[derive(Clone, Copy)]
enum Outcome {
    Message,
    Updates,
}

fn bot(call: &Call<'_>) -> Result<c_int, Fault> {
    let token = escape_path(&call.string(1)?);
    let client = HttpClient::given(call, 2)?;
    let url = if call.is_none_or_nil(3) {
        API_URL.into()
    } else {
        call.text(3)?.trim_end_matches('/').to_owned()
    };
    if let Err(error) = Url::parse(&url) {
        return Err(Fault::Argument(3, error.to_string()));
    }
    call.push_userdata(Bot { token: Secret::new(token), url, client, offset: Rc::default() })?;
    Ok(1)
}

fn this<'a>(call: &'a Call<'_>) -> Result<&'a Bot, Fault> {
    call.userdata::<Bot>(1).ok_or_else(|| Fault::Argument(1, "telegram bot expected".into()))
}

/// `bot:getOffset()`.
fn offset(call: &Call<'_>) -> Result<c_int, Fault> {
    call.push_number(this(call)?.offset.get() as f64);
    Ok(1)
}

/// A method that sends a form.
fn send(call: &Call<'_>, method: &Method) -> Result<Start, Fault> {
    let bot = this(call)?;
    call.table(2)?;
    Ok(match method.pairs(call, 2) {
        Ok(pairs) => bot.post_form(call, method.name, &pairs, Outcome::Message),
        Err(error) => Start::Done(call.nil_and(format!("{}: {error}", method.name))),
    })
}

/// `bot:sendPhoto{…}`: the file is read first, which waits too.
fn send_photo(call: &Call<'_>) -> Result<Start, Fault> {
    let (bot, method) = (this(call)?.clone(), &methods::SEND_PHOTO);
    call.table(2)?;
    let form = match methods::photo(call, 2) {
        Ok(Photo::Known(pairs)) => {
            return Ok(bot.post_form(call, method.name, &pairs, Outcome::Message));
        }
        Ok(Photo::File(form)) => form,
        Err(error) => return Ok(Start::Done(call.nil_and(format!("{}: {error}", method.name)))),
    };
    let finish = Finish::Boxed(Box::new(move |call: &Call<'_>, answer: Answer| {
        Ok(match work::flat(answer.done::<Result<(String, Vec<u8>), String>>()) {
            Ok((content_type, body)) => {
                let request = bot
                    .request(method.name, &content_type, body)
                    .map(|request| bot.client.dress(request));
                bot.post(call, request, Outcome::Message)
            }
            Err(error) => Start::Done(call.nil_and(error)),
        })
    }));
    Ok(Start::Wait {
        op: Op::Blocking(BlockingJob::new(move || form.compose())),
        limit: Duration::MAX,
        finish,
    })
}

/// `bot:getUpdates()`.
fn updates(call: &Call<'_>) -> Result<Start, Fault> {
    let bot = this(call)?;
    if !call.is_none_or_nil(2) {
        return Ok(Start::Done(call.nil_and("getUpdates: takes no settings")));
    }
    let pairs = match bot.offset.get() {
        0 => Vec::new(),
        offset => vec![("offset", offset.to_string().into_bytes())],
    };
    Ok(bot.post_form(call, "getUpdates", &pairs, Outcome::Updates))
}

impl Bot {
    fn post_form(
        &self,
        call: &Call<'_>,
        method: &str,
        pairs: &[methods::Pair],
        outcome: Outcome,
    ) -> Start {
        let request =
            self.request(method, "application/x-www-form-urlencoded", methods::form(pairs));
        self.post(call, request.map(|request| self.client.carry(request)), outcome)
    }

    fn request(&self, method: &str, content_type: &str, body: Vec<u8>) -> Result<Request, String> {
        let url =
            [self.url.as_bytes(), b"/bot", self.token.expose(), b"/", method.as_bytes()].concat();
        let mut request = Request::post(url, content_type, body)
            .map_err(|error| self.masked(error.to_string()))?;
        request.limits.body_bytes_max = ANSWER_BYTES_MAX;
        Ok(request)
    }

    /// Asks, and makes the answer the function's results.
    fn post(&self, call: &Call<'_>, request: Result<Request, String>, outcome: Outcome) -> Start {
        let request = match request {
            Ok(request) => request,
            Err(error) => return Start::Done(call.nil_and(error)),
        };
        let (bot, label) = (self.clone(), request.label());
        let finish = move |call: &Call<'_>, answer: Answer| {
            let count = match bot.push_result(call, answer, &label) {
                Ok(()) => {
                    match outcome {
                        Outcome::Message => message::complete(call),
                        Outcome::Updates => bot.seen(message::complete_updates(call)),
                    }
                    1
                }
                Err(error) => call.nil_and(bot.masked(error)),
            };
            Ok(Start::Done(count))
        };
        Start::Wait {
            op: call.services().http.op(request),
            limit: Duration::MAX,
            finish: Finish::Boxed(Box::new(finish)),
        }
    }

    /// Pushes the `result` of an answer; an error is what Telegram says, or why there is none.
    fn push_result(&self, call: &Call<'_>, answer: Answer, label: &Label) -> Result<(), String> {
        let response = Client::outcome(answer, label).map_err(|error| error.to_string())?;
        call.collect_for(response.body.len());
        json::push_decoded(call, &response.body)
            .map_err(|error| format!("{label}: status {}: {error}", response.status))?;
        let answer = call.len();
        if call.kind(answer) != Kind::Table {
            return Err(format!(
                "{label}: status {}: the answer is not an object",
                response.status
            ));
        }
        let accepted = call.push_field(answer, "ok") == Kind::Bool && call.truthy(-1);
        if accepted {
            call.push_field(answer, "result");
            return Ok(());
        }
        Err(match call.push_field(answer, "description") {
            Kind::String => call.display(-1),
            _ => format!("{label}: status {}: refused without a description", response.status),
        })
    }

    /// The next call asks for updates behind this one.
    fn seen(&self, last: Option<i64>) {
        let next = last.map_or(0, |last| last.saturating_add(1));
        self.offset.set(self.offset.get().max(next));
    }

    /// A text without the token, should a URL be in it.
    fn masked(&self, text: String) -> String {
        text.replace(&format!("/bot{}/", String::from_utf8_lossy(self.token.expose())), "/bot***/")
    }
}

const API_URL: &str = "https://api.telegram.org";

/// Of an answer. A hundred updates, the most there are at a time, take a few hundred kilobytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
