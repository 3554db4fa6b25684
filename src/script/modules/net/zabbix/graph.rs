//! Pictures of graphs. They are pages of the frontend, which has its own way to log in: a form, and
//! a cookie that the client keeps.

use super::{Bot, push_error, this};
use crate::op::{BlockingJob, Op, Ops, Subtask};
use crate::proto::url::query_escape;
use crate::script::disk;
use crate::script::ffi::{Call, Fault, Finish, Kind, Start};
use crate::script::modules::support::work;
use crate::upstream::http::{Client, Request, RequestError, Response};
use std::time::Duration;

/// `bot:save_graph(item_id, path[, settings])`. Logs in each time, as the frontend's session is
/// another than the API's and ends by itself.
pub(super) fn save(call: &Call<'_>) -> Result<Start, Fault> {
    let (bot, item, path) = (this(call)?, call.int(2)?, call.string(3)?.into_owned());
    let size = Size::read(call)?;
    let http = call.services().http.clone();
    let save = Subtask::new(move |ops| async move {
        let picture = picture(&ops, &http, &bot, item, &size).await?;
        let write = BlockingJob::new(move || disk::write_file(disk::path(&path), &picture));
        work::flat(ops.ask(Op::Blocking(write), Duration::MAX).await.done::<Result<(), String>>())
    });
    let finish = Finish::Boxed(Box::new(|call: &Call<'_>, answer| {
        Ok(Start::Done(match work::flat(answer.done::<Result<(), String>>()) {
            Ok(()) => 0,
            Err(error) => push_error(call, &error),
        }))
    }));
    Ok(Start::Wait { op: Op::Run(save), limit: Duration::MAX, finish })
}

/// How much time the picture shows, in seconds, and how large it is.
struct Size {
    period: i64,
    width: i64,
    height: i64,
}

impl Size {
    fn read(call: &Call<'_>) -> Result<Size, Fault> {
        let mut size = Size { period: 3600, width: 500, height: 300 };
        if call.is_none_or_nil(4) {
            return Ok(size);
        }
        call.table(4)?;
        for (name, value) in
            [("period", &mut size.period), ("width", &mut size.width), ("height", &mut size.height)]
        {
            match call.push_field(4, name) {
                Kind::Nil => {}
                Kind::Number => *value = call.raw_number(-1) as i64,
                kind => {
                    return Err(Fault::Argument(
                        4,
                        format!("{name} must be a number, got {}", kind.name()),
                    ));
                }
            }
            call.pop(1);
        }
        Ok(size)
    }
}

async fn picture(
    ops: &Ops,
    http: &Client,
    bot: &Bot,
    item: i64,
    size: &Size,
) -> Result<Vec<u8>, String> {
    let settings = &bot.0.settings;
    let form = format!(
        "name={}&password={}&autologin=1&enter=Sign+in",
        query_escape(settings.user.expose()),
        query_escape(settings.password.expose())
    );
    ask(ops, http, bot, Request::post(&settings.login, "application/x-www-form-urlencoded", form))
        .await?;
    let Size { period, width, height } = size;
    // Up to 3.4 the time is `period`; since then it is `from` and `to`.
    let url = format!(
        "{}?itemids%5B0%5D={item}&period={period}&from=now-{period}s&to=now&width={width}&height={height}",
        settings.chart
    );
    let response = ask(ops, http, bot, Request::get(url)).await?;
    if response.headers.get("Content-Type").is_some_and(|kind| kind.starts_with(b"text/html")) {
        return Err(format!(
            "{}: a page instead of a picture; is the user logged in?",
            settings.chart
        ));
    }
    Ok(response.body)
}

async fn ask(
    ops: &Ops,
    http: &Client,
    bot: &Bot,
    request: Result<Request, RequestError>,
) -> Result<Response, String> {
    let request = bot.dress(request.map_err(|error| error.to_string())?);
    let label = request.label();
    let response = http.send(ops, request).await.map_err(|error| error.to_string())?;
    if response.status == 200 {
        Ok(response)
    } else {
        Err(format!("{label}: status {}", response.status))
    }
}
