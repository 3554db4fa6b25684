//! `http.client`: settings, cookies, and the sending.

use super::request::HttpRequest;
use crate::proto::http::client::Headers;
use crate::script::disk;
use crate::script::ffi::{Call, Fault, Finish, Kind, Start};
use crate::script::modules::support::work;
use crate::secret::Secret;
use crate::tls::{CertificateFiles, ClientTls, ClientTlsSettings};
use crate::upstream::http::{Cause, Client, Jar, Proxy, Redirects, Request, Response};
use std::ffi::c_int;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A client of a script. Other modules that take one send their requests by [`HttpClient::carry`]
/// or [`HttpClient::dress`]. Clones share their cookies.
#[derive(Clone)]
pub struct HttpClient {
    timeout: Duration,
    user_agent: String,
    headers: Headers,
    basic_auth: Option<(Secret, Secret)>,
    proxy: Option<Arc<Proxy>>,
    tls: Option<ClientTls>,
    jar: Rc<Jar>,
}

impl Default for HttpClient {
    /// What `client()` gives.
    fn default() -> HttpClient {
        HttpClient {
            timeout: TIMEOUT,
            user_agent: USER_AGENT.into(),
            headers: Headers::default(),
            basic_auth: None,
            proxy: None,
            tls: None,
            jar: Rc::default(),
        }
    }
}

impl HttpClient {
    /// The client that a script gave as an argument, or else a usual one.
    ///
    /// # Errors
    /// [`Fault::Argument`] for anything but a client and nil.
    pub fn given(call: &Call<'_>, at: c_int) -> Result<HttpClient, Fault> {
        match call.userdata::<HttpClient>(at) {
            Some(client) => Ok(client.clone()),
            None if call.is_none_or_nil(at) => Ok(HttpClient::default()),
            None => Err(Fault::Argument(at, "http client expected".into())),
        }
    }

    /// The request by this client's way: its time limit, proxy, TLS and cookies, but not its
    /// headers.
    pub fn carry(&self, mut request: Request) -> Request {
        request.timeout = self.timeout;
        request.redirects = Redirects::Always;
        request.proxy.clone_from(&self.proxy);
        request.tls.clone_from(&self.tls);
        request.jar = Some(self.jar.clone());
        request
    }

    /// The request as this client sends it, its headers over the request's own.
    pub fn dress(&self, request: Request) -> Request {
        let mut request = self.carry(request);
        if let Some((user, password)) = &self.basic_auth {
            request.set_basic_auth(user.expose(), password.expose());
        }
        request.headers.set("User-Agent", self.user_agent.as_str());
        for (name, value) in self.headers.iter() {
            request.headers.set(name, value);
        }
        request
    }
}

/// `client([options])`. `debug` is accepted and without effect: what it would log may hold
/// credentials. Reading certificates makes the script wait.
pub(super) fn new(call: &Call<'_>) -> Result<Start, Fault> {
    let mut client = HttpClient::default();
    let mut files = Files::default();
    if !call.is_none_or_nil(1) {
        call.table(1)?;
        options(call, &mut client, &mut files)?;
    }
    if files.are_none() {
        if files.insecure {
            client.tls = Some(
                call.services().http.settings().tls.unverified.clone().map_err(Fault::Message)?,
            );
        }
        call.push_userdata(client)?;
        return Ok(Start::Done(1));
    }
    let settings = files.settings();
    Ok(work::on_helper(
        move || ClientTls::new(&settings).map_err(|error| error.to_string()),
        move |call, done| {
            client.tls = Some(work::flat(done).map_err(Fault::Message)?);
            call.push_userdata(client)?;
            Ok(1)
        },
    ))
}

