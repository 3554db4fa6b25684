//! Addresses of PostgreSQL as scripts give them:
//! `postgres://user:password@host:port/db?sslmode=disable` or `host=h user=u password='p w'`.
//!
//! The environment of the process (`PGHOST` …) and the password file fill gaps. Errors never quote
//! what might be a password. Rules: libpq's pages on connection strings and the password file.

use crate::proto::http::{form_pairs, percent_decode};
use crate::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// An address, read.
#[derive(Clone, Debug, Default)]
pub struct Dsn {
    /// A name, an address, or the folder of a unix socket.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub database: String,
    pub tls: TlsMode,
    /// Certificates to trust instead of the system's.
    pub root_certificate: Option<PathBuf>,
    /// Our own certificate and key, for servers that ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
    pub connect_limit: Option<Duration>,
    /// Where passwords are looked up when the address holds none.
    pub password_file: Option<PathBuf>,
    /// What the session begins with, as `name, value`.
    pub parameters: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    /// Any certificate.
    #[default]
    Require,
    /// A trusted one, whatever name it is for.
    VerifyCa,
    VerifyFull,
}

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// The text is what stands there, empty where it might be a part of a password.
    #[error("missing \"=\"{0} in connection info string\"")]
    NoEquals(String),
    #[error("unterminated quoted string in connection info string")]
    NoQuote,
    #[error("invalid URL in connection info string")]
    Url,
    #[error(
        "pq: unsupported sslmode; only \"require\" (default), \"verify-full\", \"verify-ca\", and \"disable\" supported"
    )]
    TlsMode,
    #[error("pq: client_encoding must be absent or 'UTF8'")]
    Encoding,
    /// The name of the setting; its value is not shown.
    #[error("pq: invalid value for {0}")]
    Value(&'static str),
    #[error("pq: {0} is not supported")]
    Unsupported(&'static str),
}

impl Dsn {
    /// `environment` looks up a variable of the process.
    ///
    /// # Errors
    /// [`DsnError`].
    pub fn parse(
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Dsn, DsnError> {
        let mut reading = Reading::default();
        for (variable, name) in ENVIRONMENT {
            if let Some(value) = environment(variable) {
                reading.set(name, value)?;
            }
        }
        let pairs =
            match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
                Some(rest) => url_pairs(rest)?,
                None => word_pairs(text)?,
            };
        for (name, value) in pairs {
            reading.set(&name, value)?;
        }
        let home = |name| environment("HOME").map(|home| PathBuf::from(home).join(name));
        let user = || environment("USER").or_else(|| environment("LOGNAME")).unwrap_or_default();
        reading
            .finish(user, environment("PGPASSFILE").map(PathBuf::from).or_else(|| home(".pgpass")))
    }

    /// The path of the unix socket, if that is where the server is.
    pub fn socket(&self) -> Option<PathBuf> {
        self.host
            .starts_with('/')
            .then(|| PathBuf::from(&self.host).join(format!(".s.PGSQL.{}", self.port)))
    }

    /// The password that the text of a password file has for this address.
    pub fn password_in(&self, file: &str) -> Option<Secret> {
        let host = if self.host.starts_with('/') { "localhost" } else { &self.host };
        let port = self.port.to_string();
        let wanted = [host, &port, &self.database, &self.user];
        file.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = password_fields(line);
            let (password, keys) =
                fields.split_last().filter(|(_, keys)| keys.len() == wanted.len())?;
            let fits = keys.iter().zip(wanted).all(|(key, wanted)| key == "*" || key == wanted);
            fits.then(|| password.as_str().into())
        })
    }
}

