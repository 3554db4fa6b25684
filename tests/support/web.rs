//! nginx as a web server, from a private configuration.

use super::process::{Process, spawn_on_free_port};
use rcgen::{CertificateParams, CertifiedIssuer, DistinguishedName, KeyPair};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A web server; what it answers where is in [`LOCATIONS`].
pub struct Web {
    _process: Process,
    port: u16,
    scheme: &'static str,
    folder: TempDir,
}

/// The certificate that a web server shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For `localhost` and `127.0.0.1`.
    Good,
    Expired,
    /// For another host.
    OtherName,
}

impl Web {
    pub fn start() -> Web {
        Web::run(None)
    }

    /// By TLS. The authority that vouches for it is [`Web::authority`]'s.
    pub fn start_tls(certificate: Certificate) -> Web {
        Web::run(Some(certificate))
    }

    fn run(certificate: Option<Certificate>) -> Web {
        let folder = tempfile::Builder::new().prefix("loligo-web-").tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        std::fs::write(folder.path().join("big.txt"), "0123456789abcdef".repeat(20_000)).unwrap();
        std::fs::write(
            folder.path().join("included.txt"),
            "<!--#echo var=\"arg_x\" -->, chunked\n",
        )
        .unwrap();
        if let Some(certificate) = certificate {
            write_certificate(&folder, certificate);
        }
        let tls = if certificate.is_some() { "ssl" } else { "" };
        let keys = if tls.is_empty() {
            ""
        } else {
            "ssl_certificate cert.pem; ssl_certificate_key key.pem;"
        };
        let config = folder.path().join("nginx.conf");
        let (process, port) = spawn_on_free_port(
            &folder.path().join("nginx.log"),
            |port| {
                let text = CONFIG.replace("@FOLDER@", path).replace("@PORT@", &port.to_string());
                let text = text
                    .replace("@TLS@", tls)
                    .replace("@KEYS@", keys)
                    .replace("@LOCATIONS@", LOCATIONS);
                std::fs::write(&config, text).unwrap();
                let mut command = Command::new("nginx");
                command.args(["-e", "stderr", "-p", path, "-c"]).arg(&config);
                command
            },
            |port| TcpStream::connect(("127.0.0.1", port)).is_ok(),
        );
        Web {
            _process: process,
            port,
            scheme: if tls.is_empty() { "http" } else { "https" },
            folder,
        }
    }

    pub fn url(&self, path: &str) -> String {
        self.url_at("127.0.0.1", path)
    }

    pub fn url_at(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.port)
    }

    /// The certificate of the authority, as a file.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// Writes `cert.pem` and `key.pem` of a server, and `ca.pem` of the authority that vouches for it.
pub fn write_certificate(folder: &TempDir, certificate: Certificate) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name = DistinguishedName::new();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();

    let names = if certificate == Certificate::OtherName {
        vec!["other.test".into()]
    } else {
        vec!["localhost".into(), "127.0.0.1".into()]
    };
    let mut leaf = CertificateParams::new(names).unwrap();
    if certificate == Certificate::Expired {
        leaf.not_before = rcgen::date_time_ymd(2001, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    for (name, text) in
        [("ca.pem", authority.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
}

/// `$connection_requests` counts the requests of a connection: more than 1, and it was used again.
const LOCATIONS: &str = r#"
    location = /hello { return 200 "hello"; }
    location = /connection { return 200 "$connection_requests"; }
    location = /echo { return 200 "$request_method $request_uri $http_user_agent $http_authorization $http_cookie $http_referer"; }
    location = /status { return 503 "busy"; }
    location = /nothing { return 204; }
    location = /redirect { return 302 /echo?from=redirect; }
    location = /elsewhere { return 302 http://localhost:$server_port/echo; }
    location = /loop { return 302 /loop; }
    location = /again { return 307 /echo; }
    location = /cookie { add_header Set-Cookie "seen=yes; Path=/"; return 200 "set"; }
    location = /big.txt { gzip on; gzip_types text/plain; }
    location = /included.txt { ssi on; ssi_types text/plain; }
"#;

/// `master_process off`: one process, which needs no other user.
const CONFIG: &str = "
daemon off;
master_process off;
pid @FOLDER@/nginx.pid;
error_log stderr info;
events {
  worker_connections 256;
}
http {
  types { text/plain txt; }
  default_type text/plain;
  access_log off;
  root @FOLDER@;
  client_body_temp_path @FOLDER@;
  proxy_temp_path @FOLDER@;
  fastcgi_temp_path @FOLDER@;
  uwsgi_temp_path @FOLDER@;
  scgi_temp_path @FOLDER@;
  server {
    listen 127.0.0.1:@PORT@ @TLS@;
    @KEYS@
    @LOCATIONS@
  }
}
";
