//! Addresses of MySQL as scripts give them: `user:password@tcp(host:port)/database?parseTime=true`.
//!
//! The last `/` ends the address, the last `@` before it the credentials, the first `:` in those
//! the user. Only the database's name and the values of parameters are percent-decoded. Errors
//! never quote the credentials, nor what might be a part of them.

use super::row::Dates;
use crate::proto::http::form_pairs;
use crate::secret::Secret;
use crate::time::parse_go_duration;
use jiff::tz::TimeZone;
use std::time::Duration;

/// An address, read.
#[derive(Clone, Debug)]
pub struct Dsn {
    pub user: String,
    pub password: Secret,
    pub net: Net,
    pub database: String,
    pub tls: TlsMode,
    pub dates: Dates,
    /// `columnsWithAlias`: names of columns are `table.column`.
    pub names_with_table: bool,
    pub client_found_rows: bool,
    pub multi_statements: bool,
    pub allow_clear_text: bool,
    pub allow_native: bool,
    pub allow_old: bool,
    /// Drop a connection whose server has become read-only, so that the next one goes to another.
    pub reject_read_only: bool,
    /// Look whether an idle connection is alive before it is used.
    pub check_liveness: bool,
    /// To be tried in turn; empty: what the greeting sets, utf8mb4.
    pub charsets: Vec<String>,
    pub collation: String,
    /// Limits of connecting, of each wait for the server, of each sending.
    pub connect_limit: Option<Duration>,
    pub read_limit: Option<Duration>,
    pub write_limit: Option<Duration>,
    /// Bytes of a statement.
    pub packet_bytes_max: usize,
    /// Session variables, as `name=value`.
    pub variables: Vec<(String, String)>,
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Net {
    Tcp(String, u16),
    Unix(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    #[default]
    Off,
    On,
    SkipVerify,
    /// As `SkipVerify` if the server can, else none.
    Preferred,
}

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    #[error("invalid DSN: missing the slash separating the database name")]
    NoSlash,
    #[error("invalid DSN: network address not terminated (missing closing brace)")]
    NoBrace,
    #[error("invalid DSN: malformed parameters (an invalid escape, or a missing '=')")]
    Parameters,
    /// The text is empty where it might be a part of the credentials.
    #[error("default addr for network{0} unknown")]
    Network(String),
    #[error("invalid DSN: the port is not a number")]
    Port,
    /// The name of the parameter; its value is not shown.
    #[error("invalid value for parameter {0}")]
    Value(String),
}

impl Dsn {
    /// # Errors
    /// [`DsnError`].
    pub fn parse(text: &str) -> Result<Dsn, DsnError> {
        let (address, rest) = text.rsplit_once('/').ok_or(DsnError::NoSlash)?;
        let (database, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, net) = address.rsplit_once('@').unwrap_or(("", address));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        // Where the slash stands within a password, or this is an address of another kind, what
        // looks like the network may be secret.
        let is_plain = address.contains('@')
            && !rest.contains('@')
            && !credentials.contains(char::is_whitespace);
        let mut dsn = Dsn {
            user: user.to_owned(),
            password: password.into(),
            net: net_of(net, is_plain)?,
            database: decoded(database)?,
            ..Dsn::default()
        };
        let mut zone = TimeZone::UTC;
        let pairs: Vec<_> = form_pairs(parameters.as_bytes()).collect();
        if pairs.len() != parameters.split('&').filter(|pair| !pair.is_empty()).count() {
            return Err(DsnError::Parameters);
        }
        for (name, value) in pairs {
            dsn.set(&String::from_utf8_lossy(&name), &String::from_utf8_lossy(&value), &mut zone)?;
        }
        if matches!(dsn.dates, Dates::Seconds(_)) {
            dsn.dates = Dates::Seconds(zone);
        }
        Ok(dsn)
    }