/// Certificates of a client of its own.
#[derive(Default)]
struct Files {
    insecure: bool,
    roots: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Files {
    fn are_none(&self) -> bool {
        self.roots.is_none() && self.certificate.is_none()
    }

    fn settings(self) -> ClientTlsSettings {
        let certificate = self
            .certificate
            .zip(self.key)
            .map(|(certificate, key)| CertificateFiles { certificate, key });
        ClientTlsSettings {
            ca_file: self.roots,
            certificate,
            skip_verify: self.insecure,
            ..ClientTlsSettings::default()
        }
    }
}

fn options(call: &Call<'_>, client: &mut HttpClient, files: &mut Files) -> Result<(), Fault> {
    if let Some(seconds) = number(call, "timeout")? {
        // None is what the script's own time leaves.
        client.timeout = if seconds > 0.0 {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        } else {
            Duration::MAX
        };
    }
    if let Some(agent) = string(call, "user_agent")? {
        client.user_agent = String::from_utf8_lossy(&agent).into_owned();
    }
    headers(call, &mut client.headers)?;
    let user = string(call, "basic_auth_user")?.map(Secret::new);
    client.basic_auth = user.zip(string(call, "basic_auth_password")?.map(Secret::new));
    if let Some(url) = string(call, "proxy")? {
        client.proxy =
            Some(Arc::new(Proxy::parse(&url).map_err(|error| Fault::message(error.to_string()))?));
    }
    files.insecure = boolean(call, "insecure_ssl")?;
    boolean(call, "debug")?;
    let path = |name| Ok::<_, Fault>(string(call, name)?.map(|text| disk::path(&text).to_owned()));
    files.roots = path("root_cas_pem_file")?;
    files.certificate = path("client_public_cert_pem_file")?;
    files.key = path("client_private_key_pem_file")?;
    if files.certificate.is_some() != files.key.is_some() {
        return Err(Fault::message(
            "client_public_cert_pem_file and client_private_key_pem_file go together",
        ));
    }
    Ok(())
}

/// A field of the options; `None` for nil.
fn field<T>(
    call: &Call<'_>,
    name: &str,
    kind: Kind,
    read: impl FnOnce() -> T,
) -> Result<Option<T>, Fault> {
    let found = call.push_field(1, name);
    let value = match found {
        Kind::Nil | Kind::None => Ok(None),
        found if found == kind => Ok(Some(read())),
        found => Err(Fault::Argument(
            1,
            format!("{name} must be a {}, got {}", kind.name(), found.name()),
        )),
    };
    call.pop(1);
    value
}

fn string(call: &Call<'_>, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    field(call, name, Kind::String, || call.bytes(-1).to_vec())
}

fn number(call: &Call<'_>, name: &str) -> Result<Option<f64>, Fault> {
    field(call, name, Kind::Number, || call.raw_number(-1))
}

fn boolean(call: &Call<'_>, name: &str) -> Result<bool, Fault> {
    Ok(field(call, name, Kind::Bool, || call.truthy(-1))?.unwrap_or_default())
}

fn headers(call: &Call<'_>, headers: &mut Headers) -> Result<(), Fault> {
    let read = || {
        call.for_each(-1, |call| {
            if call.kind(-2) != Kind::String || call.kind(-1) != Kind::String {
                return Err(Fault::Argument(1, "headers must be a table of strings".into()));
            }
            headers.set(&String::from_utf8_lossy(call.bytes(-2)), call.bytes(-1));
            Ok(())
        })
    };
    field(call, "headers", Kind::Table, read)?.unwrap_or(Ok(()))
}

/// `client:do_request(request)`.
pub(super) fn do_request(call: &Call<'_>) -> Result<Start, Fault> {
    let client = call
        .userdata::<HttpClient>(1)
        .ok_or_else(|| Fault::Argument(1, "http client expected".into()))?;
    let request = call
        .userdata::<HttpRequest>(2)
        .ok_or_else(|| Fault::Argument(2, "http request expected".into()))?;
    let request = client.dress(request.0.borrow().clone());
    let label = request.label();
    let op = call.services().http.op(request);
    let finish = Finish::Boxed(Box::new(move |call: &Call<'_>, answer| {
        let count = match Client::outcome(answer, &label) {
            Ok(response) => push(call, &response),
            Err(error) if error.cause == Cause::Deadline => {
                call.nil_and(format!("{error} (Client.Timeout exceeded while awaiting headers)"))
            }
            Err(error) => call.nil_and(error.to_string()),
        };
        Ok(Start::Done(count))
    }));
    Ok(Start::Wait { op, limit: Duration::MAX, finish })
}

fn push(call: &Call<'_>, response: &Response) -> i32 {
    call.push_table(0, 3);
    let table = call.len();
    call.push_number(f64::from(response.status));
    call.set_field(table, "code");
    call.push_string(&response.body);
    call.set_field(table, "body");
    call.push_table(0, 8);
    for (name, _) in response.headers.iter() {
        call.push_string(response.headers.get(name).unwrap_or_default());
        call.set_field(-2, name);
    }
    call.set_field(table, "headers");
    1
}

/// For everything, unless the options say otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the original calls itself.
const USER_AGENT: &str = "gopher-lua";
