//! nginx as a mail proxy, from a private configuration.

use super::process::{Process, free_port, spawn_on_free_port};
use super::until;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use tempfile::TempDir;

pub struct Nginx {
    _process: Process,
    pub imap: u16,
    pub pop3: u16,
    pub smtp: u16,
    _folder: TempDir,
}

impl Nginx {
    /// A proxy for IMAP, POP3 and SMTP. `auth_http` is the value of that directive:
    /// `HOST:PORT/PATH` or `unix:SOCKET:/PATH`.
    pub fn mail_proxy(auth_http: &str) -> Nginx {
        Nginx::mail_proxy_as(auth_http, "")
    }

    /// As [`Nginx::mail_proxy`], with further directives.
    pub fn mail_proxy_as(auth_http: &str, directives: &str) -> Nginx {
        let folder = tempfile::Builder::new().prefix("loligo-nginx-").tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        loop {
            let (imap, pop3, smtp) = (free_port(), free_port(), free_port());
            let config = CONFIG.replace("@FOLDER@", path).replace("@AUTH_HTTP@", auth_http);
            let config = config.replace("@MORE@", directives);
            let config = config
                .replace("@IMAP@", &imap.to_string())
                .replace("@POP3@", &pop3.to_string())
                .replace("@SMTP@", &smtp.to_string());
            let file = folder.path().join("nginx.conf");
            std::fs::write(&file, config).unwrap();

            let mut command = Command::new("nginx");
            command.args(["-e", "stderr", "-p", path, "-c"]).arg(&file);
            let mut process = Process::spawn(&mut command, &folder.path().join("nginx.log"));
            // It ends if a port was taken after our look for a free one.
            let up = until("nginx to listen", || match process.ended() {
                Some(_) => Some(false),
                None => [imap, pop3, smtp]
                    .iter()
                    .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
                    .then_some(true),
            });
            if up {
                return Nginx { _process: process, imap, pop3, smtp, _folder: folder };
            }
            assert!(process.log().contains("in use"), "nginx ended");
        }
    }
}

/// nginx as a plain HTTP server, which answers 200 at `/health` and 404 elsewhere.
pub struct Web {
    process: Option<Process>,
    pub port: u16,
    folder: TempDir,
}

impl Web {
    pub fn start() -> Web {
        let folder = tempfile::Builder::new().prefix("loligo-nginx-").tempdir().unwrap();
        let (process, port) = spawn_on_free_port(
            &folder.path().join("nginx.log"),
            |port| web(&folder, port),
            listens,
        );
        Web { process: Some(process), port, folder }
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        let mut process = Process::spawn(
            &mut web(&self.folder, self.port),
            &self.folder.path().join("nginx.log"),
        );
        until("nginx to listen again", || {
            assert!(process.ended().is_none(), "nginx ended");
            listens(self.port).then_some(())
        });
        self.process = Some(process);
    }
}

/// nginx as a web server whose page `/private` is for those whom our server lets in.
pub struct AuthRequest {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl AuthRequest {
    /// `upstream` is our server: `HOST:PORT` or `unix:SOCKET:`.
    pub fn before(upstream: &str) -> AuthRequest {
        let folder = tempfile::Builder::new().prefix("loligo-nginx-").tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        let path = folder.path().to_str().unwrap();
        let command = |port: u16| {
            let location = AUTH_REQUEST.replace("@UPSTREAM@", upstream);
            let text = WEB.replace(PAGE_NOT_FOUND, &location).replace("@FOLDER@", path);
            std::fs::write(&file, text.replace("@PORT@", &port.to_string())).unwrap();
            let mut command = Command::new("nginx");
            command.args(["-e", "stderr", "-p", path, "-c"]).arg(&file);
            command
        };
        let (process, port) =
            spawn_on_free_port(&folder.path().join("nginx.log"), command, listens);
        AuthRequest { _process: process, port, _folder: folder }
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}

/// The last location of [`WEB`].
const PAGE_NOT_FOUND: &str = "location / {
      return 404;
    }";

/// As in the README. `try_files` and not `return`, which would answer before `auth_request` is asked.
const AUTH_REQUEST: &str = "root @FOLDER@;
    location /private {
      auth_request /auth;
      try_files /nginx.conf =404;
    }
    location = /auth {
      internal;
      proxy_pass http://@UPSTREAM@/api/v1/auth/basic;
      proxy_pass_request_body off;
      proxy_set_header Content-Length \"\";
      proxy_set_header X-Real-IP $remote_addr;
    }";

fn web(folder: &TempDir, port: u16) -> Command {
    let path = folder.path().to_str().unwrap();
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, WEB.replace("@FOLDER@", path).replace("@PORT@", &port.to_string()))
        .unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p", path, "-c"]).arg(&file);
    command
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

const WEB: &str = "
daemon off;
master_process off;
pid @FOLDER@/nginx.pid;
error_log stderr info;
events {
  worker_connections 64;
}
http {
  access_log off;
  client_body_temp_path @FOLDER@/body;
  proxy_temp_path @FOLDER@/proxy;
  fastcgi_temp_path @FOLDER@/fastcgi;
  uwsgi_temp_path @FOLDER@/uwsgi;
  scgi_temp_path @FOLDER@/scgi;
  server {
    listen 127.0.0.1:@PORT@;
    location = /health {
      return 200 up;
    }
    location / {
      return 404;
    }
  }
}
";

/// `master_process off`: one process, which needs no other user.
const CONFIG: &str = "
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
master_process off;
pid @FOLDER@/nginx.pid;
error_log stderr info;
events {
  worker_connections 64;
}
mail {
  server_name mail.example.test;
  auth_http @AUTH_HTTP@;
  proxy_pass_error_message on;
  @MORE@
  server {
    listen 127.0.0.1:@IMAP@;
    protocol imap;
    imap_auth plain login;
  }
  server {
    listen 127.0.0.1:@POP3@;
    protocol pop3;
    pop3_auth plain;
  }
  server {
    listen 127.0.0.1:@SMTP@;
    protocol smtp;
    smtp_auth plain login;
    # Logs in at the backend, as it does for IMAP and POP3.
    proxy_smtp_auth on;
    xclient off;
  }
}
";