    fn set(&mut self, name: &str, value: &str, zone: &mut TimeZone) -> Result<(), DsnError> {
        let bad = || DsnError::Value(name.to_owned());
        let flag = || boolean(value).ok_or_else(bad);
        let limit = || parse_go_duration(value).map_err(|_| bad());
        match name {
            "parseTime" => {
                self.dates = if flag()? { Dates::Seconds(TimeZone::UTC) } else { Dates::Text }
            }
            "loc" => *zone = zone_of(value).ok_or_else(bad)?,
            "columnsWithAlias" => self.names_with_table = flag()?,
            "clientFoundRows" => self.client_found_rows = flag()?,
            "multiStatements" => self.multi_statements = flag()?,
            "allowCleartextPasswords" => self.allow_clear_text = flag()?,
            "allowNativePasswords" => self.allow_native = flag()?,
            "allowOldPasswords" => self.allow_old = flag()?,
            "rejectReadOnly" => self.reject_read_only = flag()?,
            "checkConnLiveness" => self.check_liveness = flag()?,
            // Nothing to do: files are never sent, placeholders are the server's, and compression
            // is not spoken.
            "allowAllFiles" | "interpolateParams" | "compress" => drop(flag()?),
            "allowFallbackToPlaintext" => {
                self.tls = if flag()? { TlsMode::Preferred } else { self.tls }
            }
            "charset" => self.charsets = value.split(',').map(str::to_owned).collect(),
            "collation" => self.collation = value.to_owned(),
            "timeout" => self.connect_limit = some(limit()?),
            "readTimeout" => self.read_limit = some(limit()?),
            "writeTimeout" => self.write_limit = some(limit()?),
            "maxAllowedPacket" => self.packet_bytes_max = value.parse().map_err(|_| bad())?,
            "tls" => self.tls = tls_of(value).ok_or_else(bad)?,
            "connectionAttributes" | "timeTruncate" => {}
            // A key registered with the program: there is no way to register one.
            "serverPubKey" => return Err(bad()),
            _ => self.variables.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }
}

impl Default for Dsn {
    fn default() -> Dsn {
        Dsn {
            user: String::new(),
            password: Secret::default(),
            net: Net::Tcp(DEFAULT_HOST.into(), DEFAULT_PORT),
            database: String::new(),
            tls: TlsMode::Off,
            dates: Dates::Text,
            names_with_table: false,
            client_found_rows: false,
            multi_statements: false,
            allow_clear_text: false,
            allow_native: true,
            allow_old: false,
            reject_read_only: false,
            check_liveness: true,
            charsets: Vec::new(),
            collation: String::new(),
            connect_limit: None,
            read_limit: None,
            write_limit: None,
            packet_bytes_max: 64 << 20,
            variables: Vec::new(),
        }
    }
}

/// `tcp(host:port)`, `unix(/path)`, `tcp`, or nothing.
fn net_of(text: &str, may_be_shown: bool) -> Result<Net, DsnError> {
    let (kind, address) = match text.split_once('(') {
        Some((kind, rest)) => (kind, rest.strip_suffix(')').ok_or(DsnError::NoBrace)?),
        None => (text, ""),
    };
    match (kind, address) {
        ("" | "tcp", "") => Ok(Net::Tcp(DEFAULT_HOST.into(), DEFAULT_PORT)),
        ("" | "tcp" | "tcp4" | "tcp6", address) => {
            let (host, port) = host_and_port(address).ok_or(DsnError::Port)?;
            Ok(Net::Tcp(host.into(), port))
        }
        ("unix", "") => Ok(Net::Unix(DEFAULT_SOCKET.into())),
        ("unix", path) => Ok(Net::Unix(path.into())),
        (other, _) if may_be_shown => Err(DsnError::Network(format!(" '{other}'"))),
        _ => Err(DsnError::Network(String::new())),
    }
}

/// `host`, `host:port`, `[::1]`, `[::1]:port`.
fn host_and_port(address: &str) -> Option<(&str, u16)> {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((host, port.parse().ok()?)),
        _ => Some((address, DEFAULT_PORT)),
    }
}

fn decoded(text: &str) -> Result<String, DsnError> {
    let bytes =
        crate::proto::http::percent_decode(text.as_bytes()).map_err(|_| DsnError::Parameters)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

fn zone_of(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" => Some(TimeZone::UTC),
        "Local" => Some(TimeZone::system()),
        _ => TimeZone::get(name).ok(),
    }
}

fn tls_of(value: &str) -> Option<TlsMode> {
    match value.to_ascii_lowercase().as_str() {
        "skip-verify" => Some(TlsMode::SkipVerify),
        "preferred" => Some(TlsMode::Preferred),
        other => boolean(other).map(|on| if on { TlsMode::On } else { TlsMode::Off }),
    }
}

/// Zero means no limit.
fn some(limit: Duration) -> Option<Duration> {
    Some(limit).filter(|limit| !limit.is_zero())
}

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 3306;
const DEFAULT_SOCKET: &str = "/tmp/mysql.sock";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_scripts_give() {
        for (text, user, password, net, database) in [
            (
                "u:pw@tcp(db.example.org:3307)/mail",
                "u",
                "pw",
                Net::Tcp("db.example.org".into(), 3307),
                "mail",
            ),
            ("u:p:w@/x@y/@tcp(h)/d%2fe", "u", "p:w@/x@y/", Net::Tcp("h".into(), 3306), "d/e"),
            ("u@unix(/run/db.sock)/", "u", "", Net::Unix("/run/db.sock".into()), ""),
            ("u@unix/d", "u", "", Net::Unix("/tmp/mysql.sock".into()), "d"),
            ("tcp([::1]:7)/d", "", "", Net::Tcp("[::1]".into(), 7), "d"),
            ("tcp([::1])/d", "", "", Net::Tcp("[::1]".into(), 3306), "d"),
            ("/", "", "", Net::Tcp("127.0.0.1".into(), 3306), ""),
        ] {
            let dsn = Dsn::parse(text).unwrap();
            assert_eq!(
                (dsn.user.as_str(), dsn.database.as_str(), dsn.net),
                (user, database, net),
                "{text}"
            );
            assert!(dsn.password.matches(password.as_bytes()), "{text}");
        }
    }