/// An address half read.
#[derive(Default)]
struct Reading {
    dsn: Dsn,
    application_name: Option<String>,
    fallback_application_name: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Reading {
    fn set(&mut self, name: &str, value: String) -> Result<(), DsnError> {
        let dsn = &mut self.dsn;
        match name {
            "host" => dsn.host = value,
            "port" => dsn.port = value.parse().map_err(|_| DsnError::Value("port"))?,
            "user" => dsn.user = value,
            "password" => dsn.password = Secret::new(value),
            "dbname" | "database" => dsn.database = value,
            "sslmode" => dsn.tls = tls_of(&value)?,
            "sslrootcert" => dsn.root_certificate = some_path(value),
            "sslcert" => self.certificate = some_path(value),
            "sslkey" => self.key = some_path(value),
            "sslinline" if value == "true" => return Err(DsnError::Unsupported("sslinline")),
            "connect_timeout" => {
                let seconds = value.parse().map_err(|_| DsnError::Value("connect_timeout"))?;
                dsn.connect_limit =
                    Some(Duration::from_secs(seconds)).filter(|limit| !limit.is_zero());
            }
            "passfile" => dsn.password_file = some_path(value),
            "client_encoding" if !value.replace('-', "").eq_ignore_ascii_case("utf8") => {
                return Err(DsnError::Encoding);
            }
            "application_name" => self.application_name = Some(value),
            "fallback_application_name" => self.fallback_application_name = Some(value),
            // What this client does in one way only, or has set itself.
            "client_encoding"
            | "datestyle"
            | "extra_float_digits"
            | "binary_parameters"
            | "disable_prepared_binary_result" => {}
            "sslinline" | "sslsni" | "sslcompression" | "krbsrvname" | "krbspn" => {}
            _ => dsn.parameters.push((name.to_owned(), value)),
        }
        Ok(())
    }

    fn finish(
        self,
        user: impl FnOnce() -> String,
        password_file: Option<PathBuf>,
    ) -> Result<Dsn, DsnError> {
        let mut dsn = self.dsn;
        if dsn.host.is_empty() {
            dsn.host = DEFAULT_HOST.into();
        }
        if dsn.port == 0 {
            dsn.port = DEFAULT_PORT;
        }
        if dsn.user.is_empty() {
            dsn.user = user();
        }
        if dsn.database.is_empty() {
            dsn.database.clone_from(&dsn.user);
        }
        dsn.password_file = dsn.password_file.or(password_file);
        dsn.certificate = self.certificate.zip(self.key);
        // With an authority of its own, `require` means that the certificate must come from there.
        if dsn.tls == TlsMode::Require && dsn.root_certificate.is_some() {
            dsn.tls = TlsMode::VerifyCa;
        }
        let name = self.application_name.or(self.fallback_application_name).unwrap_or_default();
        let ours = [
            ("client_encoding", "UTF8"),
            ("datestyle", "ISO, MDY"),
            ("extra_float_digits", "2"),
            ("application_name", &name),
        ];
        dsn.parameters.extend(
            ours.into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.into(), value.into())),
        );
        let has_null = |text: &str| text.contains('\0');
        if dsn.parameters.iter().any(|(name, value)| has_null(name) || has_null(value))
            || has_null(&dsn.user)
            || has_null(&dsn.database)
        {
            return Err(DsnError::Value("a setting"));
        }
        Ok(dsn)
    }
}

type Pairs = Vec<(String, String)>;

/// Behind the scheme: `user:password@host:port/db?name=value`.
fn url_pairs(rest: &str) -> Result<Pairs, DsnError> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (place, ""),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut pairs = Pairs::new();
    for (name, value) in [
        ("user", user),
        ("password", password),
        ("host", host),
        ("port", port),
        ("dbname", database),
    ] {
        if !value.is_empty() {
            let value = percent_decode(value.as_bytes()).map_err(|_| DsnError::Url)?;
            pairs.push((name.to_owned(), String::from_utf8_lossy(&value).into_owned()));
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    pairs.extend(form_pairs(query.as_bytes()).map(|(name, value)| (text(&name), text(&value))));
    Ok(pairs)
}

/// `name=value name='a value'`, with backslashes to escape.
fn word_pairs(text: &str) -> Result<Pairs, DsnError> {
    let mut pairs = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let Some(behind) = behind.trim_start().strip_prefix('=') else {
            // What is no name, or comes later, may be a part of a password, perhaps in an address
            // of another kind.
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let may_be_shown = is_name && pairs.is_empty();
            return Err(DsnError::NoEquals(if may_be_shown {
                format!(" after \"{name}\"")
            } else {
                String::new()
            }));
        };
        let (value, behind) = word(behind.trim_start())?;
        pairs.push((name.to_owned(), value));
        rest = behind.trim_start();
    }
    Ok(pairs)
}

/// The value that `text` begins with, and what is behind it.
fn word(text: &str) -> Result<(String, &str), DsnError> {
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, body.get(at + 1..).unwrap_or_default())),
            c if c.is_whitespace() && !quoted => {
                return Ok((value, body.get(at..).unwrap_or_default()));
            }
            c => value.push(c),
        }
    }
    if quoted { Err(DsnError::NoQuote) } else { Ok((value, "")) }
}

/// The fields of a line of a password file: between colons, with backslashes to escape.
fn password_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|field| field.extend(chars.next())),
            c => fields.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    fields
}

fn tls_of(value: &str) -> Result<TlsMode, DsnError> {
    match value {
        "disable" => Ok(TlsMode::Disable),
        "require" | "" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyFull),
        _ => Err(DsnError::TlsMode),
    }
}

fn some_path(text: String) -> Option<PathBuf> {
    Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty())
}

