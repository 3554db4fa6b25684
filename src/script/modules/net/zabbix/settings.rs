//! The table that a bot is made of.

use crate::proto::url::Url;
use crate::script::ffi::{Call, Fault, Kind};
use crate::secret::Secret;

/// Where the server is, and who asks.
pub(super) struct Settings {
    pub user: Secret,
    pub password: Secret,
    /// URLs, each whole: of the API, of the page to log in by, of the pictures of graphs.
    pub api: String,
    pub login: String,
    pub chart: String,
}

/// Reads the table at `at`. `api`, `login` and `chat` (the original's spelling) are paths below
/// `url` or whole URLs; `debug` is accepted and without effect: what it would log holds
/// credentials.
///
/// # Errors
/// A text for scripts: there is no `url`, a name is unknown, a value is of another type.
pub(super) fn read(call: &Call<'_>, at: i32) -> Result<Settings, String> {
    let (mut base, mut user, mut password) = (String::new(), Secret::default(), Secret::default());
    let (mut api, mut login, mut chart) = (API.to_owned(), LOGIN.to_owned(), CHART.to_owned());
    let read = call.for_each(at, |call| {
        let name = call.display(-2);
        if name == "debug" && call.kind(-1) == Kind::Bool {
            return Ok(());
        }
        if !PARAMETERS.contains(&name.as_str()) {
            return Err(Fault::Message(format!("unknown config parameter: {name}")));
        }
        if call.kind(-1) != Kind::String {
            return Err(Fault::Message(format!(
                "{name} must be a string, got {}",
                call.kind(-1).name()
            )));
        }
        let text = || call.display(-1);
        match name.as_str() {
            "url" | "base_url" => base = text(),
            "user" | "username" => user = Secret::new(call.bytes(-1)),
            "password" | "passwd" => password = Secret::new(call.bytes(-1)),
            "api" | "api_url" => api = text(),
            "login" | "login_url" => login = text(),
            _ => chart = text(),
        }
        Ok(())
    });
    read.map_err(|fault| match fault {
        Fault::Message(text) => text,
        _ => "unknown config parameter".to_owned(),
    })?;
    if base.is_empty() {
        return Err("base_url must be set".into());
    }
    let whole = |path: &str| {
        let url = if path.contains("://") {
            path.to_owned()
        } else {
            format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
        };
        Url::parse(&url).map(|_| url).map_err(|error| error.to_string())
    };
    Ok(Settings { user, password, api: whole(&api)?, login: whole(&login)?, chart: whole(&chart)? })
}

const PARAMETERS: &[&str] = &[
    "url",
    "base_url",
    "user",
    "username",
    "password",
    "passwd",
    "api",
    "api_url",
    "login",
    "login_url",
    "chat",
    "chat_url",
    "debug",
];

const API: &str = "api_jsonrpc.php";
const LOGIN: &str = "index.php";
const CHART: &str = "chart.php";