    #[test]
    fn parameters_are_taken() {
        let dsn = Dsn::parse("/d?parseTime=true&loc=Europe%2FBerlin&timeout=1.5s&readTimeout=0&tls=skip-verify&clientFoundRows=1&maxAllowedPacket=0&sql_mode=%27ANSI%27").unwrap();
        assert!(
            matches!(&dsn.dates, Dates::Seconds(zone) if zone.iana_name() == Some("Europe/Berlin"))
        );
        assert_eq!((dsn.connect_limit, dsn.read_limit), (Some(Duration::from_millis(1500)), None));
        assert_eq!(
            (dsn.tls, dsn.client_found_rows, dsn.packet_bytes_max),
            (TlsMode::SkipVerify, true, 0)
        );
        assert_eq!(dsn.variables, [("sql_mode".to_owned(), "'ANSI'".to_owned())]);
    }

    #[test]
    fn refuses_what_is_none() {
        for (text, error) in [
            (
                "user:pw@tcp(127.0.0.1:3306)",
                "invalid DSN: missing the slash separating the database name",
            ),
            ("user:pw@host:3306/db", "default addr for network 'host:3306' unknown"),
            ("user:pw/db", "default addr for network unknown"),
            ("user:my@pass/word@host/db", "default addr for network 'host' unknown"),
            ("user:my@pass/word@host", "default addr for network unknown"),
            ("user=u password='@secret/'", "default addr for network unknown"),
            ("u@tcp(h:1/d", "invalid DSN: network address not terminated (missing closing brace)"),
            ("u@tcp(h:x)/d", "invalid DSN: the port is not a number"),
            ("/d?parseTime=perhaps", "invalid value for parameter parseTime"),
            ("/d?loc=Mars", "invalid value for parameter loc"),
            ("/d?timeout=5", "invalid value for parameter timeout"),
            ("/d?tls=custom", "invalid value for parameter tls"),
            ("/d?a=%zz", "invalid DSN: malformed parameters (an invalid escape, or a missing '=')"),
        ] {
            assert_eq!(
                Dsn::parse(text).err().map(|error| error.to_string()).as_deref(),
                Some(error),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn errors_never_show_the_password(text in "[ab:@/()?&=%x]{0,12}", around in 0usize..3) {
            let dsn = match around {
                0 => format!("u:hunter2{text}@tcp(h)/d"),
                1 => format!("u:hunter2@{text}"),
                _ => format!("u:{text}hunter2/{text}"),
            };
            if let Err(error) = Dsn::parse(&dsn) {
                prop_assert!(!error.to_string().contains("hunter2"), "{dsn}: {error}");
            }
        }
    }
}
