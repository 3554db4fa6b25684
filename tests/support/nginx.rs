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
    /// A proxy for IMAP, POP3 and SMTP with the configuration `nginx.conf` in `folder`, as
    /// `loligo integrate nginx` has written it. Only its ports are changed.
    pub fn mail_proxy(folder: TempDir) -> Nginx {
        let file = folder.path().join("nginx.conf");
        let printed = std::fs::read_to_string(&file).unwrap();
        // Where Debian's nginx finds it below its own folder.
        std::os::unix::fs::symlink("/usr/lib/nginx/modules", folder.path().join("modules"))
            .unwrap();
        loop {
            let (imap, pop3, smtp) = (free_port(), free_port(), free_port());
            let config = [(143, imap), (110, pop3), (587, smtp)].into_iter().fold(
                printed.clone(),
                |config, (usual, port)| {
                    let listen = format!("listen {usual};");
                    assert!(config.contains(&listen), "{config}");
                    config.replace(&listen, &format!("listen 127.0.0.1:{port};"))
                },
            );
            std::fs::write(&file, config).unwrap();
            let mut process =
                Process::spawn(&mut printed_nginx(&folder), &folder.path().join("nginx.log"));
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

/// nginx on a printed configuration: one process, which needs no other user, in the foreground.
fn printed_nginx(folder: &TempDir) -> Command {
    let path = folder.path().to_str().unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p", path, "-c", "nginx.conf", "-g"]).arg(format!(
        "daemon off; master_process off; pid {path}/nginx.pid; error_log stderr info;"
    ));
    command
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

/// nginx as a web server whose pages below `/private` are for those whom our server lets in.
pub struct AuthRequest {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl AuthRequest {
    /// With the configuration `nginx.conf` in `folder`, as `loligo integrate nginx-auth-request` has
    /// written it. Only its port and folders are changed.
    pub fn start(folder: TempDir) -> AuthRequest {
        let file = folder.path().join("nginx.conf");
        let printed = std::fs::read_to_string(&file).unwrap();
        let path = folder.path().to_str().unwrap();
        std::fs::create_dir(folder.path().join("private")).unwrap();
        std::fs::write(folder.path().join("private/page"), "for users").unwrap();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {path}/{what};"));
        let command = |port: u16| {
            let text = [
                ("http {", format!("http {{ access_log off; {}", temporary.concat())),
                ("listen 80;", format!("listen 127.0.0.1:{port};")),
                ("root /var/www/html;", format!("root {path};")),
            ]
            .into_iter()
            .fold(printed.clone(), |text, (from, to)| {
                assert!(text.contains(from), "{text}");
                text.replace(from, &to)
            });
            std::fs::write(&file, text).unwrap();
            printed_nginx(&folder)
        };
        let (process, port) =
            spawn_on_free_port(&folder.path().join("nginx.log"), command, listens);
        AuthRequest { _process: process, port, _folder: folder }
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}

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
