//! Dovecot from a private configuration: IMAP, POP3, submission and LMTP, behind a proxy, asking
//! our server or taking mail.
//!
//! Has to run as root, as Dovecot insists on users of its own for its parts.

use super::process::{Process, free_port};
use super::until;
use super::web::{Certificate, write_certificate};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

pub struct Dovecot {
    process: Option<Process>,
    pub imap: u16,
    pub pop3: u16,
    pub submission: u16,
    pub lmtp: u16,
    folder: TempDir,
    _printed: Option<TempDir>,
}

impl Dovecot {
    /// One that lets everybody in: the proxy before it asks our server.
    pub fn behind_proxy() -> Dovecot {
        Dovecot::start(PASSDB_ANY, &[], NO_RELAY)
    }

    /// One whose Lua passdb and userdb ask our server over JSON, with the files in `printed`, as
    /// `loligo integrate dovecot` has written them.
    pub fn asking(printed: TempDir) -> Dovecot {
        let include =
            format!("!include {}\n", printed.path().join("auth-loligo.conf.ext").display());
        let dovecot = Dovecot::start(&include, &[], NO_RELAY);
        Dovecot { _printed: Some(printed), ..dovecot }
    }

    /// One that knows `ada@example.org` and `bob@example.org`, password `right`: it takes mail for
    /// them by LMTP, and by submission, with TLS, what it passes on to an SMTP server at the port
    /// `relay`.
    pub fn taking_mail(relay: u16) -> Dovecot {
        Dovecot::start(&[PASSDB_FILE, TLS].concat(), &[("users", USERS)], relay)
    }

    /// The certificate of the authority that vouches for its TLS, as a file.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn start(passdb: &str, files: &[(&str, &str)], relay: u16) -> Dovecot {
        let folder = tempfile::Builder::new().prefix("loligo-dovecot-").tempdir().unwrap();
        // Dovecot's users look for their files here and make mailboxes.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mail = folder.path().join("mail");
        std::fs::create_dir(&mail).unwrap();
        std::fs::set_permissions(&mail, PermissionsExt::from_mode(0o777)).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        write_certificate(&folder, Certificate::Good);
        loop {
            let (imap, pop3, submission, lmtp) =
                (free_port(), free_port(), free_port(), free_port());
            let config = [SETTINGS, passdb].concat();
            let config = config.replace("@FOLDER@", folder.path().to_str().unwrap());
            let config =
                config.replace("@IMAP@", &imap.to_string()).replace("@POP3@", &pop3.to_string());
            let config = config
                .replace("@SUBMISSION@", &submission.to_string())
                .replace("@LMTP@", &lmtp.to_string());
            let config = config.replace("@RELAY@", &relay.to_string());
            std::fs::write(folder.path().join("dovecot.conf"), config).unwrap();

            let mut process = spawn(&folder);
            let listens = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
            // It ends if a port was taken after our look for a free one.
            let up = until("Dovecot to listen", || match process.ended() {
                Some(_) => Some(false),
                None => [imap, pop3, submission, lmtp].into_iter().all(listens).then_some(true),
            });
            if up {
                return Dovecot {
                    process: Some(process),
                    imap,
                    pop3,
                    submission,
                    lmtp,
                    folder,
                    _printed: None,
                };
            }
            assert!(process.log().contains("in use"), "Dovecot ended; are we root?");
        }
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        let mut process = spawn(&self.folder);
        let ports = [self.imap, self.pop3, self.submission, self.lmtp];
        until("Dovecot to listen again", || {
            assert!(process.ended().is_none(), "Dovecot ended");
            ports
                .into_iter()
                .all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok())
                .then_some(())
        });
        self.process = Some(process);
    }

    /// Runs `doveadm` on it.
    pub fn doveadm(&self, arguments: &[&str]) -> Output {
        Command::new("doveadm")
            .arg("-c")
            .arg(self.folder.path().join("dovecot.conf"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The folder where an account's mail is, once it has logged in.
    pub fn mailbox(&self, account: &str) -> PathBuf {
        self.folder.path().join("mail").join(account)
    }
}

fn spawn(folder: &TempDir) -> Process {
    let mut command = Command::new("dovecot");
    command.arg("-F").arg("-c").arg(folder.path().join("dovecot.conf"));
    Process::spawn(&mut command, &folder.path().join("dovecot.log"))
}

const SETTINGS: &str = "
base_dir = @FOLDER@/run
state_dir = @FOLDER@/state
log_path = /dev/stderr
auth_verbose = yes
protocols = imap pop3 submission lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_chars =
auth_failure_delay = 0
mail_location = maildir:@FOLDER@/mail/%u
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
service imap-login {
  inet_listener imap {
    port = @IMAP@
  }
  inet_listener imaps {
    port = 0
  }
}
service pop3-login {
  inet_listener pop3 {
    port = @POP3@
  }
  inet_listener pop3s {
    port = 0
  }
}
service submission-login {
  inet_listener submission {
    port = @SUBMISSION@
  }
  inet_listener submissions {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    port = @LMTP@
  }
}
submission_relay_host = 127.0.0.1
submission_relay_port = @RELAY@
";

/// Nobody listens there.
const NO_RELAY: u16 = 1;

const PASSDB_FILE: &str = "
passdb {
  driver = passwd-file
  args = @FOLDER@/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=@FOLDER@/mail/%u
}
";

const USERS: &str = "ada@example.org:{PLAIN}right\nbob@example.org:{PLAIN}right\n";

const TLS: &str = "
ssl = yes
ssl_cert = <@FOLDER@/cert.pem
ssl_key = <@FOLDER@/key.pem
";

/// Lets everybody in: what the proxy passes on, our server has checked.
const PASSDB_ANY: &str = "
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup
}
";
