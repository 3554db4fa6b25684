//! `ldap://HOST:PORT`, `ldaps://HOST:PORT`, `ldapi://PATH`: where a server is.

use std::path::PathBuf;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    Tcp {
        host: String,
        port: u16,
        /// TLS from the first byte on.
        tls: bool,
    },
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid LDAP server_uri: {0}")]
pub struct UriError(pub String);

impl Server {
    /// Reads a URI; what stands behind host and port (a base, a filter) does not count. The path of
    /// `ldapi` is percent-encoded.
    ///
    /// # Errors
    /// It is none of the three forms.
    pub fn parse(uri: &str) -> Result<Server, UriError> {
        let wrong = || UriError(uri.to_owned());
        let (scheme, rest) = uri.split_once("://").ok_or_else(wrong)?;
        if scheme.eq_ignore_ascii_case("ldapi") {
            // Clients spell the path both ways: ldapi://%2Frun%2Fldapi and ldapi:///run/ldapi.
            let path = crate::proto::http::percent_decode(rest.as_bytes())
                .ok()
                .and_then(|path| String::from_utf8(path.into_owned()).ok());
            return path
                .filter(|path| path.starts_with('/'))
                .map(|path| Server::Unix(path.into()))
                .ok_or_else(wrong);
        }
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => false,
            "ldaps" => true,
            _ => return Err(wrong()),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            None | Some("") => {
                if tls {
                    636
                } else {
                    389
                }
            }
            Some(port) => port.parse().map_err(|_| wrong())?,
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['[', ']', '@']) {
            return Err(wrong());
        }
        Ok(Server::Tcp { host: host.to_owned(), port, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_schemes() {
        let tcp = |host: &str, port, tls| Server::Tcp { host: host.into(), port, tls };
        for (uri, expected) in [
            ("ldap://ldap.example.org", tcp("ldap.example.org", 389, false)),
            ("LDAPS://ldap.example.org/", tcp("ldap.example.org", 636, true)),
            ("ldap://127.0.0.1:40389/o=x??sub", tcp("127.0.0.1", 40389, false)),
            ("ldap://[2001:db8::1]", tcp("2001:db8::1", 389, false)),
            ("ldap://[2001:db8::1]:3389", tcp("2001:db8::1", 3389, false)),
            ("ldapi://%2Frun%2Fslapd%2Fldapi", Server::Unix("/run/slapd/ldapi".into())),
            ("ldapi:///run/slapd/ldapi", Server::Unix("/run/slapd/ldapi".into())),
        ] {
            assert_eq!(Server::parse(uri), Ok(expected), "{uri}");
        }
        for uri in [
            "",
            "ldap.example.org",
            "http://x",
            "ldap://",
            "ldap://:389",
            "ldap://x:99999",
            "ldap://u@x",
            "ldapi://",
            "ldapi://%zz",
        ] {
            assert_eq!(Server::parse(uri), Err(UriError(uri.into())), "{uri}");
        }
    }
}