/// Variables of the process that stand for settings.
const ENVIRONMENT: [(&str, &str); 15] = [
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGOPTIONS", "options"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGCLIENTENCODING", "client_encoding"),
    ("PGTZ", "timezone"),
    ("PGGEQO", "geqo"),
];

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Dsn, DsnError> {
        Dsn::parse(text, |_| None)
    }

    #[test]
    fn reads_what_scripts_give() {
        for (text, host, port, user, password, database) in [
            (
                "postgres://u:p%40w@db.example.org:6432/mail",
                "db.example.org",
                6432,
                "u",
                "p@w",
                "mail",
            ),
            ("postgresql://u@[::1]/mail?sslmode=disable", "::1", 5432, "u", "", "mail"),
            ("postgres://u@[::1]:7/", "::1", 7, "u", "", "u"),
            ("postgres:///mail?host=/run/pg&user=u&port=7", "/run/pg", 7, "u", "", "mail"),
            ("host=h port=7 user=u password='p w\\'x' dbname = d", "h", 7, "u", "p w'x", "d"),
            ("user=u password=a\\ b", "localhost", 5432, "u", "a b", "u"),
        ] {
            let dsn = parse(text).unwrap();
            assert_eq!(
                (dsn.host.as_str(), dsn.port, dsn.user.as_str(), dsn.database.as_str()),
                (host, port, user, database),
                "{text}"
            );
            assert!(dsn.password.matches(password.as_bytes()), "{text}");
        }
        assert_eq!(parse("host=/run/pg").unwrap().socket(), Some("/run/pg/.s.PGSQL.5432".into()));
        assert_eq!(parse("host=h").unwrap().socket(), None);
    }

    #[test]
    fn settings_are_taken() {
        let dsn = parse(
            "sslmode=require sslrootcert=/ca.pem sslcert=/c sslkey=/k connect_timeout=3 search_path=mail fallback_application_name=a",
        )
        .unwrap();
        assert_eq!((dsn.tls, dsn.connect_limit), (TlsMode::VerifyCa, Some(Duration::from_secs(3))));
        assert_eq!(dsn.certificate, Some(("/c".into(), "/k".into())));
        let parameters: Vec<_> =
            dsn.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            parameters,
            [
                "search_path=mail",
                "client_encoding=UTF8",
                "datestyle=ISO, MDY",
                "extra_float_digits=2",
                "application_name=a"
            ]
        );
    }

    #[test]
    fn the_environment_fills_gaps() {
        let environment = |name: &str| match name {
            "PGHOST" => Some("elsewhere".to_owned()),
            "PGPASSWORD" => Some("from there".to_owned()),
            "USER" => Some("me".to_owned()),
            "HOME" => Some("/home/me".to_owned()),
            _ => None,
        };
        let dsn = Dsn::parse("host=here sslmode=disable", environment).unwrap();
        assert_eq!(
            (dsn.host.as_str(), dsn.user.as_str(), dsn.database.as_str()),
            ("here", "me", "me")
        );
        assert!(dsn.password.matches(b"from there"));
        assert_eq!(dsn.password_file, Some("/home/me/.pgpass".into()));
    }

    #[test]
    fn the_password_file_is_searched_line_by_line() {
        let dsn = parse("host=h user=u dbname=d").unwrap();
        let file = "# h:5432:d:u:no\nh:5433:d:u:no\nshort\n*:*:d:u:a\\:b\\\\c:d\nh:5432:d:u:late";
        assert!(dsn.password_in(file).is_some_and(|password| password.matches(b"a:b\\c:d")));
        assert!(dsn.password_in("other:*:*:*:x").is_none());
        assert!(parse("host=/run user=u").unwrap().password_in("localhost:5432:u:u:x").is_some());
    }

    #[test]
    fn refuses_what_is_none() {
        for (text, error) in [
            ("garbage", "missing \"=\" after \"garbage\" in connection info string\""),
            ("u:hunter2@tcp(h)/d", "missing \"=\" in connection info string\""),
            ("password=hunter2 x", "missing \"=\" in connection info string\""),
            ("u:a=b hunter2 '@tcp(h)/d", "missing \"=\" in connection info string\""),
            ("password='hunter2", "unterminated quoted string in connection info string"),
            ("postgres://u:%zz@h/d", "invalid URL in connection info string"),
            ("port=x", "pq: invalid value for port"),
            ("client_encoding=latin1", "pq: client_encoding must be absent or 'UTF8'"),
            ("sslinline=true", "pq: sslinline is not supported"),
            ("postgres:///?search_path=%00", "pq: invalid value for a setting"),
        ] {
            assert_eq!(
                parse(text).err().map(|error| error.to_string()).as_deref(),
                Some(error),
                "{text}"
            );
        }
        for mode in ["prefer", "allow", "on"] {
            assert_eq!(parse(&format!("sslmode={mode}")).err(), Some(DsnError::TlsMode));
        }
    }

    proptest! {
        #[test]
        fn errors_never_show_the_password(text in "[ab:@/='?&% \\\\]{0,12}", url: bool) {
            let dsn = if url { format!("postgres://u:hunter2{text}") } else { format!("user=u password={text}hunter2 {text}") };
            if let Err(error) = parse(&dsn) {
                prop_assert!(!error.to_string().contains("hunter2"), "{dsn}: {error}");
            }
        }
    }
}
